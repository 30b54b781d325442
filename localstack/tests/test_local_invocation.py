"""An image that serves itself, with a runtime of a few lines in place of an image's."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

PLUGIN = Path(__file__).parents[1]
PATH = "/2015-03-31/functions/function/invocations"
RUNTIME = """
import json, os, sys, time, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    answer = urllib.request.urlopen(api + "next")
    event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    if event.get("exit"):
        sys.exit(event["exit"])
    print("heard", event, flush=True)
    time.sleep(event.get("seconds", 0))
    kind = "error" if event.get("fail") else "response"
    facts = {"pid": os.getpid(), "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"]}
    facts["context"] = answer.headers.get("Lambda-Runtime-Client-Context")
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


@pytest.fixture
def client(served):
    return boto3.client(
        "lambda",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )


def test_event_answers_at_once_and_runs_later(served, client):
    begin = time.monotonic()
    answer = client.invoke(
        FunctionName="function", InvocationType="Event", Payload=b'{"seconds": 3}'
    )
    assert time.monotonic() - begin < 3
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    lines = iter(served.process.stdout.readline, "")
    assert "heard {'seconds': 3}\n" in lines
    assert next(lines).startswith("END RequestId: ")


def test_dry_run_runs_nothing(served, client):
    answer = client.invoke(FunctionName="function", InvocationType="DryRun", Payload=b'{"d": 1}')
    assert answer["StatusCode"] == 204
    client.invoke(FunctionName="function", Payload=b'{"after": 1}')
    assert served.process.stdout.readline().startswith("START")
    assert served.process.stdout.readline() == "heard {'after': 1}\n"


def test_tail_of_the_log_comes_with_the_answer(client):
    answer = client.invoke(FunctionName="function", LogType="Tail", Payload=b'{"a": "xyz"}')
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith("START RequestId: ")
    assert "heard {'a': 'xyz'}\n" in log
    long = json.dumps({"a": "x" * 9000}).encode()
    answer = client.invoke(FunctionName="function", LogType="Tail", Payload=long)
    assert len(base64.b64decode(answer["LogResult"])) == 4096
    assert "LogResult" not in client.invoke(FunctionName="function")


def test_client_context_reaches_the_runtime(client):
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    answer = client.invoke(FunctionName="function", ClientContext=context)
    assert json.load(answer["Payload"])["context"] == '{"custom": {"k": "v"}}'


@pytest.mark.parametrize("size", [100, 7_000, 60_000])
def test_chunked_body_is_taken(served, size):
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    event = json.dumps({"text": "x" * 30_000}).encode()
    pieces = (event[at : at + size] for at in range(0, len(event), size))
    headers = {"Transfer-Encoding": "chunked"}
    connection.request("POST", PATH, iter(pieces), headers, encode_chunked=True)
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\n{}\r\n", b"-1\r\n\r\n", b"0x1\r\n1", b"\r\n"])
def test_broken_chunks_are_refused(served, body):
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", PATH)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(body)
    connection.sock.shutdown(socket.SHUT_WR)
    assert connection.getresponse().status == 400


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"InvocationType": "Later"}, "InvalidParameterValueException"),
        ({"LogType": "All"}, "InvalidParameterValueException"),
        ({"ClientContext": "%%%"}, "InvalidRequestContentException"),
        ({"ClientContext": "eA=="}, "InvalidRequestContentException"),
        ({"Payload": b"{not json"}, "InvalidRequestContentException"),
        ({"Payload": b"[" * 100_000}, "InvalidRequestContentException"),
    ],
)
def test_what_aws_refuses_is_refused(client, settings, error):
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName="function", **settings)
    assert refused.value.response["Error"]["Code"] == error


def test_version_in_the_query_is_no_other_path(served):
    assert served.post(b"{}", PATH + "?Qualifier=%24LATEST")[1] is None


INTERRUPTED = """
import os, signal, threading
from localstack_image_functions.runtime.local_invocation import _when_told_to_end
_when_told_to_end(lambda: os._exit(7))
with threading._active_limbo_lock:  # as when a request's thread is being started
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass  # where Python runs handlers
threading.Event().wait(5)
"""


def test_it_ends_when_told_to_as_a_request_comes():
    """A handler that started a thread once waited for a lock that it had interrupted."""
    package = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], env={"PYTHONPATH": str(package)}, timeout=20
    )
    assert done.returncode == 7
