"""The Lambda entry point: wires the stations together once, then answers S3 events."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

_INIT_STARTED, _INIT_STARTED_MS = time.perf_counter(), time.time_ns() / 1e6

# The clock starts before the imports it is to measure; models are loaded beside the others.
from recognition import CustomModel, Gallery, Recognition, load_recognizer  # noqa: E402

_MODELS_DIR = Path(os.environ.get("LAMBDA_TASK_ROOT", Path(__file__).parent)) / "models"
_LOADING = ThreadPoolExecutor(1).submit(load_recognizer, _MODELS_DIR)

import answering  # noqa: E402
import events  # noqa: E402
import stores  # noqa: E402
from artifacts import Artifact  # noqa: E402
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY, Names  # noqa: E402
from ledger import Ledger  # noqa: E402
from messages import messages_in, try_each  # noqa: E402
from surroundings import Surroundings, set_log_level  # noqa: E402
from telemetry import Telemetry  # noqa: E402
from xray import XRay  # noqa: E402

if TYPE_CHECKING:
    from recognition import Recognizer

LOG = logging.getLogger()
set_log_level()


class CurrentRecognizer:
    """The recognizer with the gallery and custom model that S3 holds right now."""

    def __init__(self, s3: Any, bucket: str, recognizer: Recognizer):
        self._recognizer = recognizer
        self._gallery = Artifact(
            s3, bucket, GALLERY_KEY, Gallery.from_bytes, Gallery.empty(), GALLERY_BYTES
        )
        self._custom = Artifact(
            s3, bucket, CUSTOM_MODEL_KEY, CustomModel.from_bytes, None, CUSTOM_MODEL_BYTES
        )

    def refresh(self) -> None:
        self._gallery.refresh()
        self._custom.refresh()

    def recognize(self, clip: bytes) -> Recognition:
        return self._recognizer.recognize(clip, self._gallery.value, self._custom.value)

    def versions(self) -> dict[str, str]:
        return {"gallery": self._gallery.version, "custom": self._custom.version}


def make_service() -> answering.AnsweringService:
    told = Surroundings.of_function()
    names = Names(told.prefix)
    s3, dynamodb, sqs = stores.make_clients()
    recognizer = CurrentRecognizer(s3, told.bucket, _LOADING.result())
    people = stores.People(dynamodb, names.people_table)
    results = stores.ResultQueues(sqs, names)
    warm_up(recognizer.refresh, lambda: people.look_up(["nobody"]), results.warm_up)
    ledger = Ledger(dynamodb, names.ledger_table)
    watch = _TELEMETRY.watch
    return answering.AnsweringService(
        clips=_TELEMETRY.watch_clips(stores.ClipStore(s3)),
        recognizer=watch(recognizer, refresh="refresh", recognize="recognize"),
        people=watch(people, look_up="look-up"),
        ledger=watch(ledger, claim="claim", answered="close"),
        results=watch(results, reach="reach", send="send"),
    )


def _print(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


# Far more than any lab has; above them the function would run out of memory, not of patience.
GALLERY_BYTES = 256 * 2**20
CUSTOM_MODEL_BYTES = 256 * 2**20
WARM_UP_S = 3.0


def warm_up(*calls: Callable[[], object]) -> None:
    """Make connections, and load gallery and model, before the first clip has to wait for it.

    Nothing depends on it: a cloud that does not answer now is asked again with the first clip.
    """
    threads = [Thread(target=_quietly, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + WARM_UP_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:
        LOG.info("not warmed up: %r", error)


_TELEMETRY = Telemetry(_print, init_started_ms=_INIT_STARTED_MS, export=XRay())
# Lambda's init phase is meant for this, and it is the one place that makes clients.
_SERVICE = make_service()
_INIT_MS = round((time.perf_counter() - _INIT_STARTED) * 1000, 1)
_invocations = 0


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer every clip of an S3 event, which S3 or a queue hands over.

    Returns what became of its clips, for a person who invokes by hand; of a queue's messages those
    that are to come again, for Lambda: `{"batchItemFailures": [{"itemIdentifier": id}, …]}`.

    Raises
    ------
    Exception
        The first error, after all records were tried, where no queue is between: Lambda repeats
        the whole event, and the ledger passes over the clips that were answered.
    """
    global _invocations
    _invocations += 1
    messages = messages_in(event)
    if messages:
        return try_each(messages, lambda one: _answer_all({"Records": [one]}, context))
    return _answer_all(event, context)


def _answer_all(event: dict[str, Any], context: Any) -> dict[str, Any]:
    summary: dict[str, list[Any]] = {"answered": [], "skipped": []}
    failures: list[Exception] = []
    for ref in events.clips_in(event):
        if isinstance(ref, events.InvalidEvent):
            LOG.error("%s: %.1000r", ref, event)
            failures.append(ref)
            continue
        invocation = answering.Invocation(
            request_id=context.aws_request_id,
            remaining_s=context.get_remaining_time_in_millis() / 1000,
            cold_start=_invocations == 1,
            init_ms=_INIT_MS,
        )
        try:
            with _TELEMETRY.clip(ref, context.aws_request_id, event) as tell:
                result = _SERVICE.answer(ref, invocation)
                tell(result)
        except Exception as error:
            LOG.exception("no answer for %r", ref.object_key)
            failures.append(error)
            continue
        if result is None:
            summary["skipped"].append(ref.object_key)
            continue
        stages = ("fetch", "refresh", "recognize", "look_up", "claim")
        total_ms = sum(result.stages_ms.get(stage, 0) for stage in stages)
        LOG.info(
            "%r: %s, %d faces, %.0f ms", ref.object_key, result.status, len(result.faces), total_ms
        )
        summary["answered"].append({"key": ref.object_key, "status": str(result.status)})
    if failures:
        raise failures[0]
    return summary
