"""A queue's messages in an event: each is tried by itself, and those that failed are named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

LOG = logging.getLogger(__name__)


def messages_in(event: Any) -> list[Mapping[str, Any]]:
    """The messages that SQS hands over in `event`; none where it is anything else."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if isinstance(records, list) and all(_is_message(record) for record in records):
        return records
    return []


def try_each(
    messages: list[Mapping[str, Any]], attempt: Callable[[Mapping[str, Any]], object]
) -> dict[str, Any]:
    """What Lambda is told of them: those that failed stay in the queue and come again, when it no
    longer hides them; the others it deletes. Nothing that `attempt` raises is raised here."""
    failed = []
    for message in messages:
        try:
            attempt(message)
        except Exception as error:
            LOG.warning("message %s comes again: %r", message["messageId"], error)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def _is_message(record: Any) -> bool:
    return (
        isinstance(record, Mapping)
        and record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("messageId"), str)
    )
