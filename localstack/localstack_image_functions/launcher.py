"""Becomes the function's process: `python -I -S launcher.py < specification.json`.

Runs between fork and exec, where threads make Python code in the emulator's own process
unsafe. Reads a JSON object from standard input and never returns.
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CANNOT_EXECUTE = 127


def main() -> None:
    specification = json.load(sys.stdin)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # When the host runs out of memory, a function goes before anything else does.
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("800")
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


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main()
