"""Leave the function warm: what it loads takes seconds that no clip has to wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch
from scripts.console import Progress

PATIENCE_S = 60.0


@contextmanager
def warming_up(switch: Switch, progress: Progress) -> Iterator[None]:
    """Warm the function up while something else is done. Not on AWS, which forgets it soon."""
    warming = Thread(target=warm_up, args=(switch, progress), daemon=True)
    if not switch.is_aws:
        warming.start()
    yield
    if not switch.is_aws:
        warming.join()


def warm_up(switch: Switch, progress: Progress) -> None:
    """Invoke the function with an event without clips. Where that fails, the first clip will say
    so, and its retry; the lab is up all the same."""
    client = switch.client("lambda", read_timeout=PATIENCE_S, retries={"total_max_attempts": 1})
    try:
        answer = client.invoke(
            FunctionName=switch.names.function, Payload=json.dumps({"Records": []})
        )
    except (BotoCoreError, ClientError) as error:
        progress(f"warning: the function is not warm: {error}")
        return
    if "FunctionError" in answer:
        said = json.loads(answer["Payload"].read())
        progress(f"warning: the function fails: {said.get('errorMessage', said)}; see `make logs`")
