"""Say what this machine can do for the lab, and what to do about what it can't."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cloud.switch import Switch
from device.settings import spool_folder
from scripts import pitfalls
from scripts.console import Progress
from scripts.docker import base_image
from scripts.docker.engine import engine_answers
from scripts.finding import Finding, FindingLevel
from scripts.lab.backends import choose_backend
from scripts.lab.state import LabState
from scripts.paths import BUILD
from scripts.provision.container_image import NO_CA, ca_file
from scripts.setup import ENVIRONMENTS, MIN_PYTHON

MIN_FREE_GB = {"embedded": 3, "docker": 8}
MIN_FREE_STATE_GB = 0.5  # of clips that wait, and of what the lab keeps


def python() -> Finding:
    version = platform.python_version()
    if sys.version_info < MIN_PYTHON:
        return Finding("Python", FindingLevel.BAD, version, "make PYTHON=python3.12 …")
    return Finding("Python", FindingLevel.GOOD, f"{version} on {platform.machine()}")


def environments() -> Finding:
    missing = [name for name, env in ENVIRONMENTS.items() if not env.stamp.exists()]
    if missing:
        return Finding(
            "environments", FindingLevel.NOTE, f"{', '.join(missing)} not made yet", "make setup"
        )
    return Finding("environments", FindingLevel.GOOD, ", ".join(ENVIRONMENTS))


def disk() -> Finding:
    """Of the disks that the lab writes to, the one with the least room."""
    places = {_existing(one) for one in (BUILD, LabState().folder, spool_folder())}
    free = {one: shutil.disk_usage(one).free / 1e9 for one in places}
    needed = dict.fromkeys(places, MIN_FREE_STATE_GB)
    needed[_existing(BUILD)] = MIN_FREE_GB["docker" if engine_answers() else "embedded"]
    place = min(places, key=lambda one: free[one] - needed[one])
    fact = f"{free[place]:.1f} GB free, {needed[place]:g} GB needed"
    if free[place] >= needed[place]:
        return Finding("disk", FindingLevel.GOOD, fact)
    hint = "make room, or another disk: FACELAB_STATE, FACELAB_SPOOL"
    return Finding("disk", FindingLevel.BAD, f"{place}: {fact}", hint)


def _existing(path: Path) -> Path:
    """The path, or the folder that it would be made in."""
    return next(one for one in (path.resolve(), *path.resolve().parents) if one.is_dir())


def engine() -> Finding:
    if engine_answers():
        return Finding(
            "Docker", FindingLevel.GOOD, f"engine {_docker('version', '{{.Server.Version}}')}"
        )
    return Finding(
        "Docker",
        FindingLevel.NOTE,
        "no engine with Compose answers; the embedded backend needs none",
        "on Debian as root: make docker-engine",
    )


def base() -> Finding:
    """Which way the base image of our images came, or would come."""
    if not engine_answers():
        return Finding("base image", FindingLevel.NOTE, "needs an engine")
    came = base_image.origin()
    if came is not base_image.Origin.ABSENT:
        return Finding("base image", FindingLevel.GOOD, f"{base_image.IMAGE}, {came}")
    if base_image.registry_answers():
        return Finding("base image", FindingLevel.GOOD, f"{base_image.IMAGE} will be pulled")
    if base_image.can_make():
        return Finding(
            "base image",
            FindingLevel.GOOD,
            f"no registry answers: {base_image.IMAGE} will be made from Debian's packages",
        )
    return Finding(
        "base image",
        FindingLevel.BAD,
        f"no registry answers, and making {base_image.IMAGE} takes root on Debian",
        f"docker load -i a file that has {base_image.IMAGE}",
    )


def certificates() -> Finding:
    bundle = ca_file()
    if bundle == NO_CA:
        return Finding("extra CAs", FindingLevel.GOOD, "none for image builds (FACELAB_CA_FILE)")
    return Finding("extra CAs", FindingLevel.GOOD, f"{bundle} for image builds")


def lab(switch: Switch) -> list[Finding]:
    """The backend, and what depends on whether it is up."""
    if switch.is_aws:
        return [
            Finding("backend", FindingLevel.GOOD, "aws (make aws-status)"),
            pitfalls.aws_caller(switch),
        ]
    backend = choose_backend(switch, LabState(), Progress(quiet=True))
    is_up = backend.is_up()
    why = "FACELAB_BACKEND" if switch.backend else "chosen for this machine"
    state = f"{'up' if is_up else 'down'}, region {switch.region_name}"
    return [
        Finding("backend", FindingLevel.GOOD, f"{backend.name} ({why}), {state}"),
        pitfalls.ports(switch, is_up),
        pitfalls.aws_caller(switch),
    ]


def _docker(command: str, form: str) -> str:
    done = subprocess.run(
        ["docker", command, "--format", form], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def examine(switch: Switch) -> list[Finding]:
    checks: list[Callable[[], Finding]] = [
        python,
        pitfalls.pythons,
        environments,
        disk,
        pitfalls.settings,
        pitfalls.line_ends,
        pitfalls.clock,
        pitfalls.proxies,
        certificates,
        pitfalls.context,
        engine,
        base,
    ]
    return [*(check() for check in checks), *lab(switch)]
