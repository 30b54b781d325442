"""RUN without running: what each command means for a function that is a process."""

from __future__ import annotations

import re
from collections.abc import Callable

from scripts.functions.dockerfile.copying import EMULATOR, MODE, NO_EMULATOR, executable
from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.image import Image, Note, Scratch
from scripts.functions.dockerfile.installs import (
    PYTHON,
    UV,
    installer_arguments,
    read_install,
)
from scripts.functions.dockerfile.shell import HINT, Command

# Commands that change nothing that a function sees.
HARMLESS = frozenset(
    [
        "true",
        ":",
        "echo",
        "ls",
        "pwd",
        "cat",
        "sleep",
        "sync",
        "ldconfig",
        "chown",
        "chgrp",
        "touch",
        "date",
        "whoami",
        "export",
        "cd",
        "which",
        "useradd",
        "adduser",
        "groupadd",
        "addgroup",
        "usermod",
        "update-ca-certificates",
        "locale-gen",
    ]
)
PACKAGE_MANAGERS = frozenset({"apt-get", "apt", "apk", "yum", "dnf", "microdnf"})
INSTALLING = frozenset({"install", "add", "localinstall", "groupinstall"})
# Options of theirs that a value follows.
WITH_VALUE = frozenset({"-o", "-t", "--virtual", "--repository", "-c"})
# What compilers and headers are for is done by wheels; what wheels link to, they bring.
FOR_BUILDING = re.compile(
    r"(?:build-essential|build-base|g\+\+|gcc|gcc-c\+\+|make|cmake|clang|autoconf|automake|libtool"
    r"|pkg-config|pkgconf|musl-dev|linux-headers|unzip|zip|tar|gzip|xz|xz-utils|git|wget|curl"
    r"|ca-certificates|gnupg|findutils|shadow|shadow-utils|which|patch|binutils|elfutils-libelf"
    r"|development tools|.*-dev|.*-devel|lib[a-z].*|mesa-.*|openblas.*|python3?(?:\.?\d+)?"
    r"|python3?-(?:pip|dev|venv|setuptools|wheel)|py3-pip)(?:[=~<>].*)?"
)
BRINGS_PYTHON = re.compile(r"python3?(?:\.?\d+)?(?:[=~<>].*)?$")
STAND_INS = {"ffmpeg": "that of the wheel imageio-ffmpeg is used"}


class Runner:
    """Carries out RUN, command by command, on what it knows of the image."""

    def __init__(self, scratch: Scratch, notes: list[Note], host_has: Callable[[str], bool]):
        self._scratch = scratch
        self._notes = notes
        self._host_has = host_has

    def run(self, command: Command, image: Image) -> None:
        """Do to `image` what the command would.

        Raises
        ------
        DockerfileRefused
            When that can't be told, or a process can't have it.
        """
        words = command.words
        name = words[0].rpartition("/")[2]
        if name == "sudo" and len(words) > 1:
            self.run(Command(command.line, words[1:]), image)
        elif (arguments := installer_arguments(words)) is not None:
            self._install(command, arguments, image)
        elif name in PACKAGE_MANAGERS:
            self._packages(command, image)
        elif name == "mkdir":
            for path in words[1:]:
                if not path.startswith("-"):
                    image.make_folder(image.place(path))
        elif name == "chmod":
            self._change_mode(command, image)
        elif name == "rm":
            for path in words[1:]:
                for place in [] if path.startswith("-") else image.found(path):
                    del image.files[place]
        elif _makes_environment(words):
            self._note(command, "the function has an environment of its own already")
        elif any(EMULATOR.search(word) for word in words) and name in ("curl", "wget"):
            self._notes.append(Note(command.line, "aws-lambda-rie", NO_EMULATOR))
        elif name not in HARMLESS and not _only_looks(words):
            raise DockerfileRefused(command.line, f"RUN {command}: can't be run here", HINT)

    def _note(self, command: Command, instead: str) -> None:
        self._notes.append(Note(command.line, f"RUN {command}", instead))

    def _install(self, command: Command, arguments: tuple[str, ...], image: Image) -> None:
        if arguments[:1] != ("install",):
            if arguments[:1] and arguments[0] not in ("cache", "check", "list", "freeze"):
                raise DockerfileRefused(command.line, f"RUN {command}: can't be run here", HINT)
            return
        if not image.brings_python:
            raise DockerfileRefused(
                command.line,
                f"RUN {command}: {image.base.name} has no Python at this line",
                "begin with python:3.12-slim, or install python3 in an earlier line",
            )
        install = read_install(command, image.text)
        if not install.is_empty and install not in image.installs:
            image.installs.append(install)

    def _packages(self, command: Command, image: Image) -> None:
        words = iter(command.words[1:])
        names = []
        for word in words:
            if word in WITH_VALUE:
                next(words, None)
            elif not word.startswith("-"):
                names.append(word)
        if not names or names[0] not in INSTALLING:
            return  # update, clean, upgrade: nothing of it is in the function
        replaced = []
        for package in names[1:]:
            bare = re.split(r"[=<>~:]", package, maxsplit=1)[0].lower()
            if BRINGS_PYTHON.match(bare):
                image.brings_python = True
            if FOR_BUILDING.fullmatch(bare):
                replaced.append(bare)
            elif self._host_has(bare):
                self._notes.append(
                    Note(command.line, f"the package {bare}", "this machine's is used")
                )
            elif bare in STAND_INS:
                image.programs.add(bare)
                self._notes.append(Note(command.line, f"the package {bare}", STAND_INS[bare]))
            else:
                raise DockerfileRefused(
                    command.line,
                    f"the system package {package} can't be installed for a process",
                    f"install {package} on this machine, or FACELAB_BACKEND=docker",
                )
        if replaced:
            what = (
                f"the packages {', '.join(replaced)}"
                if replaced[1:]
                else f"the package {replaced[0]}"
            )
            self._notes.append(
                Note(command.line, what, "left out: wheels bring what they need, compiled")
            )

    def _change_mode(self, command: Command, image: Image) -> None:
        mode, *paths = [word for word in command.words[1:] if not word.startswith("-")] or [""]
        if not MODE.fullmatch(mode):
            raise DockerfileRefused(command.line, f"RUN {command}: {mode!r} is no mode")
        for path in paths:
            for place in image.found(path):
                source = image.files[place]
                runs = executable(mode)
                if runs or mode.isdecimal():
                    image.files[place] = self._scratch.with_mode(source, runs)


def _makes_environment(words: tuple[str, ...]) -> bool:
    return (PYTHON.match(words[0]) is not None and words[1:3] == ("-m", "venv")) or (
        UV.match(words[0]) is not None and words[1:2] == ("venv",)
    )


def _only_looks(words: tuple[str, ...]) -> bool:
    return len(words) == 2 and words[1] in ("--version", "-V", "-v")
