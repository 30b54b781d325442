"""What the doctor finds is there, and what it calls bad stops a lab."""

from __future__ import annotations

import json
import socket
import subprocess
from types import SimpleNamespace

import pytest
from botocore.exceptions import NoCredentialsError

from cloud.switch import read_switch
from scripts import doctor, pitfalls
from scripts.cli import doctor as command
from scripts.finding import FindingLevel


@pytest.fixture
def switch():
    return read_switch({"FACELAB_BACKEND": "embedded", "FACELAB_PORT": "1"})


def test_no_proxy_is_good():
    assert pitfalls.proxies(dict).level is FindingLevel.GOOD


@pytest.mark.parametrize(
    ("spared", "level"), [("", FindingLevel.NOTE), ("localhost,127.0.0.1", FindingLevel.GOOD)]
)
def test_a_proxy_that_is_asked_for_loopback_is_told_without_its_password(
    monkeypatch, spared, level
):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("no_proxy", spared)
    found = pitfalls.proxies()
    assert found.level is level
    assert "proxy.example:3128" in found.fact
    assert "secret" not in found.fact
    assert bool(found.hint) == (level is FindingLevel.NOTE)


def test_a_setting_whose_name_is_nearly_right_is_named():
    """Nobody read it, and nothing said so."""
    found = pitfalls.settings(lambda: {"FACELAB_PROT": "4700", "FACELAB_PREFIX": "mine"})
    assert found.level is FindingLevel.BAD
    assert found.fact == "FACELAB_PROT is none: FACELAB_PORT?"


def test_settings_that_are_right_and_those_of_the_tests_are_good():
    given = {"FACELAB_BACKEND": "docker", "FACELAB_STORM_CLIPS": "60", "HOME": "/root"}
    found = pitfalls.settings(lambda: given)
    assert found.level is FindingLevel.GOOD
    assert "FACELAB_BACKEND" in found.fact
    assert "HOME" not in found.fact


def test_the_disk_of_the_labs_own_files_is_looked_at_too(tmp_path, monkeypatch):
    """Its checkout had room; the lab keeps its files where FACELAB_STATE says."""
    full = tmp_path / "full"
    full.mkdir()

    def usage(path):
        return SimpleNamespace(free=0 if path == full else 10**11)

    monkeypatch.setattr(doctor, "shutil", SimpleNamespace(disk_usage=usage))
    monkeypatch.setattr(doctor, "engine_answers", lambda: False)
    monkeypatch.delenv("FACELAB_STATE", raising=False)
    assert doctor.disk().level is FindingLevel.GOOD
    monkeypatch.setenv("FACELAB_STATE", str(full / "not" / "made" / "yet"))
    found = doctor.disk()
    assert found.level is FindingLevel.BAD
    assert str(full) in found.fact
    assert "FACELAB_STATE" in (found.hint or "")


def test_two_settings_that_name_an_engine_are_told(monkeypatch):
    monkeypatch.setattr(pitfalls, "engine_host", lambda: "unix:///a.sock")
    found = pitfalls.context({"DOCKER_HOST": "unix:///a.sock", "DOCKER_CONTEXT": "colima"})
    assert found.level is FindingLevel.NOTE
    assert "colima" in found.fact


@pytest.mark.parametrize(
    ("host", "answers", "level"),
    [
        (None, False, FindingLevel.GOOD),
        ("unix:///a.sock", True, FindingLevel.GOOD),
        ("unix:///a.sock", False, FindingLevel.NOTE),
    ],
)
def test_a_context_whose_engine_does_not_answer_is_told(monkeypatch, host, answers, level):
    monkeypatch.setattr(pitfalls, "engine_host", lambda: host)
    monkeypatch.setattr(pitfalls, "engine_answers", lambda: answers)
    assert pitfalls.context({}).level is level


def test_a_checkout_with_carriage_returns_is_bad(tmp_path):
    (tmp_path / "Makefile").write_bytes(b"up:\n\ttrue\n")
    assert pitfalls.line_ends(tmp_path).level is FindingLevel.GOOD
    (tmp_path / "Makefile").write_bytes(b"up:\r\n\ttrue\r\n")
    found = pitfalls.line_ends(tmp_path)
    assert found.level is FindingLevel.BAD
    assert "Makefile" in found.fact
    assert "autocrlf" in found.hint


