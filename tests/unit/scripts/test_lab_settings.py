"""Settings of `.env` count as those of the shell do."""

from __future__ import annotations

import pytest

from cloud.switch import InvalidSetting, read_switch
from scripts.lab.deployment import fingerprint
from scripts.lab.docker import DockerBackend, Heard
from scripts.lab.event_path import event_path
from scripts.lab.limits import account_limit, concurrency
from scripts.lab.readiness import patience_s
from scripts.lab.services import ALWAYS, services
from scripts.lab.state import LabState, StateUnusable
from scripts.paths import ROOT
from scripts.provision.container_image import ca_file

REGIONS = ("us-east-1", "eu-central-1")


@pytest.fixture
def dotenv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FACELAB_CONCURRENCY", "FACELAB_DOCKER_SOCKET", "FACELAB_STATE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ca.pem").write_text("ca")
    (tmp_path / ".env").write_text(
        "FACELAB_CONCURRENCY=7\nFACELAB_DOCKER_SOCKET=/own.sock\nFACELAB_STATE=here\n"
        f"FACELAB_CA_FILE={tmp_path}/ca.pem\n"
    )
    return tmp_path


def test_settings_of_the_file_are_not_overridden(dotenv):
    backend = DockerBackend(read_switch({}), LabState(), lambda text: None)
    passed = backend._environment()
    assert (passed["FACELAB_CONCURRENCY"], passed["FACELAB_DOCKER_SOCKET"]) == ("7", "/own.sock")
    assert LabState().folder == dotenv / "here"
    assert ca_file() == dotenv / "ca.pem"


def test_shell_wins_over_the_file(dotenv, monkeypatch):
    monkeypatch.setenv("FACELAB_CONCURRENCY", "3")
    assert concurrency() == 3


@pytest.mark.parametrize(("cpus", "runs"), [(1, 2), (2, 2), (16, 16)])
def test_as_many_functions_run_as_there_are_cpus(dotenv, monkeypatch, cpus, runs):
    (dotenv / ".env").unlink()
    monkeypatch.setattr("os.cpu_count", lambda: cpus)
    assert concurrency() == runs


def test_six_functions_of_others_run_beside_the_labs_own(dotenv, monkeypatch):
    monkeypatch.setenv("FACELAB_CONCURRENCY", "3")
    backend = DockerBackend(read_switch({}), LabState(), lambda text: None)
    assert account_limit() == 9
    assert backend._environment()["FACELAB_ACCOUNT_LIMIT"] == "9"


@pytest.mark.parametrize("value", ["0", "-1", "many", "1001", "²"])
def test_concurrency_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("FACELAB_CONCURRENCY", value)
    with pytest.raises(InvalidSetting, match="FACELAB_CONCURRENCY"):
        concurrency()


def test_a_way_of_events_that_is_none_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.setenv("FACELAB_EVENTS", "sqs")
    with pytest.raises(InvalidSetting, match="FACELAB_EVENTS=sqs is not one of direct, queue"):
        event_path()


def test_another_way_of_events_is_another_deployment_and_reaches_the_init_hook(monkeypatch):
    """`make up` after a change said that the lab is up, and nothing had moved."""
    switch = read_switch({})
    found = {}
    for path in ("direct", "queue"):
        monkeypatch.setenv("FACELAB_EVENTS", path)
        found[path] = fingerprint(switch, "embedded")
        docker = DockerBackend(switch, LabState(), lambda text: None)
        assert docker._environment()["FACELAB_EVENTS"] == path
    assert found["direct"] != found["queue"]
    hook = "FACELAB_EVENTS: ${FACELAB_EVENTS:-direct}"
    assert hook in (ROOT / "compose.yaml").read_text()


def test_polls_are_no_progress_and_calls_are(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    shown: list[str] = []
    heard = Heard(shown.append)
    now[0] = 100.0
    heard.line("… localstack.request.http : GET /_localstack/init/ready => 200")
    assert heard.silent_s() == 100.0
    heard.line("… localstack.request.aws : AWS s3.CreateBucket => 200")
    assert heard.silent_s() == 0.0
    now[0] = 150.0
    heard.line("facelab: [  1.2 s] creating stack facelab")
    assert (heard.silent_s(), shown) == (0.0, ["creating stack facelab"])


def test_running_hook_is_given_more_time_than_silence_before_it():
    assert patience_s([], 300) == patience_s(["SUCCESSFUL"], 300) == 300
    assert patience_s(["RUNNING"], 300) > 300


def test_more_services_are_switched_on(monkeypatch):
    monkeypatch.setenv("FACELAB_SERVICES", "sns, ssm,S3")
    assert services() == (*ALWAYS, "sns", "ssm")


def test_a_service_that_the_emulator_lacks_is_named(monkeypatch):
    monkeypatch.setenv("FACELAB_SERVICES", "sns,rekognition")
    with pytest.raises(InvalidSetting, match=r"FACELAB_SERVICES.*'rekognition'"):
        services()


def test_both_backends_have_the_same_services():
    assert f'SERVICES: "{",".join(ALWAYS)},' in (ROOT / "compose.yaml").read_text()


def test_a_place_where_the_labs_files_can_not_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match=r"file/lab: Not a directory") as refused:
        LabState(tmp_path / "file" / "lab").make_folder()
    assert "FACELAB_STATE" in (refused.value.hint or "")


def test_a_lab_of_another_region_is_another_deployment():
    """`make up` said that the lab is up; its bucket was in the region before."""
    marks = {fingerprint(read_switch({"AWS_REGION": one}), "embedded") for one in REGIONS}
    assert len(marks) == len(REGIONS)
