"""Asks the cloud for what the server has no clients for, in a process of its own.

A question is a name of `QUESTIONS`, its answer JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import read_switch
from scripts.cloud_errors import explain
from scripts.dashboard.clients import SharedClients
from scripts.dashboard.inventory import Inventory
from scripts.dashboard.worker import serve

QUESTIONS: dict[str, Callable[[Inventory], Any]] = {
    "cloud": Inventory.cloud,
    "functions": Inventory.functions,
    "gallery": Inventory.gallery,
}


def main() -> None:
    inventory = Inventory(SharedClients.of(read_switch()))
    serve(lambda question: json.dumps(QUESTIONS[question.decode()](inventory)).encode(), told)


def told(error: Exception) -> str | None:
    """What the cloud refuses, in words."""
    return str(explain(error)) if isinstance(error, BotoCoreError | ClientError) else None


if __name__ == "__main__":
    main()
