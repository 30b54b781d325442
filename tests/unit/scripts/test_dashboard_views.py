"""What the dashboard's Cloud and People views tell beside names and counts."""

from __future__ import annotations

import json
import time
from threading import Event
from types import SimpleNamespace

import pytest

from scripts.dashboard.history import LOOKED_THROUGH, ClipHistory, Kept
from scripts.dashboard.inventory import Inventory
from scripts.dashboard.nearest import NearestPeople
from scripts.dashboard.people import PeopleView
from scripts.dashboard.worker import NoAnswer
from scripts.gallery.quality import PhotoQuality
from scripts.traces.clip_line import read_clip_line
from tests.fakes.results import ADA, ALAN, face
from tests.unit.scripts.test_traces import a_message


class Told:
    """CloudWatch and its logs, as far as they tell of a function's environments."""

    class exceptions:  # noqa: N801  boto3's name
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, *last_s_ago: float, busy: tuple[float, ...] = ()) -> None:
        now_ms = time.time() * 1000
        self._streams = [{"lastEventTimestamp": now_ms - 1000 * one} for one in last_s_ago]
        self._busy = list(busy)

    def client(self, service, **_):
        return self

    def describe_log_streams(self, logGroupName, **_):  # noqa: N803  boto3's name
        if not self._streams:
            raise self.exceptions.ResourceNotFoundException
        return {"logStreams": self._streams}

    def get_metric_data(self, **_):
        return {"MetricDataResults": [{"Id": "busy", "Values": self._busy}]}


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        # Made when the test runs: they say how many seconds ago from then.
        (lambda: Told(2, 30, 4_000, busy=(2.0,)), "2 environments warm, 2 busy"),
        (lambda: Told(4_000), "0 environments warm, 0 busy"),
        (Told, "0 environments warm, 0 busy"),
    ],
)
def test_environments_are_those_that_spoke_lately(told, shown):
    assert Inventory(told())._environments("f") == shown


def test_how_good_somebodys_pictures_were_stands_beside_them():
    quality = PhotoQuality(1, 90, 200.0)
    known = SimpleNamespace(by_id={"ada-lovelace": ADA}, photos={"ada-lovelace": quality})
    nearest = NearestPeople(str, dict)
    people = PeopleView(SimpleNamespace(people=known), SimpleNamespace(), nearest)
    facts = {"ada-lovelace": {"embeddings": 1, "nearest": None, "distance": None}}
    (row,) = people.roster(facts)
    assert row["photos"]["least_face_px"] == 90
    assert row["remarks"] == quality.remarks()
    known.photos = {}
    (row,) = people.roster(facts)
    assert (row["photos"], row["remarks"]) == (None, ["three or more recognize better"])
    (row,) = people.roster({})  # how many pictures there are is not known yet
    assert (row["embeddings"], row["remarks"]) == (None, [])


def test_no_page_waits_for_the_gallery():
    """Who is like whom takes a process of its own and seconds: the page of people stood still."""
    ended, told = Event(), Event()
    known = SimpleNamespace(by_id={"ada-lovelace": ADA}, photos={})
    facts = {"ada-lovelace": {"embeddings": 2, "nearest": None, "distance": None}}
    compared = []

    def compare() -> dict:
        compared.append(1)
        assert ended.wait(20)
        return facts

    nearest = NearestPeople(lambda: "etag", compare, told.set)
    people = PeopleView(
        SimpleNamespace(people=known, history=ClipHistory()), SimpleNamespace(), nearest
    )
    for _ in range(5):
        assert people.all()["people"][0]["embeddings"] is None
    ended.set()
    assert told.wait(20)
    assert people.all()["people"][0]["embeddings"] == 2
    assert nearest.ask() == facts
    assert len(compared) == 1  # however many looked


def test_a_page_says_why_it_does_not_know_who_is_like_whom():
    told, answers = Event(), [NoAnswer("the lab is full"), "etag"]

    def gallery() -> str:
        answer = answers.pop(0)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    nearest = NearestPeople(gallery, dict, told.set)
    nearest.ask_soon()
    assert told.wait(20)
    assert nearest.problem == "the lab is full"
    told.clear()
    nearest.ask_soon()
    assert told.wait(20)
    assert (nearest.problem, nearest.known) == ("", {})


def test_counts_are_those_of_the_clips_that_are_kept():
    """They are kept up with each clip: of what goes, comes again or is forgotten none may stay."""
    history, ids = ClipHistory(most=4), (ADA.person_id, ALAN.person_id)

    def keep(number: int, status: str, logged_ms: int) -> None:
        message = a_message(f"c{number}", face(ADA, ALAN), status=status)
        line = read_clip_line(message, logged_ms)
        assert line is not None
        history.add(message, line)

    def counted(people: dict[str, int], **statuses: int) -> None:
        told = history.summary()
        assert (told["people"], told["statuses"]) == (people, statuses)
        assert told["devices"] == {"lab": sum(statuses.values())}

    for number in range(6):
        keep(number, "recognized" if number % 2 else "unknown", 1)
    counted({}, unknown=2, recognized=2)
    named = history.newest(4)
    for clip in named:
        history.name(clip, ids)
    counted(dict.fromkeys(ids, 4), unknown=2, recognized=2)
    keep(5, "unknown", 2)  # answered once more: who is in it is to be asked for again
    counted(dict.fromkeys(ids, 3), unknown=3, recognized=1)
    history.name(named[0], ids)  # the answer before that
    counted(dict.fromkeys(ids, 3), unknown=3, recognized=1)
    keep(6, "unknown", 3)
    counted(dict.fromkeys(ids, 2), unknown=3, recognized=1)
    history.keep_only([ADA.person_id])
    counted({ADA.person_id: 2}, unknown=3, recognized=1)
    assert [clip.clip_id for clip, _ in history.with_faces()] == ["c6", "c5", "c4", "c3"]


def test_where_the_models_differ_is_counted_without_unpacking_a_clip(monkeypatch):
    history, people = ClipHistory(), {one.person_id: one for one in (ADA, ALAN)}
    for number in range(LOOKED_THROUGH + 5):
        message = a_message(f"c{number}", face(ADA, ALAN), face(ADA, ADA))
        line = read_clip_line(message, number)
        assert line is not None
        history.add(message, line)
    for clip in history.unnamed():
        history.name(clip, people)
    monkeypatch.setattr(Kept, "line", None)
    feed = SimpleNamespace(people=SimpleNamespace(by_id=people), history=history)
    view = PeopleView(feed, SimpleNamespace(), NearestPeople(str, dict))
    assert view.confusion() == [(ADA.name, ALAN.name, LOOKED_THROUGH)]


def test_the_slowest_clips_and_those_that_failed_are_one_click_away():
    """Among thousands only the newest dozen could be opened from the page."""
    history = ClipHistory()
    for number in range(300):
        fields = json.loads(a_message(f"c{number}", status="no_face"))
        end_ms = fields["spans"][0]["start_ms"]
        fields["capture_end_ms"] = end_ms - (9_000 if number in (7, 250) else 100)
        fields["status"] = "rejected" if number == 260 else "no_face"
        history.add(message := json.dumps(fields), read_clip_line(message, number))
    found = history.striking(most=1)
    assert [one.clip_id for one in found["slowest"]] == ["c250"]  # c7 is not of late
    assert [one.clip_id for one in found["failed"]] == ["c260"]
