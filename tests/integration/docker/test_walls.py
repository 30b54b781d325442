"""What one function can reach of its neighbors and of the host, tried from inside one.

Each test runs against a LocalStack that is root in its container, and one of an ordinary user.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from scripts.paths import ROOT
from tests.integration.docker.emulator import ImageFunctionsEmulator
from tests.integration.docker.functions import deployed

METADATA = ["169.254.169.254", 80]
ORDINARY_UID = 65_534


@pytest.fixture(scope="module", params=["root", "ordinary"])
def emulator(request, lab_images):
    if request.param == "root":
        yield request.getfixturevalue("emulator_of_root")
        return
    with ImageFunctionsEmulator(*lab_images, user=ORDINARY_UID) as emulator:
        yield emulator


@pytest.fixture
def localstack_pid(emulator):
    """LocalStack's process by its number on the host."""
    container = emulator.localstack.get_wrapped_container()
    container.reload()
    return container.attrs["State"]["Pid"]


@pytest.fixture(scope="module")
def uri(emulator, probe_image):
    return emulator.push(probe_image, "walls")


@pytest.fixture(scope="module")
def function(emulator, uri):
    with deployed(emulator, "insider", uri, MemorySize=1024, Timeout=120) as function:
        yield function


@pytest.fixture(scope="module")
def network(function):
    return function.invoke("own_network").payload


@pytest.fixture
def host_ports():
    """A server of the host's on all its addresses, by each of them that a container might try."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        port = server.getsockname()[1]
        addresses = subprocess.run(
            ["hostname", "-I"], capture_output=True, text=True, check=True
        ).stdout.split()
        yield [[address, port] for address in ("127.0.0.1", *addresses) if "." in address]


def gateways(emulator):
    """The addresses that the engine's networks have on the host."""
    return [
        config["Gateway"]
        for network in emulator.engine.networks.list()
        for config in network.attrs["IPAM"].get("Config") or ()
        if "Gateway" in config
    ]


def test_function_reaches_the_emulator_and_nothing_of_the_host(
    emulator, function, network, host_ports
):
    port = host_ports[0][1]
    gateway = [network["emulator"], 4566]
    to = [gateway, METADATA, *host_ports, *([address, port] for address in gateways(emulator))]
    found = function.invoke("connect", to=to).payload["found"]
    assert [where for where, what in found.items() if what == "open"] == [f"{gateway[0]}:4566"]


def test_localstack_runs_as_who_it_is_meant_to(emulator, localstack_pid, request):
    wanted = 0 if "root" in request.node.callspec.id else ORDINARY_UID
    assert Path(f"/proc/{localstack_pid}").stat().st_uid == wanted


def test_function_has_namespaces_of_its_own_and_no_rights(function, localstack_pid):
    kinds = ("pid", "ipc", "mnt", "net")
    seen = function.invoke("look", namespaces=kinds).payload
    for other in ("self", localstack_pid):
        theirs = {kind: str(Path(f"/proc/{other}/ns/{kind}").readlink()) for kind in kinds}
        assert not set(seen["namespaces"].values()) & set(theirs.values())
    assert seen["uid"] == 993
    assert set(seen["capabilities"]) == {"0000000000000000"}


def test_function_can_signal_neither_the_emulator_nor_anyone(function, localstack_pid):
    pids = [localstack_pid, os.getpid(), -localstack_pid]
    assert function.invoke("signals", pids=pids).payload["found"] == {
        "reached": [],
        "seen": [1],
    }
    assert Path(f"/proc/{localstack_pid}").exists()


def test_function_reads_no_file_of_the_host(function, localstack_pid, tmp_path):
    readable = tmp_path / "readable"
    readable.write_text("of the host")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    wanted = [
        *(str(readable), str(ROOT / "README.md"), "/etc/shadow", f"/proc/{localstack_pid}/environ"),
        *("/proc/1/root/etc/shadow", "/var/lib/localstack/cache/server.test.pem", "/opt/plugin"),
        *("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/sys/firmware/dmi"),
    ]
    found = function.invoke("read", paths=wanted).payload["found"]
    assert {path: what for path, what in found.items() if what and not what.endswith("Error")} == {}


def test_function_shares_no_memory_with_the_host(function):
    libc, key = ctypes.CDLL(None, use_errno=True), 0x6661 + os.getpid()
    segment = libc.shmget(key, 4096, 0o1666)
    queue = libc.msgget(key, 0o1666)
    assert min(segment, queue) >= 0
    try:
        found = function.invoke("shared_memory", key=key).payload["found"]
        assert found == {"segment": -1, "queue": -1, "shm": False}
    finally:
        libc.shmctl(segment, 0, None)
        libc.msgctl(queue, 0, None)


