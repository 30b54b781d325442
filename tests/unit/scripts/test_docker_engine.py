"""One way to find the engine, for the CLI and the client library."""

from __future__ import annotations

import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from scripts.docker.engine import (
    DEFAULT_SOCKET,
    engine_client,
    engine_host,
    is_elsewhere,
    socket_for_containers,
)

COLIMA = "unix:///home/ada/.colima/default/docker.sock"


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers every request as an engine that is asked for its version, on a Unix socket."""

    daemon_threads = True

    class RequestHandlerClass(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"ApiVersion": "1.41", "Name": "ours"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), self.RequestHandlerClass)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    with Engine(tmp_path / "e.sock") as server:
        yield f"unix://{tmp_path}/e.sock"
        server.shutdown()


@pytest.fixture
def cli(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` whose context in use is `engine`; `other` is a rootless engine's."""
    program = tmp_path / "docker"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *other) echo unix:///run/user/1000/docker.sock ;;\n'
        f'"context inspect"*) echo {engine} ;; *) exit 1 ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    return program


def test_client_asks_the_engine_of_the_context_in_use(cli, engine, monkeypatch):
    assert engine_host() == engine
    assert engine_client().version()["Name"] == "ours"
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert engine_host() == "unix:///run/user/1000/docker.sock"


def test_docker_host_wins_over_contexts(cli, monkeypatch):
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    assert engine_host() == "unix:///elsewhere.sock"


def test_without_a_cli_the_library_decides(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert engine_host() is None


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker CLI here")
def test_context_of_the_real_cli_is_the_client_s(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    create = ["docker", "context", "create", "rootless", "--docker", f"host={engine}"]
    subprocess.run(create, check=True, capture_output=True)
    monkeypatch.setenv("DOCKER_CONTEXT", "rootless")
    assert engine_host() == engine
    assert engine_client().version()["Name"] == "ours"


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (None, DEFAULT_SOCKET),
        (COLIMA, DEFAULT_SOCKET),
        ("unix:///Users/ada/.docker/run/docker.sock", DEFAULT_SOCKET),
        ("unix:///run/user/1000/docker.sock", "/run/user/1000/docker.sock"),
        ("npipe:////./pipe/docker_engine", DEFAULT_SOCKET),
    ],
)
def test_socket_that_a_container_mounts_is_the_engine_s_own(host, path):
    assert socket_for_containers(host) == path


@pytest.mark.parametrize(
    ("host", "elsewhere"),
    [
        (None, False),
        (COLIMA, False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://build.example:2376", True),
        ("ssh://ada@build.example", True),
    ],
)
def test_engine_on_another_machine_is_told_apart(host, elsewhere):
    assert is_elsewhere(host) is elsewhere
