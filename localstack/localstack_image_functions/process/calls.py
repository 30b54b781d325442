"""Which system calls a function set apart is refused: what no namespace holds back.

Sockets of AF_VSOCK lead out of a virtual machine to whoever runs it, in whatever network;
`io_uring` makes sockets past any filter, and so do calls of another ABI.
"""

from __future__ import annotations

import errno
import platform
from dataclasses import dataclass
from typing import Any

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OF_CALL, _OF_MACHINE, _OF_FIRST_ARGUMENT = 0, 4, 16
_OTHER_ABI = 0x40000000
"""x86_64's calls with pointers of 32 bits; other machines have no numbers as large."""
_IO_URING_SETUP = 425
_AF_VSOCK = 40
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000

Step = tuple[int, int, int, int]
"""What, how many steps to leave out when it is so and when it is not, and the value."""


@dataclass(frozen=True)
class Machine:
    """What filters call it, and its numbers of two calls."""

    audited: int
    seccomp: int
    socket: int


MACHINES = {"x86_64": Machine(0xC000003E, 317, 41), "aarch64": Machine(0xC00000B7, 277, 198)}


def call_filter(name: str = platform.machine()) -> dict[str, Any] | None:
    """What the launcher installs: `seccomp`, the number of that call, and the filter's `steps`.
    None for a machine whose numbers are not known here."""
    machine = MACHINES.get(name)
    if machine is None:
        return None
    steps: tuple[Step, ...] = (
        (_LOAD, 0, 0, _OF_MACHINE),
        (_IF_EQUAL, 0, 6, machine.audited),
        (_LOAD, 0, 0, _OF_CALL),
        (_IF_AT_LEAST, 4, 0, _OTHER_ABI),
        (_IF_EQUAL, 3, 0, _IO_URING_SETUP),
        (_IF_EQUAL, 0, 3, machine.socket),
        (_LOAD, 0, 0, _OF_FIRST_ARGUMENT),
        (_IF_EQUAL, 2, 1, _AF_VSOCK),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EAFNOSUPPORT),
    )
    return {"seccomp": machine.seccomp, "steps": steps}
