"""The lab that is up, as whoever deploys functions sees it."""

from __future__ import annotations

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.images import BundlePublisher, DockerPublisher, FolderPublisher
from scripts.lab.backends import choose_backend
from scripts.lab.state import LabState


def running(switch: Switch, progress: Progress) -> Switch:
    """The switch of a lab that is up.

    Raises
    ------
    LabError
        When it is down.
    """
    if not switch.is_aws and not choose_backend(switch, LabState(), progress).is_up():
        raise LabError("the lab is down", "`make up` starts it")
    return switch


def publisher_here(switch: Switch, progress: Progress) -> FolderPublisher:
    """Makes images for the backend that is up.

    Raises
    ------
    LabError
        When the lab is down.
    """
    if switch.is_aws:
        return DockerPublisher(progress)
    state = LabState()
    backend = choose_backend(running(switch, progress), state, progress)
    if backend.name == "docker":
        return DockerPublisher(progress)
    return BundlePublisher(state.images, progress)
