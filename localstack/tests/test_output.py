"""A function's output: whole lines, bounded, from pipes that are read until nobody writes."""

from __future__ import annotations

import os
import threading

import pytest

from localstack_image_functions.runtime.logs import NOTES, OutputLog
from localstack_image_functions.runtime.pipes import Pipes


def test_a_line_in_pieces_is_one_line_whatever_another_stream_says_meanwhile():
    log = OutputLog()
    log.write(1, b"first ")
    log.write(2, b"error\n")
    log.write(1, b"line\nsecond\nthi")
    assert log.take() == "error\nfirst line\nsecond\nthi\n"
    assert log.take() == ""


def test_what_was_taken_is_not_given_again_nor_its_rest_put_before_the_next_line():
    log = OutputLog()
    log.write(1, b"half")
    assert log.take() == "half\n"
    log.write(1, b"other\n")
    assert log.take() == "other\n"


def test_notes_are_a_stream_of_their_own():
    log = OutputLog()
    log.write(1, b"half")
    log.write(NOTES, b"END\n")
    assert log.take() == "END\nhalf\n"


def test_a_line_is_kept_to_the_limit_and_what_is_over_it_is_counted():
    log = OutputLog(max_bytes=10)
    log.write(1, b"123456789\n")
    assert log.take() == "123456789\n"
    log.write(1, b"12345\n")
    log.write(1, b"6789\n")
    log.write(1, b"890\n")
    log.write(1, b"x" * 20 + b"\n")
    assert log.take() == "12345\n890\n[26 bytes of output dropped here]\n"
    log.write(1, b"after\n")
    assert log.take() == "after\n"


def test_a_line_that_never_ends_is_not_gathered_for_ever():
    log = OutputLog(max_bytes=10)
    log.write(1, b"x" * 10)
    assert log.take() == "[11 bytes of output dropped here]\n"
    log.write(1, b"a\n" + b"x" * 11)
    log.write(1, b"y\n")
    assert log.take() == "y\n[14 bytes of output dropped here]\n"


def test_bytes_that_are_no_text_stay_bytes_that_somebody_sees():
    log = OutputLog()
    log.write(1, b"\xff\n")
    assert log.take() == "\ufffd\n"


@pytest.fixture
def log() -> OutputLog:
    return OutputLog()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one number


def test_both_streams_are_read_and_ends_that_were_closed_are_let_go_of(log):
    before = open_files()
    pipes = Pipes(log)
    os.write(pipes.stdout, b"out\nhalf ")
    os.write(pipes.stderr, b"err\n")
    pipes.drain()
    assert sorted(log.take().splitlines()) == ["err", "half ", "out"]
    os.write(pipes.stdout, b"x" * 60_000 + b"\n")
    pipes.close_write_ends()
    pipes.drain()
    assert len(log.take()) == 60_001
    pipes.drain()
    thread = threading.Thread(target=pipes.read_until_closed, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert open_files() == before


def test_the_reader_reads_what_comes_and_ends_when_nobody_writes_any_more(log):
    pipes = Pipes(log)
    thread = threading.Thread(target=pipes.read_until_closed, daemon=True)
    thread.start()
    os.write(pipes.stdout, b"hello\n")
    pipes.close_write_ends()
    thread.join(10)
    assert not thread.is_alive()
    assert log.take() == "hello\n"


def test_streams_that_are_closed_here_end_the_reader_too(log):
    pipes = Pipes(log)
    thread = threading.Thread(target=pipes.read_until_closed, daemon=True)
    thread.start()
    pipes.close()
    pipes.close()
    thread.join(10)
    assert not thread.is_alive()
    pipes.close_write_ends()


def test_a_drain_does_not_wait_for_more(log):
    pipes = Pipes(log)
    drained = threading.Event()
    threading.Thread(target=lambda: (pipes.drain(), drained.set()), daemon=True).start()
    assert drained.wait(10)
    pipes.close()
    pipes.close_write_ends()
