"""The lab that a run plays against: up and up to date before the first clip."""

from __future__ import annotations

from cloud.switch import Switch
from scripts.aws.account import check_account
from scripts.console import Progress
from scripts.lab.backends import choose_backend
from scripts.lab.deployment import up
from scripts.lab.state import LabState


def bring_up(switch: Switch, progress: Progress) -> str:
    """Bring the lab up, as `make up` does, and say which backend it has. What costs money is not
    made on the way: on AWS `make aws-up` has made it.

    Raises
    ------
    LabError
        When it can't be brought up, or when AWS does not say who we are.
    """
    if switch.is_aws:
        progress(f"playing against {check_account(switch).where}")
        return "aws"
    state = LabState()
    backend = choose_backend(switch, state, progress)
    was = "up" if backend.is_up() else "down"
    with progress.usual("bringing the lab up", f"warm up {backend.name}, was {was}"):
        up(switch, state, backend, progress)
    return backend.name
