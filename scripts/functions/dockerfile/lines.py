"""A Dockerfile's text as logical lines: comments gone, continuations joined, heredocs attached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.functions.dockerfile.errors import DockerfileRefused

DIRECTIVE = re.compile(r"#\s*(?P<name>[a-zA-Z][a-zA-Z0-9]*)\s*=\s*(?P<value>.+?)\s*$")
HEREDOC = re.compile(r"<<(?P<chomp>-?)(?P<quote>['\"]?)(?P<name>[a-zA-Z_][\w.-]*)(?P=quote)")
WITH_HEREDOCS = ("RUN", "COPY", "ADD")


@dataclass(frozen=True)
class Heredoc:
    """A text within the Dockerfile. `expands`: variables in it are replaced (its name is bare)."""

    name: str
    text: str
    expands: bool


@dataclass(frozen=True)
class Line:
    """A logical line; `number` is where it begins."""

    number: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


def escape_of(text: str) -> str:
    """The escape character that a parser directive chooses; a backslash without one."""
    for line in text.splitlines():
        match = DIRECTIVE.match(line.strip())
        if match is None:
            return "\\"
        if match["name"].lower() == "escape":
            return match["value"]
    return "\\"


def logical_lines(text: str) -> Iterator[Line]:
    """Cut the text into logical lines.

    Raises
    ------
    DockerfileRefused
        When a heredoc does not end.
    """
    escape = escape_of(text)
    continued = re.compile(re.escape(escape) + r"[ \t]*$")
    physical = enumerate(text.removeprefix("\ufeff").splitlines(), 1)
    parts: list[str] = []
    first = 0
    for number, raw in physical:
        if raw.lstrip().startswith("#") or not raw.strip():
            continue  # also between the parts of a continued line
        if not parts:
            first = number
        whole = continued.sub("", raw)
        parts.append(whole if parts else whole.lstrip())
        if whole != raw:
            continue
        yield _finished(first, "".join(parts).rstrip(), physical)
        parts = []
    if parts:
        yield Line(first, "".join(parts).rstrip())


def _finished(number: int, text: str, rest: Iterator[tuple[int, str]]) -> Line:
    keyword = text.split(maxsplit=1)[0].upper()
    if keyword not in WITH_HEREDOCS:
        return Line(number, text)
    found = []
    for match in HEREDOC.finditer(text):
        body: list[str] = []
        for _, line in rest:
            bare = line.lstrip("\t") if match["chomp"] else line
            if bare == match["name"]:
                break
            body.append(bare)
        else:
            raise DockerfileRefused(number, f"the heredoc {match['name']} does not end")
        content = "".join(f"{line}\n" for line in body)
        found.append(Heredoc(match["name"], content, not match["quote"]))
    return Line(number, text, tuple(found))
