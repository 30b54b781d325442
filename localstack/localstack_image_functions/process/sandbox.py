"""A function as a sandboxed process: what a machine without a container engine can do.

Knows nothing of LocalStack. README.md lists where this differs from AWS.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from localstack_image_functions.errors import EntrypointNotFound
from localstack_image_functions.process import launcher
from localstack_image_functions.runtime.environment import Exit
from localstack_image_functions.runtime.logs import OutputLog

MARKER = "IMAGE_FUNCTIONS_ENVIRONMENT"
"""Environment variable of every function process: `<lab>/<environment>`, for `sweep`."""

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"
MEMORY_SAMPLE_S = 0.05
MAX_OPEN_FILES = 1024

# The user that AWS runs functions as.
FUNCTION_UID = 993
FUNCTION_GID = 990

# -I: nothing of the host's Python settings; -S: half the start-up time.
_LAUNCH = (sys.executable, "-I", "-S", launcher.__file__)

# The death signal of a process comes when the *thread* that forked it ends.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="function-spawner")


@dataclass(frozen=True)
class ProcessSettings:
    """How to run one function version as a process.

    `environment` is the whole environment but for what belongs to one process only
    (AWS_LAMBDA_RUNTIME_API, HOME, TMPDIR). `marker` is `<lab>/<environment id>`. With
    `isolate`, everything but its own /tmp is read-only and it is an unprivileged user; see
    `isolation_available`.
    """

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    memory_mb: int
    ephemeral_mb: int
    marker: str
    temporary_root: Path
    isolate: bool = False


@cache
def isolation_available() -> bool:
    """Whether this machine lets a process set itself apart (Linux 5.12, user namespaces)."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory() as folder:
        specification = {
            "argv": [sys.executable, "-I", "-S", "-c", ""],
            "executable": sys.executable,
            "environment": {},
            "directory": "/",
            "parent": os.getpid(),
            "max_files": MAX_OPEN_FILES,
            "max_file_bytes": 2**20,
            **_apart({folder: folder}),
        }
        probe = subprocess.run(
            _LAUNCH, input=json.dumps(specification).encode(), env={}, capture_output=True
        )
    return probe.returncode == 0


def _apart(writable: Mapping[str, str]) -> dict[str, Any]:
    return {"writable": writable, "uid": FUNCTION_UID, "gid": FUNCTION_GID}


class ProcessFlavour:
    """Starts processes for one execution environment."""

    runtime_api_host = "127.0.0.1"

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings

    def start(
        self, runtime_api: str, output: OutputLog, on_exit: Callable[[Exit], None]
    ) -> ProcessSandbox:
        settings = self._settings
        settings.temporary_root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="function-", dir=settings.temporary_root))
        try:
            executable = shutil.which(
                _beside(settings.argv[0], settings.directory),
                path=settings.environment.get("PATH", DEFAULT_PATH),
            )
            if executable is None:
                raise EntrypointNotFound(
                    f"fork/exec {settings.argv[0]}: no such file or not executable"
                )
            own_tmp = str(temporary)
            if settings.isolate and not _lies_in_tmp(settings.directory, executable):
                own_tmp = "/tmp"  # noqa: S108  the function's, not the host's
            specification = {
                "argv": settings.argv,
                "executable": executable,
                "environment": {
                    "PATH": DEFAULT_PATH,
                    "LANG": "en_US.UTF-8",
                    "TZ": ":UTC",
                    "HOME": own_tmp,
                    "TMPDIR": own_tmp,
                    **settings.environment,
                    "AWS_LAMBDA_RUNTIME_API": runtime_api,
                    MARKER: settings.marker,
                },
                **_apart({own_tmp: str(temporary)} if settings.isolate else {}),
                "directory": str(settings.directory),
                "parent": os.getpid(),
                "max_files": MAX_OPEN_FILES,
                "max_file_bytes": settings.ephemeral_mb * 2**20,
            }
            return ProcessSandbox(
                specification, temporary, settings.memory_mb * 2**20, output, on_exit
            )
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


