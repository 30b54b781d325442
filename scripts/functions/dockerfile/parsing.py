"""A Dockerfile taken apart into stages and instructions, each with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.lines import Heredoc, Line, escape_of, logical_lines
from scripts.functions.dockerfile.variables import Expansion, split_words

KEYWORDS = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
FLAG = re.compile(r"--(?P<name>[a-z][a-z-]*)(?:=(?P<value>\S*))?(?:\s+|$)")
WITH_FLAGS = ("ADD", "COPY", "FROM", "HEALTHCHECK", "RUN")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `text` without keyword and flags, or the `exec_form` that it is."""

    line: int
    keyword: str
    text: str
    flags: tuple[tuple[str, str], ...] = ()
    exec_form: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str | None:
        return dict(self.flags).get(name)


@dataclass(frozen=True)
class Stage:
    """A build stage; `base` is what FROM names, with its variables replaced."""

    line: int
    base: str
    name: str | None
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """`arguments` are those before the first stage, with their values."""

    stages: tuple[Stage, ...]
    escape: str = "\\"
    arguments: Mapping[str, str] = field(default_factory=dict)

    def stage(self, name: str, before: int) -> int | None:
        """The index of the stage of that name or number among the first `before`."""
        if name.isdecimal() and int(name) < before:
            return int(name)
        named = [at for at, stage in enumerate(self.stages[:before]) if stage.name == name.lower()]
        return named[-1] if named else None


def parse(text: str, build_arguments: Mapping[str, str] | None = None) -> Dockerfile:
    """Take a Dockerfile apart.

    Raises
    ------
    DockerfileRefused
        When a line can't be read; its number is in the message.
    """
    given = dict(build_arguments or {})
    escape = escape_of(text)
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    begun: list[Instruction] = []
    for line in logical_lines(text):
        instruction = _instruction(line)
        if instruction.keyword == "FROM":
            if stages:
                stages[-1] = _with(stages[-1], begun)
            begun = []
            stages.append(_stage(instruction, Expansion(arguments, escape, line.number)))
        elif stages:
            begun.append(instruction)
        elif instruction.keyword == "ARG":
            for name, value in argument_pairs(instruction, arguments, escape):
                arguments[name] = given.get(name, value or "")
        else:
            raise DockerfileRefused(line.number, f"{instruction.keyword} stands before FROM")
    if not stages:
        raise DockerfileRefused(1, "there is no FROM", "the first instruction names a base image")
    stages[-1] = _with(stages[-1], begun)
    return Dockerfile(tuple(stages), escape, arguments)


def argument_pairs(
    instruction: Instruction, variables: Mapping[str, str], escape: str
) -> list[tuple[str, str | None]]:
    """Names and default values of an ARG."""
    expansion = Expansion(variables, escape, instruction.line)
    pairs: list[tuple[str, str | None]] = []
    for word in split_words(instruction.text, escape, instruction.line):
        name, equals, value = word.partition("=")
        pairs.append((name, expansion.word(value) if equals else None))
    return pairs


def environment_pairs(
    instruction: Instruction, variables: Mapping[str, str], escape: str
) -> list[tuple[str, str]]:
    """Names and values of an ENV, in both of its forms.

    Raises
    ------
    DockerfileRefused
    """
    expansion = Expansion(variables, escape, instruction.line)
    words = split_words(instruction.text, escape, instruction.line)
    if words and "=" not in words[0]:
        name, _, value = instruction.text.partition(" ")
        if not value.strip():
            raise DockerfileRefused(instruction.line, f"ENV {name} has no value")
        return [(name, expansion.word(value.strip()))]
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DockerfileRefused(instruction.line, f"ENV: {word!r} is not NAME=value")
        pairs.append((name, expansion.word(value)))
    return pairs


def _with(stage: Stage, instructions: list[Instruction]) -> Stage:
    return Stage(stage.line, stage.base, stage.name, tuple(instructions))


def _instruction(line: Line) -> Instruction:
    keyword, _, rest = line.text.partition(" ")
    if "\t" in keyword:
        keyword, _, rest = line.text.partition("\t")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword not in KEYWORDS:
        raise DockerfileRefused(line.number, f"{keyword} is no instruction of a Dockerfile")
    flags = []
    while keyword in WITH_FLAGS and (match := FLAG.match(rest)):
        flags.append((match["name"], match["value"] or ""))
        rest = rest[match.end() :]
    if not rest:
        raise DockerfileRefused(line.number, f"{keyword} says nothing")
    return Instruction(line.number, keyword, rest, tuple(flags), _exec_form(rest), line.heredocs)


def _exec_form(text: str) -> tuple[str, ...] | None:
    """The words of a JSON array; None for a shell command, as Docker takes what is no JSON."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return tuple(words) if all(isinstance(word, str) for word in words) else None


def _stage(instruction: Instruction, expansion: Expansion) -> Stage:
    words = [expansion.word(word) for word in instruction.text.split()]
    named = len(words) == 3 and words[1].upper() == "AS"
    if not words[0] or not (len(words) == 1 or named):
        raise DockerfileRefused(
            instruction.line,
            f"FROM {instruction.text} names no image",
            "FROM IMAGE [AS NAME]; an ARG in it stands before the first FROM",
        )
    return Stage(instruction.line, words[0], words[2].lower() if named else None, ())
