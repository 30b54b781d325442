"""The plugin alone: its wheel and the locked LocalStack in an empty environment, by its README."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from email.parser import Parser
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1]
TOOLS = PLUGIN.parent / "build" / "env" / "tools" / "bin"
README = (PLUGIN / "README.md").read_text()
LIMIT_S = 120


def block(language: str, begins: str) -> str:
    """The block of the README whose text begins so."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (text,) = (one for one in found if one.startswith(begins))
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the plugin's sources in it, as a download of it would be."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(
        PLUGIN,
        folder / "localstack",
        ignore=shutil.ignore_patterns("tests", "__pycache__", "*.egg-info"),
    )
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Nothing of this checkout; the installer's settings and its cache of packages."""
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("UV_", "PIP_"))}
    named = {name: os.environ[name] for name in ("HOME", "SSL_CERT_FILE") if name in os.environ}
    return {**kept, **named, "PATH": f"{TOOLS}:{os.environ['PATH']}", "TMPDIR": str(folder)}


def shell(folder: Path, commands: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(folder: Path) -> Path:
    if not shutil.which("uv", path=environment(folder)["PATH"]):
        pytest.skip("no uv: `make setup` gets it")
    shell(folder, block("sh", "uv venv"))
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def started(installed: Path, port: int, wait_until: Callable[..., None]) -> Iterator[Path]:
    commands = block("sh", "state=$PWD/state").replace("4566", str(port))
    with (installed / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euc", commands],
            cwd=installed,
            env=environment(installed),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until(lambda: is_ready(process, port, installed / "log"), LIMIT_S)
            yield installed
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def is_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    address = f"http://127.0.0.1:{port}/_localstack/init/ready"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return b'"completed": true' in answer.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def test_the_wheel_has_a_version_and_a_license_and_no_tests(installed: Path) -> None:
    (wheel,) = (installed / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    assert wheel.name.split("-")[1] == told["Version"]
    assert told["License-Expression"] == "MIT"
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    modules = {
        str(path.relative_to(PLUGIN))
        for path in PLUGIN.glob("localstack_image_functions/**/*.*")
        if path.suffix != ".pyc"
    }
    assert {name for name in names if ".dist-info/" not in name} == modules


def test_its_changelog_has_its_version() -> None:
    version = re.search(r'^version = "(.+)"$', (PLUGIN / "pyproject.toml").read_text(), re.M)
    assert version
    assert f"\n## [{version[1]}] - " in (PLUGIN / "CHANGELOG.md").read_text()


def test_a_function_that_the_readme_deploys_answers(started: Path, port: int) -> None:
    (started / "handler.py").write_text(block("python", "def handler"))
    deploying = block("python", "from pathlib import Path")
    assert "/absolute/path/to/function-env/bin/python" in deploying
    deploying = deploying.replace("/absolute/path/to/function-env/bin/python", sys.executable)
    (started / "deploy.py").write_text(deploying.replace("4566", str(port)))
    assert shell(started, "localstack-env/bin/python deploy.py").strip() == '"Hello Ada"'