def test_function_reaches_what_the_user_opened_and_no_other_port(lab_images, probe_image):
    settings = {"IMAGE_FUNCTIONS_OPEN": "registry:5000"}
    with (
        ImageFunctionsEmulator(*lab_images, settings=settings) as emulator,
        deployed(emulator, "opened", emulator.push(probe_image, "opened"), Timeout=60) as function,
    ):
        to = [["registry", 5000], ["registry", 5001], ["localstack", 4510], METADATA]
        found = function.invoke("connect", to=to).payload["found"]
    assert [where for where, what in found.items() if what == "open"] == ["registry:5000"]


def test_with_the_internet_the_host_is_open_and_a_neighbors_runtime_api_is_not(
    lab_images, probe_image, host_ports
):
    settings = {"IMAGE_FUNCTIONS_INTERNET": "on"}
    with ImageFunctionsEmulator(*lab_images, settings=settings) as emulator:
        uri = emulator.push(probe_image, "opened")
        with (
            deployed(emulator, "open", uri, Timeout=120) as function,
            deployed(emulator, "neighbor", uri, Timeout=60) as neighbor,
        ):
            assert neighbor.invoke("echo").error is None
            found = function.invoke("connect", to=host_ports).payload["found"]
            opened = {where for where, what in found.items() if what == "open"}
            assert opened == {f"{host}:{port}" for host, port in host_ports if host != "127.0.0.1"}
            at = function.invoke("own_network").payload["emulator"]
            ports = set(function.invoke("open_ports", host=at).payload["ports"]) - {4510, 4566}
            assert len(ports) >= 2, "both Runtime APIs listen there"
            for port in ports:
                url = f"http://{at}:{port}/2018-06-01/runtime/invocation/next"
                assert function.invoke("ask", url=url).payload["status"] == 403


def test_registry_is_out_of_a_functions_reach(emulator, function, network):
    registry = emulator._registry.get_wrapped_container()
    registry.reload()
    localstack = emulator.localstack.get_wrapped_container()
    localstack.reload()
    addresses = [
        settings["IPAddress"]
        for container in (registry, localstack)
        for settings in container.attrs["NetworkSettings"]["Networks"].values()
    ]
    to = [[address, port] for address in addresses for port in (4510, 5000)] + [["registry", 5000]]
    found = function.invoke("connect", to=to).payload["found"]
    assert "open" not in found.values(), found


def test_registry_is_out_of_a_functions_reach_at_the_gateway_too(emulator, function, network):
    """It is on the port that functions call AWS's services by; a password does not help."""
    basic = base64.b64encode(":".join(emulator.basic()).encode()).decode()
    login = {"Authorization": f"Basic {basic}"}
    assert requests.get(f"{emulator.endpoint}/v2/", headers=login, timeout=10).status_code == 200
    assert requests.get(f"{emulator.endpoint}/v2/", timeout=10).status_code == 401
    for headers in ({}, login):
        asked = function.invoke(
            "ask", url=f"http://{network['emulator']}:4566/v2/", headers=headers
        )
        assert asked.payload["status"] == 403


def test_function_can_not_end_the_emulator_by_its_own_pages(emulator, function, network):
    at = f"http://{network['emulator']}:4566"
    kill, headers = '{"action": "kill"}', {"Content-Type": "application/json"}
    for asked in (
        {"url": f"{at}/_localstack/health", "method": "POST", "body": kill, "headers": headers},
        {"url": f"{at}/_aws/image-functions/events", "method": "DELETE"},
        {"url": f"{at}/_aws/image-functions/state"},
    ):
        assert function.invoke("ask", **asked).payload["status"] == 403
    health = function.invoke("ask", url=f"{at}/_localstack/health")
    assert health.payload["status"] == 200


def test_an_image_is_pushed_and_pulled_at_the_gateway(emulator):
    emulator.client("ecr").create_repository(repositoryName="at/the-gateway")
    url, auth, layer = f"{emulator.endpoint}/v2/at/the-gateway", emulator.basic(), b"{}"
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    query = {"digest": digest}
    pushed = requests.post(f"{url}/blobs/uploads/", params=query, data=layer, auth=auth, timeout=10)
    assert pushed.status_code == 201
    kind = "application/vnd.oci.image.manifest.v1+json"
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
    headers = {"Content-Type": kind}
    put = requests.put(
        f"{url}/manifests/v1", json.dumps(manifest), headers=headers, auth=auth, timeout=10
    )
    assert put.status_code == 201
    pulled = requests.get(f"{url}/manifests/v1", headers={"Accept": kind}, auth=auth, timeout=10)
    assert pulled.json() == manifest
    assert requests.get(f"{url}/blobs/{digest}", auth=auth, timeout=10).content == layer
    shown = emulator.client("ecr").describe_images(repositoryName="at/the-gateway")
    assert [one["imageTags"] for one in shown["imageDetails"]] == [["v1"]]


def test_function_makes_no_namespaces_of_its_own(function):
    user, mount, net = 0x10000000, 0x00020000, 0x40000000
    flags = {"user": user, "user and mount": user | mount, "net": net}
    assert 0 not in function.invoke("nest", flags=flags).payload["found"].values()


