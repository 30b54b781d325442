"""Becomes the function's process: `python -I -S launcher.py`, a Unix socket as standard input.

Runs between fork and exec, where threads make Python code in the emulator's own process
unsafe. Reads a JSON object from the socket and says on it what became of that: `ready`, with
the listening sockets of the function's network, or `failed`; then the socket closes with the
exec. Never returns. Imports nothing of this package: it has no import path.

A function that is set apart has three processes: this one stays outside and passes on how the
function ended; its child is the first process of the function's own namespaces and collects
orphans; the child's child is the function.
"""

import array
import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys

CANNOT_START = 126

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC = 4096, 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
SYS_MOUNT_SETATTR = 442  # of every architecture
SYS_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
BYTES_FOR_EACH_FILE = 4096
SET_MODE_FILTER, FILTER_FLAG_SPEC_ALLOW = 1, 4
CAPABILITY_VERSION_3 = 0x20080522
LAST_CAPABILITY = 63

DEVICES = ("null", "zero", "full", "random", "urandom")
# Where the system shows no process table of one's own: what runtimes look up in the host's.
FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems")

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    channel = socket.socket(fileno=os.dup(0))
    specification = json.loads(_read_all(channel))
    try:
        if sys.platform == "linux":
            # When the host runs out of memory, a function goes before anything else does.
            _write("/proc/self/oom_score_adj", "800")
        apart = specification["apart"]
        if apart is None:
            _die_with(specification["parent"])
            _become(channel, specification, {"ready": []}, [])
        else:
            _isolate(channel, specification, apart)
    except OSError as error:
        _fail(channel, "isolate" if specification["apart"] else "start", str(error))


def _isolate(channel: socket.socket, specification: dict, apart: dict) -> None:
    missing = _leave_namespaces(apart)
    listeners = _listen(apart["ports"]) if apart["ports"] else []
    status_end, report_end = os.pipe()
    first = os.fork()
    if first:
        channel.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.close(report_end)
        for listener in listeners:
            listener.close()
        _die_with(specification["parent"])
        _pass_on(first, status_end)
    os.close(status_end)
    missing += _furnish(apart)
    _drop_privileges(apart)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if select.select([], [report_end], [], 0)[1] and _hung_up(report_end):
        os._exit(0)  # the outer process died before the death signal was armed
    function = os.fork()
    if not function:
        os.close(report_end)
        os.setsid()
        if apart["calls"]:
            _filter_calls(**apart["calls"])
        _become(channel, specification, {"ready": missing}, listeners)
    channel.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for listener in listeners:
        listener.close()
    os.dup2(0, 1)
    os.dup2(0, 2)
    _reap_until(function, report_end)


def _become(
    channel: socket.socket, specification: dict, word: dict, listeners: list[socket.socket]
) -> None:
    """Turn into the function. The channel closes with a successful exec."""
    if sys.platform == "linux":
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, specification["max_files"])
    _limit(resource.RLIMIT_FSIZE, specification["max_file_bytes"])
    if specification["max_processes"]:
        _limit(resource.RLIMIT_NPROC, specification["max_processes"])
    os.umask(0o022)
    os.chdir(specification["directory"])
    descriptors = array.array("i", [listener.fileno() for listener in listeners])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)] if descriptors else []
    channel.sendmsg([json.dumps(word).encode() + b"\n"], rights)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, specification["max_files"])
    channel.set_inheritable(False)
    argv = specification["argv"]
    try:
        os.execve(specification["executable"], argv, specification["environment"])  # noqa: S606
    except OSError as error:
        _fail(channel, "execute", f"fork/exec {argv[0]}: {error.strerror}")


def _fail(channel: socket.socket, at: str, why: str) -> None:
    channel.sendall(json.dumps({"failed": at, "why": why}).encode() + b"\n")
    os._exit(CANNOT_START)


def _read_all(channel: socket.socket) -> bytes:
    pieces = []
    while piece := channel.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def _die_with(parent: int) -> None:
    """End when the emulator ends."""
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it died before the death signal was armed


# The outer two processes.


