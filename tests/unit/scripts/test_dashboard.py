"""The dashboard without a lab: who may ask, what is kept, what is found in it."""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from contract.names import Names
from contract.results import Box
from device.sources.fixture import cut_at_key_frames
from device.spans import SpanFile, span_file
from events import clip_ref
from ledger import Claim, Ledger
from recognition import Gallery
from reconcile_event import event_for
from scripts.dashboard import feed as feeds
from scripts.dashboard import people_worker
from scripts.dashboard.cards import FORGOTTEN, LOOKED_UP, card
from scripts.dashboard.door import Door
from scripts.dashboard.history import ClipHistory
from scripts.dashboard.letters import LetterGone, WaitingLetters, read_letter
from scripts.gallery import evidence
from scripts.gallery.local_copies import LocalCopies
from scripts.paths import ROOT
from scripts.traces.device_spans import DeviceSpans
from tests.fakes.dashboard import OWN, PORT, keep
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.results import ADA, ALAN, face
from tests.unit.scripts.test_traces import a_message

# Who may ask


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", "", f"[::2]:{PORT}"],
)
def test_a_name_that_is_not_ours_reads_nothing(host):
    """A page of a name that now points to 127.0.0.1 asks its own server, as the browser sees it."""
    assert Door(PORT).refusal("GET", {"host": host})


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_our_own_names_are_answered(host):
    assert Door(PORT).refusal("GET", {"host": host}) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_reads_nothing_but_may_link_to_us(site):
    door, headers = Door(PORT), {"host": f"127.0.0.1:{PORT}", "sec-fetch-site": site}
    assert door.refusal("GET", {**headers, "sec-fetch-mode": "no-cors"})
    assert door.refusal("GET", {**headers, "sec-fetch-mode": "cors"})
    assert door.refusal("GET", {**headers, "sec-fetch-mode": "navigate"}) is None


def test_a_change_needs_origin_and_token_and_no_foreign_page_has_both():
    door = Door(PORT)
    good = {"host": f"127.0.0.1:{PORT}", "origin": OWN, "x-facelab-token": door.token}
    assert door.refusal("POST", good) is None
    for spoiled in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{PORT}"},  # another origin to the browser
        {"x-facelab-token": "guess"},
        {"x-facelab-token": ""},
        {"sec-fetch-site": "cross-site"},
        {"host": f"evil.example:{PORT}", "origin": f"http://evil.example:{PORT}"},
        {"content-length": "99999999"},
    ):
        assert door.refusal("POST", {**good, **spoiled}), spoiled
    for missing in ("origin", "x-facelab-token", "host"):
        assert door.refusal("POST", {k: v for k, v in good.items() if k != missing}), missing
    assert Door(PORT).refusal("POST", good)  # a token is of one start


# What is kept


def test_ten_thousand_clips_are_kept_small_and_the_oldest_go():
    history = ClipHistory()
    message = a_message("c", face(ADA, ALAN))
    for number in range(10_050):
        keep(history, message.replace('"clip_id":"c"', f'"clip_id":"c{number:06d}"'))
    assert len(history) == 10_000
    assert history.get("c000049") is None
    assert history.newest(1)[0].clip_id == "c010049"
    size = sum(sys.getsizeof(clip) + len(clip.packed) for clip in history.newest(10_000))
    assert size < 20e6
    began = time.process_time()
    assert history.summary()["clips"] == 10_000
    assert time.process_time() - began < 0.3


def test_a_failed_try_does_not_cover_the_answer():
    history = ClipHistory()
    assert keep(history, a_message("c1", face(ADA, ADA)), 5)
    failed = json.loads(a_message("c1", face(ADA, ADA))) | {"status": "failed"}
    assert not keep(history, json.dumps(failed), 9)
    assert history.newest(1)[0].status == "recognized"
    assert not keep(history, a_message("c1", face(ADA, ADA)), 5)  # read twice


