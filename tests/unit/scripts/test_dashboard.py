"""The dashboard without a lab: who may ask, what is kept, what is shown of it."""

from __future__ import annotations

import html
import json
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from botocore.exceptions import ClientError
from starlette.testclient import TestClient

from contract.names import Names
from contract.results import Box, Person
from device.sources.fixture import cut_at_key_frames
from events import clip_ref
from ledger import Claim, Ledger
from recognition import Gallery
from scripts.dashboard import feed as feeds
from scripts.dashboard import people_worker
from scripts.dashboard.app import make_app
from scripts.dashboard.cards import FORGOTTEN, card
from scripts.dashboard.door import Door
from scripts.dashboard.history import ClipHistory
from scripts.dashboard.letters import LetterGone, WaitingLetters, read_letter
from scripts.gallery import evidence
from scripts.gallery.local_copies import LocalCopies
from scripts.paths import ROOT
from scripts.traces.clip_line import read_clip_line
from scripts.traces.device_spans import DeviceSpans
from sent_again import event_for
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.results import ADA, ALAN, face
from tests.unit.scripts.test_traces import a_message

PORT = 8646
OWN = f"http://127.0.0.1:{PORT}"
EVIL = "<script>alert(1)</script>"


def keep(history: ClipHistory, message: str, logged_ms: int = 1) -> bool:
    line = read_clip_line(message, logged_ms, "stream")
    assert line is not None
    return history.add(message, line)


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
    assert card(clip, people)["faces"][0]["custom"]["name"] == FORGOTTEN  # not known yet
    clip.person_ids = (ADA.person_id, ALAN.person_id)
    shown = card(clip, people)["faces"][0]
    assert (shown["custom"]["name"], shown["online"]["name"]) == (ADA.name, ALAN.name)
    history.keep_only([ALAN.person_id])
    # Whose the other ordinal was, nobody can tell any more: a wrong name would be worse.
    shown = json.dumps(card(clip, {ALAN.person_id: ALAN}))
    assert ADA.name not in shown
    assert ALAN.name not in shown


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


# What is shown


class Cloud:
    """No cloud: whatever is asked for is not there."""

    endpoint_url, is_aws = "http://127.0.0.1:1", False
    names = SimpleNamespace(prefix="facelab", log_group="group", result_queues="r-")

    def client(self, *_: object, **__: object) -> Cloud:
        return self

    def get_paginator(self, _: str) -> Cloud:
        return self

    def paginate(self, **_: object) -> list[dict]:
        return []

    bucket = "bucket"

    def inventory(self, what: str) -> object:
        return "" if what == "gallery" else []


class Pictures:
    def jpeg(self, clip_id: str, key: str) -> bytes:
        return b"\xff\xd8 a picture"


@pytest.fixture
def door() -> Door:
    return Door(PORT)


@pytest.fixture
def feed() -> feeds.Feed:
    feed = feeds.Feed(Cloud(), DeviceSpans(None))
    feed.people = SimpleNamespace(
        by_id={"evil": Person("evil", EVIL, "", "")}, photos={}, expire=lambda: None
    )
    feed.link = feeds.CloudLink(True)
    keep(feed.history, a_message("c1", face(Person("evil", EVIL, "", ""), None), reason=EVIL))
    keep(feed.history, a_message(f"{EVIL} c2", status="no_face"), 2)
    for clip in feed.history.unnamed():
        feed.history.name(clip, ["evil"])
    return feed


@pytest.fixture
def client(feed, door) -> TestClient:
    app = make_app(Cloud(), feed, Pictures(), door, Cloud().inventory)
    return TestClient(app, base_url=OWN)


@pytest.mark.parametrize(
    "path", ["/", "/parts/clips", "/parts/head", "/clips/c1", "/clips/%3Cscript%3Ealert(1)"]
)
def test_what_strangers_wrote_is_text_on_the_page(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("clip_id", ["a b+c", "ünï 王", "a?b#c&d=e", "100%", "'\"><b>", "x" * 900])
def test_a_clip_that_somebody_dropped_by_hand_has_its_page(client, feed, clip_id):
    """Its name is whatever a file's name can be."""
    keep(feed.history, a_message(clip_id, status="no_face"), 9)
    link = html.unescape(re.findall(r'href="(/clips/[^"]+)"', client.get("/").text)[0])
    assert html.escape(clip_id) in client.get(link).text.replace("&#34;", "&quot;").replace(
        "&#39;", "&#x27;"
    )
    assert client.get(link.replace("/clips/", "/api/clips/")).json()["clip_id"] == clip_id


def test_no_page_asks_anything_of_another_machine(client):
    for path in ("/", "/clips/c1", "/static/page.css", "/static/page.js", "/static/uPlot.min.css"):
        text = client.get(path).text
        for scheme in ("https://", "//cdn", "@import"):
            assert scheme not in text.replace("http://127.0.0.1:1", ""), (path, scheme)


def test_programs_read_clips_people_and_a_clips_waterfall(client):
    clips = client.get("/api/clips?limit=1").json()
    assert len(clips["clips"]) == 1
    assert clips["summary"]["clips"] == 2
    assert clips["summary"]["people"] == {"evil": 1}
    life = client.get("/api/clips/c1").json()
    assert {"start_ms", "duration_ms", "name"} <= life["spans"][0].keys()
    assert client.get("/api/people").json()["people"][0]["name"] == EVIL
    assert client.get("/healthz").json() == {"status": "ok", "cloud": "up", "why": "", "clips": 2}


@pytest.mark.parametrize("limit", ["0", "-1", "x", "10001", "9" * 30])
def test_a_limit_that_is_none_is_refused(client, limit):
    assert client.get(f"/api/clips?limit={limit}").status_code == 400


def test_a_clip_that_nobody_knows_is_not_found(client):
    assert client.get("/api/clips/nowhere").status_code == 404
    assert client.get("/frames/nowhere").status_code == 404
    assert client.get("/frames/..%2F..%2Fsecret").status_code == 404


def test_the_door_stands_before_every_route(client, door):
    foreign = {"host": f"evil.example:{PORT}"}
    for path in ("/", "/api/clips", "/frames/c1", "/events", "/static/page.js", "/healthz"):
        assert client.get(path, headers=foreign).status_code == 403
    forged = {"origin": "http://evil.example", "x-facelab-token": door.token}
    assert client.post("/clips/c1/replay", headers=forged).status_code == 403
    assert client.post("/letters/1/redrive").status_code == 403


def test_a_cloud_that_ends_is_told_and_the_rest_of_the_page_stays(client, feed):
    feed._lost(ConnectionError("refused"))
    page = client.get("/").text
    assert "The lab does not answer (refused)" in page
    assert "Latest clips" in page
    assert client.get("/healthz").json()["cloud"] == "down"


def test_names_stay_on_the_page_while_the_cloud_is_away(client, feed):
    """Who is known was let go with the connection: everybody was "somebody who was forgotten"."""
    before = client.get("/api/clips").json()["clips"]
    feed._lost(ConnectionError("refused"))
    after = client.get("/api/clips").json()["clips"]
    assert [one["faces"] for one in after] == [one["faces"] for one in before]
    assert EVIL in json.dumps(after)


def test_a_cloud_with_other_keys_is_asked_by_other_clients():
    refusals = []
    feed = feeds.Feed(Cloud(), DeviceSpans(None), refused=lambda: refusals.append(1))
    feed._lost(ConnectionError("nobody there"))
    assert refusals == []
    feed._lost(ClientError({"Error": {"Code": "InvalidClientTokenId"}}, "FilterLogEvents"))
    assert refusals == [1]
