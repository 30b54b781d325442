"""Whether a Docker engine answers here, and where: one answer for the CLI and the client library.

The CLI asks the engine that DOCKER_HOST names, else that of DOCKER_CONTEXT or of the context in
use (Colima, rootless, Docker Desktop). What it says is what everything here goes by.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_SOCKET = "/var/run/docker.sock"
# Engines in a virtual machine: inside it the socket is at its usual place, whatever it is called
# out here.
IN_A_MACHINE = ("/.docker/", "/.colima/", "/.lima/", "/.rd/", "/.orbstack/", "podman-machine")


def engine_answers() -> bool:
    """Whether a Docker engine with Compose answers here."""
    commands = (
        ["docker", "version", "--format", "{{.Server.Version}}"],
        ["docker", "compose", "version"],
    )
    with ThreadPoolExecutor(len(commands)) as pool:  # each takes a tenth of a second to begin
        return all(pool.map(_succeeds, commands))


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def asked_for(environment: Mapping[str, str] = os.environ) -> tuple[str | None, str | None]:
    """The engine's address and the context that somebody names; the address counts for more."""
    return environment.get("DOCKER_HOST") or None, environment.get("DOCKER_CONTEXT") or None


def engine_host() -> str | None:
    """The engine's address as the CLI knows it (`unix:///…`); None where there is no CLI."""
    host, context = asked_for()
    if host:
        return host
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    if context:
        command.append(context)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def engine_client(timeout_s: int = 60) -> DockerClient:
    """A client of the engine that the CLI uses."""
    import docker

    host = engine_host()
    if host is None or not host.startswith(("unix://", "npipe://")):
        return docker.from_env(timeout=timeout_s)  # with the certificates of environment or context
    return docker.DockerClient(base_url=host, timeout=timeout_s)


def socket_for_containers(host: str | None) -> str:
    """The path by which a container mounts the engine's socket."""
    if not host or not host.startswith("unix://"):
        return DEFAULT_SOCKET
    path = host.removeprefix("unix://")
    return DEFAULT_SOCKET if any(part in path for part in IN_A_MACHINE) else path


def is_elsewhere(host: str | None) -> bool:
    """Whether the engine is on another machine, where this checkout can't be mounted."""
    if not host:
        return False
    scheme, _, rest = host.partition("://")
    name = rest.rpartition(":")[0].strip("[]")
    return scheme == "ssh" or (
        scheme in ("tcp", "http", "https") and name not in ("localhost", "127.0.0.1", "::1")
    )
