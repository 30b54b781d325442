"""An image that serves itself, with a runtime of a few lines in place of an image's."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localstack_image_functions.errors import EntrypointNotFound
from localstack_image_functions.runtime import local_invocation
from localstack_image_functions.runtime.api import RuntimeApi
from localstack_image_functions.runtime.environment import Exit
from localstack_image_functions.runtime.logs import OutputLog

WAIT_S = 20.0
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
    facts |= os.environ if event.get("environment") else {}
    facts["arn"] = answer.headers["Lambda-Runtime-Invoked-Function-Arn"]
    facts["context"] = answer.headers.get("Lambda-Runtime-Client-Context")
    body = json.dumps({"errorType": "Wished", "errorMessage": "x"} if event.get("fail") else facts)
    urllib.request.urlopen(api + f"{request_id}/{kind}", data=body.encode()).read()
"""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)  # between looks


class Stream(io.TextIOBase):
    """What several threads print; pytest's own capture loses what one writes while it is read."""

    def __init__(self) -> None:
        self._text = ""
        self._more = Condition()

    def write(self, text: str) -> int:
        with self._more:
            self._text += text
            self._more.notify_all()
        return len(text)

    def readline(self, size: int | None = -1, /) -> str:
        """The next whole line, as soon as there is one."""
        with self._more:
            assert self._more.wait_for(lambda: "\n" in self._text, WAIT_S), "waited too long"
            line, end, self._text = self._text.partition("\n")
        return line + end

    def __contains__(self, text: str) -> bool:
        return text in self._text


@dataclass
class Printed:
    """What the endpoint prints, whole lines as they come, and what it complains of."""

    stdout: Stream = field(default_factory=Stream)
    stderr: Stream = field(default_factory=Stream)

    def print(self, text: str, file: Stream | None = None, *, flush: bool) -> None:
        print(text, file=file or self.stdout, flush=flush)

    def readline(self) -> str:
        return self.stdout.readline()

    def complains(self, text: str) -> bool:
        return text in self.stderr


@dataclass
class Served:
    """A running endpoint, and what it prints."""

    url: str
    printed: Printed | None
    end: Callable[[], object]

    def post(self, body: bytes, path: str = PATH) -> tuple[dict, str | None]:
        url = f"{self.url}{path}"
        with urllib.request.urlopen(url, data=body, timeout=30) as answer:  # noqa: S310
            return json.load(answer), answer.headers.get("X-Amz-Function-Error")


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """Serves a function in this process, until somebody calls its `end`."""
    runtime = tmp_path / "runtime.py"
    runtime.write_text(RUNTIME)
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    printed, ends, running = Printed(), [], []
    # Not of sys itself: pytest puts its own streams there for each phase of a test.
    monkeypatch.setattr(local_invocation, "sys", printed)
    monkeypatch.setattr(local_invocation, "print", printed.print, raising=False)
    pool = ThreadPoolExecutor()
    monkeypatch.setattr(local_invocation, "_when_told_to_end", ends.append)

    def serve(*command: str, **settings: str) -> Served:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        command = command or (sys.executable, str(runtime), "app.handler")
        arguments = ["--host", "127.0.0.1", "--port", "0", *command]
        running.append(pool.submit(local_invocation.main, arguments))
        head, _, port = printed.readline().rpartition(" ")
        assert head == "serving /2015-03-31/functions/function/invocations on port"
        return Served(f"http://127.0.0.1:{port.strip()}", printed, ends[-1])

    yield serve
    for end, one in zip(ends, running, strict=True):
        if not one.done():
            end()
    assert [one.result(30) for one in running] == [0] * len(running)
    pool.shutdown()


@pytest.fixture
def served(serve) -> Served:
    return serve()


def test_it_is_a_program_that_ends_when_told_to(tmp_path):
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
    try:
        port = process.stdout.readline().rsplit(" ", 1)[1].strip()
        served = Served(f"http://127.0.0.1:{port}", None, process.terminate)
        pid = served.post(b"{}")[0]["pid"]
        served.end()
        assert process.wait(10) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_event_is_answered_by_a_warm_runtime(served):
    first, error = served.post(b'{"a": 1}')
    assert error is None
    assert first["name"] == "function"
    assert served.post(b"{}")[0]["pid"] == first["pid"]


def test_log_lines_are_those_of_lambda(served):
    served.post(b'{"a": 1}')
    lines = [served.printed.readline() for _ in range(4)]
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


