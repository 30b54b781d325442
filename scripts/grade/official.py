"""Run a grader that a course gave out, unchanged, with the lab as its cloud."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.dockerfile.installs import Install
from scripts.functions.environments import make_environment
from scripts.functions.pythons import nearest, pythons_here
from scripts.lab.surroundings import variables

# Modules that graders import, and the packages that bring them. Others are asked for by --with:
# a module's name is not a package's.
PACKAGES = {
    "boto3": "boto3",
    "botocore": "botocore",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "httpx": "httpx",
    "numpy": "numpy",
    "pandas": "pandas",
    "paramiko": "paramiko",
    "PIL": "pillow",
    "requests": "requests",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
}


def run_official(
    switch: Switch,
    grader: Path,
    arguments: Sequence[str],
    more_packages: Sequence[str],
    progress: Progress,
) -> int:
    """Its exit code. It runs in its own folder, on an environment with what it imports.

    Raises
    ------
    LabError
        When there is no such file, or its packages can't be installed.
    """
    if not grader.is_file():
        raise LabError(f"OFFICIAL={grader} is no file", "it names the grader's program")
    names = sorted({"boto3", *packages_of(grader.parent, grader), *more_packages})
    python = nearest(f"3.{sys.version_info.minor}", pythons_here())
    made = make_environment(python, [Install(0, names=tuple(names))], progress)
    environment = surroundings(switch, os.environ, made.python.parent)
    progress(f"{grader.name} runs with account {environment['AWS_ACCESS_KEY_ID']}")
    done = subprocess.run(
        [str(made.python), grader.name, *arguments],
        cwd=grader.resolve().parent,
        env=environment,
        check=False,
    )
    return done.returncode


def surroundings(switch: Switch, host: Mapping[str, str], programs: Path) -> dict[str, str]:
    """The grader's variables; the programs that it starts find its own Python first."""
    kept = {name: value for name, value in host.items() if name != "PYTHONPATH"}
    path = f"{programs}{os.pathsep}{host.get('PATH', '')}"
    return {**kept, **variables(switch, host), "PATH": path, "PYTHONUNBUFFERED": "1"}


def packages_of(folder: Path, grader: Path) -> set[str]:
    """Packages for what the grader and the modules beside it import."""
    modules: set[str] = set()
    for path in {grader, *folder.glob("*.py")}:
        modules |= set(_imports(path))
    own = {path.stem for path in folder.glob("*.py")}
    return {PACKAGES[name] for name in modules - own if name in PACKAGES}


def _imports(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8-sig"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
