"""What the dashboard's Cloud and People views tell beside names and counts."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from scripts.dashboard.history import ClipHistory
from scripts.dashboard.inventory import Inventory
from scripts.dashboard.people import PeopleView
from scripts.gallery.quality import PhotoQuality
from scripts.traces.clip_line import read_clip_line
from tests.fakes.results import ADA
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
    people = PeopleView(SimpleNamespace(people=known), SimpleNamespace(), str)
    (row,) = people.roster(at_once=True)
    assert row["photos"]["least_face_px"] == 90
    assert row["remarks"] == quality.remarks()
    known.photos = {}
    (row,) = people.roster(at_once=True)
    assert (row["photos"], row["remarks"]) == (None, ["three or more recognize better"])


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