@pytest.mark.parametrize(
    "path",
    ["/", "/2015-03-31/functions//invocations", PATH + "/more", PATH.rpartition("/")[0],
     "/2015-03-31/functions/a/function/invocations"],
)  # fmt: skip
def test_other_paths_are_not_found(served, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        served.post(b"{}", path)


def test_event_over_six_megabytes_is_refused(served):
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as error:
        served.post(b'"' + b"x" * 7 * 2**20 + b'"')
    if isinstance(error.value, urllib.error.HTTPError):
        assert error.value.code == 413


def test_the_function_sees_what_lambda_tells_and_what_the_image_sets(serve):
    served = serve(
        AWS_REGION="eu-west-1", OWN="x", PYTHONPATH="/ours", AWS_LAMBDA_FUNCTION_NAME="f"
    )
    told = served.post(b'{"environment": true}')[0]
    assert {name: told.get(name) for name in (
        "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "_HANDLER", "OWN", "PYTHONPATH",
    )} == {
        "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST", "_HANDLER": "app.handler", "OWN": "x",
        "PYTHONPATH": None,
    }  # fmt: skip
    assert told["arn"] == "arn:aws:lambda:eu-west-1:012345678912:function:f"


def test_time_and_memory_are_those_that_the_image_sets(serve):
    served = serve(AWS_LAMBDA_FUNCTION_TIMEOUT="0.5", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="512")
    answer, error = served.post(b'{"seconds": 30}')
    assert (answer["errorType"], error) == ("Sandbox.Timedout", "Unhandled")
    lines: list[str] = []
    while not lines or not lines[-1].startswith("REPORT"):
        lines.append(served.printed.readline())
    assert "Memory Size: 512 MB" in lines[-1]
    used = int(lines[-1].partition("Max Memory Used: ")[2].split()[0])
    assert 3 < used < 512  # what the runtime had taken, and it is Python


def test_a_runtime_that_ignores_the_end_is_killed(serve, tmp_path):
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + RUNTIME)
    served = serve(sys.executable, str(deaf), AWS_LAMBDA_FUNCTION_TIMEOUT="0.5")
    pid = served.post(b"{}")[0]["pid"]
    assert served.post(b'{"seconds": 30}')[1] == "Unhandled"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_all_that_was_written_before_the_answer_is_in_its_log(served):
    """Threads that read it came too late on a busy machine."""
    for number in range(30):
        served.post(json.dumps({"a": "x" * 3000, "n": number}).encode())
        lines = [served.printed.readline() for _ in range(4)]
        assert [line.split()[0] for line in lines] == ["START", "heard", "END", "REPORT"]


def test_a_function_may_write_more_at_once_than_a_pipe_holds(served):
    assert served.post(json.dumps({"a": "x" * 200_000}).encode())[1] is None


def test_a_runtime_that_is_not_there_is_the_answer(serve):
    answer, error = serve("/no/such/program").post(b"{}")
    assert (answer["errorType"], error) == ("Runtime.InvalidEntrypoint", "Unhandled")
    assert answer["errorMessage"].endswith("fork/exec /no/such/program: No such file or directory")


def test_what_a_runtime_says_last_is_heard(serve):
    served = serve(sys.executable, "-c", "print('last words'); raise SystemExit(3)")
    answer, _ = served.post(b"{}")
    assert answer["errorMessage"].endswith("exit status 3")
    assert served.printed.readline() == "last words\n"


HANG_UP = "signal.signal(signal.SIGHUP, signal.SIG_DFL)"  # it is ignored below nohup


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal: killed"),
        (f"{HANG_UP}; os.kill(os.getpid(), signal.SIGHUP)", "signal: 1"),
        ("sys.exit(0)", "without providing a reason"),
    ],
    ids=["killed", "hung up", "ended"],
)
def test_how_a_runtime_ended_is_said(serve, program, said):
    ended = serve(sys.executable, "-c", f"import os, signal, sys; {program}")
    assert ended.post(b"{}")[0]["errorMessage"].endswith(said)


def test_the_runtime_ends_with_the_endpoint(served):
    pid = served.post(b"{}")[0]["pid"]
    served.end()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


@dataclass
class Child:
    """A program as the sandbox of a function, with what it wrote and how it ended."""

    sandbox: local_invocation.ChildSandbox
    log: OutputLog
    exits: list[Exit]


@pytest.fixture
def child() -> Iterator[Callable[[str], Child]]:
    children: list[Child] = []

    def start(script: str) -> Child:
        log, exits = OutputLog(), []
        flavor = local_invocation.ChildFlavor(["/bin/sh", "-c", script], os.environ)
        children.append(Child(flavor.start(RuntimeApi(), log, exits.append), log, exits))
        return children[-1]

    yield start
    for one in children:
        one.sandbox.stop(0)


