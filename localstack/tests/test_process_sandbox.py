"""Execution environments as processes: the real awslambdaric, real failures, no LocalStack."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from localstack_image_functions.errors import EnvironmentStopped, IsolationUnavailable
from localstack_image_functions.process.isolation import Isolation, isolation_here
from localstack_image_functions.process.leftovers import MARKER, kill_marked
from localstack_image_functions.process.sandbox import ProcessFlavor, ProcessSettings
from localstack_image_functions.runtime.environment import (
    Event,
    ExecutionEnvironment,
    FunctionLimits,
    Outcome,
)

WAIT_S = 20.0
HANDLER = """
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
print("loading")
calls = 0

def handler(event, context):
    global calls
    calls += 1
    return globals()[event.get("do", "count")](event, context)

def count(event, context):
    print("count", calls)
    return {"calls": calls, "pid": os.getpid()}

def fail(event, context):
    raise ValueError("no luck")

def exit(event, context):
    print("leaving", end="")
    sys.stdout.flush()
    os._exit(event["status"])

def killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)

def sleep(event, context):
    print("going to sleep")
    time.sleep(event["seconds"])
    return "slept"

def eat(event, context):
    held = []
    while True:
        held.append(bytearray(8 * 2**20))
        time.sleep(0.002)

def eat_in_child(event, context):
    code = "import time; x = bytearray(300 * 2**20); time.sleep(60)"
    subprocess.run([sys.executable, "-c", code])

def leave_child(event, context):
    child = subprocess.Popen(["sleep", "300"], start_new_session=event["session"])
    return child.pid

def late_output(event, context):
    def work():
        for number in range(1000):
            print("background", number)
            time.sleep(0.01)
    threading.Thread(target=work, daemon=True).start()
    return "ok"

def look(event, context):
    return {
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "files": open_files(),
        "umask": os.umask(0o022),
        "session": os.getsid(0) == os.getpid(),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
    }

def open_files():
    targets = []
    for number in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
        except FileNotFoundError:
            pass  # the listing's own
    return sorted(targets)

def write(event, context):
    failed = {}
    for path in event["paths"]:
        try:
            Path(path).write_text("x")
        except OSError as error:
            failed[path] = type(error).__name__ + ": " + error.strerror
    return failed

def who(event, context):
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "uid": os.getuid(), "gid": os.getgid(), "tmp": os.listdir("/tmp"),
        "capabilities": int(status["CapEff"], 16), "no_new_privs": int(status["NoNewPrivs"]),
    }

def fill(event, context):
    with open(Path(os.environ["TMPDIR"]) / "big", "wb") as file:
        for _ in range(event["mb"]):
            file.write(bytes(2**20))

def big(event, context):
    return "x" * event["bytes"]

def streams(event, context):
    for number in range(200):
        print("out", number)
        print("err", number, file=sys.stderr)
"""

Make = Callable[..., ExecutionEnvironment]
Gone = Callable[[int], bool]


def isolation_or_none() -> Isolation | None:
    try:
        return isolation_here()
    except IsolationUnavailable:
        return None


needs_isolation = pytest.mark.skipif(
    isolation_or_none() is None, reason="this system lets no process set itself apart"
)


@pytest.fixture(
    params=[pytest.param(True, marks=needs_isolation, id="apart"), pytest.param(False, id="plain")]
)
def isolate(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def outside_tmp() -> Iterator[Path]:
    """A folder that a function's own /tmp does not hide."""
    if Path(__file__).resolve().is_relative_to(Path("/tmp").resolve()):  # noqa: S108
        pytest.skip("this clone lies below /tmp: functions get no /tmp of their own there")
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        yield Path(folder)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make execution environments; all are stopped in the end."""
    made = []

    def make(
        code: str = HANDLER,
        *,
        timeout_s: float = 10.0,
        memory_mb: int = 256,
        ephemeral_mb: int = 512,
        argv: tuple[str, ...] = (sys.executable, "-m", "awslambdaric", "handler.handler"),
        init_limit_s: float = 10.0,
        variables: dict[str, str] | None = None,
        isolate: bool = isolation_or_none() is not None,
        folder: Path = tmp_path,
    ) -> ExecutionEnvironment:
        task = folder / f"task{len(made)}"
        task.mkdir()
        (task / "handler.py").write_text(textwrap.dedent(code))
        environment = ExecutionEnvironment(
            FunctionLimits(version="$LATEST", memory_mb=memory_mb, timeout_s=timeout_s),
            ProcessFlavor(
                ProcessSettings(
                    argv=argv,
                    directory=task,
                    environment={
                        "AWS_LAMBDA_FUNCTION_NAME": "f",
                        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
                        **(variables or {}),
                    },
                    memory_mb=memory_mb,
                    ephemeral_mb=ephemeral_mb,
                    marker=f"pytest-{os.getpid()}/{len(made)}",
                    temporary_root=tmp_path / "functions",
                    isolation=isolation_here() if isolate else None,
                )
            ),
            init_limit_s=init_limit_s,
        )
        made.append(environment)
        environment.init()
        return environment

    yield make
    for environment in made:
        environment.stop(drain=False, grace_s=0)


def invoke(environment: ExecutionEnvironment, **event: Any) -> Outcome:
    return environment.invoke(
        Event(f"request-{event.get('do')}", json.dumps(event).encode(), "arn:aws:lambda:::f")
    )


def answer(environment: ExecutionEnvironment, **event: Any) -> Any:
    outcome = invoke(environment, **event)
    assert not outcome.is_error, outcome
    return json.loads(outcome.payload)


def pid_of(environment: ExecutionEnvironment) -> int:
    """The function's process by its number on the host; inside it may know another."""
    runtime = environment._runtime
    assert runtime is not None
    return runtime.sandbox.pid


