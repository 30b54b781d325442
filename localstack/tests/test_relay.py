"""A door in a function's wall: what comes in goes out at the other side, to the end and back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from localstack_image_functions.runtime.relay import relay

WAIT_S = 10.0
MUCH = bytes(range(256)) * 4_000  # more than a socket holds


def listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.settimeout(WAIT_S)
    return sock


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def echo(listener: socket.socket) -> None:
    """Answers each connection, once it has ended, with what it said, backwards."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        with near:
            near.settimeout(WAIT_S)
            near.sendall(read_all(near)[::-1])


@pytest.fixture
def far() -> Iterator[int]:
    listener = listening()
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def door(far: int) -> Iterator[tuple[int, Callable[[], None]]]:
    listener = listening()
    close = relay(listener, "127.0.0.1", far)
    yield listener.getsockname()[1], close
    close()


def hears_the_end(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT_S)


@pytest.mark.parametrize("said", [b"", b"hello", MUCH], ids=["nothing", "a word", "much"])
def test_all_that_is_said_arrives_and_the_end_of_one_side_leaves_the_other_open(door, said):
    with call(door[0]) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == said[::-1]


def test_connections_do_not_wait_for_each_other(door):
    with call(door[0]) as silent, call(door[0]) as sock:
        silent.sendall(b"x")
        sock.close()
        silent.shutdown(socket.SHUT_WR)
        assert read_all(silent) == b"x"


def test_where_nobody_listens_the_caller_hears_at_once_and_no_log_is_filled(caplog):
    with listening() as gone:
        port = gone.getsockname()[1]
    listener = listening()
    close = relay(listener, "127.0.0.1", port)
    with call(listener.getsockname()[1]) as sock:
        assert hears_the_end(sock)
    close()
    assert not caplog.records


def test_who_sends_faster_than_the_other_side_reads_has_to_wait():
    """What the far side does not take was kept here, however much it was."""
    far, near = listening(), listening()
    close = relay(near, "127.0.0.1", far.getsockname()[1])
    with call(near.getsockname()[1]) as sock:
        there, _ = far.accept()
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.sendall(MUCH * 100)
        there.close()
    close()
    far.close()


def test_a_connection_that_breaks_at_the_far_side_breaks_here_and_no_log_is_filled(caplog):
    far, near = listening(), listening()
    close = relay(near, "127.0.0.1", far.getsockname()[1])
    with call(near.getsockname()[1]) as sock:
        sock.sendall(b"x")
        there, _ = far.accept()
        there.recv(1)
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # reset instead of an end
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        there.close()
        assert hears_the_end(sock)
    close()
    far.close()
    assert not caplog.records


def test_a_door_that_is_closed_takes_nobody(door):
    port, close = door
    close()
    for _ in range(200):
        try:
            call(port).close()
        except ConnectionRefusedError:
            return
        threading.Event().wait(0.02)
    pytest.fail("it still accepts")
