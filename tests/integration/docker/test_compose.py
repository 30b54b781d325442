"""The docker backend as a person uses it: `make up`, clips, accidents, `make down`."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from device.sources.fixture import cut_at_key_frames
from scripts.e2e.truth import names, read_truth
from scripts.lab.snapshot_file import read_snapshot
from scripts.paths import ROOT
from scripts.provision.warmth import ENVIRONMENTS
from tests.conftest import Lab, free_port, wait_until
from tests.integration.docker.emulator import forget_images
from tests.integration.test_loop import Cloud, new_key

FIXTURE = ROOT / "fixtures" / "lab.h264"
UP_SECONDS = 540
CLIPS = 24


class DockerLab(Lab):
    """A lab of the tests' own on the docker backend."""

    @property
    def project(self) -> str:
        return self.environment["FACELAB_PREFIX"]

    def up(self) -> str:
        done = self.run("scripts.cli.lab", "up", check=False, timeout=UP_SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def containers(self, service: str | None = None) -> list:
        """Containers of Compose, and of functions when no service is named."""
        engine = docker.from_env()
        labels = [f"com.docker.compose.project={self.project}"]
        if service:
            labels.append(f"com.docker.compose.service={service}")
        found = engine.containers.list(all=True, filters={"label": labels})
        if not service:
            found += self.functions()
        return found

    def functions(self) -> list:
        label = f"localstack-image-functions.lab={self.project}"
        return docker.from_env().containers.list(
            all=True, filters={"label": label}, ignore_removed=True
        )

    def emulator_is_healthy(self) -> bool:
        (container,) = self.containers("localstack")
        return container.attrs["State"].get("Health", {}).get("Status") == "healthy"


@pytest.fixture(scope="module")
def docker_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    settings = {
        "FACELAB_BACKEND": "docker",
        "FACELAB_PREFIX": f"test-{secrets.token_hex(3)}",
        "FACELAB_REGISTRY_PORT": str(free_port()),
    }
    lab = DockerLab(tmp_path_factory.mktemp("docker-lab"), free_port(), settings)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
        engine = docker.from_env()
        for volume in engine.volumes.list(
            filters={"label": f"com.docker.compose.project={lab.project}"}
        ):
            volume.remove(force=True)
        forget_images(engine, f"localhost:{settings['FACELAB_REGISTRY_PORT']}")


@pytest.fixture(scope="module")
def single_person_clip() -> tuple[bytes, str]:
    stream = FIXTURE.read_bytes()
    cuts = list(cut_at_key_frames(stream, 15))
    truth = next(
        one
        for one in read_truth(ROOT / "fixtures" / "truth.json")
        if one.is_single_person and not one.tags
    )
    cut = cuts[truth.index]
    return stream[cut.start : cut.end], truth.visible[0]


def test_clip_comes_back_as_a_name(docker_lab, single_person_clip):
    data, person = single_person_clip
    cloud = Cloud(docker_lab)
    key = new_key()
    cloud.put(key, data)
    result = cloud.take(key, 60)
    assert (result.key, names(result, "online"), names(result, "custom")) == (
        key,
        {person},
        {person},
    )
    assert 1 <= len(docker_lab.functions()) <= ENVIRONMENTS


def test_everything_is_published_on_loopback_only(docker_lab):
    published = [
        binding["HostIp"]
        for container in docker_lab.containers()
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    ]
    assert published
    assert set(published) == {"127.0.0.1"}


def test_second_up_does_nothing(docker_lab):
    before = [container.id for container in docker_lab.containers("localstack")]
    said = docker_lab.up()
    assert "building" not in said
    assert [container.id for container in docker_lab.containers("localstack")] == before


def test_image_serves_itself_outside_lambda(docker_lab, single_person_clip):
    """`docker run -p 9000:8080` and `curl -XPOST … -d @event.json`, as in the report."""
    data, _ = single_person_clip
    cloud, key, port = Cloud(docker_lab), new_key(), free_port()
    cloud.put(key, data)
    cloud.take(key, 60)
    container = docker.from_env().containers.run(
        "facelab-recognize:local",
        detach=True,
        ports={"8080/tcp": ("127.0.0.1", port)},
        network=f"{docker_lab.project}_default",
        read_only=True,
        environment={
            "AWS_ENDPOINT_URL": "http://localstack:4566",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "FACELAB_PREFIX": docker_lab.project,
            "FACELAB_BUCKET": cloud.bucket,
        },
    )
    try:
        wait_until(lambda: b"serving" in container.logs(), 30, "the endpoint")
        event = {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": cloud.bucket}, "object": {"key": key}},
                }
            ]
        }
        answer = requests.post(
            f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations",
            data=json.dumps(event),
            timeout=60,
        )
        assert answer.status_code == 200
        assert "X-Amz-Function-Error" not in answer.headers, answer.text
        assert answer.json() == {"answered": [], "skipped": [key]}  # the ledger knows the clip
        assert "REPORT RequestId" in container.logs().decode()
    finally:
        container.remove(force=True)