def test_the_files_that_are_looked_at_are_there():
    for name in pitfalls.RUN_AS_TEXT:
        assert (pitfalls.ROOT / name).is_file(), name


def test_a_clock_before_the_newest_commit_is_bad(monkeypatch):
    monkeypatch.setattr(pitfalls, "_is_synchronized", lambda: True)
    assert pitfalls.clock().level is FindingLevel.GOOD
    assert pitfalls.clock(now_s=lambda: 0.0).level is FindingLevel.BAD


def test_a_clock_that_nobody_keeps_is_told(monkeypatch):
    monkeypatch.setattr(pitfalls, "_is_synchronized", lambda: False)
    assert pitfalls.clock().level is FindingLevel.NOTE


@pytest.mark.parametrize(("said", "expected"), [("yes\n", True), ("no\n", False), ("", None)])
def test_who_keeps_the_clock_is_what_the_system_says(monkeypatch, said, expected):
    done = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(pitfalls.subprocess, "run", lambda *_, **__: done)
    assert pitfalls._is_synchronized() is expected


def test_a_checkout_without_git_has_a_clock_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(pitfalls, "_is_synchronized", lambda: None)
    assert pitfalls.clock(tmp_path).level is FindingLevel.GOOD


def test_a_port_that_somebody_else_has_is_bad_unless_it_is_the_labs():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        mine = read_switch({"FACELAB_BACKEND": "embedded", "FACELAB_PORT": str(port)})
        assert pitfalls.ports(mine, is_up=False).level is FindingLevel.BAD
        assert pitfalls.ports(mine, is_up=True).level is FindingLevel.GOOD
    assert pitfalls.ports(mine, is_up=False).level is FindingLevel.GOOD


def test_pythons_for_functions_are_listed():
    assert pitfalls.pythons().fact[0] == "3"


class Aws:
    """AWS as far as it says who we are."""

    is_aws, region_name, port = True, "eu-central-1", 1

    def __init__(self, answer):
        self.answer = answer

    def client(self, service):
        assert service == "sts"
        return self

    def get_caller_identity(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def caller(date: str = "Sun, 06 Nov 1994 08:49:37 GMT") -> dict:
    return {
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:user/ada",
        "ResponseMetadata": {"HTTPHeaders": {"date": date}},
    }


def test_who_we_are_on_aws_is_told_and_a_clock_that_it_refuses():
    right_s = 784111777.0
    found = pitfalls.aws_caller(Aws(caller()), now_s=lambda: right_s)
    assert (found.level, "user/ada" in found.fact) == (FindingLevel.GOOD, True)
    assert pitfalls.aws_caller(Aws(caller()), now_s=lambda: right_s + 400).level is FindingLevel.BAD


def test_no_credentials_on_aws_are_bad_and_say_what_to_do():
    found = pitfalls.aws_caller(Aws(NoCredentialsError()))
    assert found.level is FindingLevel.BAD
    assert found.hint


def test_the_lab_does_not_ask_aws(switch):
    found = pitfalls.aws_caller(switch)
    assert found.level is FindingLevel.GOOD
    assert "not asked" in found.fact


def test_the_doctor_says_all_of_it_and_fails_only_for_what_is_bad(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "lab", lambda switch: [])
    monkeypatch.setattr(doctor, "engine_answers", lambda: False)
    monkeypatch.setattr(pitfalls, "engine_answers", lambda: False)
    code = command.main(["--json"])
    told = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    named = {"Python", "Pythons", "disk", "settings", "line ends", "clock", "proxies", "context"}
    assert named <= told.keys()
    assert code == int(any(one["level"] == "bad" for one in told.values()))
    monkeypatch.setattr(
        pitfalls, "line_ends", lambda: pitfalls.Finding("line ends", FindingLevel.BAD, "CR LF")
    )
    monkeypatch.setattr(command, "read_switch", lambda: SimpleNamespace(is_aws=False))
    assert command.main([]) == 1
    assert "CR LF" in capsys.readouterr().out
