"""Zip functions: code and layers as one tree, and the runtime that starts it.

As processes they run on environments below one folder, named as Lambda names them:
`python3.12/bin/python` with `awslambdaric` in it and whatever else AWS's has (boto3),
`nodejs20.x/bin/node`; the machine's own Node.js, too. A function with the
runtime `provided.…` brings its own: the program `bootstrap`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from localstack_image_functions.errors import CodeTooLarge, RuntimeNotFound

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import (
        FunctionVersion,
        VersionFunctionConfiguration,
    )

TASK_ROOT = "/var/task"
LAYERS_ROOT = "/opt"
RUNTIME_ROOT = "/var/runtime"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
PYTHON = re.compile(r"python3\.(\d+)")
NODE = re.compile(r"nodejs(\d+)\.x")
CUSTOM = re.compile(r"provided(\.al\d+)?")
BOOTSTRAPS = (f"{TASK_ROOT}/bootstrap", f"{LAYERS_ROOT}/bootstrap")
NODE_CLIENT = Path(__file__).with_name("node_runtime.mjs")
WITH_SITES = (
    "import runpy, site, sys; [site.addsitedir(folder) for folder in sys.argv.pop(1).split(':')]; "
    "runpy.run_module('awslambdaric', run_name='__main__', alter_sys=True)"
)
PATH = "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"


@dataclass(frozen=True)
class LambdaRuntime:
    """A runtime of this machine, or of a function's own (`is_custom`), whose program lies in it.

    `note` says where it is not the one that was asked for.
    """

    name: str
    program: Path
    note: str = ""

    @property
    def is_custom(self) -> bool:
        return CUSTOM.fullmatch(self.name) is not None

    @property
    def programs(self) -> tuple[str, ...]:
        """What of this machine it starts."""
        return () if self.is_custom else (str(self.program),)

    @property
    def is_node(self) -> bool:
        return NODE.fullmatch(self.name) is not None


def find_runtime(folder: Path | None, wanted: str) -> LambdaRuntime:
    """What runs functions of this runtime as processes here: see `nearest_runtime`."""
    return nearest_runtime(wanted, {**_of_this_machine(), **_in_folder(folder)})


def nearest_runtime(wanted: str, here: Mapping[str, Path]) -> LambdaRuntime:
    """The runtime of that name, else the nearest to it of the same language.

    `here` has the programs by the name of their runtime; `provided.…` is the function's own.

    Raises
    ------
    RuntimeNotFound
        For another language, and where no runtime of this one is here.
    """
    if CUSTOM.fullmatch(wanted):
        return LambdaRuntime(wanted, Path(BOOTSTRAPS[0]))
    for language in (PYTHON, NODE):
        asked = language.fullmatch(wanted)
        if asked is None:
            continue
        found = {int(match[1]): name for name in here if (match := language.fullmatch(name))}
        if not found:
            raise RuntimeNotFound(
                f"no runtime for {wanted} is here: IMAGE_FUNCTIONS_RUNTIMES names a folder of "
                f"environments like {wanted}"
            )
        version = int(asked[1])
        name = found[min(found, key=lambda one: (abs(one - version), -one))]
        note = f"{wanted} is not here: {name} runs this function, the nearest\n"
        return LambdaRuntime(name, here[name], "" if name == wanted else note)
    raise RuntimeNotFound(
        f"the runtime {wanted} can't be run here: those of Python and Node.js can, and what a "
        "function brings itself (provided.al2023)"
    )


@dataclass(frozen=True)
class Start:
    """How a function is started: by which runtime, with which arguments and environment."""

    runtime: LambdaRuntime
    arguments: tuple[str, ...]
    environment: dict[str, str]


def start_of(
    runtime: LambdaRuntime,
    root: Path,
    before: str,
    config: VersionFunctionConfiguration,
    variables: Mapping[str, str],
) -> Start:
    """How to start what was unpacked to `root`, which the function sees at `before`."""
    if runtime.is_custom:
        runtime = brought_by(root, runtime)
    folders = site_folders(runtime, config.runtime)
    sites = [place for place in folders if (root / place.lstrip("/")).is_dir()]
    return Start(
        runtime,
        arguments(runtime, before, config.handler, variables, sites),
        environment_of(runtime, before, config, variables),
    )


def brought_by(root: Path, runtime: LambdaRuntime) -> LambdaRuntime:
    """A function's own runtime: the program in its code, else in a layer."""
    there = (place for place in BOOTSTRAPS if (root / place.lstrip("/")).is_file())
    return replace(runtime, program=Path(next(there, BOOTSTRAPS[0])))