def test_restarted_emulator_provisions_itself(docker_lab, single_person_clip):
    (container,) = docker_lab.containers("localstack")
    container.restart(timeout=15)
    container.stop(timeout=60)  # while it starts, which must not take until it is killed
    container.reload()
    assert container.attrs["State"]["ExitCode"] in (0, 128 + signal.SIGTERM)
    container.start()
    wait_until(docker_lab.emulator_is_healthy, 120, "LocalStack to be healthy again")
    cloud = Cloud(docker_lab)
    key = new_key()
    cloud.put(key, single_person_clip[0])
    assert cloud.take(key, 60).faces


def device(lab: Lab, module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, "--json", *arguments],
        cwd=ROOT,
        env=lab.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_killed_emulator_comes_back_and_no_clip_is_lost(docker_lab, tmp_path):
    """The device keeps each clip until its result came; `make up` does the rest."""
    spool = ("--spool", str(tmp_path / "spool"))
    answered: set[str] = set()
    recorded: set[str] = set()
    messages = device(docker_lab, "device.messages", *spool)
    camera = device(
        docker_lab,
        "device.camera",
        *("--source", str(FIXTURE), "--count", str(CLIPS), *spool),
        *("--keep-until-answered", "--answer-timeout", "8", "--drain-timeout", "240"),
    )

    def read(program: subprocess.Popen[str], kind: str, into: set[str]) -> None:
        for line in program.stdout or ():
            event = json.loads(line)
            if event["event"] == kind:
                into.add(event["clip_id"])

    readers = [
        threading.Thread(target=read, args=(camera, "clip", recorded), daemon=True),
        threading.Thread(target=read, args=(messages, "result", answered), daemon=True),
    ]
    try:
        for reader in readers:
            reader.start()
        wait_until(lambda: len(answered) >= 3, 60, "the first results")
        before = {container.id for container in docker_lab.functions()}
        docker_lab.containers("localstack")[0].kill()
        assert before <= {container.id for container in docker_lab.functions()}
        docker_lab.up()
        assert not before & {container.id for container in docker_lab.functions()}
        wait_until(lambda: len(recorded) == CLIPS, 60, "the camera to record everything")
        wait_until(lambda: recorded <= answered, 240, "every clip's result")
        assert camera.wait(120) == 0
    finally:
        for program in (camera, messages):
            program.kill()
            program.wait()


def test_a_snapshot_goes_to_the_other_backend_and_back(
    lab, docker_lab, single_person_clip, tmp_path
):
    data, person = single_person_clip
    cloud, key = Cloud(lab), new_key()
    people, ada = lab.switch.names.people_table, {"person_id": {"S": "ada"}, "name": {"S": "Ada"}}
    dynamodb = lab.switch.client("dynamodb")
    try:
        lab.run("scripts.cli.devices", "add", "pi-travels")
        dynamodb.put_item(TableName=people, Item=ada)
        cloud.put(key, data)
        assert names(cloud.take(key, 60), "online") == {person}
        lab.run("scripts.cli.lab", "snapshot", str(tmp_path / "embedded.zip"))
    finally:  # the others' lab, as it was
        dynamodb.delete_item(TableName=people, Key={"person_id": ada["person_id"]})
        lab.run("scripts.cli.devices", "remove", "pi-travels")

    docker_lab.run("scripts.cli.lab", "restore", str(tmp_path / "embedded.zip"))

    docker_lab.run("scripts.cli.lab", "snapshot", str(tmp_path / "docker.zip"))
    sent, arrived = (contents(tmp_path / f"{one}.zip") for one in ("embedded", "docker"))
    assert "pi-travels" in sent["devices"]
    assert ada in sent["people"]
    assert key in sent["objects"]
    assert arrived == sent
    # Answered is answered, wherever it was; and people who came along are recognized.
    other, later = Cloud(docker_lab), new_key()
    other.put(later, data)
    result = other.take(later, 60)
    assert (result.key, names(result, "online")) == (later, {person})


def contents(path: Path) -> dict[str, object]:
    """What a snapshot holds, whatever the order in which a lab lists it."""
    found = read_snapshot(path)
    return {
        "devices": sorted(found.devices),
        "people": sorted(found.people, key=json.dumps),
        "ledger": sorted((row["clip"]["S"], row["status"]["S"]) for row in found.ledger),
        "messages": {one: sorted(bodies) for one, bodies in found.messages.items()},
        "dead_letters": sorted(found.dead_letters),
        "objects": {one.key: (one.body, one.metadata) for one in found.objects},
    }


def test_down_leaves_the_kept_state_alone_and_forget_not_even_that(docker_lab):
    docker_lab.down()
    assert docker_lab.containers() == []
    engine = docker.from_env()
    assert engine.networks.list(names=[docker_lab.project]) == []
    kept = f"{docker_lab.project}_state"
    assert [one.name for one in engine.volumes.list(filters={"name": kept})] == [kept]
    docker_lab.run("scripts.cli.lab", "down", "--forget")
    assert engine.volumes.list(filters={"name": docker_lab.project}) == []
    assert not (docker_lab.state / "deployed").exists()
