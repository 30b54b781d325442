"""From a specification to a running function: what the emulator's side of a start does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.errors import EntrypointNotFound, IsolationUnavailable
from localstack_image_functions.process import launcher
from localstack_image_functions.process.leftovers import MARKER
from localstack_image_functions.process.peers import OwnProcesses
from localstack_image_functions.runtime.pipes import Pipes

# -I: nothing of the host's Python settings; -S: half the start-up time.
COMMAND = (sys.executable, "-I", "-S", launcher.__file__)
MAX_DOORS = 64
_CREDENTIALS = struct.Struct("3i")

# The death signal of a process comes when the *thread* that forked it ends.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="function-spawner")


@dataclass(frozen=True)
class Launched:
    """A function that runs.

    `process` ends as the function ends; `function_pid` is the function itself and the group
    of what it starts, the same process unless it was set apart. `listeners` wait in its
    network; `missing` names what of the isolation this system does not have.
    """

    process: subprocess.Popen[bytes]
    function_pid: int
    listeners: tuple[socket.socket, ...]
    missing: tuple[str, ...]


def launch(specification: dict[str, Any], pipes: Pipes, own: OwnProcesses) -> Launched:
    """Start a process and see it become the function.

    Raises
    ------
    EntrypointNotFound
        When the entry point can't be executed, also because the sandbox does not show it.
    IsolationUnavailable
        When it can't be set apart.
    """
    ours, theirs = socket.socketpair()
    with ours:
        if hasattr(socket, "SO_PASSCRED"):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        environment = {MARKER: specification["environment"][MARKER]}
        with theirs:
            process = _spawner.submit(_spawn, theirs, pipes, environment).result()
        pipes.close_write_ends()
        own.root_pid = process.pid
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            ours.sendall(json.dumps(specification).encode())
            ours.shutdown(socket.SHUT_WR)
        try:
            return _hear(ours, process)
        except BaseException:
            process.kill()
            process.wait()
            raise


def _spawn(
    channel: socket.socket, pipes: Pipes, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        COMMAND,
        stdin=channel.fileno(),
        stdout=pipes.stdout,
        stderr=pipes.stderr,
        env=environment,
        cwd="/",
        start_new_session=True,
    )


def _hear(channel: socket.socket, process: subprocess.Popen[bytes]) -> Launched:
    """Read what the launcher says until it has become the function."""
    said = b""
    pid = process.pid
    listeners: list[socket.socket] = []
    space = socket.CMSG_SPACE(4 * MAX_DOORS) + socket.CMSG_SPACE(_CREDENTIALS.size)
    while True:
        try:
            data, ancillary, _, _ = channel.recvmsg(65_536, space)
        except ConnectionResetError:
            break
        if not data:
            break
        said += data
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                numbers = struct.unpack(f"{len(content) // 4}i", content)
                listeners += [socket.socket(fileno=number) for number in numbers]
            elif kind == getattr(socket, "SCM_CREDENTIALS", None):
                # By its number here: inside it knows another.
                pid = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0] or pid
    words = [json.loads(line) for line in said.splitlines()]
    failed = next((word for word in words if "failed" in word), None)
    if failed is None and words:
        return Launched(process, pid, tuple(listeners), tuple(words[0]["ready"]))
    for listener in listeners:
        listener.close()
    if failed and failed["failed"] == "execute":
        raise EntrypointNotFound(failed["why"])
    if failed and failed["failed"] == "start":
        raise EntrypointNotFound(f"the function can't be started: {failed['why']}")
    reason = failed["why"] if failed else f"the launcher ended ({os.strerror(0)})"
    raise IsolationUnavailable(f"the function can't be set apart: {reason}")
