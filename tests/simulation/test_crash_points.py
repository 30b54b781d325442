"""Every point of a history at which a program can end: before and after each store call, before
each call to the disk (write, fsync, rename, remove), before and after each print.
And every point of the reconciler, at which it writes a letter, or takes one back.

At each: `kill -9`, a power cut of the device, and either together with the loss of everything
that the cloud holds. (A point before a disk call is also the one after the call before it.)
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.simulation.history import NO_CRASH, Outcome, Plan, run
from tests.simulation.realm import Realm

CLIPS = 2
SEED = 3
# Every so manyth point in `make test`; `make simulate-crashes` and FACELAB_CRASH_STRIDE=1 take all.
STRIDE = int(os.environ.get("FACELAB_CRASH_STRIDE", "1"))
WAYS = [
    pytest.param("kill -9", False, id="kill -9"),
    pytest.param("power cut", False, id="power cut"),
    pytest.param("kill -9", True, id="kill -9, the cloud forgets"),
    pytest.param("power cut", True, id="power cut, the cloud forgets"),
]


@pytest.fixture(scope="module")
def points(realm: Realm) -> list[tuple[str, int]]:
    calm = run(realm, Plan(SEED, frozenset(), clips=CLIPS, crash=NO_CRASH))
    assert calm.violations == []
    found = calm.points
    kinds = {name for name, _ in found}
    for needed in (
        "camera: before fsync",
        "camera: before unlink",
        "camera: after s3.put_object",
        "function: before dynamodb.update_item",
        "function: after sqs.send_message",
        "messages: after sqs.receive_message",
        "messages: before sqs.delete_message_batch",
        "messages: after print messages",
    ):
        assert needed in kinds, sorted(kinds)
    return found


@pytest.mark.parametrize(("how", "lose_cloud"), WAYS)
def test_no_crash_point_loses_or_doubles_a_clip(
    realm: Realm, points: list[tuple[str, int]], how: str, lose_cloud: bool
):
    bad = []
    for point in points[::STRIDE]:
        plan = Plan(SEED, frozenset(), clips=CLIPS, crash=point, how=how, lose_cloud=lose_cloud)
        outcome = run(realm, plan)
        bad += [f"{point}: {text}" for text in outcome.violations]
        assert outcome.faults, f"{point} was not met"
    assert not bad, f"{len(bad)} of {len(points)}:\n" + "\n".join(bad[:20])


# A history with a letter that the schedule takes back; one whose function sends and is killed.
LETTER, SENT = frozenset({"function killed"}), frozenset({"killed after send"})


@pytest.mark.parametrize("faults", [LETTER, SENT], ids=["a letter", "killed after each send"])
@pytest.mark.parametrize("lose_cloud", [False, True], ids=["", "the cloud forgets"])
def test_no_crash_point_of_the_reconciler_leaves_a_letter_beside_a_result(
    realm: Realm, faults: frozenset[str], lose_cloud: bool
):
    plans = (Plan(seed, faults, clips=1, crash=NO_CRASH, look_s=20) for seed in range(200))
    calm = next(one for one in (run(realm, plan) for plan in plans) if is_wanted(one))
    points = [point for point in calm.points if point[0].startswith("reconcile: ")]
    assert len(points) > 10
    bad = []
    for point in points[::STRIDE]:
        outcome = run(realm, replace(calm.plan, crash=point, lose_cloud=lose_cloud))
        bad += [f"{point}: {text}" for text in outcome.violations]
        assert outcome.faults["kill -9"] == 1, f"{point} was not met"
    assert not bad, f"{len(bad)} of {len(points)}:\n" + "\n".join(bad[:20])


def is_wanted(outcome: Outcome) -> bool:
    """Whether the reconciler wrote a letter, took it back, and was not killed by itself."""
    if outcome.plan.faults == SENT:
        return outcome.letters == 0
    names = {name for name, _ in outcome.points}
    taken_back = "reconcile: after sqs.delete_message" in names
    return outcome.letters == 1 and taken_back and not outcome.faults["reconciler killed"]