def error_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.is_error
    text = json.loads(outcome.payload)
    return text["errorType"], text["errorMessage"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_environment_stays_warm(make: Make, isolate: bool) -> None:
    environment = make(isolate=isolate)
    first = answer(environment)
    second = answer(environment)
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["pid"] == second["pid"]


def test_logs_have_start_end_and_report_with_init_duration_once(make: Make) -> None:
    environment = make()
    first = invoke(environment, do="count").logs.splitlines()
    second = invoke(environment, do="count").logs.splitlines()
    assert first[0] == "loading"
    assert first[1] == "START RequestId: request-count Version: $LATEST"
    assert first[2] == "count 1"
    assert first[3] == "END RequestId: request-count"
    assert first[4].startswith("REPORT RequestId: request-count\tDuration: ")
    assert "\tMemory Size: 256 MB\tMax Memory Used: " in first[4]
    assert "\tInit Duration: " in first[4]
    assert second[0].startswith("START")
    assert "Init Duration" not in second[-1]
    used_mb = int(second[-1].partition("Max Memory Used: ")[2].split()[0])
    assert 5 < used_mb < 256


def test_exception_is_an_error_and_keeps_the_environment(make: Make) -> None:
    environment = make()
    before = answer(environment)
    assert error_of(invoke(environment, do="fail")) == ("ValueError", "no luck")
    assert answer(environment) == {"calls": 3, "pid": before["pid"]}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
    ],
)
def test_exit_is_runtime_exit_error_and_the_next_call_works(
    make: Make, status: int, reason: str
) -> None:
    environment = make()
    outcome = invoke(environment, do="exit", status=status)
    assert error_of(outcome) == ("Runtime.ExitError", f"RequestId: request-exit Error: {reason}")
    assert "leaving\n" in outcome.logs
    assert "Status: error\tError Type: Runtime.ExitError" in outcome.logs
    assert answer(environment)["calls"] == 1


def test_death_by_signal_is_not_taken_for_out_of_memory(make: Make) -> None:
    kind, message = error_of(invoke(make(), do="killed"))
    assert kind == "Runtime.ExitError"
    assert message.endswith("signal: killed")


def test_timeout_is_enforced_and_the_next_call_works(make: Make, isolate: bool, gone: Gone) -> None:
    environment = make(isolate=isolate, timeout_s=3.0)
    answer(environment)
    pid = pid_of(environment)
    outcome = invoke(environment, do="sleep", seconds=60)
    kind, message = error_of(outcome)
    assert kind == "Sandbox.Timedout"
    assert message.endswith("Task timed out after 3.00 seconds")
    assert "going to sleep" in outcome.logs
    assert "Status: timeout" in outcome.logs
    assert gone(pid)
    assert answer(environment)["calls"] == 1


def test_timeout_kills_only_its_own_environment(make: Make) -> None:
    slow, other = make(timeout_s=1.0), make()
    before = answer(other)
    invoke(slow, do="sleep", seconds=60)
    assert answer(other) == {"calls": 2, "pid": before["pid"]}


def test_memory_over_the_limit_is_out_of_memory(make: Make) -> None:
    environment = make(memory_mb=128)
    outcome = invoke(environment, do="eat")
    kind, message = error_of(outcome)
    assert kind == "Runtime.OutOfMemory"
    assert message.endswith("signal: killed")
    assert "Max Memory Used: 128 MB" in outcome.logs
    assert answer(environment)["calls"] == 1


def test_memory_of_children_counts(make: Make, isolate: bool) -> None:
    kind, _ = error_of(invoke(make(isolate=isolate, memory_mb=200), do="eat_in_child"))
    assert kind == "Runtime.OutOfMemory"


