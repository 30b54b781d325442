"""A function as a locked-down sibling container: the image, run as AWS Lambda would.

Knows nothing of LocalStack. What differs from AWS: `/tmp` is a tmpfs, so that files in it
count against the function's memory.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container
from docker.types import LogConfig, Ulimit

from localstack_image_functions.container.engine import (
    FUNCTION_LABEL,
    LAB_LABEL,
    Position,
    remove_container,
)
from localstack_image_functions.errors import EntrypointNotFound
from localstack_image_functions.runtime.api import RuntimeApi
from localstack_image_functions.runtime.environment import Exit
from localstack_image_functions.runtime.logs import NOTES, OutputLog
from localstack_image_functions.runtime.server import Guard, RuntimeApiServer

LOG = logging.getLogger(__name__)

# The ids that Lambda gives to every function, whatever the image's USER says.
USER_ID, GROUP_ID = 993, 990
MEMORY_MB_PER_CPU = 1769
INIT_CPUS = 2.0
CPU_PERIOD_US = 100_000
MIN_CPU_QUOTA_US = 1_000
FILES_FOR_EACH_MB = 256  # empty ones take no space, but memory of the kernel's
MAX_PROCESSES = 1024
MAX_OPEN_FILES = 1024
MIN_MEMORY_MB = 32
"""Less than this and the container's own init can't start."""

# An engine takes some 13 ms to pause a container and as many to resume it. A function that
# gets one clip after another must not pay that each time, one that idles must not run.
FREEZE_AFTER_S = 1.0
# The engine hands output on from another process and tells nobody when it is through.
OUTPUT_QUIET_S = 0.01
OUTPUT_LIMIT_S = 0.2
PEER_LIMIT_S = 10.0

_NOT_PAUSED = "is not paused"
_NOT_EXECUTABLE = ("executable file not found", "no such file or directory", "permission denied")


@dataclass(frozen=True)
class ContainerSettings:
    """How to run one function version as a container.

    `image` is what the engine calls it, by digest. `environment` is the whole environment but
    for AWS_LAMBDA_RUNTIME_API. Empty `entrypoint`, `command` and `working_directory` leave
    the image's own.
    """

    image: str
    environment: Mapping[str, str]
    memory_mb: int
    ephemeral_mb: int
    lab: str
    function_name: str
    environment_id: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    note: str = ""
    """What the function's log says first."""

    @property
    def cpu_quota_us(self) -> int:
        """CPU time per period: Lambda gives one CPU for each 1769 MB."""
        share = self.memory_mb / MEMORY_MB_PER_CPU
        return max(MIN_CPU_QUOTA_US, math.ceil(share * CPU_PERIOD_US))

    @property
    def init_cpu_quota_us(self) -> int:
        """Lambda does not hold the init phase to the memory's share."""
        return max(self.cpu_quota_us, int(INIT_CPUS * CPU_PERIOD_US))


