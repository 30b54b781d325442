"""The emulator answers what AWS documents, and the page says where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FIGURES = HERE.parents[1] / "docs" / "figures.json"
LIMIT_S = 120
LEAST = 600


def conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance", *arguments],
        cwd=HERE,
        env={"PATH": os.environ["PATH"]},  # no keys of whoever runs this
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def emulator_with_runtime(
    make_emulator: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    localstack_cache: Path,
    own_runtimes: Path,
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("conformance")
    emulator = make_emulator(folder, f"pytest-{os.getpid()}-conf", localstack_cache)
    emulator.extra = {"IMAGE_FUNCTIONS_RUNTIMES": str(own_runtimes)}
    emulator.start()
    yield emulator
    emulator.stop()


def runtime() -> str:
    return f"python3.{sys.version_info.minor}"


def test_every_behavior_is_as_aws_documents_or_a_known_difference(
    emulator_with_runtime: Any, tmp_path: Path
) -> None:
    emulator = emulator_with_runtime
    ran = conformance(
        *("--endpoint", f"http://127.0.0.1:{emulator.port}", "--runtime", runtime()),
        *("--variant", "embedded", "--strict", "--output", str(tmp_path / "out.json")),
    )
    unexpected = [line for line in ran.stderr.splitlines() if line.startswith("unexpected")]
    assert unexpected == []
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["behaviours"] >= LEAST
    assert set(result["by_service"]) == {
        *("cloudwatch", "dynamodb", "ecr", "lambda", "logs", "s3", "sqs")
    }
    counted = result["passed"] + result["known_differences"] + result["unsupported"]
    assert counted == result["behaviours"]
    kept = json.loads(FIGURES.read_text())["conformance_embedded"]["values"]
    assert {name: result[name] for name in kept} == kept, "`make conformance` keeps these figures"
    assert "left behind" not in ran.stderr


@pytest.mark.parametrize("status", [200, 400, 501])
def test_an_endpoint_that_answers_something_else_passes_nothing(
    status: int, tmp_path: Path
) -> None:
    class Otherwise(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Otherwise) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = conformance(
            *("--endpoint", f"http://127.0.0.1:{server.server_port}", "--service", "ecr"),
            *("--only", "ecr registry", "--output", str(tmp_path / "out.json")),
        )
        server.shutdown()
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["behaviours"] > 0
    assert result["passed"] == 0
    assert result["unsupported" if status == 501 else "failed"] == result["behaviours"]
    assert ran.returncode == (0 if status == 501 else 1), ran.stderr


def test_every_behavior_names_the_page_that_says_so() -> None:
    listed = [line.split("\t") for line in conformance("--list").stdout.splitlines()]
    assert len({name for _, name, _ in listed}) == len(listed) >= LEAST
    assert {source.split("/")[2] for *_, source in listed} == {"docs.aws.amazon.com"}
