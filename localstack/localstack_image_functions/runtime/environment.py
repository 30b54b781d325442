"""One Lambda execution environment: init, invoke, failure, reset, stop.

What runs the function, a process or a container, is a `Flavor`; the rules are the same.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from localstack_image_functions.errors import EntrypointNotFound, EnvironmentStopped
from localstack_image_functions.runtime.api import (
    Answer,
    Invocation,
    RuntimeApi,
    RuntimeState,
    deadline_in,
    error_answer,
)
from localstack_image_functions.runtime.logs import OutputLog

INIT_LIMIT_S = 10.0
TIMED_OUT = "Sandbox.Timedout"
# A runtime asks for the next event right after its answer; one that does other work first
# must not delay the answer for long.
SETTLE_LIMIT_S = 0.5
_SETTLED = frozenset({RuntimeState.READY, RuntimeState.GONE})


@dataclass(frozen=True)
class Exit:
    """How a runtime ended: by `status`, or by `signal`, maybe because it ate its memory."""

    status: int | None = None
    signal: int | None = None
    out_of_memory: bool = False

    def __str__(self) -> str:
        if self.signal is not None:
            name = "killed" if self.signal == 9 else str(self.signal)
            return f"Runtime exited with error: signal: {name}"
        if self.status:
            return f"Runtime exited with error: exit status {self.status}"
        return "Runtime exited without providing a reason"

    @property
    def error_type(self) -> str:
        return "Runtime.OutOfMemory" if self.out_of_memory else "Runtime.ExitError"


KILLED = Exit(signal=9)


class Sandbox(Protocol):
    """A runtime that was started."""

    def thaw(self) -> None:
        """Let it run. It was frozen since it became ready."""

    def freeze(self) -> None:
        """Hold it until the next event: on AWS nothing runs between invocations."""

    def flush_output(self) -> None:
        """Return once all that it wrote so far has reached the log."""

    def peak_memory_bytes(self) -> int:
        """The most memory that it ever used."""

    def stop(self, grace_s: float) -> None:
        """Ask it to end, kill it after `grace_s`, leave nothing behind. May be called twice.

        Its Runtime API closes last: a runtime whose socket closes would log an error of its own.
        """


class Flavor(Protocol):
    """How environments of one function version are run."""

    def start(self, api: RuntimeApi, output: OutputLog, on_exit: Callable[[Exit], None]) -> Sandbox:
        """Serve `api` where the runtime alone reaches it, and start the runtime.

        `on_exit` is called once, from any thread, when it ended and its output is flushed.

        Raises
        ------
        EntrypointNotFound
            When the entry point can't be executed.
        """


@dataclass(frozen=True)
class FunctionLimits:
    """What the function's configuration says of one environment."""

    version: str
    memory_mb: int
    timeout_s: float


@dataclass(frozen=True)
class Event:
    """One invocation as the Lambda service hands it over."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str | None = None
    client_context: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to. `logs` is what belongs into the log stream, never empty."""

    payload: bytes
    is_error: bool
    logs: str


class _Runtime:
    """One life of the runtime in an environment: from start to exit."""

    def __init__(self, flavor: Flavor, output: OutputLog) -> None:
        self.exit: Exit | None = None
        self.api = RuntimeApi()
        self.sandbox = flavor.start(self.api, output, self._exited)

    def _exited(self, exit: Exit) -> None:
        self.exit = exit
        self.api.runtime_gone()

    def stop(self, grace_s: float = 0.0) -> None:
        self.api.abandon()
        self.sandbox.stop(grace_s)

    def memory_mb(self) -> int:
        # One that ended before anybody looked used some, too.
        return max(1, math.ceil(self.sandbox.peak_memory_bytes() / 2**20))


