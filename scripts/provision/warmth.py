"""Leave the function warm: what it loads takes seconds that no clip has to wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch
from scripts.console import Progress
from scripts.lab.limits import concurrency

PATIENCE_S = 60.0
UNDER_WAY_S = 0.5
# A second clip may come before the first is answered: it should not meet a cold start either.
ENVIRONMENTS = 2


@contextmanager
def warming_up(switch: Switch, progress: Progress) -> Iterator[None]:
    """Warm the function up while something else is done. Not on AWS, which forgets it soon."""
    if switch.is_aws:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(warm_up, switch, progress)
        yield


def warm_up(switch: Switch, progress: Progress) -> None:
    """Have the function's environments started, and wait until they are warm. Where that fails,
    the first clip will say so, and its retry; the lab is up all the same."""
    for warning in dict.fromkeys(filter(None, _invoke_all(switch, PATIENCE_S))):
        progress(f"warning: {warning}")


def begin_to_warm_up(switch: Switch) -> None:
    """The same without the waiting: what an invocation has started goes on without its caller."""
    _invoke_all(switch, UNDER_WAY_S)


def _invoke_all(switch: Switch, patience_s: float) -> list[str]:
    """Invoke the function with events without clips, as many at once as there are environments
    to start; what is wrong with each, if anything."""
    client = switch.client("lambda", read_timeout=patience_s, retries={"total_max_attempts": 1})
    count = min(ENVIRONMENTS, concurrency())

    def invoke(_: int) -> str:
        try:
            answer = client.invoke(
                FunctionName=switch.names.function, Payload=json.dumps({"Records": []})
            )
        except client.exceptions.TooManyRequestsException:
            return ""  # all that may run do: they are warm
        except (BotoCoreError, ClientError) as error:
            return f"the function is not warm: {error}"
        if "FunctionError" not in answer:
            return ""
        said = json.loads(answer["Payload"].read())
        return f"the function fails: {said.get('errorMessage', said)}; see `make logs`"

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(invoke, range(count)))
