"""Keeps LocalStack's state on disk and brings it back at the next start."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from localstack.aws.api import RequestContext

from localstack_image_functions.operations import GoOn, stand_around
from localstack_image_functions.state import dynamodb, logs, s3, sqs
from localstack_image_functions.state.codec import Codec
from localstack_image_functions.state.containers import Residents
from localstack_image_functions.state.database import Database, Rows
from localstack_image_functions.state.functions import OMISSIONS as FUNCTION_OMISSIONS
from localstack_image_functions.state.functions import (
    are_functions_changing,
    are_stacks_changing,
)
from localstack_image_functions.state.metrics import MetricRows
from localstack_image_functions.state.objects import FileObjectStore
from localstack_image_functions.state.resting import rest
from localstack_image_functions.state.services import ServiceRows

LOG = logging.getLogger(__name__)

TICK_S = 0.5
COPY_EVERY_S = 600.0
WRITTEN_THROUGH = {"s3", "sqs", "dynamodb"}
SETTLING = {"cloudformation": are_stacks_changing, "lambda": are_functions_changing}
"""Services that go on changing after a request was answered, and whether they do."""
SETTLES_S = 2.0
"""What a change may still do after it says that it is done."""
NEVER_SETTLES_S = 900.0
"""Longer than any change takes: one that seems to has been left by its thread."""
SETTLING_SHARE = 0.1
"""Of the time that looking through everything may take meanwhile: clips come, too."""
READING = (
    "Get", "List", "Describe", "BatchGet", "Query", "Scan", "Head", "Filter", "Lookup", "Test",
    "Validate", "Select", "Estimate", "Simulate", "Assume", "Receive", "Detect", "Initiate",
)  # fmt: skip
QUIET = {
    "s3": s3.KEPT_ALONE,
    "sqs": sqs.QUIET_OPERATIONS,
    "dynamodb": dynamodb.ITEM_OPERATIONS | dynamodb.STATEMENT_OPERATIONS,
    "lambda": {"Invoke", "InvokeAsync", "InvokeWithResponseStream"},
    "logs": {"PutLogEvents"},
}
"""Operations that change rows of their own, or nothing that is kept."""


class Keeper:
    """One for the emulator. `load` once, `start` once, `stop` once."""

    def __init__(self, database: Database, store: FileObjectStore):
        residents = Residents()
        codec = Codec(
            {
                **s3.OMISSIONS,
                **sqs.OMISSIONS,
                **dynamodb.OMISSIONS,
                **logs.OMISSIONS,
                **FUNCTION_OMISSIONS,
            },
            residents,
        )
        self.database = database
        self.store = store
        self._codec = codec
        self._due: Rows = []
        self.services = ServiceRows(database, codec, residents)
        self.objects = s3.ObjectRows(database, codec, store)
        self.events = s3.DueEvents(database, codec)
        self.messages = sqs.MessageRows(database, codec)
        self.items = dynamodb.ItemRows(database, codec)
        self.logs = logs.LogRows(database, codec)
        self.metrics = MetricRows(database)
        self.restored = False
        self.lost_objects = 0
        self.saved_at = time.monotonic()
        self._dirty: set[str] = set()
        self._changed_at = 0.0
        self._settled_at = 0.0
        self._everything_after = 0.0
        self._copied_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-keeper", daemon=True)

    def _install(self) -> None:
        """Watch every operation from now on."""
        self.services.install()
        self.messages.install()
        self.events.install()
        self.logs.install()
        stand_around(self._keep_together)
        self.items.install()

    def _keep_together(self, context: RequestContext, go_on: GoOn) -> Any:
        with self.database.together():
            response = go_on()
            self.after(context)
        return response

    def load(self) -> None:
        """Bring back what is on disk; the emulator must not be serving yet.

        Reads everything before it changes anything, so that nothing is half loaded.

        Raises
        ------
        TornState
            When a row is not what was written.
        HostileState
            When one names what no record may.
        """
        written = self.services.read()
        rows = {
            kind: [(s, key, self._decoded(value)) for s, key, value in self.database.rows(kind)]
            for kind in (s3.OBJECT, s3.EVENT, sqs.MESSAGE, logs.EVENTS)
        }
        counts = {kind: len(found) for kind, found in rows.items()}
        counts[dynamodb.ITEM] = self.items.check()
        metrics = self.metrics.read()
        self._install()
        names = self.services.load(written)
        self.lost_objects = self.objects.load(rows[s3.OBJECT])
        self.messages.load(rows[sqs.MESSAGE])
        self.items.load()
        self.logs.load(rows[logs.EVENTS])
        self.metrics.load(metrics)
        self.services.after_load(names)
        self.messages.drop_waiting()
        self._due = rows[s3.EVENT]
        self.restored = bool(names)
        if names:
            said = ", ".join(f"{count} {kind}" for kind, count in counts.items())
            LOG.info("restored %s with %s", ", ".join(names), said)

    def start(self) -> None:
        self._thread.start()

    def serve(self) -> None:
        """The emulator answers: what was due may be done."""
        provider = self.services.provider("s3")
        if provider is not None:
            self.events.deliver(provider, self._due)

    def after(self, context: RequestContext) -> None:
        """Keep what a request that has succeeded has done."""
        service, operation = context.service.service_name, context.operation.name
        rows: Any = {"s3": self.objects, "dynamodb": self.items, "logs": self.logs}.get(service)
        if rows is not None:
            rows.after(context)
        if operation.startswith(READING) or self._is_quiet(service, context):
            return
        self.services.know(service)
        if operation == "DeleteQueue":
            self._forget_queue(context)
        if service in SETTLING:
            self._changed_at = time.monotonic()
        if service in WRITTEN_THROUGH:
            self.services.keep(service)
        else:
            self._dirty.add(service)

    def save(self, *, everything: bool = False) -> None:
        """Write what has changed; `everything`, whether or not a request told of it."""
        began = time.monotonic()
        everything |= not self.is_settled and began >= self._everything_after
        dirty, self._dirty = self._dirty, set()
        # Asked before looking: what ends while everything is looked through is looked at again.
        settles = everything and self._settles(began)
        try:
            for name in self.services.names() if everything else dirty:
                self.services.keep(name)
        except Exception:
            self._dirty |= dirty  # the next time, then
            raise
        if everything:
            took_s = time.monotonic() - began
            self._everything_after = began + took_s / SETTLING_SHARE
        if settles:
            self._settled_at = began
        self.metrics.keep()
        self.database.flush()
        self.saved_at = time.monotonic()

    @property
    def is_settled(self) -> bool:
        """Whether nothing changes but by requests; until then everything is looked through."""
        return self._settled_at >= self._changed_at

    def stop(self) -> None:
        """Write everything, and let nothing more be acknowledged."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.save(everything=True)
        self.database.freeze()

    def _settles(self, now: float) -> bool:
        since = now - self._changed_at
        if since <= SETTLES_S:
            return False
        known = self.services.names()
        return since > NEVER_SETTLES_S or not any(
            changes() for name, changes in SETTLING.items() if name in known
        )

    def _is_quiet(self, service: str, context: RequestContext) -> bool:
        tagged = service == "s3" and (context.service_request or {}).get("Tagging")
        return context.operation.name in QUIET.get(service, ()) and not tagged

    def _decoded(self, value: bytes) -> Any:
        found = self._codec.decode(value)
        rest(found)  # at once, or all of them would be whole at one time
        return found

    def _forget_queue(self, context: RequestContext) -> None:
        url = context.service_request["QueueUrl"]
        name = url.rstrip("/").rpartition("/")[2]
        self.messages.forget(f"arn:aws:sqs:{context.region}:{context.account_id}:{name}")

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            try:
                self.save()
                self.database.fold()
                self.store.sweep()
                self._copy()
            except Exception:
                # A full disk, say: writes that are acknowledged fail by themselves.
                LOG.exception("the state could not be saved; trying again")

    def _copy(self) -> None:
        """Have a whole copy for the day when the database is damaged."""
        if time.monotonic() - self._copied_at > COPY_EVERY_S:
            self.database.copy_to(good_copy(self.database.path))
            self._copied_at = time.monotonic()


def good_copy(path: Path) -> Path:
    """Where the whole copy of the database at `path` lies."""
    return path.with_name(path.name + ".good")
