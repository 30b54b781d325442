"""How much the emulator adds to a warm invocation: PUT to received message, less the handler.

One clip at a time, each waited for, so that nothing queues. The handler's own time is what it
reports up to the send; S3, the event, the invocation, the send and SQS are the overhead.
"""

from __future__ import annotations

import time
from typing import Any

from cloud.switch import Switch
from contract.clips import ClipKey
from contract.results import Result
from scripts.console import Progress
from scripts.e2e.film import film_clips
from scripts.e2e.truth import read_truth
from scripts.errors import LabError
from scripts.paths import ROOT
from scripts.percentiles import percentiles

FIXTURES = ROOT / "fixtures"
HANDLER_STAGES = ("claim", "fetch", "recognize", "look_up")
PATIENCE_S = 60.0


def easy_clip() -> bytes:
    """The first clip of the fixture with one person and nothing hard about it."""
    index = next(
        clip.index
        for clip in read_truth(FIXTURES / "truth.json")
        if clip.is_single_person and not clip.tags
    )
    return film_clips(FIXTURES / "lab.h264")[index]


class RoundTrips:
    """Puts clips and waits for their results, as one device."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._s3, self._sqs = switch.client("s3"), switch.client("sqs")
        name = switch.names.result_queue(switch.device_id)
        self._queue = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        self._bucket = switch.bucket

    def once(self, clip: bytes, sequence: int) -> tuple[float, Result]:
        """(milliseconds from PUT to received message, the result)."""
        key = ClipKey.new(self._switch.device_id, time.time_ns() // 1_000_000, sequence)
        start = time.perf_counter()
        self._s3.put_object(Bucket=self._bucket, Key=str(key), Body=clip)
        while time.perf_counter() - start < PATIENCE_S:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue, WaitTimeSeconds=20, MaxNumberOfMessages=1
            )
            elapsed_ms = (time.perf_counter() - start) * 1000
            for message in answer.get("Messages", ()):
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
                result = Result.from_json(message["Body"])
                if result.clip_id == key.clip_id:
                    return elapsed_ms, result
        raise LabError(f"no result within {PATIENCE_S:.0f} s", "`make status` and `make logs`")


def measure(switch: Switch, count: int, progress: Progress) -> dict[str, Any]:
    """Milliseconds of `count` warm round trips, of the handler in them, and of what is left."""
    trips, clip = RoundTrips(switch), easy_clip()
    round_trips, handlers, overheads, cold = [], [], [], []
    progress(f"{count} warm round trips of one clip against {switch.endpoint_url}")
    with progress.bar("round trips", count) as step:
        for sequence in range(10 * count):
            elapsed_ms, result = trips.once(clip, sequence)
            if result.cold_start:
                cold.append(elapsed_ms)
                continue
            handler_ms = sum(result.stages_ms[stage] for stage in HANDLER_STAGES)
            round_trips.append(elapsed_ms)
            handlers.append(handler_ms)
            overheads.append(elapsed_ms - handler_ms)
            step(1)
            if len(overheads) == count:
                break
    return {
        "warm": len(overheads),
        "round_trip_ms": percentiles(round_trips),
        "handler_ms": percentiles(handlers),
        "overhead_ms": percentiles(overheads),
        "cold_round_trip_ms": percentiles(cold),
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return "\n".join(
        f"{name:>20}  " + "  ".join(f"{key} {value:7.1f}" for key, value in values.items())
        for name, values in facts.items()
        if isinstance(values, dict)
    )
