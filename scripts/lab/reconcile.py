"""Have the reconciler look for clips without an outcome now, not when its schedule comes."""

from __future__ import annotations

import json
from typing import Any

from cloud.switch import Switch
from scripts.errors import LabError

# Longer than an event may be under way: three tries of 30 s, and the waits between them.
AFTER_MINUTES_IN_THE_LAB = 2.0
AFTER_MINUTES_ON_AWS = 20.0
LONGEST_RUN_S = 310


class ReconcilerFailed(LabError):
    """The reconciler ended with an error."""


def reconcile(switch: Switch, after_minutes: float | None = None) -> dict[str, Any]:
    """Send clips again that have no outcome `after_minutes` after they were stored.

    Returns what was done: `clips` looked at, `sent` again, `failed`, `letters` found and
    `letters_taken_back`, and whether the run `is_complete`.

    Raises
    ------
    ReconcilerFailed
    """
    if after_minutes is None:
        after_minutes = AFTER_MINUTES_ON_AWS if switch.is_aws else AFTER_MINUTES_IN_THE_LAB
    client = switch.client(
        "lambda", read_timeout=LONGEST_RUN_S, retries={"total_max_attempts": 1, "mode": "standard"}
    )
    answer = client.invoke(
        FunctionName=switch.names.reconciler,
        Payload=json.dumps({"after_minutes": after_minutes}),
    )
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise ReconcilerFailed(
            f"the reconciler failed: {said.get('errorMessage', said)}",
            f"its log group is {switch.names.reconciler_log_group}",
        )
    return said
