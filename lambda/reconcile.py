"""The reconciler's Lambda entry point: on a schedule, by `make reconcile`, and for what failed.

The function's events that failed in all their attempts come as Lambda sends them to a
destination, or as messages that its queue gave up on; anything else asks for a look at all clips.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import Any

import boto3
from botocore.config import Config

import stores
from contract.names import Names
from failed_events import FailedEvents, failed_event
from ledger import Ledger
from messages import messages_in, try_each
from reconcile_stores import BucketList, FunctionInvoker, LetterQueue
from reconciling import Reconciler
from surroundings import Surroundings, set_log_level

LOG = logging.getLogger()
set_log_level()
AFTER_MINUTES = 20.0
SPARE_MS = 10_000  # for the batch that is under way, and for putting letters back


@dataclass(frozen=True)
class RunningInvocation:
    """The running invocation, as the platform tells of it."""

    context: Any

    @property
    def request_id(self) -> str:
        return str(self.context.aws_request_id)

    def lease_s(self) -> float:
        return float(self.context.get_remaining_time_in_millis()) / 1000

    def has_time(self) -> bool:
        return bool(self.context.get_remaining_time_in_millis() > SPARE_MS)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send clips again that have no outcome `after_minutes` after they were stored; or bring the
    clips of a failed event to theirs.

    Returns what was done, as `reconciling.Summary` or `failed_events.Settled` names it; of a
    queue's messages those that are to come again.

    Raises
    ------
    ValueError
        When `after_minutes` is no number of 0 or more.
    """
    after_minutes = float(event.get("after_minutes", AFTER_MINUTES))
    if not 0 <= after_minutes < float("inf"):
        raise ValueError(f"after_minutes is {after_minutes}, a number of 0 or more is expected")
    told = Surroundings.of_function()
    names = Names(told.prefix)
    s3, dynamodb, sqs = stores.make_clients()
    lambda_client = boto3.client("lambda", config=Config(retries={"mode": "standard"}))
    ledger = Ledger(dynamodb, names.ledger_table)
    letters = LetterQueue(sqs, names.dead_letters)
    sender = FunctionInvoker(lambda_client, names.function)
    turn = RunningInvocation(context)
    failed = FailedEvents(ledger, letters, sender, turn)
    messages = messages_in(event)
    if messages:
        done = try_each(messages, lambda one: failed.settle(failed_event(one)))
    elif "requestPayload" in event:
        done = asdict(failed.settle(event))
    else:
        clips = BucketList(s3, told.bucket)
        reconciler = Reconciler(clips, ledger, letters, sender, turn, now_s=time.time)
        done = asdict(reconciler.run(after_minutes * 60))
    LOG.info("%s", done)
    return done
