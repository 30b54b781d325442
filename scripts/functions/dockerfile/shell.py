"""A RUN's shell command as a list of simple commands, as far as that can be told by reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.parsing import Instruction
from scripts.functions.dockerfile.variables import Expansion, split_words

# Where one command ends and the next begins, outside quotes.
SEPARATORS = re.compile(r"&&|;|\n")
CONTROL = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "do",
        "done",
        "while",
        "until",
        "case",
        "esac",
        "function",
        "{",
        "(",
        "[",
        "[[",
    ]
)
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
REDIRECTION = re.compile(r"\d*>>?(&\d+|\s*/dev/null)?|\d*>&\d+")
UNSEEN = ("$(", "`", "<<<")
HINT = (
    "without Docker a RUN is read, not run: pip and uv installations, packages of the system "
    "that have a stand-in, mkdir, chmod, rm; prepare other things in the folder and COPY them, or "
    "take FACELAB_BACKEND=docker"
)


@dataclass(frozen=True)
class Command:
    """A simple command with its words expanded, on its line of the Dockerfile."""

    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        text = " ".join(self.words)
        return text if len(text) <= 72 else f"{text[:71]}…"


def commands_of(
    instruction: Instruction, variables: Mapping[str, str], escape: str
) -> Iterator[Command]:
    """The commands of a RUN, in order.

    Raises
    ------
    DockerfileRefused
        When what it does can't be told by reading.
    """
    if instruction.exec_form is not None:
        yield Command(instruction.line, instruction.exec_form)
        return
    line = instruction.line
    text = instruction.text
    if instruction.heredocs:
        if len(instruction.heredocs) > 1 or not re.fullmatch(r"<<-?['\"]?[\w.-]+['\"]?", text):
            raise DockerfileRefused(line, f"RUN {text}: not understood", HINT)
        text = re.sub(r"\\\n", " ", instruction.heredocs[0].text)
    for part in _parts(text, line):
        if not part.strip() or part.lstrip().startswith("#"):
            continue
        if any(mark in part for mark in UNSEEN) or "|" in _without_quotes(part):
            raise DockerfileRefused(line, f"RUN {part.strip()}: needs a shell", HINT)
        yield from _simple(part, line, Expansion(variables, escape, line))


def _simple(part: str, line: int, expansion: Expansion) -> Iterator[Command]:
    raw = split_words(part, "\\", line)
    raw = [word for word in raw if not REDIRECTION.fullmatch(word) and word != "/dev/null"]
    while raw and ASSIGNMENT.match(raw[0]):
        raw = raw[1:]
    if raw and raw[0] in CONTROL:
        raise DockerfileRefused(line, f"RUN {part.strip()}: needs a shell", HINT)
    if raw and raw[0] != "set":
        yield Command(line, tuple(expansion.word(word) for word in raw))


def _parts(text: str, line: int) -> Iterator[str]:
    """Cut at `&&`, `;` and line ends outside quotes."""
    begun = 0
    quote = ""
    at = 0
    while at < len(text):
        if quote:
            quote = "" if text[at] == quote else quote
        elif text[at] in "'\"":
            quote = text[at]
        elif match := SEPARATORS.match(text, at):
            yield text[begun:at]
            begun = at = match.end()
            continue
        at += 1
    if quote:
        raise DockerfileRefused(line, "a quote in RUN does not end")
    yield text[begun:]


def _without_quotes(text: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