def test_init_error_is_the_first_answer_with_its_output(make: Make) -> None:
    environment = make("print('half way')\nimport nothing_of_this_name\n")
    started = time.monotonic()
    outcome = invoke(environment)
    kind, message = error_of(outcome)
    assert kind == "Runtime.ImportModuleError"
    assert "nothing_of_this_name" in message
    assert "half way" in outcome.logs
    assert "nothing_of_this_name" in outcome.logs
    assert time.monotonic() - started < WAIT_S
    assert error_of(invoke(environment))[0] == "Runtime.ImportModuleError"


def test_exit_during_init(make: Make) -> None:
    kind, message = error_of(invoke(make("import os\nos._exit(7)\n")))
    assert kind == "Runtime.ExitError"
    assert message.endswith("exit status 7")


def test_missing_entry_point(make: Make) -> None:
    kind, message = error_of(invoke(make(argv=("/no/such/python", "x"))))
    assert kind == "Runtime.InvalidEntrypoint"
    assert "/no/such/python" in message


def test_entry_point_that_is_no_program(make: Make) -> None:
    kind, message = error_of(invoke(make(argv=("./handler.py",))))
    assert kind == "Runtime.InvalidEntrypoint"
    assert "./handler.py" in message


def test_slow_init_is_repeated_on_the_functions_own_time(make: Make) -> None:
    """On AWS an init over the limit is done again within the first invocation."""
    environment = make("import time\ntime.sleep(1.5)\n" + HANDLER, init_limit_s=0.5)
    outcome = invoke(environment, do="count")
    assert json.loads(outcome.payload)["calls"] == 1
    assert "Phase: init\tStatus: timeout" in outcome.logs
    assert "Init Duration: " not in outcome.logs.splitlines()[-1]


def test_init_that_never_ends_times_out_with_the_function(make: Make) -> None:
    environment = make("import time\ntime.sleep(60)\n", init_limit_s=0.3, timeout_s=1.0)
    assert error_of(invoke(environment))[0] == "Sandbox.Timedout"


def test_init_time_is_not_charged_to_the_first_invocation(make: Make) -> None:
    environment = make("import time\ntime.sleep(2.2)\n" + HANDLER, timeout_s=2.0)
    assert answer(environment)["calls"] == 1


def test_late_answer_does_not_reach_the_next_invocation(make: Make) -> None:
    environment = make(timeout_s=3.0)
    invoke(environment, do="sleep", seconds=3.2)
    assert answer(environment, do="sleep", seconds=0) == "slept"


def test_response_over_six_megabytes(make: Make) -> None:
    environment = make()
    kind, _ = error_of(invoke(environment, do="big", bytes=7_000_000))
    assert kind == "Function.ResponseSizeTooLarge"
    assert answer(environment)["calls"] == 1


