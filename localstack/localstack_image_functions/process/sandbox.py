"""A function as a sandboxed process: what a machine without a container engine can do.

Knows nothing of LocalStack. README.md lists where this differs from AWS.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localstack_image_functions.errors import EntrypointNotFound
from localstack_image_functions.process.isolation import Isolation
from localstack_image_functions.process.launch import launch
from localstack_image_functions.process.leftovers import MARKER, kill_marked
from localstack_image_functions.process.memory import memory_watch, used_bytes
from localstack_image_functions.process.peers import OwnProcesses
from localstack_image_functions.process.view import view_of
from localstack_image_functions.runtime.api import RuntimeApi
from localstack_image_functions.runtime.environment import Exit
from localstack_image_functions.runtime.logs import NOTES, OutputLog
from localstack_image_functions.runtime.pipes import Pipes
from localstack_image_functions.runtime.relay import Close
from localstack_image_functions.runtime.server import Guard, RuntimeApiServer

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"
MAX_OPEN_FILES = 1024
RUNTIME_API_PORT = 9001
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Door:
    """A port of the function's own network: `open` serves the socket that listens there.

    `names` are the hosts that the function may call it by, beside `localhost`.
    """

    port: int
    open: Callable[[Any], Close]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessSettings:
    """How to run one function version as a process.

    `environment` is the whole environment but for what belongs to one process only
    (AWS_LAMBDA_RUNTIME_API, HOME, TMPDIR). `marker` is `<lab>/<environment id>`.
    `isolation` says how far the process is set apart, None not at all. Of the host it then
    sees the system, the installations of its program and of `programs`, `directory` and
    `shown`; of the host's network `doors` alone, or with `internet` all of it. The files below
    `root` are at their own places then, before the system's, and `directory` is one of these.
    `note` goes to the function's log when it starts.
    """

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    memory_mb: int
    ephemeral_mb: int
    marker: str
    temporary_root: Path
    isolation: Isolation | None = None
    root: Path | None = None
    programs: tuple[str, ...] = ()
    note: str = ""
    shown: tuple[Path, ...] = ()
    doors: tuple[Door, ...] = ()
    internet: bool = False

    @property
    def own_network(self) -> bool:
        return self.isolation is not None and not self.internet


class ProcessFlavor:
    """Starts processes for one execution environment."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings

    def start(
        self, api: RuntimeApi, output: OutputLog, on_exit: Callable[[Exit], None]
    ) -> ProcessSandbox:
        """Start a process of its own for the function.

        Raises
        ------
        EntrypointNotFound
            When its program is not there, or none that can be run.
        """
        settings = self._settings
        executable = find_program(settings)
        if executable is None:
            raise EntrypointNotFound(
                f"fork/exec {settings.argv[0]}: no such file or not executable"
            )
        output.write(NOTES, settings.note.encode())
        settings.temporary_root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="function-", dir=settings.temporary_root))
        try:
            return ProcessSandbox(settings, executable, temporary, api, output, on_exit)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


