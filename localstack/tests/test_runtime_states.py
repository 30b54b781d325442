"""The stations of the Runtime API without its HTTP side: states, bodies, output, to their edges."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest

from localstack_image_functions.runtime.api import (
    MAX_RESPONSE_BYTES,
    Answer,
    Invocation,
    Refusal,
    RuntimeApi,
    RuntimeState,
    deadline_in,
    error_answer,
)
from localstack_image_functions.runtime.body import MAX_LINE_BYTES, BodyRefused, read_body
from localstack_image_functions.runtime.logs import OutputLog

WAIT_S = 20.0
FIRST, SECOND = (Invocation(f"r{number}", b"{}", 0, "arn") for number in (1, 2))


@pytest.fixture
def api() -> RuntimeApi:
    return RuntimeApi()


def running(api: RuntimeApi, invocation: Invocation = FIRST) -> None:
    api.send(invocation)
    assert api.next_invocation() is invocation


class TestStates:
    def test_a_poll_makes_it_ready_and_an_event_makes_it_run(self, api):
        assert api.state is RuntimeState.INITIALIZING
        with ThreadPoolExecutor(1) as pool:
            poll = pool.submit(api.next_invocation)
            assert api.wait_for([RuntimeState.READY], WAIT_S) is RuntimeState.READY
            api.send(FIRST)
            assert poll.result(WAIT_S) is FIRST
        assert api.state is RuntimeState.RUNNING
        assert api.answer("r1", Answer(b"1", is_error=False)) is None
        assert api.state is RuntimeState.ANSWERED
        assert api.wait_for_answer(WAIT_S) == Answer(b"1", is_error=False)

    def test_to_wait_for_a_state_ends_with_the_time(self, api):
        assert api.wait_for([RuntimeState.READY], 0.01) is None
        api.send(FIRST)
        assert api.wait_for_answer(0.01) is None

    def test_the_answer_before_is_not_that_of_the_next_event(self, api):
        running(api)
        api.answer("r1", Answer(b"1", is_error=False))
        api.send(SECOND)
        assert api.wait_for_answer(0.01) is None

    @pytest.mark.parametrize("end", ["gone", "init failed"])
    def test_whoever_polls_an_environment_that_is_over_is_hung_up_on(self, api, end):
        if end == "gone":
            api.runtime_gone()
        else:
            assert api.fail_init(error_answer("E", "m")) is None
            assert json.loads(api.init_error.payload) == {"errorType": "E", "errorMessage": "m"}
        assert api.next_invocation() is None

    @pytest.mark.parametrize(
        ("ends", "state"),
        [
            (RuntimeApi.runtime_gone, RuntimeState.GONE),
            (RuntimeApi.next_invocation, RuntimeState.READY),
        ],
    )
    def test_a_waiting_poll_ends_with_the_runtime_or_a_newer_one(self, api, ends, state):
        first = ThreadPoolExecutor(1).submit(api.next_invocation)
        assert api.wait_for([RuntimeState.READY], WAIT_S)
        threading.Thread(target=ends, args=(api,), daemon=True).start()
        assert first.result(WAIT_S) is None
        assert api.state is state
        api.runtime_gone()

    def test_who_asks_while_an_event_runs_is_refused(self, api):
        running(api)
        refusal = api.next_invocation()
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.error_type) == (403, "InvalidStateTransition")

    def test_an_event_that_was_not_delivered_is_the_next_polls(self, api):
        running(api)
        api.not_delivered(SECOND)  # not the one that runs
        assert api.state is RuntimeState.RUNNING
        api.not_delivered(FIRST)
        assert api.state is RuntimeState.ANSWERED
        assert api.next_invocation() is FIRST

    def test_one_that_was_answered_is_not_run_again_when_its_connection_breaks(self, api):
        running(api)
        api.answer("r1", Answer(b"1", is_error=False))
        api.not_delivered(FIRST)
        api.send(SECOND)
        assert api.next_invocation() is SECOND

    @pytest.mark.parametrize("late", ["another id", "abandoned", "twice", "never sent"])
    def test_an_answer_to_nothing_that_runs_is_refused(self, api, late):
        if late != "never sent":
            running(api)
        if late == "abandoned":
            api.abandon()
        if late == "twice":
            api.answer("r1", Answer(b"1", is_error=False))
        refusal = api.answer("r2" if late == "another id" else "r1", Answer(b"2", is_error=False))
        assert (refusal.status, refusal.error_type) == (400, "InvalidRequestID")
        answer = api.wait_for_answer(0)
        assert (answer and answer.payload) == (b"1" if late == "twice" else None)

    def test_an_abandoned_event_is_not_handed_out_either(self, api):
        api.send(FIRST)
        api.abandon()
        api.send(SECOND)
        assert api.next_invocation() is SECOND

    @pytest.mark.parametrize(("over", "is_taken"), [(0, True), (1, False)])
    def test_a_response_is_taken_up_to_the_limit(self, api, over, is_taken):
        running(api)
        refusal = api.answer("r1", Answer(b"x" * (MAX_RESPONSE_BYTES + over), is_error=False))
        assert (refusal is None) == is_taken
        answer = api.wait_for_answer(0)
        assert answer.is_error != is_taken
        if not is_taken:
            assert refusal.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            assert answer.error_type == "Function.ResponseSizeTooLarge"
        assert api.state is RuntimeState.ANSWERED

    def test_init_fails_once_and_only_before_the_first_poll(self, api):
        running(api)
        assert api.fail_init(error_answer("E", "m")).error_type == "InvalidStateTransition"
        assert api.init_error is None

    @pytest.mark.parametrize(
        ("step", "state"),
        [
            (lambda api: api.runtime_gone(), RuntimeState.GONE),
            (lambda api: api.fail_init(error_answer("E", "m")), RuntimeState.INIT_FAILED),
        ],
    )
    def test_whoever_waits_for_the_end_is_woken(
        self, api, step: Callable[[RuntimeApi], object], state
    ):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(api.wait_for, [state], WAIT_S)
            step(api)
            assert waiting.result(WAIT_S) is state

    def test_a_deadline_is_that_many_milliseconds_from_now(self):
        before = time.time() * 1000
        assert before + 2999 <= deadline_in(3) <= time.time() * 1000 + 3000


def sized(body: bytes, length: object, most: int = 100) -> bytes:
    return read_body(io.BytesIO(body), {"Content-Length": str(length)}, most)


def chunked(body: bytes, most: int = 100) -> bytes:
    return read_body(io.BytesIO(body), {"Transfer-Encoding": "Chunked"}, most)


FIFTY = b"32\r\n" + b"x" * 50 + b"\r\n"


class TestBodies:
    def test_a_body_is_what_its_head_announces(self):
        assert sized(b"abcdef", 3) == b"abc"
        assert read_body(io.BytesIO(b"abc"), {}, 100) == b""
        assert sized(b"", "") == b""

    def test_chunks_are_put_together_and_trailers_passed_over(self):
        stream = io.BytesIO(b"3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\nnext")
        read = read_body(stream, {"Transfer-Encoding": "gzip, chunked"}, 100)
        assert read == b"abc0123456789"
        assert stream.read() == b"next"

    @pytest.mark.parametrize(
        ("read", "is_taken"),
        [
            (lambda: sized(b"x" * 100, 100), True),
            (lambda: sized(b"x" * 101, 101), False),
            (lambda: chunked(FIFTY + FIFTY + b"0\r\n\r\n"), True),
            (lambda: chunked(FIFTY + FIFTY + b"1\r\nx\r\n0\r\n\r\n"), False),
        ],
    )  # fmt: skip
    def test_as_many_bytes_as_allowed_and_not_one_more(self, read, is_taken):
        if is_taken:
            assert len(read()) == 100
            return
        with pytest.raises(BodyRefused, match=r"\Athe body is too large\Z") as raised:
            read()
        assert raised.value.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    @pytest.mark.parametrize(
        "read",
        [
            lambda: sized(b"abc", 4),
            lambda: sized(b"abc", "-3"),
            lambda: sized(b"abc", "three"),
            lambda: chunked(b"3\r\nab"),
            lambda: chunked(b"3\r\nabc"),
            lambda: chunked(b"\r\nabc\r\n"),
            lambda: chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
            lambda: chunked(b"xyz\r\nabc\r\n0\r\n\r\n"),
            lambda: chunked(b"0\r\n"),
            lambda: chunked(b"0" * MAX_LINE_BYTES + b"\r\n"),
        ],
    )
    def test_a_body_that_is_framed_wrongly_or_ends_early_is_refused(self, read):
        with pytest.raises(BodyRefused) as raised:
            read()
        assert raised.value.status is HTTPStatus.BAD_REQUEST


class TestOutput:
    def test_lines_of_two_streams_are_never_mixed(self):
        log = OutputLog()
        log.write(1, b"one ")
        log.write(2, b"error\nno")
        log.write(1, b"line\nun")
        assert log.take() == "error\none line\nno\nun\n"
        assert log.take() == ""

    def test_a_line_is_kept_until_it_ends_and_is_not_said_twice(self):
        log = OutputLog()
        log.write(1, b"half")
        assert log.take() == "half\n"
        log.write(1, b"whole\n")
        assert log.take() == "whole\n"

    def test_as_much_as_there_is_room_for_is_kept_and_the_rest_is_counted(self):
        log = OutputLog(max_bytes=10)
        log.write(1, b"123456789\n")
        log.write(1, b"ab\n")
        log.write(1, b"c\n")
        assert log.take() == "123456789\n[5 bytes of output dropped here]\n"
        log.write(1, b"d\n")
        assert log.take() == "d\n"

    def test_a_line_without_an_end_does_not_fill_memory(self):
        log = OutputLog(max_bytes=10)
        log.write(1, b"x" * 10)
        log.write(1, b"\n")
        log.write(2, b"y" * 11)
        log.write(2, b"z\n")
        assert log.take() == "z\n[23 bytes of output dropped here]\n"

    def test_bytes_that_are_no_text_are_shown_as_such(self):
        log = OutputLog()
        log.write(1, b"\xff\n")
        assert log.take() == "\ufffd\n"
