"""What the programs say, wherever it goes: whole lines, whatever the other end does."""

from __future__ import annotations

import errno
import io
import json
import sys

import pytest

from device.console import Console, fail, warn


class Stream(io.StringIO):
    """A stream that fails as `problem` says; `writes` counts the tries."""

    name = "the file"

    def __init__(self, problem: OSError | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.writes = self.flushes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        if self.problem:
            raise self.problem
        return super().write(text)

    def flush(self) -> None:
        self.flushes += 1

    def close(self) -> None:
        if self.problem:
            raise self.problem
        super().close()


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_people_get_lines_and_programs_objects():
    for as_json, expected in ((False, "one\ntwo\n"), (True, '{"event":"clip","n":1}\n')):
        out, log = Stream(), Stream()
        console = Console(as_json, out, log)
        console.say("one", "two")
        console.say()
        console.event("clip", n=1)
        assert out.getvalue() == log.getvalue() == expected
        assert out.flushes == 1


def test_without_a_stream_it_is_the_standard_output(capsys):
    Console().say("here")
    assert capsys.readouterr().out == "here\n"


def test_a_line_stays_one_line_and_does_nothing_to_the_terminal():
    out = Stream()
    Console(out=out).say("Eve\n\x1b[2Jgone", "next")
    assert len(out.getvalue().splitlines()) == 2
    assert "\x1b" not in out.getvalue()


def test_a_terminal_of_another_encoding_gets_escapes_not_an_error():
    raw = io.BytesIO()
    console = Console(out=io.TextIOWrapper(raw, "ascii"))
    console.say("Gödel")
    assert raw.getvalue() == rb"G\xf6del" + b"\n"


def test_who_has_seen_enough_is_written_to_no_more_and_the_log_goes_on():
    out, log = Stream(BrokenPipeError()), Stream()
    console = Console(out=out, log=log)
    for _ in range(3):
        console.say("line")
    assert out.writes == 1
    assert log.getvalue() == "line\n" * 3


def test_a_full_disk_is_told_once_each_line_is_tried_and_so_is_its_next_trouble(capsys):
    out, log = Stream(), Stream(FULL)
    console = Console(out=out, log=log)
    for _ in range(3):
        console.say("line")
    assert log.writes == 3
    assert capsys.readouterr().err == "error: can't write the file: No space left on device\n"
    log.problem = None
    console.say("line")
    log.problem = FULL
    console.say("line")
    assert capsys.readouterr().err.count("can't write") == 1
    assert out.getvalue() == "line\n" * 5


def test_a_log_on_a_full_disk_is_closed_without_a_traceback(capsys):
    """A file writes what is left of its buffer when it is closed, and fails once more."""
    out, log = Stream(), Stream(FULL)
    console = Console(out=out, log=log)
    console.say("one")
    console.close()
    assert capsys.readouterr().err.splitlines() == [
        "error: can't write the file: No space left on device"
    ]


def test_what_is_said_after_the_log_was_closed_goes_to_the_output_alone():
    """A long poll outlives the program's end, and may fail when the log is closed already."""
    out, log = Stream(), Stream()
    console = Console(out=out, log=log)
    console.close()
    console.close()
    console.say("late")
    assert log.closed
    assert out.getvalue() == "late\n"


def test_streams_that_are_equal_are_still_two():
    class Alike(Stream):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = Stream.__hash__

    out, log = Alike(BrokenPipeError()), Alike()
    console = Console(out=out, log=log)
    console.say("line")
    console.say("line")
    assert log.getvalue() == "line\n" * 2


def test_an_error_is_one_line_and_its_status(capsys):
    assert fail(ValueError("first\nsecond")) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("problem", [OSError(5, "gone"), ValueError("closed")])
def test_nobody_who_listens_is_no_trouble(monkeypatch, problem):
    stream = Stream(problem)
    monkeypatch.setattr(sys, "stderr", stream)
    warn("anybody?")
    assert stream.writes == 1


def test_a_text_that_no_line_can_hold_is_still_json():
    out = Stream()
    Console(True, out).event("x", text="\ud800\n")
    assert json.loads(out.getvalue()) == {"event": "x", "text": "\ud800\n"}
