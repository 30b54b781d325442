"""What one function can reach of its neighbors and of the host, tried from inside one.

Each test runs against an emulator that root started and against one of an ordinary user.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from localstack_image_functions.errors import IsolationUnavailable
from localstack_image_functions.process.isolation import isolation_here

ORDINARY_UID = 65_534
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
METADATA = ("169.254.169.254", 80)
PROBE = """
    import ctypes, errno, json, os, shutil, signal, socket, sys, threading, time, urllib.request
    from pathlib import Path

    def handler(event, context):
        return globals()[event["do"]](event)

    def say(event):
        return event["text"]

    def runtime_api(event):
        return os.environ["AWS_LAMBDA_RUNTIME_API"]

    def sleep(event):
        time.sleep(event["seconds"])
        return "slept"

    def connect(event):
        found = {}
        for host, port in event["to"]:
            try:
                with socket.create_connection((host, port), timeout=2):
                    found[f"{host}:{port}"] = "open"
            except OSError as error:
                found[f"{host}:{port}"] = type(error).__name__
        return found

    def unix(event):
        found = {}
        for path in event["paths"]:
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(path)
                    found[path] = "open"
                except OSError as error:
                    found[path] = type(error).__name__
        return found

    def steal(event):
        # Every port of loopback that answers, and what its Runtime API gives away.
        taken, open_ports = {}, []
        for port in range(1, 65536):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    continue
                if probe.getsockname() == probe.getpeername():
                    continue  # a socket that met itself
            open_ports.append(port)
            if port == event["gateway"]:
                continue
            url = f"http://127.0.0.1:{port}/2018-06-01/runtime/invocation/next"
            try:
                with urllib.request.urlopen(url, timeout=3) as answer:
                    taken[port] = answer.read().decode()
            except urllib.error.HTTPError as error:
                taken[port] = error.code
            except OSError as error:
                taken[port] = type(error).__name__
        return {"open": open_ports, "taken": taken}

    def read(event):
        found = {}
        for path in event["paths"]:
            try:
                found[path] = Path(path).read_bytes()[:16].decode(errors="replace")
            except OSError as error:
                found[path] = type(error).__name__
        return found

    def signals(event):
        reached = []
        for pid in range(1, 2**16):
            if pid not in (os.getpid(), 1):
                try:
                    os.kill(pid, 0)
                    reached.append(pid)
                except OSError:
                    pass
        for pid in event["pids"]:
            try:
                os.kill(pid, 0)
                reached.append(pid)
            except OSError:
                pass
        return reached

    def ask(event):
        body = event["body"].encode() if "body" in event else None
        asked = urllib.request.Request(
            event["url"], body, event.get("headers", {}), method=event.get("method", "GET"))
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def trace(event):
        # PTRACE_SEIZE, and reading another's memory without it.
        libc, reached = ctypes.CDLL(None, use_errno=True), []
        there = ctypes.create_string_buffer(8)
        class Part(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        here = Part(ctypes.addressof(there), 8)
        for pid in event["pids"]:
            if libc.ptrace(0x4206, pid, 0, 0) == 0:
                reached.append(["ptrace", pid])
            far = Part(ctypes.addressof(there), 8)
            if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(far), 1, 0) > 0:
                reached.append(["memory", pid])
        return reached

    def kill_first(event):
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
            os.kill(1, number)
        time.sleep(0.2)
        return os.getppid()

    def nest(event):
        # Namespaces of one's own would bring another /tmp, or other limits.
        libc, found = ctypes.CDLL(None, use_errno=True), {}
        for name, flags in event["flags"].items():
            pid = os.fork()
            if not pid:
                os._exit(0 if libc.unshare(flags) == 0 else ctypes.get_errno())
            found[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return found

    def families(event):
        found = {}
        for family in event["families"]:
            try:
                socket.socket(family, socket.SOCK_STREAM).close()
                found[str(family)] = "open"
            except OSError as error:
                found[str(family)] = type(error).__name__
        return found

    def litter(event):
        # Files with nothing in them take no space, but memory of the kernel's.
        made = 0
        os.mkdir("/tmp/litter")
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

    def processes(event):
        return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())

    def shared_memory(event):
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.shmget(event["key"], 0, 0)

    def look(event):
        names = {}
        for kind in event["namespaces"]:
            names[kind] = os.readlink(f"/proc/self/ns/{kind}")
        status = Path("/proc/self/status").read_text()
        return {
            "namespaces": names, "root": sorted(os.listdir("/")), "uid": os.getuid(),
            "capabilities": [l.split()[1] for l in status.splitlines() if l.startswith("Cap")],
            "homes": [p for p in ("/root", "/home", "/var", "/run", "/boot", "/srv", "/mnt")
                      if Path(p).exists() and os.listdir(p) != ["task"]],
        }

    def spawn(event):
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
        done, started = threading.Event(), 0
        threading.stack_size(65536)
        failure, all_of_them = None, []
        try:
            while started < 3000:
                thread = threading.Thread(target=done.wait)
                thread.start()
                all_of_them.append(thread)
                started += 1
        except RuntimeError as error:
            failure = str(error)
        done.set()
        for thread in all_of_them:
            thread.join()
        return {"threads": started, "failure": failure}

    def fill(event):
        written = 0
        try:
            for number in range(event["files"]):
                with open(f"/tmp/part{number}", "wb") as file:
                    for _ in range(event["mb"]):
                        file.write(bytes(2**20))
                        written += 1
        except OSError as error:
            return {"mb": written, "errno": error.errno}
        finally:
            for path in Path("/tmp").glob("part*"):
                path.unlink()
        return {"mb": written, "errno": None}
