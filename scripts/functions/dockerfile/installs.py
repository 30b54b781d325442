"""`pip install …` and `uv pip install …` in a RUN: what goes into the function's environment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.shell import Command

PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?$")
PIP = re.compile(r"(?:.*/)?pip(?:3(?:\.\d+)?)?$")
UV = re.compile(r"(?:.*/)?uv$")
# The environment is the function's own and new: where pip put things, and how it spoke of it,
# makes no difference.
DROPPED = frozenset(
    [
        "--no-cache-dir",
        "--no-cache",
        "-n",
        "-q",
        "--quiet",
        "-v",
        "--verbose",
        "--user",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--prefer-binary",
        "--no-input",
        "--upgrade",
        "-U",
        "--system",
        "--no-compile",
        "--break-system-packages",
        "--compile-bytecode",
        "--ignore-installed",
        "-I",
        "--force-reinstall",
        "--no-python-version-warning",
        "--no-color",
        "--reinstall",
    ]
)
DROPPED_WITH_VALUE = frozenset(
    [
        "-t",
        "--target",
        "--prefix",
        "--root",
        "--cache-dir",
        "--timeout",
        "--default-timeout",
        "--retries",
        "--progress-bar",
        "--root-user-action",
        "--python",
        "-p",
        "--trusted-host",
        "--platform",
        "--implementation",
        "--python-version",
        "--python-platform",
        "--abi",
        "--link-mode",
        "--upgrade-strategy",
        "--log",
        "--src",
    ]
)
KEPT = {"--no-deps": "--no-deps", "--pre": "--prerelease=allow", "--no-index": "--no-index"}
KEPT |= {name: name for name in ("--require-hashes", "--no-build-isolation")}
KEPT_WITH_VALUE = {"-i": "--index-url", "-f": "--find-links"}
KEPT_WITH_VALUE |= {
    name: name
    for name in ["--index-url", "--extra-index-url", "--find-links", "--only-binary", "--no-binary"]
}
FILES = {"-r": "requirements", "--requirement": "requirements", "--requirements": "requirements"}
FILES |= {"-c": "constraints", "--constraint": "constraints", "--constraints": "constraints"}
INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv"})
NESTED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[ =]\s*(\S+)\s*$")
LOCAL = re.compile(r"^(?:-e\b|--editable\b|\.|/|file:)")


@dataclass(frozen=True)
class Install:
    """One installation. `requirements` and `constraints` are texts as such files hold them."""

    line: int
    options: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.names and not self.requirements


def installer_arguments(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words after `pip` of such a command (`python -m pip`, `uv pip` too); else None."""
    if PIP.match(words[0]):
        return words[1:]
    if PYTHON.match(words[0]) and words[1:3] == ("-m", "pip"):
        return words[3:]
    if PYTHON.match(words[0]) and words[1:4] == ("-m", "uv", "pip"):
        return words[4:]
    if UV.match(words[0]) and words[1:2] == ("pip",):
        return words[2:]
    return None


def read_install(command: Command, text_of: Callable[[str, int], str]) -> Install:
    """What `pip install` with these words installs.

    `text_of` gives a file of the image by its path.

    Raises
    ------
    DockerfileRefused
        For an option that is not known, and for what is no package of an index.
    """
    words = list(installer_arguments(command.words) or ())[1:]
    options: list[str] = []
    names: list[str] = []
    texts: dict[str, list[str]] = {"requirements": [], "constraints": []}
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if flag[:2] in ("-r", "-c", "-t", "-i", "-f") and len(flag) > 2 and flag[1] != "-":
            flag, equals, value = flag[:2], "=", flag[2:]
        if flag in DROPPED or flag in KEPT:
            options += [KEPT[flag]] if flag in KEPT else []
        elif flag in DROPPED_WITH_VALUE or flag in KEPT_WITH_VALUE or flag in FILES:
            if not equals:
                if not words:
                    raise DockerfileRefused(command.line, f"{flag} wants a value: RUN {command}")
                value = words.pop(0)
            if flag in FILES:
                texts[FILES[flag]].append(flattened(value, command.line, text_of))
            elif flag in KEPT_WITH_VALUE:
                options += [KEPT_WITH_VALUE[flag], value]
        elif LOCAL.match(word):
            raise DockerfileRefused(
                command.line,
                f"RUN {command}: installs from files of the image",
                "without Docker: COPY the package's folder beside the handler, and install only "
                "what it needs from the index; or FACELAB_BACKEND=docker",
            )
        elif word.startswith("-"):
            raise DockerfileRefused(
                command.line, f"RUN {command}: the option {flag} is not known here"
            )
        elif re.split(r"[<>=!~\[; @]", word, maxsplit=1)[0].lower() not in INSTALLERS:
            names.append(word)
    return Install(
        command.line,
        tuple(options),
        tuple(names),
        tuple(texts["requirements"]),
        tuple(texts["constraints"]),
    )


def flattened(path: str, line: int, text_of: Callable[[str, int], str], depth: int = 0) -> str:
    """A requirements file with those that it names put in its lines' place."""
    if depth > 10:
        raise DockerfileRefused(line, f"{path} names itself")
    lines = []
    for one in text_of(path, line).splitlines():
        nested = NESTED.match(one)
        if nested:
            inner = posixpath.join(posixpath.dirname(path), nested[1])
            lines.append(flattened(inner, line, text_of, depth + 1))
        elif LOCAL.match(one.strip()):
            raise DockerfileRefused(
                line, f"{path}: {one.strip()!r} installs from files of the image"
            )
        else:
            lines.append(one)
    return "\n".join(lines) + "\n"
