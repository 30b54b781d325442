"""An image that serves itself, with a runtime of a few lines in place of an image's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1]
PATH = "/2015-03-31/functions/function/invocations"
RUNTIME = """
import json, os, sys, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    answer = urllib.request.urlopen(api + "next")
    event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    if event.get("exit"):
        sys.exit(event["exit"])
    print("heard", event, flush=True)
    kind = "error" if event.get("fail") else "response"
    facts = {"pid": os.getpid(), "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"]}
    body = json.dumps({"errorType": "Wished", "errorMessage": "x"} if event.get("fail") else facts)
    urllib.request.urlopen(api + f"{request_id}/{kind}", data=body.encode()).read()
"""


class Served:
    """A running endpoint."""

    def __init__(self, process: subprocess.Popen[str], port: str) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def post(self, body: bytes, path: str = PATH) -> tuple[dict, str | None]:
        url = f"{self.url}{path}"
        with urllib.request.urlopen(url, data=body, timeout=30) as answer:  # noqa: S310
            return json.load(answer), answer.headers.get("X-Amz-Function-Error")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    runtime = tmp_path / "runtime.py"
    runtime.write_text(RUNTIME)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "localstack_image_functions.runtime.local_invocation"),
            *("--host", "127.0.0.1", "--port", "0", sys.executable, str(runtime), "app.handler"),
        ],
        env={"PYTHONPATH": str(PLUGIN), "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    yield Served(process, process.stdout.readline().rsplit(" ", 1)[1].strip())
    process.kill()
    process.wait()


def test_event_is_answered_by_a_warm_runtime(served):
    first, error = served.post(b'{"a": 1}')
    assert error is None
    assert first["name"] == "function"
    assert served.post(b"{}")[0]["pid"] == first["pid"]


def test_log_lines_are_those_of_lambda(served):
    served.post(b'{"a": 1}')
    lines = [served.process.stdout.readline() for _ in range(4)]
    assert lines[0].startswith("START RequestId: ")
    assert lines[1] == "heard {'a': 1}\n"
    assert lines[2].startswith("END RequestId: ")
    assert "Init Duration: " in lines[3]


def test_failure_is_marked_and_an_exit_is_survived(served):
    assert served.post(b'{"fail": true}') == (
        {"errorType": "Wished", "errorMessage": "x"},
        "Unhandled",
    )
    gone, error = served.post(b'{"exit": 3}')
    assert (gone["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert served.post(b"{}")[1] is None


@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions//invocations", PATH + "/more"])
def test_other_paths_are_not_found(served, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        served.post(b"{}", path)


def test_event_over_six_megabytes_is_refused(served):
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as error:
        served.post(b'"' + b"x" * 7 * 2**20 + b'"')
    if isinstance(error.value, urllib.error.HTTPError):
        assert error.value.code == 413


def test_it_ends_when_told_to(served):
    served.post(b"{}")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(10) == 0
