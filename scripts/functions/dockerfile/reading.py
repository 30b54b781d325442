"""From a folder with a Dockerfile to a recipe: all that a function as a process needs of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.functions.dockerfile.bases import Base, base_of
from scripts.functions.dockerfile.copying import Context, Copier
from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.image import Image, Note, Scratch
from scripts.functions.dockerfile.installs import PYTHON, Install
from scripts.functions.dockerfile.parsing import (
    Dockerfile,
    Instruction,
    Stage,
    argument_pairs,
    environment_pairs,
    parse,
)
from scripts.functions.dockerfile.running import Runner
from scripts.functions.dockerfile.shell import commands_of
from scripts.functions.dockerfile.variables import Expansion

# What says nothing about how a function runs.
SILENT = frozenset({"EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "VOLUME", "USER"})
LAMBDA_ENTRYPOINT = "/lambda-entrypoint.sh"
CLIENT = "awslambdaric"


@dataclass(frozen=True)
class Recipe:
    """A function's image as a process needs it.

    `files` maps a place in the image to a file here; `python` is the version that the base image
    names; `python_line` where. `programs` are those that a wheel stands in for. A word of
    `entrypoint` that is None stands for the environment's Python.
    """

    files: Mapping[str, Path]
    python: str | None
    python_line: int
    installs: tuple[Install, ...]
    entrypoint: tuple[str | None, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    is_lambda_base: bool = False
    programs: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = field(default=())


def read_dockerfile(
    folder: Path,
    dockerfile: Path,
    scratch: Path,
    build_arguments: Mapping[str, str] | None = None,
    host_has: Callable[[str], bool] = lambda name: shutil.which(name) is not None,
) -> Recipe:
    """Read a Dockerfile as `docker build` would take it; files that it makes go to `scratch`.

    Raises
    ------
    DockerfileRefused
        When a line can't be read, or asks for what a process can't have.
    """
    reader = _Reader(folder, dockerfile, scratch, dict(build_arguments or {}), host_has)
    return reader.recipe()


class _Reader:
    def __init__(
        self,
        folder: Path,
        path: Path,
        scratch: Path,
        build_arguments: dict[str, str],
        host_has: Callable[[str], bool],
    ):
        self._given = build_arguments
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            raise DockerfileRefused(line, "no UTF-8 text", "save it as UTF-8") from None
        self._dockerfile: Dockerfile = parse(text, build_arguments)
        self._notes: list[Note] = []
        made = Scratch(scratch)
        escape = self._dockerfile.escape
        self._copier = Copier(Context(folder, path), made, escape, self._notes)
        self._runner = Runner(made, self._notes, host_has)

    def recipe(self) -> Recipe:
        stages = self._dockerfile.stages
        images: dict[str, Image] = {}
        image: Image | None = None
        for at, stage in enumerate(stages):
            image = self._begin(stage, at, images)
            for instruction in stage.instructions:
                self._follow(instruction, image, images)
            images[str(at)] = image
            if stage.name:
                images[stage.name] = image
        assert image is not None  # noqa: S101  parse() refuses a Dockerfile without stages
        return self._finished(image, stages[-1])

    def _begin(self, stage: Stage, at: int, images: Mapping[str, Image]) -> Image:
        earlier = self._dockerfile.stage(stage.base, at)
        if earlier is not None:
            return images[str(earlier)].copy(stage.line)
        return Image.on(base_of(stage.base, stage.line), stage.line)

    def _follow(self, instruction: Instruction, image: Image, images: Mapping[str, Image]) -> None:
        line, escape = instruction.line, self._dockerfile.escape
        match instruction.keyword:
            case "COPY" | "ADD":
                self._copier.copy(instruction, image, images)
            case "RUN":
                for command in commands_of(instruction, image.variables, escape):
                    self._runner.run(command, image)
            case "ENV":
                pairs = environment_pairs(instruction, image.variables, escape)
                image.environment |= dict(pairs)
            case "ARG":
                self._declare(instruction, image)
            case "WORKDIR":
                path = Expansion(image.variables, escape, line).word(instruction.text)
                image.directory = image.place(path)
                image.make_folder(image.directory)
            case "ENTRYPOINT":
                image.entrypoint, image.started_at = _started(instruction), line
                image.command = ()
            case "CMD":
                image.command = _started(instruction)
                image.started_at = image.started_at or line
            case "SHELL":
                shell = (instruction.exec_form or ("",))[0].rpartition("/")[2]
                if shell not in ("sh", "bash"):
                    raise DockerfileRefused(line, f"SHELL {shell}: only sh and bash are read")
            case keyword if keyword not in SILENT:
                raise DockerfileRefused(line, f"{keyword} is not done without Docker")

    def _declare(self, instruction: Instruction, image: Image) -> None:
        """ARG: given on the command line, else its default, else that before the first FROM."""
        escape = self._dockerfile.escape
        for name, default in argument_pairs(instruction, image.variables, escape):
            inherited = self._dockerfile.arguments.get(name)
            value = self._given.get(name, default if default is not None else inherited)
            if value is not None:
                image.arguments[name] = value

    def _finished(self, image: Image, last: Stage) -> Recipe:
        line = image.started_at or last.line
        entrypoint = self._entrypoint(image, line)
        if CLIENT in entrypoint and not image.base.is_lambda and not _installs(image, CLIENT):
            raise DockerfileRefused(
                line,
                f"{CLIENT} is started, and no line installs it",
                f"RUN pip install {CLIENT}",
            )
        return Recipe(
            files=dict(image.files),
            python=image.base.python,
            python_line=self._line_of(image.base),
            installs=tuple(image.installs),
            entrypoint=entrypoint,
            command=image.command,
            environment=dict(image.environment),
            working_directory=image.directory,
            is_lambda_base=image.base.is_lambda,
            programs=frozenset(image.programs),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _line_of(self, base: Base) -> int:
        return next((one.line for one in self._dockerfile.stages if one.base == base.name), 1)

    def _entrypoint(self, image: Image, line: int) -> tuple[str | None, ...]:
        """How the function starts, with the environment's Python where a Python is meant."""
        words: tuple[str, ...] = image.entrypoint
        if words[:1] == (LAMBDA_ENTRYPOINT,):
            if not image.command:
                raise DockerfileRefused(line, "no CMD names the handler", 'CMD ["app.handler"]')
            return (None, "-m", CLIENT, *words[1:])
        if words[:1] and words[0].rpartition("/")[2].startswith("aws-lambda-rie"):
            words = words[1:]
        started = words or image.command
        if not started:
            raise DockerfileRefused(
                line,
                "neither ENTRYPOINT nor CMD says what to start",
                'ENTRYPOINT ["python", "-m", "awslambdaric"] and CMD ["app.handler"]',
            )
        program = started[0]
        if PYTHON.match(program):
            return _in_place(words, None)
        if program.rpartition("/")[2] == CLIENT:
            return (None, "-m", CLIENT, *words[1:])
        if "/" in program and image.place(program) in image.files:
            return _in_place(words, image.place(program))
        if "/" not in program and not shutil.which(program):
            raise DockerfileRefused(
                line,
                f"{program!r} is started as a program, and is none",
                'a handler is named in CMD, beside ENTRYPOINT ["python", "-m", "awslambdaric"]',
            )
        if "/" in program and not Path(program).exists():
            raise DockerfileRefused(line, f"{program} is not in the image", "COPY it there")
        return words


def _in_place(words: tuple[str, ...], program: str | None) -> tuple[str | None, ...]:
    """Only an entry point is rewritten; a command alone is run as it stands."""
    return (program, *words[1:]) if words else ()


def _started(instruction: Instruction) -> tuple[str, ...]:
    if instruction.exec_form is not None:
        return instruction.exec_form
    return ("/bin/sh", "-c", instruction.text)


def _installs(image: Image, package: str) -> bool:
    return any(package in json.dumps([one.names, one.requirements]) for one in image.installs)
