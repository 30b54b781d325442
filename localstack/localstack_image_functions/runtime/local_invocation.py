"""An image that serves itself: Lambda's invocation endpoint for `docker run -p 9000:8080`.

    curl -XPOST http://localhost:9000/2015-03-31/functions/function/invocations -d @event.json

Takes the Invoke API's headers: `X-Amz-Invocation-Type` (`Event` answers 202 at once and runs
later, `DryRun` runs nothing), `X-Amz-Log-Type: Tail`, `X-Amz-Client-Context`. What AWS's Runtime
Interface Emulator does, by the code that runs functions under LocalStack.
Standard library only: an image carries this file and those it imports, and its entry point
starts it when `AWS_LAMBDA_RUNTIME_API` is not set:

    python -m localstack_image_functions.runtime.local_invocation python -m awslambdaric app.handler
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack_image_functions.errors import EntrypointNotFound
from localstack_image_functions.runtime.api import RuntimeApi
from localstack_image_functions.runtime.body import (
    CONTEXT_REFUSAL,
    BodyRefused,
    read_body,
    read_client_context,
)
from localstack_image_functions.runtime.environment import (
    Event,
    ExecutionEnvironment,
    Exit,
    FunctionLimits,
    Outcome,
)
from localstack_image_functions.runtime.logs import OutputLog
from localstack_image_functions.runtime.pipes import Pipes
from localstack_image_functions.runtime.server import RuntimeApiServer

PREFIX = "/2015-03-31/functions/"
SUFFIX = "/invocations"
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_TAIL_BYTES = 4096
DEFAULT_TIMEOUT_S = 300
DEFAULT_MEMORY_MB = 3008


class ChildFlavor:
    """Runs the function as a child process: the container around us is the sandbox."""

    def __init__(self, argv: list[str], environment: Mapping[str, str]) -> None:
        self._argv = argv
        self._environment = environment

    def start(
        self, api: RuntimeApi, output: OutputLog, on_exit: Callable[[Exit], None]
    ) -> ChildSandbox:
        """Start the program as a child of this process.

        Raises
        ------
        EntrypointNotFound
            When it can't be started.
        """
        server = RuntimeApiServer(api)
        pipes = Pipes(output)
        environment = {**self._environment, "AWS_LAMBDA_RUNTIME_API": server.address}
        try:
            process = subprocess.Popen(
                self._argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=pipes.stdout,
                stderr=pipes.stderr,
                start_new_session=True,
            )
        except OSError as error:
            server.close()
            pipes.close()
            raise EntrypointNotFound(f"fork/exec {self._argv[0]}: {error.strerror}") from error
        finally:
            pipes.close_write_ends()
        return ChildSandbox(process, server, pipes, on_exit)


class ChildSandbox:
    """One child and its output. It is never frozen: there is nobody to save power for."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        server: RuntimeApiServer,
        pipes: Pipes,
        on_exit: Callable[[Exit], None],
    ) -> None:
        self._process = process
        self._server = server
        self._pipes = pipes
        threading.Thread(target=pipes.read_until_closed, daemon=True).start()
        threading.Thread(target=self._wait, args=(on_exit,), daemon=True).start()

    def thaw(self) -> None:
        """Nothing to do."""

    def freeze(self) -> None:
        """Nothing to do."""

    def flush_output(self) -> None:
        self._pipes.drain()

    def peak_memory_bytes(self) -> int:
        with contextlib.suppress(OSError, ValueError), open(self._status) as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0

    @property
    def _status(self) -> str:
        return f"/proc/{self._process.pid}/status"

    def stop(self, grace_s: float) -> None:
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s or 0.1)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._pipes.drain()
        self._pipes.close()
        self._server.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _wait(self, on_exit: Callable[[Exit], None]) -> None:
        status = self._process.wait()
        self._pipes.drain()
        on_exit(Exit(signal=-status) if status < 0 else Exit(status=status))


class LocalFunction:
    """The function behind the endpoint: one environment, one invocation at a time."""

    def __init__(self, argv: list[str], settings: Mapping[str, str]) -> None:
        name = settings.get("AWS_LAMBDA_FUNCTION_NAME") or "function"
        region = settings.get("AWS_REGION") or settings.get("AWS_DEFAULT_REGION") or "us-east-1"
        memory_mb = int(settings.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or DEFAULT_MEMORY_MB)
        environment = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "_HANDLER": argv[-1],
            **settings,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        }
        timeout_s = float(settings.get("AWS_LAMBDA_FUNCTION_TIMEOUT") or DEFAULT_TIMEOUT_S)
        self.arn = f"arn:aws:lambda:{region}:012345678912:function:{name}"
        self._environment = ExecutionEnvironment(
            FunctionLimits("$LATEST", memory_mb, timeout_s), ChildFlavor(argv, environment)
        )
        self._initialized = False
        self._lock = threading.Lock()
        self._later = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

    def invoke(self, payload: bytes, client_context: str | None = None) -> Outcome:
        """Run one invocation; what the function wrote goes to our own standard output."""
        with self._lock:
            if not self._initialized:
                self._initialized = True
                self._environment.init()
            event = Event(str(uuid.uuid4()), payload, self.arn, client_context=client_context)
            outcome = self._environment.invoke(event)
        sys.stdout.write(outcome.logs)
        sys.stdout.flush()
        return outcome

    def invoke_later(self, payload: bytes, client_context: str | None = None) -> None:
        """Run it when those before it are done. Only the log says what came of it."""
        self._later.submit(self.invoke, payload, client_context).add_done_callback(_report)

    def stop(self) -> None:
        self._later.shutdown(wait=False, cancel_futures=True)
        self._environment.stop(drain=False)


