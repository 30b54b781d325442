"""Every path of the Runtime API, over raw HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from localstack_image_functions.runtime.api import (
    MAX_RESPONSE_BYTES,
    Invocation,
    RuntimeApi,
    RuntimeState,
)
from localstack_image_functions.runtime.server import Guard, RuntimeApiServer

ROOT = "/2018-06-01/runtime"
WAIT_S = 10.0


class Runtime:
    """A runtime made of bare HTTP requests, on one connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_S)

    def get(self, path: str) -> http.client.HTTPResponse:
        self.connection.request("GET", ROOT + path)
        return self.connection.getresponse()

    def next(self) -> tuple[http.client.HTTPResponse, bytes]:
        response = self.get("/invocation/next")
        return response, response.read()

    def post(
        self, path: str, body: bytes | Iterator[bytes] = b"{}", **headers: str
    ) -> tuple[int, dict]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", ROOT + path, body=body, headers=names)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def api() -> RuntimeApi:
    return RuntimeApi()


@pytest.fixture
def server(api: RuntimeApi) -> Iterator[RuntimeApiServer]:
    server = RuntimeApiServer(api)
    yield server
    server.close()


@pytest.fixture
def runtime(server: RuntimeApiServer) -> Runtime:
    return Runtime(server.address)


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def invocation(request_id: str = "one", payload: bytes = b'{"n": 1}') -> Invocation:
    return Invocation(
        request_id=request_id,
        payload=payload,
        deadline_ms=1_700_000_000_123,
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:f",
        trace_id="Root=1-2;Sampled=1",
    )


def deliver(api: RuntimeApi, runtime: Runtime, request_id: str = "one") -> None:
    api.send(invocation(request_id))
    response, _ = runtime.next()
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == request_id


def test_next_blocks_until_there_is_an_event(
    api: RuntimeApi, runtime: Runtime, background: ThreadPoolExecutor
) -> None:
    waiting: Future = background.submit(runtime.next)
    assert api.wait_for({RuntimeState.READY}, WAIT_S) is RuntimeState.READY
    assert not waiting.done()
    api.send(invocation())
    response, body = waiting.result(WAIT_S)
    assert response.status == 200
    assert body == b'{"n": 1}'
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == "one"
    assert response.headers["Lambda-Runtime-Deadline-Ms"] == "1700000000123"
    assert response.headers["Lambda-Runtime-Trace-Id"] == "Root=1-2;Sampled=1"
    assert response.headers["Lambda-Runtime-Invoked-Function-Arn"].endswith(":function:f")
    assert response.headers["Content-Type"] == "application/json"
    assert "Lambda-Runtime-Client-Context" not in response.headers