"""


def can_set_apart() -> str | None:
    try:
        isolation_here()
    except IsolationUnavailable as error:
        return str(error)
    return None


@pytest.fixture(scope="module", params=["root", "ordinary"])
def user(request: pytest.FixtureRequest) -> str:
    if reason := can_set_apart():
        pytest.skip(f"this system lets no process set itself apart: {reason}")
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("these tests run as an ordinary user, who can't become root")
    return request.param


@pytest.fixture(scope="module")
def walled(start_walled: Any) -> Iterator[Any]:
    """An emulator of that user."""
    with start_walled() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def start_walled(user: str, localstack_cache: Path, make_emulator: Any) -> Any:
    """Starts one with these settings, for the length of a `with`."""
    return contextmanager(partial(_started, user, localstack_cache, make_emulator))


def _started(user: str, cache: Path, make_emulator: Any, **settings: str) -> Iterator[Any]:
    folder = Path(tempfile.mkdtemp(prefix="walls-"))
    lab = "-".join((f"pytest-{os.getpid()}", user, *map(str.lower, settings)))
    emulator = make_emulator(folder, lab, folder / "cache", extra=settings)
    shutil.copytree(cache, folder / "cache")
    if user == "ordinary" and os.geteuid() == 0:
        own_prefix = Path(sys.base_prefix).resolve()
        emulator.prefix = (
            sys.executable, str(HERE / "as_ordinary_user.py"), str(ORDINARY_UID),
            str(ROOT), str(own_prefix), "--",
        )  # fmt: skip
        emulator.owner = ORDINARY_UID
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def probe(walled: Any, tmp_path_factory: pytest.TempPathFactory, deploy_into: Any) -> Any:
    """A function that does what it is told; `.invoke("probe", do=…)`."""
    deployer = deploy_into(walled, tmp_path_factory.mktemp("probe"), "walls")
    deployer.create("probe", PROBE, Timeout=120, EphemeralStorage={"Size": 512}, MemorySize=10240)
    return deployer


def tell(probe: Any, do: str, **event: Any) -> Any:
    answer = probe.invoke("probe", do=do, **event)
    assert answer.error is None, answer.payload
    return answer.payload


@pytest.fixture
def host_ports() -> Iterator[list[tuple[str, int]]]:
    """A server of the host's on loopback and one on all its addresses."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("0.0.0.0", 0)) as two:  # noqa: S104
        ports = [("127.0.0.1", one.getsockname()[1]), ("127.0.0.1", two.getsockname()[1])]
        addresses = {
            address.address
            for interface in psutil.net_if_addrs().values()
            for address in interface
            if address.family is socket.AF_INET
        }
        yield ports + [(address, two.getsockname()[1]) for address in sorted(addresses)]