def test_names_come_from_the_ledger_and_go_with_the_person():
    history, people = ClipHistory(), {ADA.person_id: ADA, ALAN.person_id: ALAN}
    keep(history, a_message("c1", face(ADA, ALAN)))
    clip = history.newest(1)[0]
    assert card(clip, people)["faces"][0]["custom"]["name"] == LOOKED_UP
    history.name(clip, [ADA.person_id, ALAN.person_id])
    shown = card(clip, people)["faces"][0]
    assert (shown["custom"]["name"], shown["online"]["name"]) == (ADA.name, ALAN.name)
    history.keep_only([ALAN.person_id])
    # Whose the other ordinal was, nobody can tell any more: a wrong name would be worse.
    shown = json.dumps(card(clip, {ALAN.person_id: ALAN}))
    assert ADA.name not in shown
    assert ALAN.name not in shown
    assert FORGOTTEN in shown


def test_a_letter_says_why_it_is_one():
    event = {"Records": [{"s3": {"object": {"key": "clips/lab/d/c.h264"}}}]}
    letter = read_letter("m", json.dumps({
        "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event,
        "responsePayload": {"errorMessage": "no queue"},
    }), "receipt")  # fmt: skip
    assert letter.reason == "RetriesExhausted: no queue"
    assert letter.keys == ("clips/lab/d/c.h264",)
    assert letter.event == event


class LettersOfALab:
    """A lab with one letter in its queue: SQS, Lambda and a switch at once."""

    names = Names()

    def __init__(self, event: dict) -> None:
        self.dynamodb, self.invoked = FakeDynamoDB(), []
        body = json.dumps({"requestPayload": event})
        self.messages = [{"MessageId": "m", "Body": body, "ReceiptHandle": "receipt"}]

    def client(self, service: str) -> object:
        return self.dynamodb if service == "dynamodb" else self

    def get_queue_url(self, **_: object) -> dict:
        return {"QueueUrl": "url"}

    def receive_message(self, **_: object) -> dict:
        return {"Messages": self.messages}

    def delete_message(self, **_: object) -> None:
        self.messages = []

    def invoke(self, Payload: bytes, **_: object) -> None:  # noqa: N803
        assert self.messages == [], "the letter goes first, or it may stand beside the result"
        self.invoked.append(json.loads(Payload))


class TestSendingALetterAgain:
    REF = clip_ref("bucket", "clips/lab/d/c.h264", etag="e1")

    @pytest.fixture
    def lab(self) -> LettersOfALab:
        return LettersOfALab(event_for(self.REF))

    def test_its_clip_may_be_answered_then_and_not_before(self, lab):
        ledger = Ledger(lab.dynamodb, lab.names.ledger_table)
        ledger.give_up(self.REF, "x", 0)
        ledger.note_letter(self.REF, "x")
        assert ledger.claim(self.REF, "r", 30) is Claim.GIVEN_UP
        WaitingLetters(lab).send_again("m")
        assert lab.invoked == [event_for(self.REF)]
        assert ledger.claim(self.REF, "r", 30) is Claim.OURS

    def test_one_whose_clip_was_answered_is_not(self, lab):
        Ledger(lab.dynamodb, lab.names.ledger_table).answered(self.REF, ())
        with pytest.raises(LetterGone):
            WaitingLetters(lab).send_again("m")
        assert lab.invoked == []

    def test_one_that_is_gone_is_told(self, lab):
        with pytest.raises(LetterGone):
            WaitingLetters(lab).send_again("another")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"requestPayload": 5}', "[" * 60_000])
def test_a_letter_that_is_none_is_shown_and_not_sent(body):
    letter = read_letter("m", body, "receipt")
    assert letter.event is None
    assert letter.reason.startswith("not a failed event")


# People


def test_the_nearest_other_person_is_named_and_never_oneself():
    ada, bob = np.eye(2, 128, dtype=np.float32)
    near_ada = ada * 0.9 + bob * 0.1
    gallery = Gallery.of(["ada", "ada", "bob", "eve"], np.stack([ada, ada, bob, near_ada]))
    found = people_worker.facts(gallery)
    assert found["ada"]["nearest"] == "eve"
    assert found["ada"]["embeddings"] == 2
    assert found["bob"]["nearest"] == "eve"
    assert people_worker.facts(Gallery.of(["ada"], ada[None]))["ada"]["nearest"] is None


