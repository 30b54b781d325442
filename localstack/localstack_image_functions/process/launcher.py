"""Becomes the function's process: `python -I -S launcher.py < specification.json`.

Runs between fork and exec, where threads make Python code in the emulator's own process
unsafe. Reads a JSON object from standard input and never returns. Imports nothing of this
package: it has no import path.
"""

import ctypes
import json
import os
import resource
import signal
import sys

CANNOT_EXECUTE = 127
CANNOT_ISOLATE = 126

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_BIND = 4096
MS_PRIVATE = 1 << 18
MOUNT_ATTR_RDONLY = 1
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
SYS_MOUNT_SETATTR = 442  # of every architecture

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    specification = json.load(sys.stdin)
    if sys.platform == "linux":
        # When the host runs out of memory, a function goes before anything else does.
        _write("/proc/self/oom_score_adj", "800")
        if specification["writable"]:
            try:
                _isolate(specification["writable"], specification["uid"], specification["gid"])
            except OSError as error:
                os.write(2, f"cannot isolate: {error}\n".encode())
                os._exit(CANNOT_ISOLATE)
        # Not earlier: a change of credentials disarms the death signal.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != specification["parent"]:
        os._exit(0)  # the emulator died before the death signal was armed
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, specification["max_files"])
    _limit(resource.RLIMIT_FSIZE, specification["max_file_bytes"])
    os.umask(0o022)
    os.chdir(specification["directory"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, specification["max_files"])
    argv = specification["argv"]
    try:
        os.execve(specification["executable"], argv, specification["environment"])  # noqa: S606
    except OSError as error:
        os.write(2, f"fork/exec {argv[0]}: {error.strerror}\n".encode())
        os._exit(CANNOT_EXECUTE)


def _isolate(writable: dict[str, str], uid: int, gid: int) -> None:
    """Leave every file system read-only but for `writable`, a folder shown at a place.

    In a user namespace that no privilege is needed for; inside, the process is an ordinary
    user without capabilities, whoever it is outside.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
    _write("/proc/self/gid_map", f"{gid} {outer_gid} 1")
    # Private first: what follows must not reach the host's mounts.
    _set_mount("/", AT_RECURSIVE, propagation=MS_PRIVATE)
    for place, folder in writable.items():
        _check(libc.mount(folder.encode(), place.encode(), None, MS_BIND, None), f"mount {place}")
    _set_mount("/", AT_RECURSIVE, attributes=MOUNT_ATTR_RDONLY)
    for place in writable:
        _set_mount(place, 0, cleared=MOUNT_ATTR_RDONLY)


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def _set_mount(
    place: str, flags: int, attributes: int = 0, cleared: int = 0, propagation: int = 0
) -> None:
    change = _MountAttributes(attributes, cleared, propagation, 0)
    _check(
        libc.syscall(
            SYS_MOUNT_SETATTR,
            AT_FDCWD,
            ctypes.c_char_p(place.encode()),
            ctypes.c_uint(flags),
            ctypes.byref(change),
            ctypes.c_size_t(ctypes.sizeof(change)),
        ),
        f"mount_setattr {place}",
    )


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123  pathlib costs a tenth of the start-up
        file.write(text)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main()