def test_function_reaches_no_socket_of_the_host_and_traces_nobody(function):
    abstract = "\0of-the-host-for-test-walls"
    with socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind(abstract)
        hidden.listen()
        wanted = [abstract, "/var/run/docker.sock", "/run/docker.sock"]
        assert "open" not in function.invoke("unix", paths=wanted).payload["found"].values()
    assert function.invoke("trace", pids=list(range(2, 400))).payload["traced"] == []


def test_tmp_is_limited_in_files_and_in_what_is_reserved(emulator, uri):
    # What is in /tmp counts against the memory here.
    with deployed(emulator, "littering", uri, MemorySize=2048, Timeout=120) as function:
        full = function.invoke("litter", most=300_000).payload
        assert full["errno"] == 28  # ENOSPC
        assert 100_000 < full["made"] <= 512 * 2**20 // 4096
        reserved = function.invoke("reserve", mb=[300, 300]).payload
        assert (reserved["taken"], reserved["errno"]) == ([300], 28)


def test_neighbors_event_is_not_to_be_had(emulator, function, network, uri):
    with deployed(emulator, "neighbor", uri, Timeout=60) as neighbor:
        own = neighbor.invoke("own_network").payload["own"]
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(neighbor.invoke, "sleep", seconds=20)
            ports = function.invoke("open_ports", host=network["emulator"]).payload["ports"]
            assert set(ports) > {4566}, "the Runtime APIs listen there, too"
            for port in set(ports) - {4566}:
                url = f"http://{network['emulator']}:{port}/2018-06-01/runtime/invocation/next"
                assert function.invoke("ask", url=url).payload["status"] == 403
            assert function.invoke("open_ports", host=own).payload["ports"] == []
            assert busy.result(60).payload["slept"] == 20
    log = emulator.localstack.get_wrapped_container().logs().decode()
    assert "Runtime API of another function: refused" in log


def test_processes_are_limited_as_on_aws(function):
    found = function.invoke("spawn").payload
    assert found["errno"] == 11  # EAGAIN
    assert 1000 < found["children"] <= 1024
    assert 1000 < function.invoke("threads").payload["threads"] <= 1024


def manifest_of(emulator, repository, tag):
    answer = requests.get(
        f"http://{emulator.registry_host}/v2/{repository}/manifests/{tag}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        auth=emulator.basic(),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return answer


def put_manifest(emulator, repository, tag, answer, auth):
    return requests.put(
        f"http://{emulator.registry_host}/v2/{repository}/manifests/{tag}",
        data=answer.content,
        headers={"Content-Type": answer.headers["Content-Type"]},
        auth=auth,
        timeout=10,
    )


@pytest.mark.parametrize("auth", [None, ("AWS", "emulated"), ("AWS", "e30=.0"), ("me", "x")])
def test_registry_takes_nothing_from_strangers(emulator, uri, auth):
    manifest = manifest_of(emulator, "walls", "latest")
    answer = put_manifest(emulator, "walls", "moved", manifest, auth)
    assert answer.status_code == 401
    assert answer.headers["Www-Authenticate"].startswith("Basic realm=")
    assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"
    read = requests.get(f"http://{emulator.registry_host}/v2/_catalog", auth=auth, timeout=10)
    assert read.status_code == 401


def test_push_to_a_repository_that_does_not_exist_is_refused(emulator, probe_image):
    name = f"{emulator.registry_host}/never/made"
    emulator.engine.images.get(probe_image).tag(name, "latest")
    pushing = emulator.engine.images.push(
        name, "latest", stream=True, decode=True, auth_config=emulator.login()
    )
    said = json.dumps(list(pushing))
    assert "The repository with name 'never/made' does not exist" in said


def test_immutable_tag_does_not_move(emulator, probe_image, other_probe_image):
    ecr = emulator.client("ecr")
    ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    first = emulator.push(probe_image, "fixed", tag="v1")
    name = f"{emulator.registry_host}/fixed"
    emulator.engine.images.get(other_probe_image).tag(name, "v1")
    pushing = emulator.engine.images.push(
        name, "v1", stream=True, decode=True, auth_config=emulator.login()
    )
    assert "cannot be overwritten because the tag is immutable" in json.dumps(list(pushing))
    manifest = manifest_of(emulator, "fixed", "v1")
    assert f"sha256:{hashlib.sha256(manifest.content).hexdigest()}" == first.partition("@")[2]


def test_functions_network_goes_with_the_lab(lab_images):
    with ImageFunctionsEmulator(*lab_images) as emulator:
        emulator.client("lambda").list_functions()

        def names():
            return [network.name for network in emulator.engine.networks.list()]

        assert f"{emulator.lab}-functions" in names()
        # Gently: LocalStack takes as long as the machine is busy.
        emulator.localstack.get_wrapped_container().stop(timeout=120)
        assert f"{emulator.lab}-functions" not in names()