def test_a_face_is_cut_out_with_its_surroundings_and_stays_inside_the_frame():
    film = (ROOT / "fixtures" / "lab.h264").read_bytes()
    cut = next(iter(cut_at_key_frames(film, 15)))
    data = film[cut.start : cut.end]
    for box in (Box(10, 110, 110, 10), Box(-50, 5000, 5000, -50), Box(0, 0, 0, 0)):
        pictures = list(people_worker.crops(data, box))
        assert pictures
        assert all(picture.image_rgb.size for picture in pictures)
    with pytest.raises(people_worker.NoUsableFace):
        list(people_worker.crops(b"no clip", Box(0, 10, 10, 0)))


def test_evidence_that_names_somebody_goes_when_they_are_forgotten(tmp_path):
    """A clip that was called wrong shows people and names them, outside of the cloud."""
    for row, people in (("a", ["ada-lovelace"]), ("b", ["alan-turing"]), ("c", [])):
        evidence.keep(tmp_path, row, b"a clip", {"people": people})
    evidence.keep(tmp_path, "a", b"a clip", {"people": ["ada-lovelace"]})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "said.json").write_text("{torn")
    copies = LocalCopies(tmp_path / "none", tmp_path / "none", evidence=tmp_path)
    (place,) = copies.evidence_of("ada-lovelace")
    assert (place / "clip.h264").stat().st_mode & 0o777 == 0o600
    assert copies.delete_evidence_of("ada-lovelace") == [place]
    assert not place.exists()
    assert len(copies.evidence_of("alan-turing")) == 1


class Log:
    """A log that takes a line late."""

    names = SimpleNamespace(log_group="group")

    def __init__(self) -> None:
        self.events: list[dict] = []

    def client(self, *_: object, **__: object) -> Log:
        return self

    def get_paginator(self, _: str) -> Log:
        return self

    def paginate(self, startTime: int, **_: object) -> list[dict]:  # noqa: N803  boto3's name
        return [{"events": [one for one in self.events if one["timestamp"] >= startTime]}]

    def take(self, clip_id: str, at_s: float) -> None:
        message = a_message(clip_id, status="no_face")
        event = {"timestamp": int(at_s * 1000), "message": message, "logStreamName": "s"}
        self.events.append(event)


def test_a_lab_whose_day_is_still_being_read_answers(tmp_path):
    """Ten seconds long the page said that the lab does not answer, and to start it."""
    log, now = Log(), time.time()
    spans = DeviceSpans(tmp_path)
    feed = feeds.Feed(log, spans)
    feed.people = SimpleNamespace(
        refresh=lambda: False, in_rows=lambda rows: {}, by_id={}, photos={}
    )
    for number in range(150):  # more than a later look goes through
        log.take(f"c{number}", now)
    printed = SpanFile(span_file(tmp_path, "lab", "messages"), "messages")
    printed.add("c0", "print", now * 1000, 1)
    printed.close()
    told: list[tuple[bool, int]] = []
    feed.listen(lambda: told.append((feed.link.is_up, len(feed.history))))
    assert not feed.link.is_up
    feed.look()
    assert told == [(True, 0)]
    assert feed.history.get("c0").shown_ms  # also of the oldest it is known


def test_a_line_that_the_log_takes_late_is_seen_all_the_same(monkeypatch):
    log, now = Log(), time.time()
    feed = feeds.Feed(log, DeviceSpans(None))
    feed.people = SimpleNamespace(
        refresh=lambda: False, in_rows=lambda rows: {}, by_id={}, photos={}
    )
    log.take("in-time", now)
    assert feed.look()
    log.take("a-minute-late", now - 60)
    feed.look()
    assert len(feed.history) == 1  # not with every look: an idle lab is left alone
    monkeypatch.setattr(feeds.time, "monotonic", lambda real=time.monotonic: real() + 11)
    assert feed.look()
    assert len(feed.history) == 2
