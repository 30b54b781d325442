"""Devices for some seconds. `make soak` is the long one."""

import json

from tests.conftest import Lab


def test_two_devices_get_their_own_results_and_leave_nothing(lab: Lab, tmp_path):
    out = tmp_path / "soak.json"
    done = lab.run(
        *("scripts.cli.soak", "--devices", "2", "--seconds", "10", "--out", str(out)),
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(out.read_text())
    assert facts["answered"] == facts["recorded"] == 40
    assert facts["lost"] == facts["foreign"] == facts["shown_twice"] == 0
    assert json.loads(lab.run("scripts.cli.devices", "list", "--json").stdout) == ["lab"]


def test_a_soak_brings_up_a_lab_that_is_down(own_lab: Lab, tmp_path):
    """It once said no more than that nothing answers at the lab's port."""
    out = tmp_path / "soak.json"
    done = own_lab.run(
        *("scripts.cli.soak", "--devices", "1", "--seconds", "2", "--out", str(out)),
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(out.read_text())
    assert (facts["backend"], facts["answered"]) == ("embedded", 4)