def test_function_sees_its_own_environment_and_nothing_of_the_host(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the host")
    monkeypatch.setenv("PYTHONPATH", "/host")
    seen = answer(make(variables={"MINE": "yes"}), do="look")["environment"]
    assert seen["MINE"] == "yes"
    own = {
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_RUNTIME_API",
        "HOME",
        "LANG",
        "MINE",
        "PATH",
        "TMPDIR",
        "TZ",
        MARKER,
    }
    of_the_interpreter = {"LC_CTYPE", "_X_AMZN_TRACE_ID"}
    assert set(seen) - of_the_interpreter == own
    assert seen["TZ"] == ":UTC"
    assert seen["HOME"] == seen["TMPDIR"] != os.environ.get("HOME")


def test_process_is_set_apart(make: Make, isolate: bool) -> None:
    seen = answer(make(isolate=isolate), do="look")
    assert seen["session"]
    assert seen["umask"] == 0o022
    # Its input, its output and error, and what the runtime itself opened to talk to us.
    assert seen["files"].count("pipe") == 2
    of_the_runtime = {"/dev/null", "/dev/urandom", "pipe", "socket", "anon_inode"}
    assert set(seen["files"]) <= of_the_runtime
    assert Path(seen["cwd"]).name == "task0"


def test_context_of_the_invocation(make: Make) -> None:
    seen = answer(make(timeout_s=5.0), do="look")
    assert seen["request_id"] == "request-look"
    assert seen["arn"] == "arn:aws:lambda:::f"
    assert 3000 < seen["remaining_ms"] <= 5000
    assert seen["memory"] == "256"


def test_temporary_directory_is_its_own_and_goes_with_it(make: Make, tmp_path: Path) -> None:
    one, other = make(isolate=False), make(isolate=False)
    first = Path(answer(one, do="look")["environment"]["TMPDIR"])
    second = Path(answer(other, do="look")["environment"]["TMPDIR"])
    assert first != second
    assert first.stat().st_mode & 0o777 == 0o700
    one.stop(drain=False)
    assert not first.exists()
    assert second.exists()


@needs_isolation
def test_tmp_of_one_set_apart_is_new_and_leaves_nothing(make: Make, tmp_path: Path) -> None:
    one, other = make(), make()
    assert answer(one, do="write", paths=["/tmp/mine"]) == {}  # noqa: S108
    assert "mine" in answer(one, do="who")["tmp"]
    assert "mine" not in answer(other, do="who")["tmp"]
    one.stop(drain=False)
    other.stop(drain=False)
    assert list((tmp_path / "functions").iterdir()) == []


@needs_isolation
def test_only_its_own_tmp_is_writable(make: Make, outside_tmp: Path) -> None:
    environment = make(folder=outside_tmp)
    task = outside_tmp / "task0"
    refused = [str(task / "new"), str(task / "handler.py"), "/new", "/usr/new", "/dev/new"]
    host = Path(tempfile.gettempdir()) / f"of-the-function-{os.getpid()}"
    failed = answer(environment, do="write", paths=[*refused, "/dev/null", str(host)])
    assert failed == dict.fromkeys(refused, "OSError: Read-only file system")
    assert not host.exists()
    assert answer(environment, do="look")["environment"]["TMPDIR"] == "/tmp"  # noqa: S108
    assert answer(environment, do="who")["tmp"] == [host.name]


@needs_isolation
def test_function_is_an_ordinary_user_without_capabilities(make: Make, outside_tmp: Path) -> None:
    seen = answer(make(folder=outside_tmp), do="who")
    assert seen == {"uid": 993, "gid": 990, "tmp": [], "capabilities": 0, "no_new_privs": 1}


@needs_isolation
def test_function_that_lies_in_tmp_is_not_hidden_from_itself(make: Make) -> None:
    environment = make()
    assert answer(environment, do="look")["environment"]["TMPDIR"] == "/tmp"  # noqa: S108
    assert answer(environment, do="write", paths=["/tmp/x"]) == {}  # noqa: S108


def test_file_larger_than_the_ephemeral_storage(make: Make) -> None:
    environment = make(ephemeral_mb=16)
    assert answer(environment, do="fill", mb=15) is None
    assert error_of(invoke(environment, do="fill", mb=17))[0] == "OSError"


def test_function_is_frozen_between_invocations(make: Make) -> None:
    environment = make()
    first = answer(environment)["pid"]
    pid = pid_of(environment)
    answer(environment, do="late_output")
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    assert answer(environment)["pid"] == first


def test_lines_of_two_streams_are_never_mixed(make: Make) -> None:
    lines = invoke(make(), do="streams").logs.splitlines()
    assert [line for line in lines if line.startswith("out ")] == [f"out {n}" for n in range(200)]
    assert [line for line in lines if line.startswith("err ")] == [f"err {n}" for n in range(200)]


@pytest.mark.parametrize("session", [False, True])
def test_what_a_function_started_ends_with_it(
    make: Make, isolate: bool, session: bool, gone: Gone
) -> None:
    environment = make(isolate=isolate)
    answer(environment, do="leave_child", session=session)
    (child,) = [
        process.pid
        for process in psutil.Process(pid_of(environment)).children()
        if process.name() == "sleep"
    ]
    assert not gone(child)
    environment.stop(drain=False)
    wait_until(lambda: gone(child))


def test_stop_lets_a_running_invocation_end(make: Make, isolate: bool) -> None:
    environment = make(isolate=isolate)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(invoke, environment, do="sleep", seconds=0.5)
        wait_until(lambda: environment._in_use.locked())
        environment.stop(drain=True)
        assert running.done()
        assert running.result().payload == b'"slept"'


def test_stop_at_shutdown_does_not_wait(make: Make) -> None:
    environment = make(timeout_s=60)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(invoke, environment, do="sleep", seconds=60)
        wait_until(lambda: environment._in_use.locked())
        environment.stop(drain=False)
        assert error_of(running.result(WAIT_S))[0] == "Runtime.ExitError"


def test_invocation_after_stop_is_refused(make: Make) -> None:
    environment = make()
    environment.stop(drain=True)
    with pytest.raises(EnvironmentStopped):
        invoke(environment)


def test_sweep_kills_by_lab_and_nothing_else(make: Make, isolate: bool, gone: Gone) -> None:
    environment = make(isolate=isolate)
    answer(environment)
    pid = pid_of(environment)
    assert kill_marked(lab="another lab") == []
    assert not gone(pid)
    assert pid in kill_marked(lab=f"pytest-{os.getpid()}")
    wait_until(lambda: gone(pid))


def test_nothing_is_left_after_many_lives(make: Make, isolate: bool) -> None:
    environment = make(isolate=isolate)
    answer(environment)
    files, threads = psutil.Process().num_fds(), threading.active_count()
    for _ in range(5):
        invoke(environment, do="exit", status=1)
        answer(environment)
    wait_until(lambda: threading.active_count() <= threads)
    wait_until(lambda: psutil.Process().num_fds() <= files)
