"""What the dashboard's Cloud and People views tell beside names and counts."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from scripts.dashboard.around import Around
from scripts.dashboard.people import PeopleView
from scripts.gallery.quality import PhotoQuality
from tests.fakes.results import ADA


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
    assert Around(told(), SimpleNamespace())._environments("f") == shown


def test_how_good_somebodys_pictures_were_stands_beside_them():
    quality = PhotoQuality(1, 90, 200.0)
    known = SimpleNamespace(by_id={"ada-lovelace": ADA}, photos={"ada-lovelace": quality})
    people = PeopleView(SimpleNamespace(), SimpleNamespace(people=known), SimpleNamespace())
    (row,) = people.roster(at_once=True)
    assert row["photos"]["least_face_px"] == 90
    assert row["remarks"] == quality.remarks()
    known.photos = {}
    (row,) = people.roster(at_once=True)
    assert (row["photos"], row["remarks"]) == (None, ["three or more recognize better"])
