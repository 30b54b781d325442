"""The container engine as this plugin uses it: who we are to it, and what we left behind.

Talks to the engine that `DOCKER_HOST` or the CLI's context names. Functions never get it.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network

LOG = logging.getLogger(__name__)

LAB_LABEL = "localstack-image-functions.lab"
FUNCTION_LABEL = "localstack-image-functions.function"
# No address of the host's in a network in which it has no business.
NO_HOST_ADDRESS = {"com.docker.network.bridge.inhibit_ipv4": "true"}
HOST_PROBE_S = 1.0
REMOVED_AT_ONCE = 8


@dataclass(frozen=True)
class Position:
    """Where a function's container finds the emulator, and where the engine does.

    `address` is the emulator's on `network`, the one that functions are on. What is published
    to the engine listens on `outer_address`, which functions can't reach.
    """

    address: str
    network: str
    outer_address: str


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
def own_position(lab: str, internet: bool = False, wanted_network: str | None = None) -> Position:
    """Our address, and the network that functions join.

    That is one of the lab's own, without a way out and without the host in it, that we make
    and join; with `internet` it has both. `wanted_network` is used as it is instead.
    """
    ourselves = _own_container()
    if ourselves is None:
        network = _network(lab, internet, options={})
        LOG.warning(
            "LocalStack runs on the host itself: functions reach the host's ports that listen on "
            "all addresses"
        )
        return Position(_gateway(network), network.name, "127.0.0.1")
    before = _addresses(ourselves)
    if wanted_network in before:
        name = wanted_network
    else:
        network = _network(lab, internet, {} if internet else NO_HOST_ADDRESS)
        name = network.name
        if name not in before:
            network.connect(ourselves)
            ourselves.reload()
        if not internet and _host_answers(_gateway(network)):
            LOG.warning(
                "this engine keeps an address of the host's in %s: functions reach the host's "
                "ports that listen on all addresses",
                name,
            )
    addresses = _addresses(ourselves)
    return Position(addresses[name], name, _published_address(addresses, name))


def _published_address(addresses: dict[str, str], functions_network: str) -> str:
    """Our address on the network that the engine publishes ports on: one with a way out."""
    for name, address in addresses.items():
        if name != functions_network and not engine().networks.get(name).attrs["Internal"]:
            return address
    return addresses[functions_network]


def _own_container() -> Container | None:
    try:
        return engine().containers.get(socket.gethostname())
    except NotFound:
        return None


def _addresses(container: Container) -> dict[str, str]:
    networks: dict[str, Any] = container.attrs["NetworkSettings"]["Networks"]
    return {name: settings["IPAddress"] for name, settings in networks.items()}


def _network(lab: str, internet: bool, options: dict[str, str]) -> Network:
    """The lab's network for functions; made anew when its settings are not these."""
    name = f"{lab}-functions"
    for found in engine().networks.list(names=[name]):
        if found.name == name:
            as_wanted = found.attrs["Internal"] is not internet
            if as_wanted and (found.attrs["Options"] or {}) == options:
                return found
            remove_network(found)
    return engine().networks.create(
        name, driver="bridge", internal=not internet, options=options, labels={LAB_LABEL: lab}
    )


def remove_network(network: Network) -> None:
    """Remove a network of functions, and us from it."""
    network.reload()
    for container in network.attrs.get("Containers") or {}:
        network.disconnect(container, force=True)
    network.remove()


def _gateway(network: Network) -> str:
    network.reload()
    first = network.attrs["IPAM"]["Config"][0]
    # The engine takes a subnet's first address for itself unless told otherwise.
    return first.get("Gateway") or str(next(ip_network(first["Subnet"]).hosts()))


def _host_answers(address: str) -> bool:
    """Whether somebody has `address`: a port that is refused is a sign of life, too."""
    with socket.socket() as probe:
        probe.settimeout(HOST_PROBE_S)
        try:
            probe.connect((address, 9))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return True


def sweep(lab: str) -> list[str]:
    """Remove the function containers that an emulator of `lab` left; their names.

    All at once: the engine takes a third of a second for each, and a lab that ends has many.
    """
    left = engine().containers.list(
        all=True, filters={"label": f"{LAB_LABEL}={lab}"}, ignore_removed=True
    )
    if not left:
        return []
    with ThreadPoolExecutor(min(len(left), REMOVED_AT_ONCE)) as pool:
        return [
            one.name
            for one, gone in zip(left, pool.map(remove_container, left), strict=True)
            if gone
        ]


def leave(lab: str) -> None:
    """Remove the lab's network of functions; quiet when there is none, or it is in use."""
    for network in engine().networks.list(filters={"label": f"{LAB_LABEL}={lab}"}):
        try:
            remove_network(network)
        except APIError as error:
            LOG.debug("network %s stays: %s", network.name, error)


def remove_container(container: Container) -> bool:
    """Remove a container that may be running or gone; whether it was there to be removed."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return False
    except APIError as error:
        if "already in progress" not in str(error):
            LOG.warning("could not remove %s: %s", container.name, error)
        return False
    return True