class ProcessSandbox:
    """One function process, its children, its output and its memory."""

    def __init__(
        self,
        specification: dict,
        temporary: Path,
        memory_limit_bytes: int,
        output: OutputLog,
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._temporary = temporary
        self._limit = memory_limit_bytes
        self._on_exit = on_exit
        self._marker = specification["environment"][MARKER]
        self._peak = 0
        self._out_of_memory = False
        self._ended = threading.Event()
        self._pipes = _Pipes(output)
        self._process: subprocess.Popen[bytes] = _spawner.submit(self._spawn).result()
        self._pipes.close_write_ends()
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(specification).encode())
            self._process.stdin.close()
        threading.Thread(
            target=self._pipes.read_until_closed, name="function-output", daemon=True
        ).start()
        threading.Thread(target=self._wait, name="function-exit", daemon=True).start()
        memory_watch.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

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
        shutil.rmtree(self._temporary, ignore_errors=True)

    def measure(self) -> None:
        """Sample the memory of the whole process tree; kill it when it is over the limit."""
        try:
            process = psutil.Process(self.pid)
            used = max(
                sum(_resident_bytes(member) for member in (process, *_descendants(process))),
                _resident_peak_bytes(self.pid),
            )
        except (psutil.Error, OSError):
            return  # it, or a child of it, has just ended
        self._peak = max(self._peak, used)
        if used > self._limit and not self._ended.is_set():
            self._out_of_memory = True
            self._signal(signal.SIGKILL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            _LAUNCH,
            stdin=subprocess.PIPE,
            stdout=self._pipes.stdout,
            stderr=self._pipes.stderr,
            env={},
            cwd="/",
            start_new_session=True,
        )

    def _wait(self) -> None:
        code = self._process.wait()
        memory_watch.remove(self)
        self._pipes.drain()
        if code < 0:
            self._on_exit(Exit(signal=-code, out_of_memory=self._out_of_memory))
        else:
            self._on_exit(Exit(status=code))
        # What it left running dies with it, also what left its process group.
        kill_marked({self._marker})
        self._pipes.close()
        self._ended.set()

    def _signal(self, number: signal.Signals) -> None:
        # Not after the exit was collected: the number may be another process's by now.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


class _Pipes:
    """The output streams of one process. Kept apart, so that no lines are mixed."""

    def __init__(self, output: OutputLog) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._streams: dict[int, int] = {}
        write_ends = []
        for stream in (1, 2):
            read_end, write_end = os.pipe()
            os.set_blocking(read_end, False)
            self._selector.register(read_end, selectors.EVENT_READ)
            self._streams[read_end] = stream
            write_ends.append(write_end)
        self.stdout, self.stderr = write_ends

    def close_write_ends(self) -> None:
        os.close(self.stdout)
        os.close(self.stderr)

    def read_until_closed(self) -> None:
        while True:
            with self._lock:
                if not self._streams:
                    self._selector.close()
                    return
            # The limit is for streams that somebody else closed: nothing wakes us then.
            self._selector.select(timeout=1.0)
            self.drain()

    def drain(self) -> None:
        """Read all that is there now."""
        with self._lock:
            for read_end in list(self._streams):
                self._drain_one(read_end)

    def _drain_one(self, read_end: int) -> None:
        while True:
            try:
                data = os.read(read_end, 65_536)
            except BlockingIOError:
                return
            if not data:
                self._forget(read_end)
                return
            self._output.write(self._streams[read_end], data)

    def close(self) -> None:
        with self._lock:
            for read_end in list(self._streams):
                self._forget(read_end)

    def _forget(self, read_end: int) -> None:
        self._selector.unregister(read_end)
        del self._streams[read_end]
        os.close(read_end)


class MemoryWatch:
    """Samples the memory of every running sandbox. Sleeps while all are frozen."""

    def __init__(self) -> None:
        self._running: set[ProcessSandbox] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, sandbox: ProcessSandbox) -> None:
        with self._changed:
            self._running.add(sandbox)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="function-memory", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def remove(self, sandbox: ProcessSandbox) -> None:
        with self._changed:
            self._running.discard(sandbox)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
                self._changed.wait(MEMORY_SAMPLE_S)
                sandboxes = list(self._running)
            for sandbox in sandboxes:
                sandbox.measure()


memory_watch = MemoryWatch()


def kill_marked(markers: Iterable[str] | None = None, lab: str | None = None) -> list[int]:
    """Kill every process of ours that carries one of `markers`, or any marker of `lab`.

    Finds what left its process group or lost its parent, too. Returns the process ids.
    """
    wanted = frozenset(markers or ())
    killed: list[int] = []
    # Again while there was something: what was about to fork has left a child behind.
    while found := _marked(wanted, lab) - set(killed):
        for pid in found:
            # Not psutil's kill(): it refuses when the system's clock was set meanwhile.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed += found
    return killed


def _marked(markers: frozenset[str], lab: str | None) -> set[int]:
    found = set()
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if pid == os.getpid() or process.uids().real != os.getuid():
                continue
            marker = process.environ().get(MARKER)
        except psutil.Error:
            continue
        if marker is None:
            continue
        if marker in markers or (lab is not None and marker.partition("/")[0] == lab):
            found.add(pid)
    return found


def _lies_in_tmp(directory: Path, executable: str) -> bool:
    """Whether the function itself would be hidden by a /tmp of its own."""
    tmp = Path("/tmp").resolve()  # noqa: S108
    program = Path(executable)
    return any(
        path.is_relative_to(tmp) for path in (directory.resolve(), program, program.resolve())
    )


def _beside(program: str, directory: Path) -> str:
    """An entry point with a slash in it is relative to the working directory."""
    return str(directory / program) if "/" in program else program


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    """All descendants. psutil would read every process of the machine for it."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.is_dir():
        return process.children(recursive=True)
    found = []
    for task in tasks.iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for pid in children:
            with contextlib.suppress(psutil.Error):
                child = psutil.Process(int(pid))
                found += [child, *_descendants(child)]
    return found


def _resident_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def _resident_peak_bytes(pid: int) -> int:
    """The kernel's own high-water mark, which no sampling misses; 0 where there is none."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
