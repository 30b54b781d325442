"""The reconciler's Lambda entry point: on a schedule, or by `make reconcile`."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict
from typing import Any

import boto3
from botocore.config import Config

import stores
from contract.names import Names
from reconcile_stores import BucketList, FunctionInvoker, LedgerTable, LetterQueue
from reconciling import Reconciler

LOG = logging.getLogger()
LOG.setLevel(os.environ.get("FACELAB_LOG_LEVEL", "INFO"))
logging.getLogger("botocore").setLevel("WARNING")
AFTER_MINUTES = 20.0
SPARE_MS = 10_000  # for the batch that is under way, and for putting letters back


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send clips again that have no outcome `after_minutes` after they were stored.

    Returns what was done, as `reconciling.Summary` names it.

    Raises
    ------
    ValueError
        When `after_minutes` is no number of 0 or more.
    """
    after_minutes = float(event.get("after_minutes", AFTER_MINUTES))
    if not 0 <= after_minutes < float("inf"):
        raise ValueError(f"after_minutes is {after_minutes}, a number of 0 or more is expected")
    names = Names(os.environ["FACELAB_PREFIX"])
    s3, dynamodb, sqs = stores.make_clients()
    lambda_client = boto3.client("lambda", config=Config(retries={"mode": "standard"}))
    reconciler = Reconciler(
        BucketList(s3, os.environ["FACELAB_BUCKET"]),
        LedgerTable(dynamodb, names.ledger_table),
        LetterQueue(sqs, names.dead_letters),
        FunctionInvoker(lambda_client, names.function),
        now_s=time.time,
        has_time=lambda: context.get_remaining_time_in_millis() > SPARE_MS,
    )
    summary = asdict(reconciler.run(after_minutes * 60))
    LOG.info("%s", summary)
    return summary
