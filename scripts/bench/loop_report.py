"""The report's design through the same emulator: its device, its function, its waits.

The camera is opened for each clip. A thread of its own uploads each from a file. The function
does what `pipeline_report` does, and tells it in a queue. The viewer asks without waiting, sleeps
a second when there is nothing, deletes a message and only then prints it. One clip at a time: the
next one is recorded when the last is printed, so that nothing queues.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cloud.listing import every
from cloud.switch import Switch
from scripts.bench.handler import TRAINING, find_ffmpeg, lab_packages
from scripts.bench.loop_worker import READY
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import ROOT

CLIP_S = 0.5
# What opening and closing the camera takes on a Pi: picamera's own warm-up, once a clip.
DEAD_S = 1.0
POLL_S = 1.0
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Printed:
    """A clip's answer: from its end to its line, and the parts of that, which follow each other."""

    clip_end_ms: float
    stages_ms: dict[str, float]
    name: str | None


class ReportLoop(AbstractContextManager["ReportLoop"]):
    """The report's device with a bucket, two queues and a function of its own."""

    def __init__(self, switch: Switch, progress: Progress) -> None:
        self._switch, self._progress = switch, progress
        self._s3, self._sqs = switch.client("s3"), switch.client("sqs")
        self._name = f"{switch.names.prefix}-report-{secrets.token_hex(3)}"
        self._stack = ExitStack()
        self.init_ms = 0.0

    def __enter__(self) -> ReportLoop:
        with ExitStack() as made:
            self._make_cloud(made)
            self._folder = Path(made.enter_context(tempfile.TemporaryDirectory()))
            self._start_worker(made)
            self._stack = made.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def processes(self) -> dict[str, psutil.Process]:
        """What works for it, beside the emulator; its device is a thread of this process."""
        return {"function": psutil.Process(self._worker.pid), "device": psutil.Process()}

    def once(self, clip: bytes, number: int) -> Printed:
        """Record one clip and wait for its line."""
        time.sleep(CLIP_S + DEAD_S)  # the camera's time
        ended_ms = _now_ms()
        path = self._folder / f"clip-{number:03d}.h264"
        marks: dict[str, float] = {}

        def upload() -> None:
            path.write_bytes(clip)
            marks["file"] = _now_ms()
            self._s3.upload_file(str(path), self._name, path.name)
            marks["upload"] = _now_ms()

        threading.Thread(target=upload, daemon=True).start()
        told = self._wait_for(path.name, ended_ms)
        printed_ms = _now_ms()
        path.unlink()
        return Printed(
            printed_ms - ended_ms, _parts(ended_ms, printed_ms, marks, told), told["name"]
        )

    def _wait_for(self, key: str, since_ms: float) -> dict[str, Any]:
        while _now_ms() - since_ms < PATIENCE_S * 1000:
            answer = self._sqs.receive_message(QueueUrl=self._results)
            for message in answer.get("Messages", ()):
                self._sqs.delete_message(
                    QueueUrl=self._results, ReceiptHandle=message["ReceiptHandle"]
                )
                told: dict[str, Any] = json.loads(message["Body"])
                if told["key"] == key:
                    return told
            time.sleep(POLL_S)  # the report's own wait, which is measured here
        raise LabError("the report's loop gave no answer", "its function's error stands above")

    def _make_cloud(self, made: ExitStack) -> None:
        urls = {}
        for kind in ("events", "results"):
            urls[kind] = self._sqs.create_queue(QueueName=f"{self._name}-{kind}")["QueueUrl"]
            made.callback(self._sqs.delete_queue, QueueUrl=urls[kind])
        self._events, self._results = urls["events"], urls["results"]
        region = {"LocationConstraint": self._switch.region}
        where = {} if self._switch.region == "us-east-1" else {"CreateBucketConfiguration": region}
        self._s3.create_bucket(Bucket=self._name, **where)
        made.callback(self._drop_bucket)
        asked = self._sqs.get_queue_attributes(QueueUrl=self._events, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
        self._s3.put_bucket_notification_configuration(
            Bucket=self._name, NotificationConfiguration={"QueueConfigurations": [wanted]}
        )

    def _drop_bucket(self) -> None:
        for one in list(every(self._s3, "list_objects_v2", "Contents", Bucket=self._name)):
            self._s3.delete_object(Bucket=self._name, Key=one["Key"])
        self._s3.delete_bucket(Bucket=self._name)

    def _start_worker(self, made: ExitStack) -> None:
        if not TRAINING.exists():
            raise LabError("the report's function needs torch", "run `make training-env` first")
        asked = {"ffmpeg": find_ffmpeg(self._progress)}
        asked |= {"events": self._events, "results": self._results}
        command = [str(TRAINING), "-m", "scripts.bench.loop_worker", str(lab_packages())]
        command.append(json.dumps(asked))
        roots = os.pathsep.join(str(path) for path in (ROOT, ROOT / "lambda"))
        self._worker = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": roots},
            stdout=subprocess.PIPE,
            text=True,
        )
        made.callback(self._end_worker)
        assert self._worker.stdout  # noqa: S101  a pipe by construction
        word, _, init_ms = self._worker.stdout.readline().strip().partition(" ")
        if word != READY:
            raise LabError("the report's function did not start", "its error stands above")
        self.init_ms = float(init_ms)

    def _end_worker(self) -> None:
        self._worker.terminate()
        self._worker.wait()


def _parts(
    ended_ms: float, printed_ms: float, marks: dict[str, float], told: dict[str, Any]
) -> dict[str, float]:
    """From the clip's end to its line, without a gap. The event may come before the uploading
    thread knows that it has uploaded."""
    seen = told["marks"]
    moments = {
        "file": marks["file"],
        "upload": min(marks.get("upload", seen["event"]), seen["event"]),
        "event": seen["event"],
        "fetch": seen["fetch"],
        "handler": seen["handler"],
        "look_up": seen["look_up"],
        "send_wait_delete_print": printed_ms,
    }
    parts, before = {}, ended_ms
    for name, moment in moments.items():
        parts[name], before = moment - before, moment
    handler = parts.pop("handler")
    inside = {name: float(ms) for name, ms in told["stages_ms"].items()}
    return {**parts, **inside, "handler_rest": handler - sum(inside.values())}


def _now_ms() -> float:
    return time.time_ns() / 1e6
