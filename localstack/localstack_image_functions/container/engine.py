"""The container engine as this plugin uses it: who we are to it, and what we left behind.

Talks to the engine that `DOCKER_HOST` or the CLI's context names. Functions never get it.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from typing import Any

import docker
from docker.errors import APIError, NotFound

LOG = logging.getLogger(__name__)

LAB_LABEL = "localstack-image-functions.lab"
FUNCTION_LABEL = "localstack-image-functions.function"
DEFAULT_NETWORK = "bridge"


@dataclass(frozen=True)
class Position:
    """Where a function's container finds the emulator: its address on a shared network."""

    address: str
    network: str


@cache
def engine() -> docker.DockerClient:
    """The one client of this process, made on first use; it negotiates the API version."""
    options: dict[str, Any] = {"max_pool_size": 64, "timeout": 120}
    host = None if os.environ.get("DOCKER_HOST") else _host_of_context()
    if host and host.startswith("unix://"):
        return docker.DockerClient(base_url=host, **options)
    return docker.from_env(**options)


def _host_of_context() -> str | None:
    """Where the engine of the CLI's context is; None inside a container, without a CLI."""
    try:
        done = subprocess.run(
            ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@cache
def own_position(wanted_network: str | None = None) -> Position:
    """Our address and the network that functions join.

    Inside a container that is one of the container's own networks (`wanted_network` if it is
    among them); on the host it is the gateway of the engine's default bridge.
    """
    try:
        attributes = engine().containers.get(socket.gethostname()).attrs
    except NotFound:
        return _host_position(wanted_network or DEFAULT_NETWORK)
    networks: dict[str, Any] = attributes["NetworkSettings"]["Networks"]
    name = wanted_network if wanted_network in networks else next(iter(networks))
    return Position(networks[name]["IPAddress"], name)


def _host_position(network: str) -> Position:
    first = engine().networks.get(network).attrs["IPAM"]["Config"][0]
    # The engine takes a subnet's first address for itself unless told otherwise.
    gateway = first.get("Gateway") or str(next(ip_network(first["Subnet"]).hosts()))
    return Position(gateway, network)


def sweep(lab: str) -> list[str]:
    """Remove the function containers that an earlier emulator of `lab` left; their names."""
    removed = []
    for container in engine().containers.list(
        all=True, filters={"label": f"{LAB_LABEL}={lab}"}, ignore_removed=True
    ):
        try:
            container.remove(force=True, v=True)
            removed.append(container.name)
        except NotFound:
            continue
        except APIError as error:
            LOG.warning("could not remove %s: %s", container.name, error)
    return removed
