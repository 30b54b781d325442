"""The dashboard's pages and answers without a lab: what is shown of what is kept."""

from __future__ import annotations

import html
import json
import re
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from starlette.testclient import TestClient

from contract.results import Person
from scripts.dashboard import feed as feeds
from scripts.dashboard.app import Dashboard, make_app
from scripts.dashboard.door import Door
from scripts.dashboard.nearest import NearestPeople
from scripts.dashboard.picture import SMALL, FramePicture
from scripts.traces.device_spans import DeviceSpans
from tests.fakes.dashboard import OWN, PORT, keep
from tests.fakes.results import face
from tests.unit.scripts.test_traces import a_message

EVIL = "<script>alert(1)</script>"


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
        return []


class Pictures:
    def picture(self, clip_id: str, key: str, size: bytes) -> FramePicture:
        return FramePicture(640, 480, b"small" if size == SMALL else b"full")


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
    nearest = NearestPeople(lambda: "", dict)
    board = Dashboard(Cloud(), feed, Pictures(), door, Cloud().inventory, nearest)
    return TestClient(make_app(board), base_url=OWN)


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


def test_a_browser_asks_once_for_each_file_and_again_when_it_has_changed(client):
    """Five questions with every page, each of which the page waited for."""
    addresses = re.findall(r'"(/static/[^"]+)"', client.get("/").text)
    assert len(addresses) == 5
    for address in addresses:
        assert "immutable" in client.get(address).headers["cache-control"]
        # Of another version of facelab: what this one has is not that for good.
        assert client.get(f"{address}0").headers["cache-control"] == "no-cache"
    assert client.get("/static/nowhere.js?0").status_code == 404


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


def test_a_list_has_small_pictures_and_a_clips_page_its_whole_one(client):
    """Twelve whole frames stand decoded in a browser's memory while the page shows a third of
    their width. Boxes are in the frame's pixels all the same."""
    for path, wanted in (("/", "small"), ("/clips/c1", "full")):
        address = html.unescape(
            re.findall(r'data-frame="(/frames/c1[^"]*)"', client.get(path).text)[0]
        )
        answer = client.get(address)
        assert answer.text == wanted
        assert answer.headers["x-frame-size"] == "640 480"


def test_a_card_keeps_its_mark_until_it_says_something_else(client, feed, monkeypatch):
    """The page keeps the card, and its picture, while the mark is the same."""
    marks = lambda: re.findall(r'data-mark="([^"]+)"', client.get("/parts/clips").text)  # noqa: E731
    before = marks()
    assert len(set(before)) == 2
    later_s = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later_s)
    assert marks() == before  # an hour older says nothing else
    keep(feed.history, a_message("c1", face(None, None), reason="another"), 9)
    assert len(set(marks()) & set(before)) == 1


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
