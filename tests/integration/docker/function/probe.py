# ruff: noqa: S108, S310, PTH123
"""A Lambda runtime and function in one: does what the event tells it, and reports."""

import ctypes
import json
import os
import resource
import shutil
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"
LIFE = os.urandom(8).hex()


def status_field(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return None


def can_write(folder):
    probe = Path(folder) / f"probe-{os.getpid()}"
    try:
        probe.write_text("x")
        probe.unlink()
    except OSError:
        return False
    return True


def writable_folders():
    found = []
    for folder, below, _ in os.walk("/"):
        if folder == "/":
            below[:] = [name for name in below if name not in ("proc", "sys")]
        if can_write(folder):
            found.append(folder)
            below.clear()
    return found


def look_around(event):
    space = os.statvfs("/tmp")
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "capabilities": [status_field(n) for n in ("CapInh", "CapPrm", "CapEff", "CapBnd")],
        "no_new_privileges": status_field("NoNewPrivs"),
        "seccomp": status_field("Seccomp"),
        "writable": writable_folders(),
        "tmp_bytes": space.f_blocks * space.f_frsize,
        "engine_socket": any(
            Path(path).exists() for path in ("/var/run/docker.sock", "/run/docker.sock")
        ),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "environment": dict(os.environ),
        "arguments": sys.argv[1:],
    }


def fill_memory(event):
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(4096) * 2560))  # 10 MB at a time, really used


def fill_tmp(event):
    try:
        with open("/tmp/full", "wb") as file:
            for _ in range(event["mb"]):
                file.write(bytes(2**20))
    except OSError as error:
        return {"errno": error.errno}
    finally:
        Path("/tmp/full").unlink()
    return {"errno": None}


def compute(event):
    """CPU seconds that this process got in `seconds` of wall time."""
    begin, used = time.monotonic(), time.process_time()
    while time.monotonic() - begin < event["seconds"]:
        pass
    return {"share": (time.process_time() - used) / (time.monotonic() - begin)}


def sleep(event):
    time.sleep(event["seconds"])
    return {"slept": event["seconds"]}


def leave(event):
    print("leaving", flush=True)
    os._exit(event.get("status", 3))


def fail(event):
    raise ValueError("as the event wished")


def say(event):
    sys.stdout.write("first " + "half, ")
    sys.stderr.write("on the side\n")
    sys.stdout.write("second half\n")
    print("münchen 🚀")
    return {}


def reach(event):
    with socket.create_connection((event["host"], event["port"]), timeout=5):
        return {"reached": True}


def connect(event):
    """What becomes of a connection to each `[host, port]`."""
    found = {}
    for host, port in event["to"]:
        try:
            with socket.create_connection((host, port), timeout=2):
                found[f"{host}:{port}"] = "open"
        except OSError as error:
            found[f"{host}:{port}"] = type(error).__name__
    return {"found": found}


def own_network(event):
    """Our address, and where the emulator is."""
    api = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")[0]
    return {
        "own": socket.gethostbyname(socket.gethostname()),
        "emulator": socket.gethostbyname(api),
    }


def open_ports(event):
    """Every port of `host` that accepts a connection."""
    found = []
    for port in range(1, 65536):
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((event["host"], port)) == 0:
                found.append(port)
    return {"ports": found}