def _pass_on(first: int, status_end: int) -> None:
    """Wait for the first process and end as the function ended."""
    report = os.read(status_end, 16)
    os.waitpid(first, 0)
    status = int(report) if report else -signal.SIGKILL
    if status >= 0:
        os._exit(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
    os._exit(CANNOT_START)


def _reap_until(function: int, report_end: int) -> None:
    """Collect orphans until the function ends. With us, all that it started ends."""
    while True:
        pid, status = os.wait()
        if pid == function:
            os.write(report_end, str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)


def _hung_up(write_end: int) -> bool:
    poll = select.poll()
    poll.register(write_end, select.POLLERR)
    return bool(poll.poll(0))


# Namespaces.


def _leave_namespaces(apart: dict) -> list[str]:
    """Leave the host's namespaces; the names of those that this system does not let us leave.

    Whoever we are outside, the function is an ordinary user inside: root becomes
    `outer_uid`, which owns nothing; anyone else stays who he is.
    """
    wanted = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID
    if apart["ports"]:
        wanted |= CLONE_NEWNET
    if apart["outer_uid"] is None:
        uid, gid = os.geteuid(), os.getegid()
        _check(libc.unshare(wanted | CLONE_NEWUSER), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{apart['uid']} {uid} 1")
        _write("/proc/self/gid_map", f"{apart['gid']} {gid} 1")
        return _forbid_namespaces()
    begin, begun = os.pipe()
    mapper = os.fork()
    if not mapper:
        _write_maps(os.getppid(), begin, begun, apart)
    os.close(begin)
    alone = libc.unshare(wanted | CLONE_NEWUSER) == 0
    os.write(begun, b"1" if alone else b"0")
    os.close(begun)
    _, status = os.waitpid(mapper, 0)
    if alone:
        if status:
            raise OSError(errno.EPERM, "the user namespace's ids can't be mapped")
        return _forbid_namespaces()
    # Root needs no user namespace for the others.
    apart["uid"], apart["gid"] = apart["outer_uid"], apart["outer_gid"]
    _check(libc.unshare(wanted), "unshare")
    return ["user namespace"]


def _forbid_namespaces() -> list[str]:
    """Let nobody in this one make another, as whose root he would mount a /tmp without limit."""
    try:
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:  # inside containers, where it is read-only
        return ["a limit of its own namespaces"]
    return []


def _filter_calls(seccomp: int, steps: list) -> None:
    """Have the kernel refuse what `calls.py` says."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kept = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(kept))
    flags = ctypes.c_uint(FILTER_FLAG_SPEC_ALLOW)
    _check(libc.syscall(seccomp, SET_MODE_FILTER, flags, program), "seccomp")


def _write_maps(target: int, begin: int, begun: int, apart: dict) -> None:
    """In a process outside, because inside the right to map others' ids is gone."""
    os.close(begun)
    try:
        if os.read(begin, 1) == b"1":
            for kind in ("uid", "gid"):
                own = f"{apart[kind]} {apart['outer_' + kind]} 1"
                _write(f"/proc/{target}/{kind}_map", f"0 0 1\n{own}")
        os._exit(0)
    except BaseException:
        os._exit(1)


def _listen(ports: list[int]) -> list[socket.socket]:
    """Sockets that listen on loopback of a network in which there is nothing else."""
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    request = struct.pack("16sH14x", b"lo", 0)
    address = ctypes.create_string_buffer(request, 40)
    _check(libc.ioctl(control.fileno(), SIOCGIFFLAGS, address), "ioctl lo")
    flags = struct.unpack_from("H", address.raw, 16)[0] | IFF_UP
    address = ctypes.create_string_buffer(struct.pack("16sH14x", b"lo", flags), 40)
    _check(libc.ioctl(control.fileno(), SIOCSIFFLAGS, address), "ioctl lo up")
    control.close()
    listeners = []
    for port in ports:
        listener = socket.socket()
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listeners.append(listener)
    return listeners


def _furnish(apart: dict) -> list[str]:
    """Make a root of its own with nothing in it but what `apart` names."""
    missing = []
    root = apart["root"]
    # Private first: what follows must not reach the host's mounts.
    _set_mount("/", AT_RECURSIVE, propagation=MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    os.chdir(root)
    for place, target in apart["links"].items():
        os.makedirs(os.path.dirname(_in(place)) or ".", exist_ok=True)
        os.symlink(target, _in(place))
    for place, text in apart["files"].items():
        _make_place(_in(place), folder=False)
        _write(_in(place), text)
    _mount_tmp(apart)
    for source, place in apart["shown"]:
        _show(source, _in(place), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    for name in DEVICES:
        _show(f"/dev/{name}", f"dev/{name}", MOUNT_ATTR_NOSUID)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"dev/{name}")
    os.mkdir("proc")
    try:
        _mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except PermissionError:  # inside containers that hide parts of it
        missing.append("/proc")
        for fact in FACTS:
            if os.path.exists(fact):
                _show(fact, _in(fact), MOUNT_ATTR_RDONLY)
    _check(libc.syscall(SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    _check(libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    _set_mount("/", 0, MOUNT_ATTR_RDONLY)
    return missing


def _mount_tmp(apart: dict) -> None:
    # Empty files take no space of it, but memory of the kernel's.
    limits = f"size={apart['tmp_bytes']},nr_inodes={apart['tmp_bytes'] // BYTES_FOR_EACH_FILE}"
    options = f"mode=0700,{limits},uid={apart['uid']},gid={apart['gid']}"
    os.makedirs("tmp")
    _mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)


def _show(source: str, place: str, attributes: int) -> None:
    """Show a file or folder of the host at a place below the new root."""
    _make_place(place, folder=stat.S_ISDIR(os.stat(source).st_mode))
    _mount(source, place, None, MS_BIND | MS_REC)
    _set_mount(place, AT_RECURSIVE, attributes)


def _make_place(place: str, folder: bool) -> None:
    os.makedirs(place if folder else os.path.dirname(place) or ".", exist_ok=True)
    if not folder and not os.path.exists(place):
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))


def _in(place: str) -> str:
    return place.lstrip("/")


def _drop_privileges(apart: dict) -> None:
    if apart["outer_uid"] is not None:
        os.setgroups([])
        os.setresgid(apart["gid"], apart["gid"], apart["gid"])
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(LAST_CAPABILITY + 1):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # beyond the last that this kernel knows
    if apart["outer_uid"] is not None:
        os.setresuid(apart["uid"], apart["uid"], apart["uid"])
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, bytes(24)), "capset")
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def _set_mount(place: str, flags: int, attributes: int = 0, propagation: int = 0) -> None:
    change = _MountAttributes(attributes, 0, propagation, 0)
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


def _mount(source: str, place: str, kind: str | None, flags: int, options: str = "") -> None:
    result = libc.mount(
        source.encode(),
        place.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {source} at {place}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main()
