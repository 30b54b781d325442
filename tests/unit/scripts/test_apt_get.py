"""apt-get on a machine that just upgrades itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.docker.apt_get import apt_get
from tests.conftest import wait_until

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
APT_GET = """#!{python}
import fcntl, sys
with open({lock!r}, "r+b") as lock:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        open({lock!r} + ".refused", "w").close()
        print("E: Could not get lock {lock}. It is held by process 1 (unattended-upgr)")
        sys.exit(100)
print("done", *sys.argv[1:])
"""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lock = tmp_path / "lock-frontend"
    lock.touch()
    program = tmp_path / "apt-get"
    program.write_text(APT_GET.format(python=sys.executable, lock=str(lock)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return lock


def release_when(refused: Path, holder: subprocess.Popen[bytes]) -> None:
    wait_until(refused.exists, 30, "apt-get to be refused")
    holder.stdin.close()


def test_lock_of_another_package_manager_is_waited_for(lock, capsys):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    refused = lock.with_name(lock.name + ".refused")
    # Free as soon as apt-get was refused once: that is when the wait begins.
    threading.Thread(target=release_when, args=(refused, holder), daemon=True).start()
    status, output = apt_get(["install", "x"], [lock], patience_s=60)
    assert status == 0
    assert output.endswith("install x\n")
    assert "waiting for another package manager" in capsys.readouterr().err
    holder.wait()


def test_patience_ends(lock):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        begin = time.monotonic()
        status, output = apt_get(["update"], [lock], patience_s=1)
        assert (status, "held by process" in output) == (100, True)
        assert time.monotonic() - begin < 30
        holder.stdin.close()


def test_other_failures_are_not_tried_again(lock, tmp_path):
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho E: no such package; exit 100\n")
    assert apt_get(["install", "x"], [lock]) == (100, "E: no such package\n")