class ExecutionEnvironment:
    """Runs one invocation at a time and survives whatever the function does."""

    def __init__(
        self, limits: FunctionLimits, flavor: Flavor, init_limit_s: float = INIT_LIMIT_S
    ) -> None:
        self._limits = limits
        self._flavor = flavor
        self._init_limit_s = init_limit_s
        self._output = OutputLog()
        self._notes = ""
        self._runtime: _Runtime | None = None
        self._failed_init: Answer | None = None
        self._init_ms: float | None = None
        self._memory_mb = 1
        self._in_use = threading.Lock()
        self._stopped = False

    def init(self) -> None:
        """The init phase. Does not raise: a failure is the first invocation's answer.

        An init that takes longer than the limit is killed and done again within the first
        invocation, on the function's own time, as on AWS.
        """
        started = time.perf_counter()
        self._failed_init = self._start_runtime(self._init_limit_s)
        self._init_ms = (time.perf_counter() - started) * 1000
        if self._failed_init is not None and self._failed_init.error_type == TIMED_OUT:
            self._notes = (
                f"INIT_REPORT Init Duration: {self._init_ms:.2f} ms\tPhase: init\tStatus: timeout\n"
            )
            self._failed_init = None
            self._init_ms = None

    def invoke(self, event: Event) -> Outcome:
        """Run one invocation.

        Whatever the function does is an `Outcome`. After a timeout, an exit or a failed
        init the next invocation starts the runtime anew.

        Raises
        ------
        EnvironmentStopped
            When `stop` came first.
        """
        with self._in_use:
            if self._stopped:
                raise EnvironmentStopped(f"request {event.request_id}: the environment is stopped")
            return self._invoke(event)

    def stop(self, drain: bool, grace_s: float = 0.3) -> None:
        """End the runtime; with `drain`, let a running invocation end first."""
        drained = drain and self._in_use.acquire(timeout=self._limits.timeout_s + 1)
        try:
            self._stopped = True
            self._end_runtime(grace_s)
        finally:
            if drained:
                self._in_use.release()

    def take_output(self) -> str:
        """Output that belongs to no invocation yet."""
        return self._output.take()

    def _invoke(self, event: Event) -> Outcome:
        started = time.perf_counter()
        answer, self._failed_init = self._failed_init, None
        init_ms, self._init_ms = self._init_ms, None
        before = self._notes
        self._notes = ""
        if answer is None:
            runtime = self._runtime
            if runtime is None or runtime.api.state is RuntimeState.GONE:
                self._end_runtime()
                answer = self._start_runtime(self._limits.timeout_s, event.request_id)
        if init_ms is not None:
            before += self._output.take()
        if answer is None:
            left_s = self._limits.timeout_s - (time.perf_counter() - started)
            answer = self._exchange(event, left_s)
        duration_ms = (time.perf_counter() - started) * 1000
        return self._conclude(event, answer, duration_ms, init_ms, before)

    def _exchange(self, event: Event, left_s: float) -> Answer:
        runtime = self._runtime
        assert runtime is not None  # noqa: S101  _invoke started it
        runtime.sandbox.thaw()
        runtime.api.send(
            Invocation(
                request_id=event.request_id,
                payload=event.payload,
                deadline_ms=deadline_in(left_s),
                function_arn=event.function_arn,
                trace_id=event.trace_id,
                client_context=event.client_context,
            )
        )
        answer = runtime.api.wait_for_answer(left_s)
        if answer is not None:
            return answer
        runtime.api.abandon()
        if runtime.api.state is RuntimeState.GONE:
            return _exit_answer(runtime.exit or KILLED, event.request_id)
        return self._timeout_answer(event.request_id)

    def _conclude(
        self,
        event: Event,
        answer: Answer,
        duration_ms: float,
        init_ms: float | None,
        before: str,
    ) -> Outcome:
        """Settle the runtime, gather its output and write START, END and REPORT."""
        runtime = self._runtime
        extra, status = "", ""
        if runtime is not None:
            state = runtime.api.state
            if state is RuntimeState.ANSWERED:
                # Ready again means that the handler has written all it will write.
                state = runtime.api.wait_for(_SETTLED, SETTLE_LIMIT_S) or state
            runtime.sandbox.flush_output()
            self._memory_mb = runtime.memory_mb()
            if state is RuntimeState.READY:
                runtime.sandbox.freeze()
            elif state is not RuntimeState.ANSWERED or answer.error_type == TIMED_OUT:
                self._end_runtime()
        if answer.error_type == TIMED_OUT:
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            extra = (
                f"{stamp} {event.request_id} Task timed out after "
                f"{self._limits.timeout_s:.2f} seconds\n"
            )
            status = "\tStatus: timeout"
        elif answer.error_type in ("Runtime.ExitError", "Runtime.OutOfMemory"):
            extra = (
                f"RequestId: {event.request_id} Error: {_text_of(answer)}\n{answer.error_type}\n"
            )
            status = f"\tStatus: error\tError Type: {answer.error_type}"
            if answer.error_type == "Runtime.OutOfMemory":
                self._memory_mb = self._limits.memory_mb
        billed_ms = math.ceil(duration_ms + (init_ms or 0))
        init = f"\tInit Duration: {init_ms:.2f} ms" if init_ms is not None else ""
        logs = (
            f"{before}START RequestId: {event.request_id} Version: {self._limits.version}\n"
            f"{self._output.take()}{extra}"
            f"END RequestId: {event.request_id}\n"
            f"REPORT RequestId: {event.request_id}\tDuration: {duration_ms:.2f} ms"
            f"\tBilled Duration: {billed_ms} ms\tMemory Size: {self._limits.memory_mb} MB"
            f"\tMax Memory Used: {self._memory_mb} MB{init}{status}\n"
        )
        return Outcome(answer.payload, answer.is_error, logs)

    def _start_runtime(self, limit_s: float, request_id: str = "") -> Answer | None:
        """Start a runtime and wait until it is ready; an answer says why it is not."""
        try:
            runtime = self._runtime = _Runtime(self._flavor, self._output)
        except EntrypointNotFound as error:
            return error_answer(
                "Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {error}"
            )
        if self._stopped:  # stop() may have come before there was something to stop
            self._end_runtime()
            return _exit_answer(KILLED, request_id)
        state = runtime.api.wait_for(
            {RuntimeState.READY, RuntimeState.INIT_FAILED, RuntimeState.GONE}, limit_s
        )
        if state is RuntimeState.READY:
            runtime.sandbox.freeze()
            return None
        if state is RuntimeState.INIT_FAILED:
            # It exits by itself once it has printed what it has to say.
            runtime.api.wait_for({RuntimeState.GONE}, SETTLE_LIMIT_S)
            answer = runtime.api.init_error
        elif state is RuntimeState.GONE:
            # Maybe right after it said why, before anybody looked.
            answer = runtime.api.init_error or _exit_answer(runtime.exit or KILLED, request_id)
        else:
            answer = self._timeout_answer(request_id)
        runtime.sandbox.flush_output()
        self._memory_mb = runtime.memory_mb()
        self._end_runtime()
        return answer

    def _end_runtime(self, grace_s: float = 0.0) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.stop(grace_s)

    def _timeout_answer(self, request_id: str) -> Answer:
        return error_answer(
            TIMED_OUT,
            f"RequestId: {request_id} Error: Task timed out after "
            f"{self._limits.timeout_s:.2f} seconds",
        )


def _exit_answer(exit: Exit, request_id: str) -> Answer:
    return error_answer(exit.error_type, f"RequestId: {request_id} Error: {exit}")


def _text_of(answer: Answer) -> str:
    return json.loads(answer.payload)["errorMessage"].partition("Error: ")[2]
