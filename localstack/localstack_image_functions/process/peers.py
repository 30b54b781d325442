"""Who stands at the other end of a connection over the host's loopback."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil

_ESTABLISHED = "01"


class OwnProcesses:
    """Admits connections of one process and its descendants.

    `root_pid` is set once there is a process: nobody is admitted before. Systems that do
    not show a connection's owner (all but Linux) admit everyone.
    """

    root_pid: int | None = None

    def admits(self, host: str, port: int) -> bool:
        if sys.platform != "linux":
            return True
        if self.root_pid is None:
            return False
        inode = _inode_of(host, port)
        return inode is not None and any(_holds(pid, inode) for pid in _family(self.root_pid))


def _inode_of(host: str, port: int) -> str | None:
    """The socket whose own address is `host`:`port`."""
    address = f"{_hexadecimal(host)}:{port:04X}"
    with contextlib.suppress(OSError), open("/proc/net/tcp") as lines:  # noqa: PTH123
        for line in lines:
            fields = line.split()
            if fields[1] == address and fields[3] == _ESTABLISHED:
                return fields[9]
    return None


def _hexadecimal(host: str) -> str:
    """An IPv4 address as the kernel prints it: the bytes in this machine's order."""
    number = int.from_bytes(bytes(int(part) for part in host.split(".")), sys.byteorder)
    return f"{number:08X}"


def _family(pid: int) -> list[int]:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    return []


def _holds(pid: int, inode: str) -> bool:
    wanted = f"socket:[{inode}]"
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()) == wanted:
                    return True
    return False
