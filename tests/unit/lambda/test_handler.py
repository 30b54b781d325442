"""The entry point itself: what Lambda hands in, and what it is told."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from threading import Event
from types import SimpleNamespace

import pytest

import answering
import stores
from contract.results import Result, Status
from tests.fakes.events import recorded

CONTEXT = SimpleNamespace(aws_request_id="r1", get_remaining_time_in_millis=lambda: 30_000)


class Service:
    """Stands for the answering service: `fates` says what becomes of each clip id."""

    def __init__(self, fates: dict[str, Exception | None]) -> None:
        self.fates = fates
        self.invocations: list[answering.Invocation] = []

    def answer(self, ref, invocation):
        self.invocations.append(invocation)
        fate = self.fates.get(ref.key.clip_id, Status.NO_FACE)
        if isinstance(fate, Exception):
            raise fate
        return fate and Result(ref.key.clip_id, ref.key.device_id, ref.object_key, fate)


@pytest.fixture
def module(monkeypatch):
    """`handler`, imported as Lambda imports it, its clients never called."""
    for name, value in {
        "FACELAB_PREFIX": "facelab",
        "FACELAB_BUCKET": "bucket",
    }.items():
        monkeypatch.setenv(name, value)
    clients = (object(), object(), SimpleNamespace())  # whatever is called on them fails
    monkeypatch.setattr("stores.make_clients", lambda: clients)
    monkeypatch.setattr("recognition.load_recognizer", lambda models_dir: None)
    level = logging.getLogger().level
    yield importlib.import_module("handler")
    logging.getLogger().setLevel(level)
    sys.modules.pop("handler")


@pytest.fixture
def play(module, monkeypatch):
    def play(event, **fates):
        service = Service(fates)
        monkeypatch.setattr(module, "_SERVICE", service)
        return module.handler(event, CONTEXT), service

    return play


def event_of(*clip_ids: str) -> dict:
    (record,) = recorded("s3-put")["Records"]
    records = []
    for clip_id in clip_ids:
        copy = json.loads(json.dumps(record))
        copy["s3"]["object"]["key"] = f"clips/lab/d/{clip_id}.h264"
        records.append(copy)
    return {"Records": records}


def test_a_cloud_that_does_not_answer_during_init_is_no_failure(module):
    """Every call of the warm-up failed; the first clip asks again."""
    assert module.handler({"Records": []}, CONTEXT) == {"answered": [], "skipped": []}


def test_connections_are_made_and_models_loaded_during_init(module, caplog):
    """Here each of the three calls fails, and says so."""
    told = [record.getMessage() for record in caplog.get_records("setup")]
    assert len([one for one in told if one.startswith("not warmed up: ")]) == 3


def test_what_takes_a_moment_is_waited_for_during_init(module):
    done: list[int] = []
    module.warm_up(lambda: (Event().wait(0.2), done.append(1)), lambda: done.append(2))
    assert sorted(done) == [1, 2]


def test_gallery_and_model_are_both_looked_for(module, monkeypatch):
    refreshed: list[str] = []
    monkeypatch.setattr(
        module.Artifact, "__init__", lambda self, *about: setattr(self, "key", about[2])
    )
    monkeypatch.setattr(module.Artifact, "refresh", lambda self: refreshed.append(self.key))
    module.CurrentRecognizer(None, "bucket", None).refresh()
    assert refreshed == [module.GALLERY_KEY, module.CUSTOM_MODEL_KEY]


def test_each_clip_is_a_line_with_what_became_of_it(play, capsys, caplog):
    with caplog.at_level(logging.INFO):
        play(event_of("a"))
    assert "'clips/lab/d/a.h264': no_face, 0 faces, 0 ms" in caplog.text
    (line,) = [one for one in capsys.readouterr().out.splitlines() if '"clips/lab/d/a.h264"' in one]
    assert '"no_face"' in line


def test_a_call_that_hangs_does_not_hold_up_init(module, monkeypatch):
    monkeypatch.setattr(module, "WARM_UP_S", 0.05)
    never, called = Event(), Event()
    began = time.monotonic()
    module.warm_up(called.set, never.wait)
    assert called.is_set()
    assert time.monotonic() - began < 10
    never.set()


def test_every_clip_is_answered_and_summed_up(play):
    summary, _ = play(event_of("a", "b", "c"), b=None)
    assert summary == {
        "answered": [
            {"key": "clips/lab/d/a.h264", "status": "no_face"},
            {"key": "clips/lab/d/c.h264", "status": "no_face"},
        ],
        "skipped": ["clips/lab/d/b.h264"],
    }
    json.dumps(summary)


def test_a_failed_clip_fails_the_event_after_the_others_were_tried(module, play):
    with pytest.raises(stores.StoreError, match="first"):
        play(event_of("a", "b", "c"), a=stores.StoreError("first"), b=stores.StoreError("second"))
    assert len(module._SERVICE.invocations) == 3


def test_a_record_that_cant_be_read_fails_the_event_after_the_others_were_tried(module, play):
    event = event_of("a")
    event["Records"].insert(0, {"eventName": "ObjectCreated:Put"})
    with pytest.raises(module.events.InvalidEvent):
        play(event)
    assert len(module._SERVICE.invocations) == 1


def message(number: int, body: str) -> dict:
    (record,) = recorded("sqs-s3-put")["Records"]
    return {**record, "messageId": f"m{number}", "body": body}


def test_of_a_queue_s_messages_those_that_failed_come_again_and_no_other(play, caplog):
    """One that raised put all of a batch back into the queue, those that were answered too."""
    (test_event,) = recorded("sqs-s3-test-event")["Records"]
    bodies = [
        json.dumps(event_of("a")), json.dumps(event_of("b", "c")), "no event", test_event["body"],
        "[]", json.dumps(event_of("d")),
    ]  # fmt: skip
    messages = [message(number, body) for number, body in enumerate(bodies)]
    summary, service = play({"Records": messages}, b=stores.StoreError("of b"), d=None)
    assert summary == {"batchItemFailures": [{"itemIdentifier": f"m{n}"} for n in (1, 2, 4)]}
    assert len(service.invocations) == 4, "c is tried although b failed"
    assert "message m1 comes again: StoreError('of b')" in caplog.text
    assert [one.cold_start for one in service.invocations] == [True] * 4
    json.dumps(summary)


def test_a_queue_s_messages_that_were_all_answered_come_again_in_no_part(play):
    assert play(recorded("sqs-s3-put"))[0] == {"batchItemFailures": []}


@pytest.mark.parametrize("identifier", [None, 5])
def test_a_message_that_could_not_be_named_fails_the_event(module, play, identifier):
    """An answer without its id would tell Lambda that all went well."""
    bad = {**message(1, json.dumps(event_of("a"))), "messageId": identifier}
    with pytest.raises(stores.StoreError):
        play({"Records": [message(0, "{}"), bad]}, a=stores.StoreError("of a"))


def test_only_the_first_invocation_of_an_environment_is_cold(play):
    _, first = play(event_of("a"))
    _, second = play(event_of("b"))
    assert [one.cold_start for one in first.invocations + second.invocations] == [True, False]
    assert first.invocations[0].remaining_s == 30
    assert 0 < first.invocations[0].init_ms < 60_000
    assert first.invocations[0].request_id == "r1"


def test_a_key_with_a_line_break_forges_no_line_in_the_log(play, caplog):
    with caplog.at_level(logging.INFO):
        play(event_of("a%0AREPORT+RequestId"))
    assert "\\n" in caplog.text
    assert not any("\n" in record.getMessage() for record in caplog.records)