def test_function_has_namespaces_of_its_own(probe: Any, user: str) -> None:
    kinds = ("user", "pid", "ipc", "mnt", "net")
    seen = tell(probe, "look", namespaces=kinds)
    ours = {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in kinds}
    assert not set(seen["namespaces"].values()) & set(ours.values())
    assert seen["uid"] == 993
    assert set(seen["capabilities"]) == {"0000000000000000"}


def test_function_sees_only_what_it_needs(probe: Any, walled: Any) -> None:
    seen = tell(probe, "look", namespaces=())
    assert set(seen["root"]) <= {
        "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root", "sbin",
        "sys", "tmp", "usr", "var", "work", *ROOT.parts[1:2], *Path(sys.base_prefix).parts[1:2],
    }  # fmt: skip
    assert not set(seen["homes"]) - {f"/{Path(sys.base_prefix).parts[1]}", f"/{ROOT.parts[1]}"}


def test_function_reads_no_file_of_the_host(
    probe: Any, walled: Any, tmp_path: Path, user: str
) -> None:
    secret = walled.folder / "secret"
    secret.write_text("of the emulator")
    if walled.owner:
        os.chown(secret, walled.owner, walled.owner)
    secret.chmod(0o600)
    readable = tmp_path / "readable"
    readable.write_text("of the host")
    wanted = [
        str(secret), str(readable), "/etc/shadow", "/etc/hostname", str(ROOT / "README.md"),
        str(walled.folder / "localstack.log"), f"/proc/{walled.process.pid}/environ",
        "/proc/1/environ", "/proc/1/root/etc/shadow",
    ]  # fmt: skip
    found = tell(probe, "read", paths=wanted)
    assert {path: what for path, what in found.items() if not what.endswith("Error")} == {}


def test_function_can_signal_neither_the_emulator_nor_anyone(probe: Any, walled: Any) -> None:
    family = psutil.Process(walled.process.pid)
    pids = [family.pid, *(process.pid for process in family.children(recursive=True))]
    pids += [os.getpid(), -family.pid]
    assert tell(probe, "signals", pids=pids) == []
    assert tell(probe, "processes") == [1, 2]
    assert family.is_running()


def test_function_traces_nobody(probe: Any, walled: Any) -> None:
    family = psutil.Process(walled.process.pid)
    pids = [1, family.pid, *(process.pid for process in family.children(recursive=True))]
    assert tell(probe, "trace", pids=pids) == []


def test_function_can_not_end_the_process_that_holds_it(probe: Any) -> None:
    assert tell(probe, "kill_first") == 1
    assert tell(probe, "say", text="there") == "there"


def test_function_makes_no_namespaces_of_its_own(probe: Any) -> None:
    user, mount, net, pid = 0x10000000, 0x00020000, 0x40000000, 0x20000000
    flags = {"user": user, "user and mount": user | mount, "net": net, "pid": user | pid}
    assert 0 not in tell(probe, "nest", flags=flags).values()


def test_function_reaches_no_other_machine_by_other_kinds_of_sockets(probe: Any) -> None:
    """AF_VSOCK leads out of a virtual machine to whoever runs it, whatever the network."""
    kinds = {name: getattr(socket, name, None) for name in ("AF_VSOCK", "AF_PACKET", "AF_CAN")}
    wanted = [int(family) for family in kinds.values() if family is not None]
    assert "open" not in tell(probe, "families", families=wanted).values()


