"""The lab in an account, whole: made or brought up to date, and deleted."""

from __future__ import annotations

import time

from cloud.switch import Switch
from scripts.aws.inventory import Resource, inventory
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.deployment import deploy
from scripts.provision.people import Seeds
from scripts.provision.publishers import Publisher
from scripts.provision.teardown import delete

# A deleted queue is listed for up to a minute.
GONE_WITHIN_S = 90


class StillThere(LabError):
    """Something of the lab was not deleted."""


def bring_up(switch: Switch, publisher: Publisher, seeds: Seeds, progress: Progress) -> str:
    """Create the lab or bring it up to date; the image that it runs.

    What an earlier, interrupted run left is taken up.

    Raises
    ------
    LabError
    """
    image = publisher.publish(switch, progress)
    deploy(switch, image, progress, seeds)
    return image.uri


def take_down(switch: Switch, progress: Progress) -> None:
    """Delete everything, and look whether it is gone.

    Raises
    ------
    StillThere
        With what is left, should anything be.
    """
    delete(switch, progress)
    left = _left(switch)
    if left:
        rows = ", ".join(f"{one.kind} {one.name} ({one.state})" for one in left)
        raise StillThere(f"not deleted: {rows}", "`make aws-down` tries again")


def _left(switch: Switch) -> list[Resource]:
    deadline = time.monotonic() + GONE_WITHIN_S
    while (left := inventory(switch)) and time.monotonic() < deadline:
        if any(one.kind != "queue" for one in left):
            break
        time.sleep(2)  # between polls of a condition, with a deadline
    return left
