"""The device's programs start from anywhere, both ways, with only what a Pi has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.paths import ROOT

PROGRAMS = ("camera", "messages", "pictures", "spooled")


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `device/install.py` makes: the three folders, and a path file in the environment."""
    folder = tmp_path_factory.mktemp("opt") / "facelab"
    for name in ("device", "contract", "cloud"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (site,) = (folder / ".venv/lib").glob("python3*/site-packages")
    (site / "facelab.pth").write_text(f"{folder}\n")
    # boto3 and python-dotenv as pip would have put them there, nothing else of the lab's.
    (installed,) = {Path(path) for path in sys.path if path.endswith("site-packages")}
    for name in (
        *("boto3", "botocore", "dateutil", "dotenv", "jmespath", "s3transfer", "six.py", "urllib3"),
    ):
        (site / name).symlink_to(installed / name)
    return folder


def run(pi: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [pi / ".venv/bin/python", *command],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_a_file_and_as_a_module_from_anywhere(pi: Path, tmp_path: Path, program: str):
    for command in ([f"{pi}/device/{program}.py"], ["-m", f"device.{program}"]):
        done = run(pi, *command, "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "--json" in done.stdout


def test_an_error_is_one_line_not_a_traceback(pi: Path, tmp_path: Path):
    done = run(pi, f"{pi}/device/camera.py", "--source", "missing.h264", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: can't read missing.h264")
    assert len(done.stderr.splitlines()) == 1


def test_no_module_of_the_device_hides_another_one_when_run_as_a_file():
    """`python device/camera.py` puts device/ itself at the head of the import path."""
    ours = {path.stem for path in (ROOT / "device").glob("*.py")}
    assert not ours & (set(sys.stdlib_module_names) | set(packages_distributions()))


def test_what_the_programs_import_before_they_know_what_to_do_is_little():
    """boto3 costs a Pi more than a second; help, and every wrong option, must not wait for it."""
    for program in PROGRAMS:
        code = f"import device.{program}, sys; print(*sorted(sys.modules))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        heavy = {"boto3", "botocore", "numpy", "av", "cv2", "onnxruntime", "PIL", "asyncio"}
        assert not heavy & set(done.stdout.split()), program
