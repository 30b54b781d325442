"""HTTP as clients speak it to the gateway: over connections that stay open."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

HEALTH = "/_localstack/health"
BUCKET = "gateway-server"


@pytest.fixture
def bucket(emulator: Any) -> str:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


@pytest.fixture
def wire(emulator: Any) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=20) as connection:
        yield connection


def answer_on(
    connection: socket.socket, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response, response.read()


def signed(emulator: Any, service: str) -> str:
    return (
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"
        f"{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
    )


def request(emulator: Any, method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{emulator.port}", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def s3_put(emulator: Any, key: str, *lines: str, body: bytes = b"") -> bytes:
    return request(
        emulator, "PUT", f"/{BUCKET}/{key}", signed(emulator, "s3").strip(), *lines, body=body
    )


def stored(emulator: Any, key: str) -> bytes:
    return emulator.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_one_connection_carries_many_requests(emulator: Any, wire: socket.socket) -> None:
    for _ in range(5):
        wire.sendall(request(emulator, "GET", HEALTH))
        response, body = answer_on(wire)
        assert response.status == 200
        assert response.getheader("Connection") != "close"
        assert json.loads(body)["services"]


def test_requests_sent_ahead_are_answered_in_order(emulator: Any, wire: socket.socket) -> None:
    wire.sendall(request(emulator, "GET", HEALTH) + request(emulator, "GET", "/_localstack/info"))
    stream = wire.makefile("rb")
    answers = []
    for _ in range(2):
        length = 0
        while (line := stream.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answers.append(json.loads(stream.read(length)))
    assert "services" in answers[0]
    assert "session_id" in answers[1]


def test_a_body_that_nobody_reads_is_not_taken_for_a_request(
    emulator: Any, wire: socket.socket
) -> None:
    smuggled = request(emulator, "DELETE", f"/{BUCKET}")
    wire.sendall(request(emulator, "GET", HEALTH, body=smuggled))
    assert answer_on(wire)[0].status == 200
    wire.sendall(request(emulator, "GET", HEALTH))
    response, body = answer_on(wire)
    assert response.status == 200
    assert json.loads(body)["services"]


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: five",),
        ("Content-Length: -1",),
        ("Transfer-Encoding: gzip, chunked",),
    ],
)
def test_a_request_without_a_certain_end_is_refused(
    emulator: Any, wire: socket.socket, lines: tuple[str, ...]
) -> None:
    wire.sendall(request(emulator, "PUT", "/any/key", *lines) + b"0\r\n\r\n")
    response, _ = answer_on(wire)
    assert response.status == 400
    assert response.getheader("Connection") == "close"


def test_chunks_make_one_object(emulator: Any, bucket: str, wire: socket.socket) -> None:
    wire.sendall(s3_put(emulator, "chunked", "Transfer-Encoding: chunked"))
    wire.sendall(b"5\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n")
    assert answer_on(wire)[0].status == 200
    assert stored(emulator, "chunked") == b"first second"


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(
    emulator: Any, bucket: str, wire: socket.socket
) -> None:
    wire.sendall(s3_put(emulator, "asked", "Expect: 100-continue", "Content-Length: 4"))
    assert wire.recv(4096).startswith(b"HTTP/1.1 100 ")
    wire.sendall(b"body")
    assert answer_on(wire)[0].status == 200
    assert stored(emulator, "asked") == b"body"


def test_half_an_object_is_none(emulator: Any, bucket: str) -> None:
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=20) as connection:
        connection.sendall(s3_put(emulator, "half", "Content-Length: 1000") + b"only this")
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert answer_on(connection)[0].status >= 400
    assert "Contents" not in emulator.client("s3").list_objects_v2(Bucket=bucket, Prefix="half")


def test_a_key_keeps_its_slashes(emulator: Any, bucket: str) -> None:
    s3 = emulator.client("s3")
    for key in ("/leading", "a//b", "a/../b", "ä ö+%2F?&="):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert stored(emulator, key) == key.encode()


def test_the_head_of_an_object_has_its_length_and_no_body(
    emulator: Any, bucket: str, wire: socket.socket
) -> None:
    emulator.client("s3").put_object(Bucket=bucket, Key="long", Body=b"x" * 1000)
    wire.sendall(request(emulator, "HEAD", f"/{bucket}/long", signed(emulator, "s3").strip()))
    response, body = answer_on(wire, "HEAD")
    assert (response.status, body) == (200, b"")
    assert response.getheader("Content-Length") == "1000"
    wire.sendall(request(emulator, "GET", HEALTH))
    assert answer_on(wire)[0].status == 200


def test_a_target_with_its_host_is_understood(emulator: Any, wire: socket.socket) -> None:
    wire.sendall(request(emulator, "GET", f"http://127.0.0.1:{emulator.port}{HEALTH}"))
    assert answer_on(wire)[0].status == 200


def test_tls_is_spoken_on_the_same_port(emulator: Any, wire: socket.socket) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(wire, server_hostname="localhost") as connection:
        connection.sendall(request(emulator, "GET", HEALTH))
        assert answer_on(connection)[0].status == 200


def test_noise_ends_its_own_connection_only(emulator: Any, wire: socket.socket) -> None:
    wire.sendall(b"\x16\x03\x01\x00\x05hello not tls at all\r\n\r\n")
    with contextlib.suppress(OSError):
        while wire.recv(4096):
            pass
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=20) as other:
        other.sendall(request(emulator, "GET", HEALTH))
        assert answer_on(other)[0].status == 200


def test_an_old_client_gets_an_answer_and_its_end(emulator: Any, wire: socket.socket) -> None:
    wire.sendall(f"GET {HEALTH} HTTP/1.0\r\nHost: 127.0.0.1:{emulator.port}\r\n\r\n".encode())
    response, body = answer_on(wire)
    assert response.status == 200
    assert json.loads(body)["services"]
    assert wire.recv(1) == b""


def test_an_object_of_many_megabytes_goes_there_and_back(emulator: Any, bucket: str) -> None:
    data = bytes(range(256)) * 4 * 4096 * 5  # 20 MiB
    emulator.client("s3").put_object(Bucket=bucket, Key="large", Body=data)
    assert stored(emulator, "large") == data


A_SIGNAL_FOR_ANOTHER_THREAD = """
import signal, sys, threading
from localstack_image_functions.gateway.server import ThreadServer

server = ThreadServer()
given_up = threading.Event()


def handle(*_):
    threading.Thread(target=server.shutdown).start()


def tell_once_it_waits():
    def frames():
        frame = sys._current_frames()[threading.main_thread().ident]
        while frame:
            yield frame.f_code.co_name
            frame = frame.f_back

    while "run" not in list(frames()):
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)


def give_up():
    given_up.set()
    server.shutdown()


signal.signal(signal.SIGUSR1, handle)
rescue = threading.Timer(10, give_up)
rescue.start()
threading.Thread(target=tell_once_it_waits).start()
server.run()
rescue.cancel()
print(given_up.is_set())
"""


def test_a_signal_that_another_thread_was_given_ends_the_server(
    asked_of_emulators_python: Callable[..., str],
):
    assert asked_of_emulators_python(A_SIGNAL_FOR_ANOTHER_THREAD).strip() == "False"
