"""Runtimes for zip functions, where a machine may be offline."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.functions import pythons, runtimes
from scripts.functions.dockerfile.installs import Install
from scripts.functions.environments import FunctionEnvironment, InstallFailed, stand_ins_of
from scripts.functions.pythons import Python, nearest, unlike

NEW = Python((3, 12, 4), Path("/python3.12"))
OLD = Python((3, 9, 1), Path("/python3.9"))


@pytest.fixture
def said() -> list[str]:
    return []


def test_runtime_that_cannot_be_made_does_not_stop_the_lab(tmp_path, said, monkeypatch):
    def make(python: Python, *_: object) -> FunctionEnvironment:
        if python is NEW:
            raise InstallFailed("the packages could not be installed:\nno network")
        return FunctionEnvironment(tmp_path / "environment")

    monkeypatch.setattr(runtimes, "make_environment", make)
    folder = runtimes.make_runtimes(said.append, tmp_path / "runtimes", [NEW, OLD])
    assert [path.name for path in folder.iterdir()] == ["python3.9"]
    assert said == ["zip functions have no Python 3.12: no network"]


def test_nearest_python_is_said_only_where_it_is_another():
    assert nearest("3.9", [NEW, OLD]) is OLD
    assert nearest("3.11", [NEW, OLD]) is NEW
    assert nearest("3", [OLD, NEW]) is NEW
    assert nearest(None, [OLD, NEW]) is NEW
    assert unlike("3.12", NEW) == unlike("3", NEW) == unlike(None, NEW) == ""
    assert "Python 3.8 is not on this machine: 3.9 is taken" in unlike("3.8", OLD)


def test_stand_ins_for_what_is_compiled_for_minutes():
    wanted = Install(
        1, names=("face_recognition==1.3.0", "numpy"), requirements=("opencv-python>=4\n",)
    )
    assert set(stand_ins_of(wanted)) == {"dlib-bin", "opencv-python-headless"}
    assert list(stand_ins_of(Install(1, names=("dlib", "dlib-bin")))) == []


def test_pythons_of_pyenv_are_found_where_its_shims_lead_nowhere(tmp_path, monkeypatch):
    for version in ("3.8.18", "3.12.1", "pypy3.9-7.3.13", "3.13.0"):
        program = tmp_path / "versions" / version / "bin" / "python3"
        program.parent.mkdir(parents=True)
        program.write_text("")
        program.chmod(0o755 if version != "3.13.0" else 0o644)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(pythons.shutil, "which", lambda name: f"/root/.pyenv/shims/{name}")
    found = pythons.pythons_here.__wrapped__()
    of_pyenv = {one.version for one in found if tmp_path in one.path.parents}
    assert of_pyenv == {(3, 8, 18), (3, 12, 1)} - {sys.version_info[:3]}
    assert sys.version_info[:3] in {one.version for one in found}