def ask(event):
    """A request, as a stranger would make it: the status and the start of the answer."""
    body = event["body"].encode() if "body" in event else None
    headers, method = event.get("headers", {}), event.get("method", "GET")
    request = urllib.request.Request(event["url"], body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {"status": answer.status, "body": answer.read(200).decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read(200).decode()}
    except OSError as error:
        return {"status": type(error).__name__, "body": ""}


def spawn(event):
    """How many children there may be at once."""
    children, failure = [], None
    release, held = os.pipe()
    while len(children) < 3000:
        try:
            pid = os.fork()
        except OSError as error:
            failure = error.errno
            break
        if not pid:
            os.close(held)
            os.read(release, 1)
            os._exit(0)
        children.append(pid)
    os.close(held)
    for pid in children:
        os.waitpid(pid, 0)
    return {"children": len(children), "errno": failure}


def threads(event):
    """How many threads there may be at once."""
    done, started = threading.Event(), []
    threading.stack_size(65536)
    try:
        while len(started) < 3000:
            thread = threading.Thread(target=done.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return {"threads": len(started)}
    finally:
        done.set()
        for thread in started:
            thread.join()
    return {"threads": None}


def nest(event):
    """What comes of making namespaces: an error's number, 0 where it works."""
    libc, found = ctypes.CDLL(None, use_errno=True), {}
    for name, flags in event["flags"].items():
        pid = os.fork()
        if not pid:
            os._exit(0 if libc.unshare(flags) == 0 else ctypes.get_errno())
        found[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"found": found}


def trace(event):
    """Whom we may trace."""
    libc = ctypes.CDLL(None)
    return {"traced": [pid for pid in event["pids"] if libc.ptrace(0x4206, pid, 0, 0) == 0]}


def look(event):
    """Who and where we are."""
    own = Path("/proc/self/ns")
    return {
        "namespaces": {kind: str((own / kind).readlink()) for kind in event["namespaces"]},
        "uid": os.getuid(),
        "capabilities": [status_field(n) for n in ("CapInh", "CapPrm", "CapEff", "CapBnd")],
    }


def signals(event):
    """Who of all there may be can be signaled, and whom `/proc` shows."""
    reached = []
    for pid in (*range(2, 2**16), *event["pids"]):
        try:
            os.kill(pid, 0)
            reached.append(pid)
        except OSError:
            pass
    seen = sorted(int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal())
    return {"found": {"reached": reached, "seen": seen}}


def read(event):
    """The start of each file, or why not."""
    found = {}
    for path in event["paths"]:
        try:
            with open(path, "rb") as file:
                found[path] = file.read(16).decode(errors="replace")
        except OSError as error:
            found[path] = type(error).__name__
    return {"found": found}


def shared_memory(event):
    """What of System V's is there by this key, and whether POSIX's is there at all."""
    libc = ctypes.CDLL(None)
    segment, queue = libc.shmget(event["key"], 0, 0), libc.msgget(event["key"], 0)
    return {"found": {"segment": segment, "queue": queue, "shm": Path("/dev/shm").exists()}}


def litter(event):
    """How many empty files there may be."""
    made = 0
    Path("/tmp/litter").mkdir()
    try:
        while made < event["most"]:
            os.close(os.open(f"/tmp/litter/{made}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError as error:
        return {"made": made, "errno": error.errno}
    finally:
        shutil.rmtree("/tmp/litter")
    return {"made": made, "errno": None}


def reserve(event):
    """How much can be taken without writing."""
    taken = []
    try:
        for number, mb in enumerate(event["mb"]):
            with open(f"/tmp/part{number}", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, mb * 2**20)
            taken.append(mb)
    except OSError as error:
        return {"taken": taken, "errno": error.errno}
    finally:
        for path in Path("/tmp").glob("part*"):
            path.unlink()
    return {"taken": taken, "errno": None}


def unix(event):
    """What becomes of a connection to each socket of this machine."""
    found = {}
    for path in event["paths"]:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                found[path] = "open"
            except OSError as error:
                found[path] = type(error).__name__
    return {"found": found}


def echo(event):
    return event


DEEDS = {deed.__name__: deed for deed in (
    look_around, fill_memory, fill_tmp, compute, sleep, leave, fail, say, reach, echo,
    connect, own_network, open_ports, ask, spawn, threads, nest, trace, litter, reserve, unix,
    look, signals, read, shared_memory,
)}  # fmt: skip


def post(path, body):
    request = urllib.request.Request(f"{API}/{path}", data=json.dumps(body).encode())
    urllib.request.urlopen(request).read()


def main():
    if os.environ.get("FAIL_INIT"):
        post("init/error", {"errorType": "Probe.Init", "errorMessage": "told to fail"})
        sys.exit(1)
    if os.environ.get("EXIT_AT_INIT"):
        sys.exit(7)
    while True:
        with urllib.request.urlopen(f"{API}/invocation/next") as answer:
            request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            event = json.load(answer)
        try:
            result = DEEDS[event.get("do", "echo")](event)
        except Exception as error:
            failure = {"errorType": type(error).__name__, "errorMessage": str(error)}
            post(f"invocation/{request_id}/error", failure)
        else:
            facts = {"life": LIFE, "host": socket.gethostname(), "answer": os.environ["ANSWER"]}
            post(f"invocation/{request_id}/response", {**facts, **result})


main()
