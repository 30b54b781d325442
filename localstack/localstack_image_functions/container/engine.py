"""The container engine as this plugin uses it: who we are to it, and what we left behind.

Talks to the engine through the socket that `DOCKER_HOST` names. Functions never get it.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound

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
    return docker.from_env(max_pool_size=64, timeout=120)


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


def engine_answers() -> bool:
    """Whether there is an engine to talk to."""
    try:
        return bool(engine().ping())
    except (DockerException, OSError):
        return False


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


def default_lab() -> str:
    """The label of this emulator's containers (`IMAGE_FUNCTIONS_LAB`)."""
    return os.environ.get("IMAGE_FUNCTIONS_LAB") or "localstack"
