"""A function's folder as a process bundle: its files, its environment, how it starts."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localstack_image_functions.process.bundle import Bundle, ImageConfig, build_bundle
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.dockerfile.bases import TASK_ROOT
from scripts.functions.dockerfile.image import PATH, Scratch, labs_packages
from scripts.functions.dockerfile.installs import Install, flattened
from scripts.functions.dockerfile.reading import Recipe, read_dockerfile
from scripts.functions.environments import (
    FFMPEG,
    FunctionEnvironment,
    make_environment,
    runtime_packages,
)
from scripts.functions.pythons import Python, nearest, pythons_here, unlike
from scripts.setup import FUNCTION

HANDLER = "handler.py"
# What lies beside a handler and is nobody's code.
NOT_CODE = frozenset({".git", ".venv", "venv", "__pycache__", ".pytest_cache", ".DS_Store"})
DEFINES_HANDLER = re.compile(r"^(?:async )?def (\w*handler)\(", re.MULTILINE)


class NothingToDeploy(LabError):
    """The folder holds neither a Dockerfile nor a handler."""


@dataclass(frozen=True)
class BuiltBundle:
    """A bundle in the store, with what was done in place of what its Dockerfile says."""

    bundle: Bundle
    notes: tuple[str, ...]


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds no function.

    Raises
    ------
    NothingToDeploy
    """
    if not folder.is_dir():
        raise NothingToDeploy(f"{folder} is no folder", "DIR=… names the function's folder")
    if not (folder / "Dockerfile").is_file() and not (folder / HANDLER).is_file():
        raise NothingToDeploy(
            f"{folder} holds neither a Dockerfile nor a {HANDLER}",
            f"the least is a {HANDLER} with `def handler(event, context):`, and a "
            "requirements.txt where it needs packages",
        )


def build(
    folder: Path, store: Path, progress: Progress, arguments: Mapping[str, str] | None = None
) -> BuiltBundle:
    """Make a bundle of the folder in `store`.

    Raises
    ------
    NothingToDeploy, DockerfileRefused, InstallFailed
    """
    check_folder(folder)
    with tempfile.TemporaryDirectory(prefix="facelab-function-") as scratch:
        dockerfile = folder / "Dockerfile"
        if dockerfile.is_file():
            recipe = read_dockerfile(folder, dockerfile, Path(scratch), arguments)
        else:
            recipe = recipe_of_handler(folder)
        taken = nearest(recipe.python, pythons_here())
        environment = _environment(taken, list(_installs(recipe, taken)), progress)
        files = {**recipe.files, **_programs(recipe, taken, environment, Path(scratch))}
        bundle = build_bundle(store, files, _config(recipe, environment))
    notes = [str(note) for note in recipe.notes]
    if other := unlike(recipe.python, taken):
        notes.insert(0, f"Dockerfile:{recipe.python_line}: {other}")
    return BuiltBundle(bundle, tuple(notes))


def recipe_of_handler(folder: Path) -> Recipe:
    """What a folder without a Dockerfile says: all its files, and requirements.txt."""
    found = DEFINES_HANDLER.findall((folder / HANDLER).read_text(encoding="utf-8-sig"))
    if not found:
        raise NothingToDeploy(
            f"{folder / HANDLER} defines no handler", "`def handler(event, context):`"
        )
    name = "handler" if "handler" in found else found[0]
    files = {f"{TASK_ROOT}/{path.relative_to(folder)}": path for path in _code(folder)}
    requirements = folder / "requirements.txt"
    installs: tuple[Install, ...] = ()
    if requirements.is_file():
        text = flattened(
            "requirements.txt", 1, lambda path, _: (folder / path).read_text("utf-8-sig")
        )
        installs = (Install(0, requirements=(text,)),) if text.strip() else ()
    return Recipe(
        files=files,
        python=f"3.{sys.version_info.minor}",
        python_line=0,
        installs=installs,
        entrypoint=(None, "-m", "awslambdaric"),
        command=(f"{HANDLER.removesuffix('.py')}.{name}",),
        environment={"PATH": PATH, "LAMBDA_TASK_ROOT": TASK_ROOT},
        working_directory=TASK_ROOT,
        is_lambda_base=True,
    )


def _code(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in NOT_CODE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _code(entry)
        elif entry.is_file() and not entry.is_symlink():
            yield entry


def _installs(recipe: Recipe, python: Python) -> Iterator[Install]:
    if recipe.is_lambda_base:
        yield Install(0, names=runtime_packages(python))
    yield from recipe.installs
    if "ffmpeg" in recipe.programs:
        yield Install(0, names=(FFMPEG,))


def _environment(
    python: Python, installs: list[Install], progress: Progress
) -> FunctionEnvironment:
    """An environment of the function's own, or that of the lab's where it adds nothing to it."""
    if installs == [labs_packages()] and FUNCTION.python.exists():
        return FunctionEnvironment(FUNCTION.path)
    return make_environment(python, installs, progress)


def _programs(
    recipe: Recipe, python: Python, environment: FunctionEnvironment, scratch: Path
) -> dict[str, Path]:
    """Programs at the places where the base image has them, which lead to the environment's."""
    made = Scratch(scratch / "programs")
    folders = ["/usr/local/bin", *(["/var/lang/bin"] if recipe.is_lambda_base else [])]
    names: Sequence[str] = ("python", "python3", f"python{python.minor}")
    if recipe.python and "." in recipe.python:
        names = (*names, f"python{recipe.python}")
    programs = {
        f"{folder}/{name}": made.file(_leads_to(environment.python), executable=True)
        for folder in folders
        for name in dict.fromkeys(names)
    }
    if "ffmpeg" in recipe.programs and environment.ffmpeg:
        file = made.file(_leads_to(environment.ffmpeg), executable=True)
        programs["/usr/local/bin/ffmpeg"] = file
    return {place: file for place, file in programs.items() if place not in recipe.files}


def _leads_to(program: Path) -> bytes:
    return f'#!/bin/sh\nexec "{program}" "$@"\n'.encode()


def _config(recipe: Recipe, environment: FunctionEnvironment) -> ImageConfig:
    return ImageConfig(
        entrypoint=tuple(
            str(environment.python) if word is None else word for word in recipe.entrypoint
        ),
        command=recipe.command,
        environment={"PYTHONDONTWRITEBYTECODE": "1", **recipe.environment},
        working_directory=recipe.working_directory,
        programs=(str(environment.python),),
    )
