"""The life of an execution environment around a runtime that is played here, call by call."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from localstack_image_functions.errors import EntrypointNotFound, EnvironmentStopped
from localstack_image_functions.runtime.api import Answer, Invocation, RuntimeApi, error_answer
from localstack_image_functions.runtime.environment import (
    Event,
    ExecutionEnvironment,
    Exit,
    FunctionLimits,
)
from localstack_image_functions.runtime.logs import OutputLog

WAIT_S = 20.0
SHORT_S = 0.1  # of what has to run out
MEBIBYTE = 2**20


class PlayedSandbox:
    """A runtime that is played by `life` in a thread; what is asked of it is written down."""

    def __init__(
        self, life: Life, api: RuntimeApi, output: OutputLog, on_exit: Callable[[Exit], None]
    ) -> None:
        self.api, self.output = api, output
        self.asked: list[object] = []
        self.got: list[Invocation] = []
        self.has_got_one = threading.Event()
        self.told_to_stop = threading.Event()
        self.peak_bytes = 50 * MEBIBYTE + 1
        self._on_exit = on_exit
        threading.Thread(target=life, args=(self,), daemon=True).start()

    def say(self, text: str) -> None:
        self.output.write(1, text.encode())

    def next(self) -> bool:
        """Ask for an event; whether there was one."""
        event = self.api.next_invocation()
        if isinstance(event, Invocation):
            self.got.append(event)
            self.has_got_one.set()
        return isinstance(event, Invocation)

    def answer(self, payload: bytes = b'"done"') -> None:
        self.api.answer(self.got[-1].request_id, Answer(payload, is_error=False))

    def exit(self, **how: object) -> None:
        self._on_exit(Exit(**how))

    def thaw(self) -> None:
        self.asked.append("thaw")

    def freeze(self) -> None:
        self.asked.append("freeze")

    def flush_output(self) -> None:
        self.asked.append("flush")

    def peak_memory_bytes(self) -> int:
        return self.peak_bytes

    def stop(self, grace_s: float) -> None:
        self.asked.append(("stop", grace_s))
        self.told_to_stop.set()
        self.exit(signal=9)


Life = Callable[[PlayedSandbox], object]


class PlayedFlavor:
    """Starts one life after the other, and the last one again and again. An error is raised."""

    def __init__(self, *lives: Life | Exception) -> None:
        self._lives = list(lives)
        self.started: list[PlayedSandbox] = []

    def start(self, api, output, on_exit) -> PlayedSandbox:
        life = self._lives.pop(0) if len(self._lives) > 1 else self._lives[0]
        if isinstance(life, Exception):
            raise life
        self.started.append(PlayedSandbox(life, api, output, on_exit))
        return self.started[-1]


def obedient(sandbox: PlayedSandbox) -> None:
    """Answers whatever comes."""
    sandbox.say("loading\n")
    while sandbox.next():
        sandbox.say(f"heard {sandbox.got[-1].payload.decode()}\n")
        sandbox.answer()


def hangs(sandbox: PlayedSandbox) -> None:
    sandbox.next()
    sandbox.told_to_stop.wait(WAIT_S)


def never_ready(sandbox: PlayedSandbox) -> None:
    sandbox.told_to_stop.wait(WAIT_S)


def event(number: int = 1) -> Event:
    return Event(f"r{number}", b"{}", "arn:f", trace_id="t", client_context="c")


def environment(*lives: Life | Exception, timeout_s: float = WAIT_S, init_limit_s: float = WAIT_S):
    flavor = PlayedFlavor(*lives)
    limits = FunctionLimits("7", 128, timeout_s)
    return ExecutionEnvironment(limits, flavor, init_limit_s), flavor


def error_of(outcome) -> tuple[str, str]:
    assert outcome.is_error
    error = json.loads(outcome.payload)
    return error["errorType"], error["errorMessage"]


REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\w+)\tDuration: (?P<ms>[\d.]+) ms\tBilled Duration: (?P<billed>\d+) "
    r"ms\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB"
    r"(?:\tInit Duration: (?P<init>[\d.]+) ms)?(?P<status>.*)\n\Z"
)


def report_of(outcome) -> dict[str, str | None]:
    return REPORT.search(outcome.logs).groupdict()


def test_an_invocation_runs_thawed_between_init_and_the_next_and_says_so():
    lived, flavor = environment(obedient)
    lived.init()
    outcome = lived.invoke(event())
    assert (outcome.payload, outcome.is_error) == (b'"done"', False)
    head = "loading\nSTART RequestId: r1 Version: 7\nheard {}\nEND RequestId: r1\nREPORT"
    assert outcome.logs.startswith(head)
    (sandbox,) = flavor.started
    assert sandbox.asked == ["freeze", "thaw", "flush", "freeze"]
    got = sandbox.got[0]
    said = (got.request_id, got.payload, got.function_arn, got.trace_id, got.client_context)
    assert said == ("r1", b"{}", "arn:f", "t", "c")


def test_a_report_tells_time_memory_and_once_what_init_took():
    lived, _ = environment(obedient)
    lived.init()
    first, second = (report_of(lived.invoke(event(number))) for number in (1, 2))
    assert (first["id"], second["id"]) == ("r1", "r2")
    assert (first["size"], first["used"], first["status"]) == ("128", "51", "")
    assert second["init"] is None
    for report in (first, second):
        whole_ms = float(report["ms"]) + float(report["init"] or 0)
        assert int(report["billed"]) in {math.ceil(whole_ms - 0.02), math.ceil(whole_ms + 0.02)}


def test_times_are_those_that_passed():
    def slow(sandbox: PlayedSandbox) -> None:
        time.sleep(0.05)
        while sandbox.next():
            time.sleep(0.03)
            sandbox.answer()

    lived, _ = environment(slow)
    begun = time.perf_counter()
    lived.init()
    report = report_of(lived.invoke(event()))
    passed_ms = (time.perf_counter() - begun) * 1000
    assert 50 <= float(report["init"]) <= passed_ms
    assert 30 <= float(report["ms"]) <= passed_ms - 50


def test_a_runtime_that_used_nothing_that_was_seen_used_a_megabyte():
    def small(sandbox: PlayedSandbox) -> None:
        sandbox.peak_bytes = 0
        obedient(sandbox)

    lived, _ = environment(small)
    assert report_of(lived.invoke(event()))["used"] == "1"


def test_a_warm_environment_keeps_its_runtime_and_says_init_output_once():
    lived, flavor = environment(obedient)
    lived.init()
    lived.invoke(event(1))
    assert lived.invoke(event(2)).logs.startswith("START RequestId: r2")
    assert len(flavor.started) == 1


def test_without_init_the_first_invocation_starts_the_runtime():
    lived, flavor = environment(obedient)
    outcome = lived.invoke(event())
    assert not outcome.is_error
    assert "Init Duration" not in outcome.logs
    assert outcome.logs.startswith("START RequestId: r1")
    assert len(flavor.started) == 1


def test_output_of_no_invocation_can_be_taken():
    lived, _ = environment(obedient)
    lived.init()
    assert lived.take_output() == "loading\n"
    assert lived.take_output() == ""


def test_the_deadline_is_what_is_left_of_the_functions_time():
    def slow_start(sandbox: PlayedSandbox) -> None:
        time.sleep(0.3)
        obedient(sandbox)

    lived, flavor = environment(slow_start, timeout_s=5.0)
    before_ms = time.time() * 1000
    lived.invoke(event(1))  # starts the runtime on the function's own time
    lived.invoke(event(2))
    after_ms = time.time() * 1000
    cold, warm = (got.deadline_ms for got in flavor.started[0].got)
    assert before_ms + 4_990 <= cold <= before_ms + 5_050
    assert before_ms + 5_290 <= warm <= after_ms + 5_000


def test_a_timeout_ends_the_runtime_and_the_next_invocation_starts_another():
    lived, flavor = environment(hangs, obedient, timeout_s=SHORT_S)
    lived.init()
    outcome = lived.invoke(event(1))
    kind, message = error_of(outcome)
    assert kind == "Sandbox.Timedout"
    assert message == "RequestId: r1 Error: Task timed out after 0.10 seconds"
    told = r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z r1 Task timed out after 0\.10 seconds\nEND"
    assert re.search(told, outcome.logs)
    assert report_of(outcome)["status"] == "\tStatus: timeout"
    assert float(report_of(outcome)["ms"]) >= SHORT_S * 1000
    assert flavor.started[0].asked[-1] == ("stop", 0.0)
    assert not lived.invoke(event(2)).is_error
    assert len(flavor.started) == 2


def test_an_answer_that_comes_after_the_timeout_is_nobodys():
    refused = []

    def late(sandbox: PlayedSandbox) -> None:
        sandbox.next()
        sandbox.told_to_stop.wait(WAIT_S)
        refused.append(sandbox.api.answer("r1", Answer(b'"late"', is_error=False)))

    lived, _ = environment(late, obedient, timeout_s=SHORT_S)
    lived.init()
    assert error_of(lived.invoke(event(1)))[0] == "Sandbox.Timedout"
    assert lived.invoke(event(2)).payload == b'"done"'
    assert refused[0] is not None


@pytest.mark.parametrize(
    ("how", "kind", "said", "used"),
    [
        ({"status": 3}, "Runtime.ExitError", "exit status 3", "51"),
        ({"signal": 9}, "Runtime.ExitError", "signal: killed", "51"),
        ({"signal": 9, "out_of_memory": True}, "Runtime.OutOfMemory", "signal: killed", "128"),
    ],
)
def test_an_exit_is_the_answer_and_the_next_invocation_starts_another(how, kind, said, used):
    def exits(sandbox: PlayedSandbox) -> None:
        sandbox.next()
        sandbox.exit(**how)

    lived, flavor = environment(exits, obedient)
    lived.init()
    outcome = lived.invoke(event(1))
    text = f"Runtime exited with error: {said}"
    assert error_of(outcome) == (kind, f"RequestId: r1 Error: {text}")
    assert f"RequestId: r1 Error: {text}\n{kind}\nEND RequestId: r1\n" in outcome.logs
    report = report_of(outcome)
    assert report["status"] == f"\tStatus: error\tError Type: {kind}"
    assert report["used"] == used
    assert ("stop", 0.0) in flavor.started[0].asked
    assert not lived.invoke(event(2)).is_error
    assert len(flavor.started) == 2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Exit(signal=11), "Runtime exited with error: signal: 11"),
        (Exit(signal=9, status=0), "Runtime exited with error: signal: killed"),
        (Exit(status=0), "Runtime exited without providing a reason"),
        (Exit(), "Runtime exited without providing a reason"),
    ],
)
def test_an_exit_in_words(how, said):
    assert str(how) == said


def test_a_runtime_that_ends_after_its_answer_is_started_anew():
    def once(sandbox: PlayedSandbox) -> None:
        sandbox.next()
        sandbox.answer()
        sandbox.exit(status=0)

    lived, flavor = environment(once)
    lived.init()
    assert [lived.invoke(event(number)).is_error for number in (1, 2)] == [False, False]
    assert len(flavor.started) == 2


def test_a_runtime_that_ends_while_nothing_runs_is_started_anew():
    def ends_idle(sandbox: PlayedSandbox) -> None:
        sandbox.api.next_invocation()

    lived, flavor = environment(ends_idle, obedient)
    lived.init()
    flavor.started[0].exit(status=0)
    assert not lived.invoke(event()).is_error
    assert flavor.started[0].asked[-1] == ("stop", 0.0)
    assert len(flavor.started) == 2


def test_a_runtime_that_works_on_after_its_answer_delays_it_briefly_and_is_kept():
    go_on = threading.Event()

    def busy(sandbox: PlayedSandbox) -> None:
        while sandbox.next():
            sandbox.answer()
            go_on.wait(WAIT_S)

    lived, flavor = environment(busy)
    lived.init()
    begun = time.monotonic()
    assert not lived.invoke(event(1)).is_error
    assert 0.4 < time.monotonic() - begun < 5
    (sandbox,) = flavor.started
    assert sandbox.asked == ["freeze", "thaw", "flush"]  # not frozen: it is not done
    go_on.set()
    assert not lived.invoke(event(2)).is_error
    assert len(flavor.started) == 1


def failing_init(sandbox: PlayedSandbox) -> None:
    sandbox.say("Traceback\n")
    sandbox.api.fail_init(error_answer("Runtime.ImportModuleError", "no module"))
    sandbox.exit(status=1)


def test_a_runtime_that_is_gone_as_soon_as_its_init_failed_is_not_taken_for_one_that_just_ended():
    """It was, when it ended before anybody had looked at what it posted."""

    class Flavor(PlayedFlavor):
        def start(self, api, output, on_exit):
            sandbox = super().start(api, output, on_exit)
            sandbox.told_to_stop.wait(WAIT_S)
            return sandbox

    def at_once(sandbox: PlayedSandbox) -> None:
        failing_init(sandbox)
        sandbox.told_to_stop.set()

    lived = ExecutionEnvironment(FunctionLimits("7", 128, WAIT_S), Flavor(at_once))
    lived.init()
    assert error_of(lived.invoke(event())) == ("Runtime.ImportModuleError", "no module")


def test_a_failed_init_is_the_first_answer_and_the_next_invocation_tries_again():
    lived, flavor = environment(failing_init, obedient)
    lived.init()
    outcome = lived.invoke(event(1))
    assert error_of(outcome) == ("Runtime.ImportModuleError", "no module")
    assert outcome.logs.startswith("Traceback\nSTART RequestId: r1")
    assert report_of(outcome)["init"] is not None
    assert report_of(outcome)["used"] == "51"
    assert flavor.started[0].asked == ["flush", ("stop", 0.0)]
    assert lived.invoke(event(2)).payload == b'"done"'
    assert len(flavor.started) == 2


def test_a_runtime_that_fails_its_init_may_say_why_before_it_is_ended():
    said = threading.Event()

    def last_words(sandbox: PlayedSandbox) -> None:
        sandbox.api.fail_init(error_answer("E", "m"))
        said.wait(0.2)
        sandbox.say("why\n")
        sandbox.exit(status=1)

    lived, _ = environment(last_words)
    lived.init()
    assert lived.invoke(event()).logs.startswith("why\nSTART")


def test_a_runtime_that_ends_in_its_init_is_an_exit():
    lived, _ = environment(lambda sandbox: sandbox.exit(status=4), obedient)
    lived.init()
    kind, message = error_of(lived.invoke(event()))
    assert (kind, message.partition("Error: ")[2]) == (
        "Runtime.ExitError", "Runtime exited with error: exit status 4"
    )  # fmt: skip


def test_an_init_over_its_limit_is_done_again_within_the_invocation():
    lived, flavor = environment(never_ready, obedient, init_limit_s=SHORT_S)
    lived.init()
    outcome = lived.invoke(event(1))
    assert outcome.payload == b'"done"'
    first = outcome.logs.splitlines()[0]
    found = re.fullmatch(
        r"INIT_REPORT Init Duration: ([\d.]+) ms\tPhase: init\tStatus: timeout", first
    )
    assert float(found[1]) >= SHORT_S * 1000
    assert report_of(outcome)["init"] is None
    assert len(flavor.started) == 2
    assert lived.invoke(event(2)).logs.startswith("START")


def test_an_init_within_an_invocation_ends_with_the_functions_time():
    lived, flavor = environment(never_ready, obedient, timeout_s=SHORT_S)
    kind, message = error_of(lived.invoke(event(1)))
    assert (kind, message.startswith("RequestId: r1 ")) == ("Sandbox.Timedout", True)
    assert not lived.invoke(event(2)).is_error
    assert len(flavor.started) == 2


def test_an_entry_point_that_is_not_there_is_the_answer_each_time_until_it_is():
    missing = EntrypointNotFound("fork/exec /nope: No such file or directory")
    lived, _ = environment(missing, missing, obedient)
    lived.init()
    for number, request_id in ((1, ""), (2, "r2")):
        outcome = lived.invoke(event(number))
        kind, message = error_of(outcome)
        assert kind == "Runtime.InvalidEntrypoint"
        assert report_of(outcome)["used"] == "1"
        assert message == f"RequestId: {request_id} Error: {missing}"
    assert not lived.invoke(event(3)).is_error


class TestStop:
    def test_an_environment_that_is_stopped_runs_nothing_more(self):
        lived, flavor = environment(obedient)
        lived.init()
        lived.stop(drain=False)
        assert flavor.started[0].asked[-1] == ("stop", 0.3)
        with pytest.raises(EnvironmentStopped, match="r1"):
            lived.invoke(event())
        lived.stop(drain=True, grace_s=1.0)
        assert flavor.started[0].asked.count(("stop", 0.3)) == 1
        assert len(flavor.started) == 1

    def test_draining_waits_for_what_runs(self):
        go_on = threading.Event()

        def slow(sandbox: PlayedSandbox) -> None:
            while sandbox.next():
                go_on.wait(WAIT_S)
                sandbox.answer()

        lived, flavor = environment(slow)
        lived.init()
        with ThreadPoolExecutor(2) as pool:
            running = pool.submit(lived.invoke, event())
            assert flavor.started[0].has_got_one.wait(WAIT_S)
            stopping = pool.submit(lived.stop, drain=True, grace_s=2.0)
            with pytest.raises(TimeoutError):
                stopping.result(SHORT_S)
            assert not flavor.started[0].told_to_stop.is_set()
            go_on.set()
            assert not running.result(WAIT_S).is_error
            stopping.result(WAIT_S)
        assert flavor.started[0].asked[-1] == ("stop", 2.0)
        with pytest.raises(EnvironmentStopped):  # and not a lock that nobody gives back
            lived.invoke(event(2))

    def test_draining_does_not_wait_for_longer_than_an_invocation_may_take(self):
        lived, flavor = environment(hangs, timeout_s=SHORT_S)
        lived.init()
        assert lived._in_use.acquire()  # one that does not end when it should
        begun = time.monotonic()
        lived.stop(drain=True)
        assert SHORT_S + 0.9 < time.monotonic() - begun < 5
        assert flavor.started[0].told_to_stop.is_set()
        assert lived._in_use.locked()  # it is not ours to give back
        lived._in_use.release()

    def test_without_draining_what_runs_is_killed_and_says_so(self):
        lived, flavor = environment(hangs)
        lived.init()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lived.invoke, event())
            assert flavor.started[0].has_got_one.wait(WAIT_S)
            lived.stop(drain=False)
            assert error_of(running.result(WAIT_S))[0] == "Runtime.ExitError"

    def test_what_a_runtime_answers_as_it_is_ended_is_nobodys(self):
        lived, flavor = environment(hangs)
        lived.init()
        sandbox = flavor.started[0]
        end = sandbox.stop
        sandbox.stop = lambda grace_s: (sandbox.answer(), end(grace_s))
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(lived.invoke, event())
            assert sandbox.has_got_one.wait(WAIT_S)
            lived.stop(drain=False)
            assert error_of(running.result(WAIT_S))[0] == "Runtime.ExitError"

    def test_one_that_is_stopped_before_its_init_leaves_no_runtime(self):
        lived, flavor = environment(obedient)
        lived.stop(drain=False)
        lived.init()
        assert flavor.started[0].told_to_stop.is_set()
        with pytest.raises(EnvironmentStopped):
            lived.invoke(event())
