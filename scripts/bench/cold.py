"""A cold start on purpose: environments of an older configuration answer no more."""

from __future__ import annotations

from typing import Any

from cloud.switch import Switch
from scripts.bench.overhead import RoundTrips
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.warmth import warm_up

TRIES = 4


def cold_start_ms(switch: Switch, clip: bytes, progress: Progress) -> float:
    """From PUT to received message with a function that has to start first; warm again after."""
    client = switch.client("lambda")
    name = switch.names.function
    described = client.get_function_configuration(FunctionName=name).get("Description", "")
    trips = RoundTrips(switch)
    try:
        for number in range(TRIES):
            _describe(client, name, f"{described} (cold start {number})".strip())
            elapsed_ms, result = trips.once(clip, number)
            if result.cold_start:
                return elapsed_ms
    finally:
        _describe(client, name, described)
        warm_up(switch, progress)
    raise LabError("no cold start came about", "`make status` shows the function")


def _describe(client: Any, name: str, text: str) -> None:
    client.update_function_configuration(FunctionName=name, Description=text)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
