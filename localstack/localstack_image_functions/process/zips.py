"""Zip functions as processes: code and layers as one tree, started by a runtime of this machine.

A runtime is an environment below one folder, named as Lambda names it (`python3.12/bin/python`),
with `awslambdaric` in it and whatever else AWS's has (boto3).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localstack_image_functions.errors import CodeTooLarge, RuntimeNotFound

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

TASK_ROOT = "/var/task"
LAYERS_ROOT = "/opt"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
PYTHON = re.compile(r"python3\.(\d+)")
PATH = "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"


@dataclass(frozen=True)
class LambdaRuntime:
    """A runtime of this machine. `note` says where it is not the one that was asked for."""

    name: str
    python: Path
    note: str = ""


def find_runtime(folder: Path | None, wanted: str) -> LambdaRuntime:
    """The runtime of that name, else the Python nearest to it.

    Raises
    ------
    RuntimeNotFound
        For another language, and where no runtime is here.
    """
    asked = PYTHON.fullmatch(wanted)
    if asked is None:
        raise RuntimeNotFound(
            f"the runtime {wanted} can't be run as a process: Python's can; others run where "
            "functions are containers"
        )
    here = {
        int(match[1]): path
        for path in (folder.iterdir() if folder and folder.is_dir() else ())
        if (match := PYTHON.fullmatch(path.name)) and (path / "bin" / "python").exists()
    }
    if not here:
        raise RuntimeNotFound(
            f"no runtime for {wanted} is on this machine: IMAGE_FUNCTIONS_RUNTIMES names a folder "
            "of environments like python3.12"
        )
    minor = int(asked[1])
    nearest = min(here, key=lambda one: (abs(one - minor), -one))
    python = here[nearest].resolve() / "bin" / "python"
    name = f"python3.{nearest}"
    if nearest == minor:
        return LambdaRuntime(name, python)
    return LambdaRuntime(
        name, python, f"{wanted} is not on this machine: {name} runs this function, the nearest\n"
    )


def unpack(version: FunctionVersion, store: Path, limit: int) -> Path:
    """Code and layers below one root, as the function sees them; made once for each content.

    Raises
    ------
    CodeTooLarge
        When they are more than `limit` bytes together.
    """
    code = version.config.code
    layers = [layer.code for layer in version.config.layers or ()]
    for archive in (code, *layers):
        archive.prepare_for_execution()
    key = hashlib.sha256("\0".join(one.id for one in (code, *layers)).encode()).hexdigest()[:32]
    root = store / key
    if root.exists():
        return root
    folders = [one.get_unzipped_code_location() for one in (code, *layers)]
    _check_size(folders, limit)
    store.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=store))
    draft.chmod(0o755)
    try:
        _lay(folders[0], draft / TASK_ROOT.lstrip("/"))
        for folder in folders[1:]:
            _lay(folder, draft / LAYERS_ROOT.lstrip("/"))
        try:
            draft.rename(root)
        except OSError:
            if not root.exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _check_size(folders: Iterable[Path], limit: int) -> None:
    size = sum(
        path.lstat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    if size > limit:
        raise CodeTooLarge(
            f"Function code combined with layers exceeds the maximum allowed size of {limit} "
            f"bytes. The actual size is {size} bytes."
        )


def _lay(source: Path, target: Path) -> None:
    """Files of `source` over those of `target`; the same files, which nobody writes to."""

    def link(name: str, place: str) -> None:
        Path(place).unlink(missing_ok=True)
        try:
            os.link(name, place, follow_symlinks=False)
        except OSError:  # another file system
            shutil.copy2(name, place, follow_symlinks=False)

    shutil.copytree(source, target, symlinks=True, copy_function=link, dirs_exist_ok=True)


def arguments(
    runtime: LambdaRuntime, handler: str, variables: Mapping[str, str]
) -> tuple[str, ...]:
    """What starts the function: the runtime, or the script that a layer puts before it."""
    started = (str(runtime.python), "-m", "awslambdaric", handler)
    wrapper = variables.get(WRAPPER)
    return (wrapper, *started) if wrapper else started


def variables_of(runtime: LambdaRuntime, root: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Where AWS's runtime looks for modules and libraries; `root` stands before each place."""
    layers = root + LAYERS_ROOT
    modules = [
        f"{layers}/python/lib/{runtime.name}/site-packages",
        f"{layers}/python",
        *filter(None, [variables.get("PYTHONPATH")]),
    ]
    libraries = [f"{root}{TASK_ROOT}", f"{root}{TASK_ROOT}/lib", f"{layers}/lib"]
    return {
        "PATH": PATH.replace(LAYERS_ROOT, layers),
        "LD_LIBRARY_PATH": ":".join(libraries),
        **variables,
        "PYTHONPATH": ":".join(modules),
    }
