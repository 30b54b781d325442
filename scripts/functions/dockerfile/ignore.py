"""`.dockerignore`: which files of a folder a Dockerfile does not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Rule:
    """One line: what matches it is left out, or taken in again."""

    pattern: re.Pattern[str]
    takes_in: bool


class IgnoreRules:
    """The rules of one file, the last that matches a path (or a folder above it) counts."""

    def __init__(self, text: str = ""):
        self._rules = tuple(_rules(text))

    @classmethod
    def of(cls, folder: Path, dockerfile: Path) -> IgnoreRules:
        """`<Dockerfile>.dockerignore` goes before `.dockerignore`, as BuildKit has it."""
        for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), folder):
            file = path / ".dockerignore" if path == folder else path
            if file.is_file():
                return cls(file.read_text(encoding="utf-8-sig"))
        return cls()

    def leaves_out(self, path: str) -> bool:
        """Whether the file `path` (relative, with slashes) is not seen."""
        ways = [path, *(str(parent) for parent in PurePosixPath(path).parents if parent.name)]
        left_out = False
        for rule in self._rules:
            if any(rule.pattern.fullmatch(way) for way in ways):
                left_out = not rule.takes_in
        return left_out


def _rules(text: str) -> Iterator[Rule]:
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        takes_in = words.startswith("!")
        cleaned = PurePosixPath("/", words.removeprefix("!").strip()).relative_to("/")
        if str(cleaned) != ".":
            yield Rule(re.compile(expression_of(str(cleaned))), takes_in)


def expression_of(pattern: str) -> str:
    """A pattern of Go's filepath.Match with `**` for any number of folders."""
    parts = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            parts.append(pattern[at : end + 1])
            at = end + 1
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            parts.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at])))
            at += 1
    return "".join(parts)