@pytest.mark.parametrize(
    "host",
    ["::1", "0.0.0.0", "127.0.0.2", "::ffff:127.0.0.1", "localhost", socket.gethostname()],  # noqa: S104
)
def test_neighbors_are_not_to_be_had_by_another_address(probe: Any, walled: Any, host: str) -> None:
    """Its own Runtime API and the emulator are the only ports there, by whatever name; the first
    answers to nobody who does not know its own."""
    ports = sorted({9001, walled.port, *listening_ports()})
    found = tell(probe, "connect", to=[(host, port) for port in ports])
    opened = {int(where.rpartition(":")[2]) for where, what in found.items() if what == "open"}
    assert opened <= {9001, walled.port}
    if 9001 in opened:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:9001/2018-06-01/runtime/invocation/next"
        assert tell(probe, "ask", url=url) == 403


def listening_ports() -> set[int]:
    """Those of the host."""
    return {
        one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN
    }


def test_function_reaches_no_socket_of_the_host(probe: Any, tmp_path: Path) -> None:
    path = Path(tempfile.mkdtemp()) / "engine.sock"
    abstract = f"\0of-the-host-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as hidden:
        named.bind(str(path))
        path.chmod(0o777)
        named.listen()
        hidden.bind(abstract)
        hidden.listen()
        wanted = [str(path), abstract, "/var/run/docker.sock", "/run/docker.sock"]
        assert "open" not in tell(probe, "unix", paths=wanted).values()


def test_function_shares_no_memory_with_the_host(probe: Any) -> None:
    import ctypes

    libc, key = ctypes.CDLL(None, use_errno=True), 0x6661 + os.getpid()
    segment = libc.shmget(key, 4096, 0o1666)
    assert segment >= 0
    try:
        assert tell(probe, "shared_memory", key=key) == -1
    finally:
        libc.shmctl(segment, 0, None)


def test_function_reaches_the_emulator_and_no_other_port(
    probe: Any, walled: Any, host_ports: list[tuple[str, int]]
) -> None:
    gateway = ("127.0.0.1", walled.port)
    found = tell(probe, "connect", to=[gateway, METADATA, *host_ports])
    assert [where for where, what in found.items() if what == "open"] == [
        f"127.0.0.1:{walled.port}"
    ]


def test_function_reaches_what_the_user_opened_and_no_other_port(
    start_walled: Any, deploy_into: Any, tmp_path: Path, host_ports: list[tuple[str, int]]
) -> None:
    (host, port), closed = host_ports[0], host_ports[1]
    with start_walled(IMAGE_FUNCTIONS_OPEN=f"{host}:{port}") as emulator:
        deployer = deploy_into(emulator, tmp_path, "opened")
        deployer.create("probe", PROBE, Timeout=60)
        found = tell(deployer, "connect", to=[(host, port), closed, METADATA])
    assert [where for where, what in found.items() if what == "open"] == [f"{host}:{port}"]


def test_with_the_internet_the_host_is_open_and_a_neighbors_runtime_api_is_not(
    start_walled: Any, deploy_into: Any, tmp_path: Path, host_ports: list[tuple[str, int]]
) -> None:
    """Even to who knows its unguessable name: it answers the processes of its own sandbox."""
    with start_walled(IMAGE_FUNCTIONS_INTERNET="on") as emulator:
        deployer = deploy_into(emulator, tmp_path, "opened")
        deployer.create("probe", PROBE, Timeout=60)
        deployer.create("neighbor", PROBE + "\n    # another image\n", Timeout=60)
        found = tell(deployer, "connect", to=host_ports)
        assert set(found.values()) == {"open"}
        api = deployer.invoke("neighbor", do="runtime_api").payload
        asked = f"http://127.0.0.1:{api.partition(':')[2]}/2018-06-01/runtime/invocation/next"
        assert tell(deployer, "ask", url=asked, headers={"Host": api}) == 403
        assert "Runtime API of another function: refused" in emulator.log
        assert deployer.invoke("neighbor", do="say", text="still").payload == "still"