class ProcessSandbox:
    """One function process, its children, its output and its memory."""

    def __init__(
        self,
        settings: ProcessSettings,
        executable: str,
        temporary: Path,
        api: RuntimeApi,
        output: OutputLog,
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._settings = settings
        self._temporary = temporary
        self._on_exit = on_exit
        self._peak = 0
        self._out_of_memory = False
        self._ended = threading.Event()
        self._pipes = Pipes(output)
        self._closing: list[Close] = []
        own = OwnProcesses()
        # Where names can be given: no scan of ports finds out what to ask for.
        name = f"{secrets.token_hex(16)}.runtime" if settings.isolation else ""
        address = f"{name}:{RUNTIME_API_PORT}"
        if not settings.own_network:
            server = RuntimeApiServer(api, LOOPBACK, Guard(own.admits, name))
            self._closing.append(server.close)
            address = server.address
        try:
            self._launched = launch(
                self._specification(executable, name, address), self._pipes, own
            )
        except BaseException:
            self._close_doors()
            self._pipes.close()
            raise
        self._open_doors(api, Guard(name=name))
        threading.Thread(
            target=self._pipes.read_until_closed, name="function-output", daemon=True
        ).start()
        threading.Thread(target=self._wait, name="function-exit", daemon=True).start()
        memory_watch.add(self)

    @property
    def pid(self) -> int:
        """The function's own process, by its number on the host."""
        return self._launched.function_pid

    def thaw(self) -> None:
        memory_watch.add(self)
        self._signal(signal.SIGCONT)

    def freeze(self) -> None:
        memory_watch.remove(self)
        self.measure()
        self._signal(signal.SIGSTOP)

    def flush_output(self) -> None:
        self._pipes.drain()

    def peak_memory_bytes(self) -> int:
        return self._peak

    def stop(self, grace_s: float) -> None:
        memory_watch.remove(self)
        if grace_s and not self._ended.is_set():
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            self._ended.wait(grace_s)
        self._signal(signal.SIGKILL)
        self._ended.wait()
        self._close_doors()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def measure(self) -> None:
        """Sample the memory of the whole process tree; kill it when it is over the limit."""
        limit = self._settings.memory_mb * 2**20
        try:
            used = used_bytes(self.pid, limit)
        except (psutil.Error, OSError):
            return
        self._peak = max(self._peak, used)
        if used > limit and not self._ended.is_set():
            self._out_of_memory = True
            self._signal(signal.SIGKILL)

    def _specification(self, executable: str, name: str, address: str) -> dict[str, Any]:
        settings = self._settings
        own_tmp = "/tmp" if settings.isolation else str(self._temporary)  # noqa: S108
        storage = settings.ephemeral_mb * 2**20
        return {
            "argv": settings.argv,
            "executable": executable,
            "environment": {
                "PATH": DEFAULT_PATH,
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "HOME": own_tmp,
                "TMPDIR": own_tmp,
                **settings.environment,
                "AWS_LAMBDA_RUNTIME_API": address,
                MARKER: settings.marker,
            },
            "apart": self._isolation_of(executable, name, storage) if settings.isolation else None,
            "directory": str(settings.directory),
            "parent": os.getpid(),
            "max_files": MAX_OPEN_FILES,
            "max_file_bytes": storage,
            "max_processes": settings.isolation.max_processes if settings.isolation else None,
        }

    def _isolation_of(self, executable: str, name: str, storage: int) -> dict[str, Any]:
        settings = self._settings
        assert settings.isolation is not None  # noqa: S101  the caller looked
        hosts = {"localhost": LOOPBACK, name: LOOPBACK}
        if settings.own_network:
            hosts |= {host: LOOPBACK for door in settings.doors for host in door.names}
        folders = settings.shown if settings.root else (settings.directory, *settings.shown)
        view = view_of(
            (executable, *settings.programs), folders, hosts, settings.internet, settings.root
        )
        ports = [RUNTIME_API_PORT, *(door.port for door in settings.doors)]
        return {
            **settings.isolation.ids(),
            "root": str(self._temporary),
            "shown": view.shown,
            "links": view.links,
            "files": view.files,
            "tmp_bytes": storage,
            "ports": ports if settings.own_network else [],
        }

    def _open_doors(self, api: RuntimeApi, guard: Guard) -> None:
        """Serve what listens in the function's own network."""
        if self._launched.listeners:
            first, *others = self._launched.listeners
            self._closing.append(RuntimeApiServer(api, guard=guard, listener=first).close)
            for door, listener in zip(self._settings.doors, others, strict=True):
                self._closing.append(door.open(listener))

    def _close_doors(self) -> None:
        while self._closing:
            self._closing.pop()()

    def _wait(self) -> None:
        code = self._launched.process.wait()
        memory_watch.remove(self)
        self._pipes.drain()
        if code < 0:
            self._on_exit(Exit(signal=-code, out_of_memory=self._out_of_memory))
        else:
            self._on_exit(Exit(status=code))
        if self._settings.isolation is None:
            # What it left running dies with it, also what left its process group.
            kill_marked({self._settings.marker})
        self._pipes.close()
        self._ended.set()

    def _signal(self, number: signal.Signals) -> None:
        # Not after the exit was collected: the number may be another process's by now.
        if self._launched.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def find_program(settings: ProcessSettings) -> str | None:
    """Where the entry point is for the function; None when it is not there, or no program."""
    path = settings.environment.get("PATH", DEFAULT_PATH)
    program = _beside(settings.argv[0], settings.directory)
    if settings.root is None or settings.isolation is None:
        return shutil.which(program, path=path)
    for folder in [""] if "/" in program else path.split(os.pathsep):
        place = os.path.normpath(f"{folder}/{program}" if folder else program)
        inside = settings.root / place.lstrip("/")
        # A file of the image hides one of the system, whether it can be run or not.
        if inside.is_file():
            return place if os.access(inside, os.X_OK) else None
        if shutil.which(place):
            return place
    return None


def _beside(program: str, directory: Path) -> str:
    """An entry point with a slash in it is relative to the working directory."""
    return str(directory / program) if "/" in program else program
