"""ARG and ENV in a Dockerfile's words: what `$NAME`, `${NAME:-…}` and quotes come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.functions.dockerfile.errors import DockerfileRefused

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*|[0-9]")
OPERATION = re.compile(r":?[-+?]")


@dataclass(frozen=True)
class Expansion:
    """How words are read: with these variables, this escape character, on this line."""

    variables: Mapping[str, str]
    escape: str
    line: int

    def word(self, text: str) -> str:
        """One word with its quotes gone and its variables replaced."""
        value, end = self._until(text, 0, "")
        assert end == len(text)  # noqa: S101  nothing but a closing mark ends it earlier
        return value

    def words(self, text: str) -> list[str]:
        """Words between white space, where quotes keep some together."""
        return [self.word(word) for word in split_words(text, self.escape, self.line)]

    def _until(self, text: str, at: int, closing: str) -> tuple[str, int]:
        parts: list[str] = []
        while at < len(text):
            char = text[at]
            if closing and char == closing:
                return "".join(parts), at
            if char == "'" and closing != '"':
                end = text.find("'", at + 1)
                if end < 0:
                    raise DockerfileRefused(self.line, f"a quote in {text!r} does not end")
                parts.append(text[at + 1 : end])
                at = end + 1
            elif char == '"' and closing != '"':
                value, end = self._until(text, at + 1, '"')
                if end >= len(text):
                    raise DockerfileRefused(self.line, f"a quote in {text!r} does not end")
                parts.append(value)
                at = end + 1
            elif char == self.escape and at + 1 < len(text):
                following = text[at + 1]
                kept = closing == '"' and following not in ('"', "$", self.escape)
                parts.append(char + following if kept else following)
                at += 2
            elif char == "$":
                value, at = self._variable(text, at + 1)
                parts.append(value)
            else:
                parts.append(char)
                at += 1
        if closing == "}":
            raise DockerfileRefused(self.line, f"${{ in {text!r} does not end")
        return "".join(parts), at

    def _variable(self, text: str, at: int) -> tuple[str, int]:
        """The value of the variable whose name begins at `at`, and where to read on."""
        braced = text[at : at + 1] == "{"
        match = NAME.match(text, at + braced)
        if match is None:
            if braced:
                raise DockerfileRefused(self.line, f"{text!r}: no variable's name after ${{")
            return "$", at
        name, value = match[0], self.variables.get(match[0])
        if not braced:
            return value or "", match.end()
        at = match.end()
        if text[at : at + 1] == "}":
            return value or "", at + 1
        operation = OPERATION.match(text, at)
        if operation is None:
            raise DockerfileRefused(
                self.line,
                f"${{{name}{text[at : at + 1]}…}} is not understood",
                "of a variable's forms there are ${NAME}, ${NAME:-else}, ${NAME:+instead} and "
                "${NAME:?message}",
            )
        other, end = self._until(text, operation.end(), "}")
        return self._chosen(name, value, operation[0], other), end + 1

    def _chosen(self, name: str, value: str | None, operation: str, other: str) -> str:
        is_set = bool(value) if operation.startswith(":") else value is not None
        if operation.endswith("+"):
            return other if is_set else ""
        if is_set:
            return value or ""
        if operation.endswith("?"):
            raise DockerfileRefused(self.line, f"{name}: {other or 'not set'}")
        return other


def split_words(text: str, escape: str, line: int) -> list[str]:
    """Cut at white space outside quotes and braces; quotes stay where they are."""
    words: list[str] = []
    begun: list[str] = []
    quote = ""
    depth = at = 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            begun.append(text[at : at + 2])
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif text.startswith("${", at):
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        if char.isspace() and not quote and not depth:
            if begun:
                words.append("".join(begun))
            begun = []
        else:
            begun.append(char)
        at += 1
    if quote:
        raise DockerfileRefused(line, f"a quote in {text!r} does not end")
    if begun:
        words.append("".join(begun))
    return words
