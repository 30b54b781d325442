"""Long polls whose client went away."""

from __future__ import annotations

import multiprocessing
import socket
import time
from typing import Any

import psutil

from localstack_image_functions.long_polls import hung_up


def test_open_and_closed_connections_are_told_apart() -> None:
    ours, theirs = socket.socketpair()
    assert not hung_up(ours.fileno())
    theirs.sendall(b"more")
    assert not hung_up(ours.fileno())
    assert ours.recv(4) == b"more"
    theirs.close()
    assert hung_up(ours.fileno())
    ours.close()
    assert hung_up(ours.fileno())


def _poll(emulator: Any, queue: str) -> None:
    emulator.process = None
    emulator.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)


def test_message_is_not_lost_to_the_poll_of_a_killed_viewer(
    own_emulator: Any, wait_until: Any
) -> None:
    own_emulator.start()
    sqs = own_emulator.client("sqs")
    hidden = {"VisibilityTimeout": "60"}
    queue = sqs.create_queue(QueueName="results", Attributes=hidden)["QueueUrl"]
    process = own_emulator.process
    viewer = multiprocessing.get_context("fork").Process(target=_poll, args=(own_emulator, queue))
    viewer.start()
    own_emulator.process = process
    wait_until(lambda: [c for c in psutil.Process(viewer.pid).net_connections() if c.raddr])
    time.sleep(1)  # for the request to be a waiting poll: nothing outside tells when
    viewer.kill()
    viewer.join()
    sqs.send_message(QueueUrl=queue, MessageBody="first")
    started = time.monotonic()
    (message,) = sqs.receive_message(
        QueueUrl=queue, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert message["Body"] == "first"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert time.monotonic() - started < 5