def _in_folder(folder: Path | None) -> dict[str, Path]:
    """Programs by runtime. A link to an environment is followed, its program is left as it is."""
    found = {}
    for path in folder.iterdir() if folder and folder.is_dir() else ():
        for language, program in ((PYTHON, "bin/python"), (NODE, "bin/node")):
            if language.fullmatch(path.name) and (path / program).exists():
                found[path.name] = path.resolve() / program
    return found


@functools.cache
def _of_this_machine() -> dict[str, Path]:
    node = shutil.which("node")
    if node is None:
        return {}
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", told)
    return {f"nodejs{version[1]}.x": Path(node)} if version else {}


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
    client = NODE_CLIENT if NODE.fullmatch(version.config.runtime) else None
    parts = [*(one.id for one in (code, *layers)), client.read_text() if client else ""]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
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
        if client:
            place = draft / RUNTIME_ROOT.lstrip("/")
            place.mkdir()
            shutil.copyfile(client, place / client.name)
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
    """What is in `source` over what is in `target`; the same files, which nobody writes to.

    A link stays one and is never gone through: it may lead to a folder of this machine.
    """
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        place = target / entry.name
        is_folder = entry.is_dir() and not entry.is_symlink()
        if place.is_dir() and not place.is_symlink():
            if not is_folder:
                shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        if is_folder:
            _lay(entry, place)
        elif entry.is_symlink():
            place.symlink_to(entry.readlink())
        else:
            _link(entry, place)
    shutil.copystat(source, target)


def _link(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except OSError:  # another file system
        shutil.copy2(file, place)


def site_folders(runtime: LambdaRuntime, wanted: str) -> list[str]:
    """Where layers have packages as an installer lays them, for the runtime that was asked for and
    for the one that runs in its place."""
    if runtime.is_node or runtime.is_custom:
        return []
    names = dict.fromkeys((wanted, runtime.name))
    return [f"{LAYERS_ROOT}/python/lib/{name}/site-packages" for name in names]


def arguments(
    runtime: LambdaRuntime,
    root: str,
    handler: str,
    variables: Mapping[str, str],
    sites: Sequence[str] = (),
) -> tuple[str, ...]:
    """What starts the function: the runtime, or the script that a layer puts before it.

    `sites` are those of its `site_folders` that are there: Python reads their *.pth files.
    """
    started: tuple[str, ...]
    if runtime.is_custom:
        started = (f"{root}{runtime.program}",)
    elif runtime.is_node:
        started = (str(runtime.program), f"{root}{RUNTIME_ROOT}/{NODE_CLIENT.name}")
    elif sites:
        folders = ":".join(f"{root}{site}" for site in sites)
        started = (str(runtime.program), "-c", WITH_SITES, folders, handler)
    else:
        started = (str(runtime.program), "-m", "awslambdaric", handler)
    wrapper = variables.get(WRAPPER)
    return (wrapper, *started) if wrapper else started


def environment_of(
    runtime: LambdaRuntime, root: str, config: VersionFunctionConfiguration, own: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a function, with its `own` variables."""
    return {
        "LAMBDA_TASK_ROOT": root + TASK_ROOT,
        "_HANDLER": config.handler,
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables_of(runtime, root, own, config.runtime),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
    }


def variables_of(
    runtime: LambdaRuntime, root: str, variables: Mapping[str, str], wanted: str
) -> dict[str, str]:
    """Where AWS's runtime looks for modules and libraries; `root` stands before each place."""
    layers = root + LAYERS_ROOT
    named: dict[str, list[str]] = {}
    libraries = [f"{root}{TASK_ROOT}", f"{root}{TASK_ROOT}/lib", f"{layers}/lib"]
    if runtime.is_node:
        version = runtime.name.removeprefix("nodejs").removesuffix(".x")
        named["NODE_PATH"] = [
            f"{layers}/nodejs/node{version}/node_modules",
            f"{layers}/nodejs/node_modules",
            f"{root}{RUNTIME_ROOT}/node_modules",
        ]
    elif not runtime.is_custom:
        sites = site_folders(runtime, wanted)
        named["PYTHONPATH"] = [*(f"{root}{site}" for site in sites), f"{layers}/python"]
    return {
        "PATH": PATH.replace(LAYERS_ROOT, layers),
        "LD_LIBRARY_PATH": ":".join(libraries),
        **variables,
        **{
            name: ":".join([*modules, *filter(None, [variables.get(name)])])
            for name, modules in named.items()
        },
    }