def _report(done: Future[Outcome]) -> None:
    if done.cancelled():
        print("an event was not run: the function is stopped", file=sys.stderr, flush=True)
    elif error := done.exception():
        print(f"an event was not run: {error}", file=sys.stderr, flush=True)


class _Refused(Exception):
    """What AWS would not take, with the name of its error."""

    def __init__(self, error_type: str, message: str):
        super().__init__(message)
        self.error_type = error_type


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """START, END and REPORT say it already."""

    def do_POST(self) -> None:
        try:
            body = read_body(self.rfile, self.headers, MAX_REQUEST_BYTES)
        except BodyRefused as error:
            self.close_connection = True
            self._send(error.status, _message(str(error)))
            return
        path = self.path.partition("?")[0]
        name = path.removeprefix(PREFIX).removesuffix(SUFFIX)
        if path != f"{PREFIX}{name}{SUFFIX}" or "/" in name or not name:
            self._send(HTTPStatus.NOT_FOUND, _message(f"POST to {PREFIX}function{SUFFIX}"))
            return
        try:
            self._invoke(body)
        except _Refused as error:
            headers = {"X-Amzn-ErrorType": error.error_type}
            self._send(HTTPStatus.BAD_REQUEST, _message(str(error), error.error_type), headers)

    def do_GET(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, _message(f"POST to {PREFIX}function{SUFFIX}"))

    def _invoke(self, body: bytes) -> None:
        kind = self._choice("X-Amz-Invocation-Type", "RequestResponse", "Event", "DryRun")
        log_type = self._choice("X-Amz-Log-Type", "None", "Tail")
        context = _client_context(self.headers.get("X-Amz-Client-Context"))
        payload = body or b"{}"
        try:
            json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise _Refused(
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            ) from error
        if kind == "DryRun":
            self._send(HTTPStatus.NO_CONTENT, b"")
        elif kind == "Event":
            self.server.function.invoke_later(payload, context)
            self._send(HTTPStatus.ACCEPTED, b"")
        else:
            outcome = self.server.function.invoke(payload, context)
            headers = {"X-Amz-Executed-Version": "$LATEST"}
            if outcome.is_error:
                headers["X-Amz-Function-Error"] = "Unhandled"
            if log_type == "Tail":
                tail = outcome.logs.encode()[-MAX_TAIL_BYTES:]
                headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
            self._send(HTTPStatus.OK, outcome.payload, headers)

    def _choice(self, header: str, default: str, *others: str) -> str:
        value = self.headers.get(header) or default
        if value not in (default, *others):
            raise _Refused(
                "InvalidParameterValueException",
                f"{header}: {value} is not one of {', '.join((default, *others))}",
            )
        return value

    def _send(
        self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], function: LocalFunction) -> None:
        self.function = function
        super().__init__(address, _Handler)


def _client_context(header: str | None) -> str | None:
    try:
        return read_client_context(header)
    except ValueError as error:
        raise _Refused("InvalidRequestContentException", CONTEXT_REFUSAL) from error


def _message(text: str, kind: str = "") -> bytes:
    return json.dumps({"message": text, **({"Type": "User"} if kind else {})}).encode()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m localstack_image_functions.runtime.local_invocation",
        description="Serve a container-image function for local invocation.",
    )
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  of a container
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the function's runtime")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command starts the function's runtime?")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    function = LocalFunction(options.command, environment)
    server = _Server((options.host, options.port), function)
    _when_told_to_end(server.shutdown)
    print(f"serving {PREFIX}function{SUFFIX} on port {server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.2)
    function.stop()
    return 0


def _when_told_to_end(end: Callable[[], None]) -> None:
    """Call `end` in a thread when SIGTERM or Ctrl-C comes.

    A handler that started a thread would wait for a lock that the thread it interrupts may hold.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing)

    def wait() -> None:
        os.read(reading, 1)
        end()

    threading.Thread(target=wait, name="signals", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
