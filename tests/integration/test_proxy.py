"""A lab in an office: a proxy stands in the environment, and nothing of the lab asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab, free_port
from tests.fakes.blackhole import BlackHole
from tests.fakes.programs import Program


@pytest.fixture
def proxy() -> Iterator[BlackHole]:
    with BlackHole() as proxy:
        yield proxy


def test_whole_loop_comes_up_and_answers_past_a_proxy(proxy: BlackHole, tmp_path: Path):
    lab = Lab(tmp_path / "state", free_port(), proxy.environment)
    try:
        lab.up()
        environment = {key: value for key, value in lab.env.items() if key != "PYTHONPATH"}
        spool = ("--device", "lab", "--spool", tmp_path / "spool")
        with (
            Program("device.messages", *spool, environment=environment) as viewer,
            Program("device.camera", *spool, "--count", 1, environment=environment),
        ):
            viewer.wait_for("result")
        assert lab.run("scripts.cli.people", "roster").stdout
        assert lab.run("scripts.cli.lab", "status").stdout
    finally:
        lab.down()
    assert proxy.asked == []


def test_function_whose_configuration_names_a_proxy_still_reaches_the_lab(
    proxy: BlackHole, own_lab: Lab
):
    own_lab.up()
    function = own_lab.switch.names.function
    client = own_lab.switch.client("lambda")
    own = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=function, Environment={"Variables": own | proxy.environment}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    spool = ("--device", "lab", "--spool", own_lab.state / "spool")
    environment = {"FACELAB_PORT": str(own_lab.port)}
    with (
        Program("device.messages", *spool, environment=environment) as viewer,
        Program("device.camera", *spool, "--count", 1, environment=environment),
    ):
        viewer.wait_for("result")
    assert proxy.asked == []