def test_neighbors_event_is_not_to_be_had(probe: Any, walled: Any) -> None:
    """Scan every port, ask each for the next event: only one's own Runtime API is there."""
    probe.create("neighbor", PROBE + "\n    # another image\n", Timeout=60)
    assert probe.invoke("neighbor", do="say", text="warm").payload == "warm"
    answers: list[Any] = []
    secret = threading.Thread(
        target=lambda: answers.append(probe.invoke("neighbor", do="sleep", seconds=8).payload)
    )
    secret.start()
    seen = tell(probe, "steal", gateway=walled.port)
    secret.join()
    assert seen["open"] == sorted([9001, walled.port])
    # Its own, asked for by address: without the name not even that answers.
    assert seen["taken"] == {"9001": 403}
    assert answers == ["slept"]
    assert "Runtime API of another function: refused" in walled.log


def test_registry_is_out_of_a_functions_reach(probe: Any, walled: Any) -> None:
    """It is on the port that functions call AWS's services by; a password does not help."""
    data = walled.client("ecr").get_authorization_token()["authorizationData"][0]
    login = {"Authorization": f"Basic {data['authorizationToken']}"}
    url = f"http://127.0.0.1:{walled.port}/v2/"
    with urllib.request.urlopen(urllib.request.Request(url, headers=login)) as answer:
        assert answer.status == 200
    for headers in ({}, login):
        assert tell(probe, "ask", url=url, headers=headers) == 403


def test_function_can_not_end_the_emulator_by_its_own_pages(probe: Any, walled: Any) -> None:
    at = f"http://127.0.0.1:{walled.port}"
    kill, headers = '{"action": "kill"}', {"Content-Type": "application/json"}
    asked = {"url": f"{at}/_localstack/health", "method": "POST", "body": kill, "headers": headers}
    assert tell(probe, "ask", **asked) == 403
    drop = {"url": f"{at}/_aws/image-functions/events", "method": "DELETE"}
    assert tell(probe, "ask", **drop) == 403
    for path in ("_aws/image-functions/state", "_localstack/plugins", "_aws/sqs/messages"):
        assert tell(probe, "ask", url=f"{at}/{path}") == 403
    assert tell(probe, "ask", url=f"{at}/_localstack/health") == 200
    assert walled.process.poll() is None


def test_processes_and_threads_are_limited_as_on_aws(probe: Any, user: str) -> None:
    if isolation_here().max_processes is None:
        pytest.skip("this kernel counts all of a user's processes for the limit")
    forked = tell(probe, "spawn")
    assert forked["errno"] == 11  # EAGAIN
    assert 1000 < forked["children"] <= 1024
    threads = tell(probe, "threads")
    assert threads["failure"]
    assert 1000 < threads["threads"] <= 1024


def test_ephemeral_storage_is_limited_in_total(probe: Any) -> None:
    assert tell(probe, "fill", files=4, mb=120) == {"mb": 480, "errno": None}
    full = tell(probe, "fill", files=6, mb=120)
    assert full["errno"] == 28  # ENOSPC
    assert 480 <= full["mb"] <= 512


def test_ephemeral_storage_is_limited_in_files_too(probe: Any) -> None:
    full = tell(probe, "litter", most=300_000)
    assert full["errno"] == 28  # ENOSPC
    assert 100_000 < full["made"] <= 512 * 2**20 // 4096


def test_ephemeral_storage_is_not_reserved_beyond_its_size(probe: Any) -> None:
    assert tell(probe, "reserve", mb=[500]) == {"taken": [500], "errno": None}
    assert tell(probe, "reserve", mb=[300, 300]) == {"taken": [300], "errno": 28}
    assert tell(probe, "reserve", mb=[600])["errno"] in (27, 28)  # EFBIG, ENOSPC