def test_response_is_acknowledged_with_202_and_status_ok(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response", b'"done"') == (202, {"status": "OK"})
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert (answer.payload, answer.is_error) == (b'"done"', False)
    assert api.state is RuntimeState.ANSWERED


def test_error_carries_its_type(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    body = b'{"errorMessage": "no", "errorType": "Boom"}'
    status, _ = runtime.post(
        "/invocation/one/error", body, Lambda_Runtime_Function_Error_Type="Boom"
    )
    assert status == 202
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert (answer.payload, answer.is_error, answer.error_type) == (body, True, "Boom")


def test_init_error_fails_at_once(
    api: RuntimeApi, runtime: Runtime, background: ThreadPoolExecutor
) -> None:
    waiting = background.submit(api.wait_for, {RuntimeState.INIT_FAILED}, WAIT_S)
    body = b'{"errorMessage": "No module", "errorType": "Runtime.ImportModuleError"}'
    status, text = runtime.post(
        "/init/error", body, Lambda_Runtime_Function_Error_Type="Runtime.ImportModuleError"
    )
    assert (status, text) == (202, {"status": "OK"})
    assert waiting.result(WAIT_S) is RuntimeState.INIT_FAILED
    assert api.init_error is not None
    assert (api.init_error.payload, api.init_error.is_error) == (body, True)
    assert api.init_error.error_type == "Runtime.ImportModuleError"


def test_init_error_after_init_is_refused(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    status, text = runtime.post("/init/error")
    assert (status, text["errorType"]) == (403, "InvalidStateTransition")
    assert api.init_error is None


@pytest.mark.parametrize("kind", ["response", "error"])
def test_stale_request_id_is_400_invalid_request_id(
    api: RuntimeApi, runtime: Runtime, kind: str
) -> None:
    deliver(api, runtime)
    status, text = runtime.post(f"/invocation/another/{kind}")
    assert (status, text["errorType"]) == (400, "InvalidRequestID")
    assert api.wait_for_answer(0) is None
    assert runtime.post(f"/invocation/one/{kind}")[0] == 202


def test_answer_before_any_event_is_refused(runtime: Runtime) -> None:
    assert runtime.post("/invocation/one/response")[0] == 400


def test_second_answer_is_refused(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response", b"1")[0] == 202
    assert runtime.post("/invocation/one/response", b"2")[0] == 400
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert answer.payload == b"1"


def test_late_success_after_a_timeout_is_refused(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert api.wait_for_answer(0.01) is None
    api.abandon()
    status, text = runtime.post("/invocation/one/response", b'"late"')
    assert (status, text["errorType"]) == (400, "InvalidRequestID")
    assert api.wait_for_answer(0) is None


def test_answer_of_the_last_invocation_is_not_taken_for_the_next(
    api: RuntimeApi, runtime: Runtime
) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response", b"1")[0] == 202
    deliver(api, runtime, "two")
    assert runtime.post("/invocation/one/response", b"1 again")[0] == 400
    assert api.wait_for_answer(0) is None


def test_next_while_an_invocation_runs_is_refused(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    response, body = runtime.next()
    assert response.status == 403
    assert json.loads(body)["errorType"] == "InvalidStateTransition"


def test_event_sent_before_the_runtime_asks_is_kept(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response")[0] == 202
    api.send(invocation("two"))
    response, _ = runtime.next()
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == "two"


def test_event_is_not_lost_to_a_poll_whose_connection_died(
    api: RuntimeApi, server: RuntimeApiServer, background: ThreadPoolExecutor
) -> None:
    dead = Runtime(server.address)
    dead.connection.request("GET", f"{ROOT}/invocation/next")
    assert api.wait_for({RuntimeState.READY}, WAIT_S)
    dead.connection.sock.close()
    alive = background.submit(Runtime(server.address).next)
    deadline = time.monotonic() + WAIT_S
    while api._newest_poll < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    api.send(invocation())
    assert alive.result(WAIT_S)[1] == b'{"n": 1}'


def test_chunked_request_body(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response", iter([b'{"a', b'"', b": ", b"1}"]))[0] == 202
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert json.loads(answer.payload) == {"a": 1}


HALFWAY = b'{"errorMessage": "halfway"}'
UNSAID = {
    "errorType": "Streaming.Broken",
    "errorMessage": "The runtime failed while it streamed its response",
}


@pytest.mark.parametrize(
    ("error", "told"),
    [(base64.b64encode(HALFWAY), json.loads(HALFWAY)), (b"", UNSAID), (b"no base64", UNSAID)],
)
def test_streamed_response_that_fails_halfway_says_so_in_its_trailers(
    api: RuntimeApi, runtime: Runtime, error: bytes, told: dict[str, str]
) -> None:
    deliver(api, runtime)
    sock = runtime.connection.sock
    sock.sendall(
        f"POST {ROOT}/invocation/one/response HTTP/1.1\r\nHost: x\r\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4;ext=1\r\nhalf\r\n0\r\n"
        "Lambda-Runtime-Function-Error-Type: Streaming.Broken\r\n".encode()
        + b"Lambda-Runtime-Function-Error-Body: "
        + error
        + b"\r\n\r\n"
    )
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert answer.is_error
    assert answer.error_type == "Streaming.Broken"
    assert json.loads(answer.payload) == told


@pytest.mark.parametrize("chunked", [False, True])
def test_response_over_six_megabytes_is_refused_and_fails_the_invocation(
    api: RuntimeApi, runtime: Runtime, chunked: bool
) -> None:
    deliver(api, runtime)
    body = b"x" * (MAX_RESPONSE_BYTES + 1)
    status, text = runtime.post("/invocation/one/response", iter([body]) if chunked else body)
    assert (status, text["errorType"]) == (413, "RequestEntityTooLarge")
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert answer.error_type == "Function.ResponseSizeTooLarge"
    assert len(answer.payload) < 1000


def test_what_is_over_the_limit_is_read_and_not_kept(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    body = bytes(6 * MAX_RESPONSE_BYTES)
    tracemalloc.start()
    try:
        assert runtime.post("/invocation/one/response", body)[0] == 413
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most_bytes < 4 * MAX_RESPONSE_BYTES


def test_response_of_exactly_the_limit_is_taken(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    assert runtime.post("/invocation/one/response", b"x" * MAX_RESPONSE_BYTES)[0] == 202
    answer = api.wait_for_answer(WAIT_S)
    assert answer is not None
    assert len(answer.payload) == MAX_RESPONSE_BYTES


def test_body_that_ends_early_is_no_answer(api: RuntimeApi, runtime: Runtime) -> None:
    deliver(api, runtime)
    with socket.create_connection(runtime.connection.sock.getpeername()) as half:
        half.sendall(
            f"POST {ROOT}/invocation/one/response HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        half.shutdown(socket.SHUT_WR)
        assert half.recv(1) == b""
    assert api.wait_for_answer(0) is None
    assert runtime.post("/invocation/one/response")[0] == 202


@pytest.mark.parametrize(
    "head", ["Content-Length: many", "Content-Length: -1", "Transfer-Encoding: chunked"]
)
def test_nonsense_framing_is_hung_up_on(api: RuntimeApi, runtime: Runtime, head: str) -> None:
    deliver(api, runtime)
    with socket.create_connection(runtime.connection.sock.getpeername(), timeout=WAIT_S) as sock:
        sock.sendall(
            f"POST {ROOT}/invocation/one/response HTTP/1.1\r\n{head}\r\n\r\nzz\r\n".encode()
        )
        assert sock.recv(1) == b""
    assert api.wait_for_answer(0) is None


@pytest.mark.parametrize(
    "path", ["/", "/invocation", "/invocation/one/other", "/extension/register", "/../init/error"]
)
def test_unknown_paths_are_404(runtime: Runtime, path: str) -> None:
    assert runtime.get(path).status == 404
    assert Runtime(f"{runtime.connection.host}:{runtime.connection.port}").post(path)[0] == 404


def test_exit_of_the_runtime_ends_the_wait(
    api: RuntimeApi, runtime: Runtime, background: ThreadPoolExecutor
) -> None:
    deliver(api, runtime)
    waiting = background.submit(api.wait_for_answer, WAIT_S)
    api.runtime_gone()
    assert waiting.result(WAIT_S) is None
    assert api.state is RuntimeState.GONE


def test_close_hangs_up_on_a_waiting_runtime(
    api: RuntimeApi, server: RuntimeApiServer, runtime: Runtime
) -> None:
    runtime.connection.request("GET", f"{ROOT}/invocation/next")
    assert api.wait_for({RuntimeState.READY}, WAIT_S)
    server.close()
    with pytest.raises(http.client.RemoteDisconnected):
        runtime.connection.getresponse()


def test_head_and_body_of_an_event_leave_in_one_segment(
    api: RuntimeApi, server: RuntimeApiServer
) -> None:
    """Two small segments meet Nagle and delayed acknowledgement: 40 ms for each event."""
    host, _, port = server.address.partition(":")
    api.send(invocation())
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as sock:
        sock.sendall(f"GET {ROOT}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        first = sock.recv(65_536)
    assert first.startswith(b"HTTP/1.1 200")
    assert first.endswith(b'{"n": 1}')


def test_listens_on_loopback_only(server: RuntimeApiServer) -> None:
    assert server.address.startswith("127.0.0.1:")


def test_many_invocations_over_one_connection(
    api: RuntimeApi, runtime: Runtime, background: ThreadPoolExecutor
) -> None:
    def serve() -> None:
        for _ in range(50):
            response, body = runtime.next()
            request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
            runtime.post(f"/invocation/{request_id}/response", body)

    serving = background.submit(serve)
    for number in range(50):
        api.send(invocation(f"request-{number}", str(number).encode()))
        answer = api.wait_for_answer(WAIT_S)
        assert answer is not None
        assert answer.payload == str(number).encode()
    serving.result(WAIT_S)


def test_no_thread_and_no_open_port_is_left_after_close() -> None:
    before = {*threading.enumerate()}
    server = RuntimeApiServer(RuntimeApi())
    host, _, port = server.address.partition(":")
    server.close()
    deadline = time.monotonic() + WAIT_S
    while (left := {*threading.enumerate()} - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
    while (is_open := takes_connections(host, int(port))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_open


def takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=WAIT_S).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True  # it closes at this moment: the next one is refused
    return True


def guarded(api: RuntimeApi, guard: Guard) -> Iterator[RuntimeApiServer]:
    server = RuntimeApiServer(api, guard=guard)
    yield server
    server.close()


@pytest.mark.parametrize(
    ("guard", "host"),
    [
        (Guard(admits=lambda host, port: False), "127.0.0.1"),
        (Guard(name="secret.runtime"), "127.0.0.1"),
        (Guard(name="secret.runtime"), "secret"),
    ],
    ids=["another address", "found by its port", "a part of the name"],
)
def test_a_stranger_neither_gets_nor_answers_a_neighbors_event(
    api: RuntimeApi, guard: Guard, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    for server in guarded(api, guard):
        api.send(invocation())
        stranger = Runtime(f"127.0.0.1:{server.address.partition(':')[2]}")
        for method, path in [
            ("GET", "/invocation/next"),
            ("POST", "/invocation/one/response"),
            ("POST", "/invocation/one/error"),
            ("POST", "/init/error"),
        ]:
            body = b"{}" if method == "POST" else None
            stranger.connection.request(method, ROOT + path, body=body, headers={"Host": host})
            response = stranger.connection.getresponse()
            assert (response.status, response.headers["Connection"]) == (403, "close")
            assert json.loads(response.read())["errorType"] == "Forbidden"
        assert api.state is RuntimeState.INITIALIZING
        assert api.wait_for_answer(0) is None
        refusals = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(refusals) == 4
        assert "refused" in refusals[0].getMessage()


def test_who_knows_the_name_is_let_in(api: RuntimeApi) -> None:
    for server in guarded(api, Guard(name="secret.runtime")):
        assert server.address.startswith("secret.runtime:")
        api.send(invocation())
        own = Runtime(f"127.0.0.1:{server.address.partition(':')[2]}")
        own.connection.request("GET", f"{ROOT}/invocation/next", headers={"Host": server.address})
        assert own.connection.getresponse().status == 200
