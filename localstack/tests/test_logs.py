"""The function's output by whole lines."""

from __future__ import annotations

from localstack_image_functions.runtime.logs import OutputLog


def test_unbuffered_print_in_two_pieces_is_one_line() -> None:
    log = OutputLog()
    log.write(1, b"hello")
    log.write(2, b"from stderr\n")
    log.write(1, b"\n")
    assert log.take() == "from stderr\nhello\n"


def test_line_without_an_end_is_taken_once() -> None:
    log = OutputLog()
    log.write(1, b"no newline")
    assert log.take() == "no newline\n"
    assert log.take() == ""


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    log = OutputLog()
    log.write(1, b"\xff\xfeabc\n")
    assert log.take().endswith("abc\n")


def test_character_split_between_two_reads_survives() -> None:
    log = OutputLog()
    data = "größer\n".encode()
    log.write(1, data[:3])
    log.write(1, data[3:])
    assert log.take() == "größer\n"


def test_flood_is_bounded_and_says_so() -> None:
    log = OutputLog(max_bytes=1000)
    for _ in range(100):
        log.write(1, b"x" * 99 + b"\n")
    text = log.take()
    assert len(text) < 1200
    assert "9000 bytes of output dropped" in text
    log.write(1, b"again\n")
    assert log.take() == "again\n"


def test_endless_line_is_bounded() -> None:
    log = OutputLog(max_bytes=1000)
    for _ in range(100):
        log.write(1, b"x" * 99)
    assert len(log.take()) < 1200
