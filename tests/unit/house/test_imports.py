"""`make lint` fails on an import that a room may not make and on a name that is not there."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.cli.check_imports import main
from scripts.develop.imports import EXCEPTIONS, ROOMS, Tree
from scripts.paths import ROOT


def checkout(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_checkout_keeps_its_rules():
    tree = Tree(ROOT)
    assert len(tree.modules) > 150
    assert tree.broken_rules() == []
    assert tree.circles() == []


def test_every_exception_is_still_needed():
    made = {(one.importer, one.module) for one in Tree(ROOT).imports()}
    assert set(EXCEPTIONS) <= made


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("device/planted.py", "import scripts.paths", "device/ sees only itself"),
        ("device/planted.py", "from scripts import paths", "device/ sees only itself"),
        ("device/planted.py", "def f():\n    from scripts.paths import ROOT", "device/"),
        ("device/planted.py", "import recognition", "device/ sees only itself"),
        ("lambda/planted.py", "import training.custom", "lambda/ sees only itself"),
        ("lambda/planted.py", "import torch", "only scripts and training"),
        ("lambda/recognition/planted.py", "from torch import nn", "only scripts and training"),
        ("lambda/planted.py", "from device import spool", "lambda/ sees only itself"),
        ("contract/planted.py", "from cloud import switch", "contract/ sees only itself"),
        ("localstack/localstack_image_functions/planted.py", "import contract.clips", "nothing"),
        ("scripts/planted.py", "from scripts.cli import lab", "nothing imports a command line"),
        ("training/planted.py", "from scripts.paths import ROOT", "training/ sees only"),
        ("device/planted.py", "from . import spool", "absolute"),
    ],
)
def test_a_planted_import_is_named_with_its_line(tmp_path, capsys, path, text, reason):
    there = {
        "scripts/__init__.py": "",
        "scripts/paths.py": "ROOT = 1",
        "scripts/cli/__init__.py": "",
        "scripts/cli/lab.py": "",
        "cloud/__init__.py": "",
        "cloud/switch.py": "",
        "contract/__init__.py": "",
        "contract/clips.py": "",
        "device/__init__.py": "",
        "device/spool.py": "",
        "training/__init__.py": "",
        "training/custom.py": "",
        "lambda/recognition/__init__.py": "",
        "localstack/localstack_image_functions/__init__.py": "",
    }
    root = checkout(tmp_path, {**there, path: text + "\n"})
    assert main(["--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert f"{path}:" in said
    assert reason in said


def test_what_a_room_may_see_passes(tmp_path):
    files = {
        "contract/__init__.py": "",
        "contract/clips.py": "import json",
        "cloud/__init__.py": "",
        "cloud/switch.py": "from contract import clips",
        "device/__init__.py": "",
        "device/camera.py": "import boto3\nfrom cloud import switch\nfrom contract import clips",
        "scripts/__init__.py": "",
        "scripts/cli/__init__.py": "",
        "scripts/cli/a.py": "from scripts.cli import b\nfrom device import camera",
        "scripts/cli/b.py": "",
    }
    assert main(["--root", str(checkout(tmp_path, files))]) == 0


def test_a_circle_is_named(tmp_path, capsys):
    files = {
        "contract/__init__.py": "",
        "contract/a.py": "from contract.b import x",
        "contract/b.py": "import contract.c",
        "contract/c.py": "from contract import a",
    }
    assert main(["--root", str(checkout(tmp_path, files))]) == 1
    assert "contract.a, contract.b, contract.c" in capsys.readouterr().err


def test_an_import_inside_a_function_makes_no_circle(tmp_path):
    files = {
        "contract/__init__.py": "",
        "contract/a.py": "from contract.b import x",
        "contract/b.py": "def f():\n    from contract.a import y",
    }
    assert main(["--root", str(checkout(tmp_path, files))]) == 0


def test_no_module_is_hidden_from_the_type_checker():
    checker = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert checker["strict"] is True
    assert "overrides" not in checker
    rooms = {path.split("/")[0] for path in checker["files"]}
    assert set(ROOMS) <= rooms


@pytest.mark.parametrize(
    "text",
    [
        "from recognition import NoSuchName\n",
        "from contract.clips import no_such_function\n",
        "import contract.clips\n\ncontract.clips.no_such_function()\n",
        "def f(x):\n    return x\n",
    ],
)
def test_the_type_checker_sees_a_planted_fault(tmp_path, text):
    planted = tmp_path / "planted.py"
    planted.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache", planted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "planted.py" in done.stdout
