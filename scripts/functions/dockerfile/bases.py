"""What a base image of Python brings: which Python, and whether it is one of Lambda's own."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from scripts.functions.dockerfile.errors import DockerfileRefused

VERSION = re.compile(r"(?:^|[^0-9.])(3(?:\.\d+)?)(?:\.\d+)?(?:[^0-9]|$)")
SYSTEMS = ("debian", "ubuntu", "alpine", "amazonlinux", "fedora", "rockylinux", "almalinux")
TASK_ROOT = "/var/task"
LABS_IMAGE = "facelab-recognize"


@dataclass(frozen=True)
class Base:
    """A base image. `python` is the version it names (`3.12`, `3`), None where it names none.

    `is_lambda`: AWS's own, which brings the runtime interface client and boto3. `is_system`: a
    system without Python until its packages bring one. `is_labs`: the lab's own function, with its
    recognition package, its models and all that they need.
    """

    name: str
    python: str | None = None
    is_lambda: bool = False
    is_system: bool = False
    is_labs: bool = False


def base_of(name: str, line: int) -> Base:
    """What the image `name` brings.

    Raises
    ------
    DockerfileRefused
        When it does not say that it has Python: what it holds can't be seen without a registry.
    """
    path = name.partition("@")[0]
    head, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        head, tag = path, ""
    repository = head.lower()
    last = repository.rpartition("/")[2]
    if last == "scratch":
        raise DockerfileRefused(line, "FROM scratch holds no Python", "begin with python:3.12-slim")
    if repository == LABS_IMAGE:
        return Base(name, f"3.{sys.version_info.minor}", is_labs=True)
    match = VERSION.search(f"{last}:{tag}" if "python" in last or "python" in tag else tag)
    version = match[1] if match and ("python" in last or "python" in tag) else None
    if re.search(r"(^|/)lambda/python$|aws-lambda-python$", repository):
        return Base(name, version, is_lambda=True)
    if re.search(r"(^|/)lambda/", repository):
        raise DockerfileRefused(
            line,
            f"{name} is no Python image of Lambda",
            "public.ecr.aws/lambda/python:3.12 is; FACELAB_BACKEND=docker runs any image",
        )
    if "python" in last or "python" in tag:
        return Base(name, version)
    if repository.endswith("astral-sh/uv"):
        return Base(name, is_system=True)
    if last in SYSTEMS:
        return Base(name, is_system=True)
    raise DockerfileRefused(
        line,
        f"what {name} holds can't be seen without pulling it",
        "begin with a Python image (python:3.12-slim, public.ecr.aws/lambda/python:3.12), or "
        "FACELAB_BACKEND=docker, which runs any image",
    )
