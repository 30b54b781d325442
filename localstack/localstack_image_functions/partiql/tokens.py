"""The words of a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localstack_image_functions.errors import ImageFunctionsError

STRING, NAME, NUMBER, WORD, SIGN, END = "string", "name", "number", "word", "sign", "end"
_TOKEN = re.compile(
    r"""\s*(?:
    '(?P<string>(?:[^']|'')*)'
    |"(?P<name>(?:[^"]|"")*)"
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign><<|>>|<=|>=|<>|!=|[=<>(),.\[\]{}:?+*-])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class StatementWord:
    """A word with its kind."""

    kind: str
    text: str


class NotWellFormed(ImageFunctionsError):
    """A statement that can't be read, or not with these parameters: see the message."""


def not_well_formed(word: StatementWord) -> NotWellFormed:
    """That this word can't stand where it stands."""
    what = "its end" if word.kind == END else repr(word.text)
    return NotWellFormed(f"Statement wasn't well formed, can't be processed: Unexpected {what}")


def _words(statement: str) -> Iterator[StatementWord]:
    position, end = 0, len(statement.rstrip().rstrip(";").rstrip())
    while position < end:
        found = _TOKEN.match(statement, position)
        if found is None or found.lastgroup is None:
            raise not_well_formed(StatementWord(SIGN, statement[position:].strip()[:1]))
        kind, position = found.lastgroup, found.end()
        text = found[kind]
        if kind == STRING:
            text = text.replace("''", "'")
        elif kind == NAME:
            text = text.replace('""', '"')
        yield StatementWord(kind, text)


class Words:
    """A statement's words, read from the first to the last."""

    def __init__(self, statement: str) -> None:
        self._words = [*_words(statement)]
        self._next = 0

    @property
    def next(self) -> StatementWord:
        return self._words[self._next] if self._next < len(self._words) else StatementWord(END, "")

    def take(self) -> StatementWord:
        word = self.next
        self._next += 1
        return word

    def is_word(self, *words: str) -> bool:
        """Whether these words come next, whatever their case."""
        ahead = self._words[self._next : self._next + len(words)]
        return [(one.kind, one.text.upper()) for one in ahead] == [(WORD, word) for word in words]

    def takes(self, *words: str) -> bool:
        """Go past these words, if they come next."""
        found = self.is_word(*words)
        if found:
            self._next += len(words)
        return found

    def is_sign(self, *signs: str) -> bool:
        return self.next.kind == SIGN and self.next.text in signs

    def takes_sign(self, *signs: str) -> str | None:
        """Go past one of these signs, if it comes next; which."""
        return self.take().text if self.is_sign(*signs) else None

    def must(self, *words: str) -> None:
        """Go past these words.

        Raises
        ------
        NotWellFormed
            When they don't come next.
        """
        if not self.takes(*words):
            raise not_well_formed(self.next)

    def must_sign(self, sign: str) -> None:
        """Go past this sign.

        Raises
        ------
        NotWellFormed
            When it does not come next.
        """
        if not self.takes_sign(sign):
            raise not_well_formed(self.next)

    def end(self) -> None:
        """Look whether that was all.

        Raises
        ------
        NotWellFormed
            When it was not.
        """
        if self.next.kind != END:
            raise not_well_formed(self.next)