class ContainerFlavor:
    """Starts containers for one execution environment."""

    def __init__(
        self,
        settings: ContainerSettings,
        engine: DockerClient,
        position: Position,
        pull: Callable[[str], object],
        hosts: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._position = position
        self._pull = pull
        self._hosts = hosts

    def start(
        self, api: RuntimeApi, output: OutputLog, on_exit: Callable[[Exit], None]
    ) -> ContainerSandbox:
        peer = Peer()
        name = f"{secrets.token_hex(16)}.runtime"
        server = RuntimeApiServer(api, self._position.address, Guard(peer.admits, name))
        try:
            container = self._create(self._options(server.address, name))
            try:
                return ContainerSandbox(
                    container, self._settings, self._position.network, peer, server, output, on_exit
                )
            except BaseException:
                remove_container(container)
                raise
        except BaseException:
            server.close()
            raise

    def _create(self, options: dict[str, Any]) -> Container:
        try:
            return self._engine.containers.create(**options)
        except ImageNotFound:  # removed from the engine since the function was deployed
            self._pull(self._settings.image)
            return self._engine.containers.create(**options)

    def _options(self, runtime_api: str, api_host: str) -> dict[str, Any]:
        settings = self._settings
        memory = f"{max(MIN_MEMORY_MB, settings.memory_mb)}m"
        # An environment that starts anew must not meet the name of the one being removed.
        life = os.urandom(2).hex()
        name = f"{settings.lab}-{settings.function_name}-{settings.environment_id[:8]}-{life}"
        return {
            "image": settings.image,
            "name": "".join(c if c.isalnum() or c in "-_." else "-" for c in name),
            "labels": {LAB_LABEL: settings.lab, FUNCTION_LABEL: settings.function_name},
            "entrypoint": list(settings.entrypoint) or None,
            "command": list(settings.command) or None,
            "working_dir": settings.working_directory or None,
            "environment": {**settings.environment, "AWS_LAMBDA_RUNTIME_API": runtime_api},
            "network": self._position.network,
            "extra_hosts": {**self._hosts, api_host: self._position.address},
            "user": f"{USER_ID}:{GROUP_ID}",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "tmpfs": {
                "/tmp": (  # noqa: S108  the one place where Lambda lets a function write
                    f"rw,exec,nosuid,nodev,size={settings.ephemeral_mb}m,mode=0700,"
                    f"nr_inodes={settings.ephemeral_mb * FILES_FOR_EACH_MB},"
                    f"uid={USER_ID},gid={GROUP_ID}"
                )
            },
            "ipc_mode": "none",  # Lambda has no /dev/shm either
            "mem_limit": memory,
            "memswap_limit": memory,
            # A quota, not a number of CPUs: the engine refuses more CPUs than the host has.
            "cpu_period": CPU_PERIOD_US,
            "cpu_quota": settings.init_cpu_quota_us,
            "pids_limit": MAX_PROCESSES,
            "ulimits": [
                Ulimit(name="nofile", soft=MAX_OPEN_FILES, hard=MAX_OPEN_FILES),
                Ulimit(name="core", soft=0, hard=0),
            ],
            "log_config": LogConfig(type="json-file", config={"max-size": "1m"}),
        }


class Peer:
    """Admits connections from one address, which is known once the container runs."""

    def __init__(self) -> None:
        self._known = threading.Event()
        self._address = ""

    def has(self, address: str) -> None:
        self._address = address
        self._known.set()

    def admits(self, host: str, port: int) -> bool:
        return self._known.wait(PEER_LIMIT_S) and host == self._address


class ContainerSandbox:
    """One function container, its output, its memory and its end.

    Raises
    ------
    EntrypointNotFound
        When the engine finds no program to start.
    """

    def __init__(
        self,
        container: Container,
        settings: ContainerSettings,
        network: str,
        peer: Peer,
        server: RuntimeApiServer,
        output: OutputLog,
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._container = container
        self._settings = settings
        self._server = server
        self._output = output
        self._on_exit = on_exit
        self._ended = threading.Event()
        self._last_output = time.monotonic()
        output.write(NOTES, settings.note.encode())
        self._peak_bytes = 0
        self._limited = False
        self._frozen = False
        self._freezing = threading.Lock()
        self._freeze_timer: threading.Timer | None = None
        # Before the start, so that nothing is missed.
        stream = container.attach(stream=True, stdout=True, stderr=True, logs=False, demux=True)
        try:
            container.start()
        except APIError as error:
            if any(sign in str(error.explanation).lower() for sign in _NOT_EXECUTABLE):
                raise EntrypointNotFound(str(error.explanation)) from error
            raise
        container.reload()
        peer.has(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])
        threading.Thread(
            target=self._follow, args=(stream,), name=f"output-{container.name}", daemon=True
        ).start()
        threading.Thread(target=self._measure, name=f"memory-{container.name}", daemon=True).start()

    def thaw(self) -> None:
        self._cancel_freeze()
        with self._freezing:
            if self._frozen and not self._ended.is_set():
                try:
                    self._container.unpause()
                except APIError as error:
                    # A busy engine may have failed to pause it, or somebody was quicker.
                    if _NOT_PAUSED not in str(error.explanation):
                        raise
                self._frozen = False

    def freeze(self) -> None:
        if not self._limited:
            self._limited = True
            self._ask(self._limit_cpu)
        self._cancel_freeze()
        self._freeze_timer = threading.Timer(FREEZE_AFTER_S, self._freeze_now)
        self._freeze_timer.daemon = True
        self._freeze_timer.start()

    def flush_output(self) -> None:
        deadline = time.monotonic() + OUTPUT_LIMIT_S
        begin = time.monotonic()
        while not self._ended.is_set():
            quiet_s = time.monotonic() - max(begin, self._last_output)
            if quiet_s >= OUTPUT_QUIET_S or time.monotonic() > deadline:
                return
            self._ended.wait(OUTPUT_QUIET_S - quiet_s)

    def peak_memory_bytes(self) -> int:
        if not self._peak_bytes and not self._ended.is_set():
            # The stream's first sample takes the engine a second or two.
            self._ask(
                lambda: self._take(
                    self._container.client.api.stats(
                        self._container.id, stream=False, one_shot=True
                    )
                )
            )
        return self._peak_bytes

    def stop(self, grace_s: float) -> None:
        self._cancel_freeze()
        if grace_s and not self._ended.is_set():
            self._ask(self.thaw)
            self._ask(lambda: self._container.kill("SIGTERM"))
            self._ended.wait(grace_s)
        remove_container(self._container)
        self._server.close()

    def _freeze_now(self) -> None:
        with self._freezing:
            # A thaw that came first cancelled the timer, but maybe too late to stop us.
            if self._freeze_timer is None or self._ended.is_set():
                return
            self._ask(self._container.pause)
            self._frozen = True

    def _cancel_freeze(self) -> None:
        with self._freezing:
            timer, self._freeze_timer = self._freeze_timer, None
        if timer is not None:
            timer.cancel()

    def _limit_cpu(self) -> None:
        if self._settings.cpu_quota_us < self._settings.init_cpu_quota_us:
            self._container.update(cpu_quota=self._settings.cpu_quota_us)

    def _follow(self, stream: Any) -> None:
        """Gather the output; its end is the container's end."""
        try:
            for pieces in stream:
                for number, data in enumerate(pieces):
                    if data:
                        self._output.write(number, data)
                self._last_output = time.monotonic()
        except (DockerException, OSError, ValueError) as error:
            LOG.debug("output of %s ended: %s", self._container.name, error)
        self._on_exit(self._exit())
        self._ended.set()

    def _exit(self) -> Exit:
        try:
            status = self._container.wait()["StatusCode"]
            self._container.reload()
            out_of_memory = bool(self._container.attrs["State"]["OOMKilled"])
        except (DockerException, OSError):
            return Exit(signal=9)  # removed by us while it ran
        # As a shell does, the engine reports a signal as 128 plus its number.
        if 128 < status < 160:
            return Exit(signal=status - 128, out_of_memory=out_of_memory and status == 137)
        return Exit(status=status, out_of_memory=False)

    def _measure(self) -> None:
        # One stream for the sandbox's life: asking once blocks for a second.
        try:
            for sample in self._container.stats(stream=True, decode=True):
                self._take(sample)
                if self._ended.is_set():
                    return
        except (DockerException, OSError, ValueError) as error:
            LOG.debug("memory of %s: %s", self._container.name, error)

    def _take(self, sample: Mapping[str, Any]) -> None:
        memory = sample.get("memory_stats") or {}
        details = memory.get("stats") or {}
        cache = details.get("total_inactive_file", details.get("inactive_file", 0))
        self._peak_bytes = max(self._peak_bytes, memory.get("usage", 0) - cache)

    def _ask(self, request: Callable[[], object]) -> None:
        """Ask the engine for something that fails when the container has just ended."""
        try:
            request()
        except APIError as error:
            LOG.debug("%s: %s", self._container.name, error)
