"""A device's resources carry its id, and an id that is none reaches no name."""

from __future__ import annotations

import pytest

from contract.clips import InvalidDeviceId
from contract.names import Names


def test_a_devices_queue_is_found_by_the_beginning_that_all_share():
    names = Names("lab7")
    assert names.result_queue("pi-01") == "lab7-results-pi-01"
    assert names.result_queue("pi-01").startswith(names.result_queues)
    assert names.device_stack("pi-01") == "lab7-device-pi-01"


@pytest.mark.parametrize("name", ["result_queue", "device_stack"])
def test_no_name_is_made_of_what_is_no_device(name):
    with pytest.raises(InvalidDeviceId):
        getattr(Names(), name)("../lab")


def test_two_labs_share_no_name():
    own, other = Names("a"), Names("b")
    properties = [name for name, kind in vars(Names).items() if isinstance(kind, property)]
    assert len(properties) > 5
    assert not [name for name in properties if getattr(own, name) == getattr(other, name)]
    assert own.bucket("1", "eu") == "a-1-eu"