def test_a_runtime_may_end_in_its_own_way(child):
    """It was asked to, and is heard to the end."""
    polite = child("trap 'sleep 0.3; echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    wait_until(lambda: polite.log.take() == "up\n")
    polite.sandbox.stop(WAIT_S)
    wait_until(lambda: polite.exits)
    assert polite.log.take().endswith("bye\n")
    assert polite.exits == [Exit(status=0)]


def test_a_log_that_is_asked_for_has_what_no_reader_came_to_yet(child, monkeypatch):
    monkeypatch.setattr(local_invocation.Pipes, "read_until_closed", lambda self: None)
    talking = child("echo said; sleep 60")
    wait_until(lambda: talking.sandbox.flush_output() or talking.log.take() == "said\n")


def test_the_most_memory_a_runtime_ever_used_is_what_the_kernel_says(child):
    waiting = child("echo up; read -r line; sleep 60")
    wait_until(lambda: waiting.log.take() == "up\n")
    status = Path(f"/proc/{waiting.sandbox._process.pid}/status").read_text()
    kibibytes = status.partition("VmHWM:")[2].split()[0]
    assert waiting.sandbox.peak_memory_bytes() == int(kibibytes) * 1024
    waiting.sandbox.stop(0)
    assert waiting.sandbox.peak_memory_bytes() == 0  # nobody knows any more


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one number


def test_a_runtime_that_ended_leaves_nothing_open_here_whoever_holds_its_output(child):
    before = open_files()
    left = child("setsid sh -c 'echo $$; exec sleep 60' & wait")
    said: list[str] = []
    wait_until(lambda: said.append(left.log.take()) or said[-1])
    left.sandbox.stop(0)
    try:
        wait_until(lambda: open_files() == before)
    finally:
        os.kill(int(said[-1]), signal.SIGKILL)


def test_a_program_that_can_not_be_started_leaves_nothing_open():
    before = open_files()
    with pytest.raises(EntrypointNotFound):
        local_invocation.ChildFlavor(["/no/such/program"], {}).start(
            RuntimeApi(), OutputLog(), print
        )
    wait_until(lambda: open_files() == before)


def test_a_get_and_a_command_that_is_missing_say_what_is_wanted(served, capsys):
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"{served.url}{PATH}", timeout=30)  # noqa: S310
    assert json.load(refused.value) == {
        "message": "POST to /2015-03-31/functions/function/invocations"
    }
    with pytest.raises(SystemExit):
        local_invocation.main([])
    assert "which command starts" in capsys.readouterr().err


def test_events_that_wait_when_it_ends_are_said_to_be_lost(served):
    for _ in range(2):
        request = urllib.request.Request(  # noqa: S310
            f"{served.url}{PATH}", b'{"seconds": 60}', {"X-Amz-Invocation-Type": "Event"}
        )
        assert urllib.request.urlopen(request, timeout=30).status == 202  # noqa: S310
    served.end()
    wait_until(lambda: served.printed.complains("an event was not run: the function is stopped"))


def test_an_event_that_fails_before_it_runs_is_said_to_be_lost(served, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no process can be started")

    monkeypatch.setattr(local_invocation.ExecutionEnvironment, "invoke", fail)
    request = urllib.request.Request(  # noqa: S310
        f"{served.url}{PATH}", b"{}", {"X-Amz-Invocation-Type": "Event"}
    )
    assert urllib.request.urlopen(request, timeout=30).status == 202  # noqa: S310
    wait_until(lambda: served.printed.complains("an event was not run: no process can be started"))


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
        FunctionName="function", InvocationType="Event", Payload=b'{"seconds": 1}'
    )
    assert time.monotonic() - begin < 1
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    lines = [served.printed.readline() for _ in range(3)]
    assert lines[0].startswith("START RequestId: ")
    assert lines[1] == "heard {'seconds': 1}\n"
    assert lines[2].startswith("END RequestId: ")
    assert served.printed.readline().startswith("REPORT")
    client.invoke(FunctionName="function", InvocationType="Event", Payload=b"{}")
    assert served.printed.readline().startswith("START")
    assert not served.printed.complains("an event was not run")


def test_dry_run_runs_nothing(served, client):
    answer = client.invoke(FunctionName="function", InvocationType="DryRun", Payload=b'{"d": 1}')
    assert answer["StatusCode"] == 204
    client.invoke(FunctionName="function", Payload=b'{"after": 1}')
    assert served.printed.readline().startswith("START")
    assert served.printed.readline() == "heard {'after': 1}\n"


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


def test_what_follows_a_body_that_could_not_be_read_is_no_request(served):
    host, _, port = served.url.removeprefix("http://").partition(":")
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as sock:
        sock.sendall(f"{head}zz\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"InvocationType": "Later"}, "InvalidParameterValueException"),
        ({"LogType": "All"}, "InvalidParameterValueException"),
        ({"ClientContext": "%%%"}, "InvalidRequestContentException"),
        ({"ClientContext": "eA=="}, "InvalidRequestContentException"),
        ({"ClientContext": "%e30="}, "InvalidRequestContentException"),
        ({"Payload": b"{not json"}, "InvalidRequestContentException"),
        ({"Payload": b"[" * 100_000}, "InvalidRequestContentException"),
    ],
)
def test_what_aws_refuses_is_refused(client, settings, error):
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName="function", **settings)
    assert refused.value.response["Error"]["Code"] == error
    assert error not in refused.value.response["Error"]["Message"]


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
