"""The one command: what it lists it can do, and its refusals are codes a script can read."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.cli import facelab
from scripts.errors import LabError
from scripts.paths import ROOT
from tests.parsers import slips_of_help, without_json

HERE = [task for task in facelab.TASKS if not task.with_torch]


@pytest.mark.parametrize("task", HERE, ids=lambda task: task.name)
def test_every_task_has_help(task, capsys):
    with pytest.raises(SystemExit) as ended:
        task.load()([*task.given, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("task", HERE, ids=lambda task: task.name)
def test_a_wrong_option_is_code_2(task, capsys):
    with pytest.raises(SystemExit) as ended:
        task.load()([*task.given, "--no-such-option"])
    assert ended.value.code == 2


@pytest.mark.parametrize("task", HERE, ids=lambda task: task.name)
def test_every_task_takes_json(task):
    """Those with torch: tests/unit/training/test_tasks.py."""
    assert without_json(task) == []


@pytest.mark.parametrize("task", HERE, ids=lambda task: task.name)
def test_help_is_whole_and_of_one_form(task):
    """Those with torch: tests/unit/training/test_tasks.py."""
    assert slips_of_help(task) == []


def test_a_planted_slip_of_help_is_found(monkeypatch):
    def main(arguments):
        parser = argparse.ArgumentParser(prog="other", description="One.\n    Two.")
        parser.add_argument("--bare")
        parser.add_argument("--json", action="store_true", help="in other words")
        parser.parse_args(arguments)

    task = facelab.Task("planted", "run", "nothing", "planted")
    monkeypatch.setattr(facelab.Task, "load", lambda self: main)
    assert len(slips_of_help(task)) == 4


@pytest.mark.parametrize("program", ["camera", "messages", "pictures", "spooled"])
def test_on_a_device_a_program_is_called_by_its_module(program):
    command = [sys.executable, "-m", f"device.{program}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: python -m device.{program} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["conformance", "notaurl"],
        ["conformance", "http://127.0.0.1:x"],
        ["e2e", "--speed", "0"],
        ["dashboard", "--port", "99999"],
        ["soak", "--film", "no-such-film.h264"],
    ],
    ids=" ".join,
)
def test_a_wrong_value_is_code_2(arguments, capsys):
    """Each ended in a traceback, or in waiting for what could not come."""
    with pytest.raises(SystemExit) as ended:
        facelab.run(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def test_no_task_name_stands_twice():
    names = [task.name for task in facelab.TASKS]
    assert sorted(set(names)) == sorted(names)


def test_the_list_names_every_task(capsys):
    assert facelab.run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {task.name} " in shown for task in facelab.TASKS)


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["--json"]])
def test_an_unknown_task_is_code_2(arguments, capsys):
    assert facelab.run(arguments) == 2


def test_every_make_target_calls_a_task_that_exists():
    called = re.findall(r"\$\((?:FACELAB|BARE)\) ([a-z0-9-]+)", (ROOT / "Makefile").read_text())
    assert len(called) > 15
    assert set(called) <= {task.name for task in facelab.TASKS}


def test_every_make_target_passes_arguments_on():
    """`make up ARGS=--json` once brought a lab up and said nothing."""
    assert without_arguments((ROOT / "Makefile").read_text()) == []
    assert without_arguments("a:\n\t@$(FACELAB) up \\\n\t  --x\n") == ["$(FACELAB) up --x"]


def without_arguments(makefile: str) -> list[str]:
    """Lines of a recipe that call `facelab` without what the person added. `make clean` has more
    to do than to call it, and takes none."""
    lines = re.sub(r"\s*\\\n\s*", " ", makefile).splitlines()
    calls = [line.strip("\t@") for line in lines if line.startswith("\t@$(FACELAB)")]
    return [call for call in calls if "$(ARGS)" not in call]


@pytest.mark.parametrize("task", ["setup", "docker-engine", "base-image"])
def test_what_makes_the_environments_needs_none(task):
    """-S: without the packages of the environment that this test runs in."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "scripts.cli.facelab", task, "--help"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"facelab {task}" in done.stdout


def test_training_without_its_environment_says_which_command_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(facelab, "TRAINING_PYTHON", tmp_path / "none")
    with pytest.raises(LabError) as refused:
        facelab.run(["train"])
    assert "training-env" in refused.value.hint


@pytest.mark.parametrize("task", ["train", "evaluate", "stress"])
def test_help_of_training_needs_no_environment(task, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(facelab, "TRAINING_PYTHON", tmp_path / "none")
    assert facelab.run([task, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"facelab {task}" in shown
    assert "make training-env" in shown


def test_the_console_script_runs_from_anywhere(tmp_path):
    command = Path(sys.executable).with_name("facelab")
    done = subprocess.run(
        [command, "enroll", "--help"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "facelab enroll" in done.stdout
