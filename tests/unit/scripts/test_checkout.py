"""Checkouts as Windows and archives make them: CR LF line ends, no executable bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lab.readiness import why_the_hook_failed
from scripts.paths import ROOT

HOOK = ROOT / "scripts" / "lab" / "ready.d" / "provision.py"
NOTED = "localstack.runtime.init : Error while running script Script(path='x'): exit status 1"


def run_hook(tmp_path: Path, program: str) -> tuple[int, str]:
    """The hook from such a checkout, as LocalStack runs it, and what its log says."""
    hook = tmp_path / "provision.py"
    hook.write_bytes(HOOK.read_bytes().replace(b"\n", b"\r\n"))
    hook.chmod(0o644)
    (tmp_path / "scripts" / "cli").mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("cli/__init__.py", ""), ("cli/provision.py", program)):
        (tmp_path / "scripts" / name).write_text(text)
    log = tmp_path / "provision.log"
    done = subprocess.run(
        [sys.executable, "-c", "import sys; exec(open(sys.argv[1], 'rb').read(), {})", hook],
        env={
            **os.environ,
            "FACELAB_PYTHON": sys.executable,
            "FACELAB_ROOT": str(tmp_path),
            "FACELAB_IMPORT_ROOTS": str(tmp_path),
            "FACELAB_PROVISION_LOG": str(log),
        },
        capture_output=True,
        check=False,
    )
    return done.returncode, log.read_text()


def test_hook_runs_from_a_checkout_with_crlf_and_without_exec_bits(tmp_path):
    program = "import sys\nprint('deployed', sys.argv[1:])\n"
    assert run_hook(tmp_path, program) == (0, "deployed ['deploy']\n")


def test_hook_that_fails_says_so_and_why(tmp_path):
    status, log = run_hook(tmp_path, "raise SystemExit('no such stack')\n")
    assert (status != 0, log) == (True, "no such stack\n")


def test_failed_hook_that_said_nothing_has_a_reason_all_the_same():
    assert NOTED in why_the_hook_failed("", f"Ready.\n{NOTED}\n")
    assert why_the_hook_failed("facelab: no such stack\n", NOTED) == "facelab: no such stack"
    assert why_the_hook_failed("", "") != ""


@pytest.mark.parametrize(
    "path", ["lambda/entrypoint", "Makefile", ".ci/run", "scripts/setup.py", "compose.yaml"]
)
def test_scripts_keep_their_line_ends_on_windows(path):
    done = subprocess.run(
        ["git", "check-attr", "eol", "--", path], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    assert done.stdout.strip().endswith("eol: lf")


def test_entry_point_loses_carriage_returns_in_the_image():
    assert "sed -i 's/\\r$//' /opt/facelab/entrypoint" in (ROOT / "lambda/Dockerfile").read_text()


@pytest.mark.parametrize("name", ["requirements.txt", "clip.h264"])
def test_pictures_and_clips_are_never_rewritten(name):
    kinds = {".h264": "unset", ".txt": "auto"}
    done = subprocess.run(
        ["git", "check-attr", "text", "--", name], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    assert done.stdout.strip().endswith(kinds[Path(name).suffix])
