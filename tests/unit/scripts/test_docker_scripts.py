"""Decisions of the docker scripts that need no engine."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from scripts.docker import install_engine
from scripts.docker.base_image import BaseImageError, mirrors
from scripts.docker.install_engine import Engine, stop
from scripts.provision.container_image import NO_CA, ca_file

TARGETS = """\
http://mirror.invalid/debian-security/ bookworm-security main
http://mirror.invalid/debian/ bookworm main
http://mirror.invalid/debian/ bookworm contrib
http://elsewhere.invalid/tools cloud main
"""


def test_base_image_is_made_from_the_mirrors_that_this_machine_uses():
    found = mirrors(TARGETS)
    assert found.main == "http://mirror.invalid/debian/"
    assert found.security == "http://mirror.invalid/debian-security/"


def test_machine_without_a_debian_mirror_is_told_so():
    with pytest.raises(BaseImageError, match="no Debian mirror"):
        mirrors("http://elsewhere.invalid/tools cloud main\n")


def test_mirror_without_a_security_archive_is_enough():
    assert mirrors("http://mirror.invalid/debian bookworm main\n").security is None


def test_builds_get_no_ca_unless_one_is_named():
    assert ca_file({}) == NO_CA
    assert NO_CA.read_bytes() == b""


def test_our_own_variable_names_the_ca_first(tmp_path):
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_text("ours")
    theirs.write_text("theirs")
    environment = {"FACELAB_CA_FILE": str(ours), "SSL_CERT_FILE": str(theirs)}
    assert ca_file(environment) == ours
    assert ca_file({"SSL_CERT_FILE": str(theirs)}) == theirs
    assert ca_file({"FACELAB_CA_FILE": str(tmp_path / "gone.pem")}) == NO_CA


def test_separate_engine_touches_nothing_of_the_machines_own(tmp_path):
    engine = Engine(tmp_path)
    assert engine.host == f"unix://{tmp_path}/docker.sock"
    assert all(str(tmp_path) in argument for argument in engine.arguments)
    assert engine.environment["DOCKER_HOST"] == engine.host
    assert Engine().arguments == []


def test_engine_that_was_there_before_is_not_stopped(tmp_path):
    engine = Engine(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as other:
        engine.pid_file.write_text(str(other.pid))
        stop(engine)
        assert other.poll() is None
        other.kill()


def test_engine_that_we_started_is_stopped(tmp_path):
    engine = Engine(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as ours:
        threading.Thread(target=ours.wait, daemon=True).start()  # or it stays a zombie
        engine.pid_file.write_text(str(ours.pid))
        engine.started_file.write_text(str(ours.pid))
        stop(engine)
        assert ours.wait(5) != 0
        assert not engine.started_file.exists()


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A machine whose packages are lines of a file; returns what is installed on it."""
    packages = tmp_path / "packages"
    packages.write_text("bash\ntzdata\n")
    programs = {
        "dpkg-query": f"sed 's/^/ii  /' {packages}",
        "apt-get": f"""case "$*" in
            *" install "*) printf 'docker.io\\nrunc\\n' >> {packages} ;;
            *" remove "*) for one; do sed -i "/^$one$/d" {packages}; done ;;
            *indextargets*) echo "http://mirror.invalid/debian $NAME main" ;;
            esac""",
        "docker": "exit 1",
    }
    for name, commands in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{commands}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("NAME", install_engine._debian_release())
    monkeypatch.setattr(install_engine.os, "geteuid", lambda: 0)
    for name in ("NEWER_SOURCE", "NEWER_PIN", "ADDED"):
        monkeypatch.setattr(install_engine, name, tmp_path / name)
    return lambda: set(packages.read_text().split())


def test_what_was_installed_is_removed_and_nothing_else(debian, tmp_path):
    install_engine.install(print)
    assert debian() == {"bash", "tzdata", "docker.io", "runc"}
    install_engine.remove()
    assert debian() == {"bash", "tzdata"}
    assert not any((tmp_path / name).exists() for name in ("NEWER_SOURCE", "NEWER_PIN", "ADDED"))
