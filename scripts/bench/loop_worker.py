"""The report's function, as a process that takes its events from a queue. Needs torch.

Started by `facelab bench-loop` in the training environment, with a folder of packages and what
`_Worker` takes, as one JSON object. It is warm, and there is one of it:
what the report's own function loses by cold starts is not in what is measured.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any
from urllib.parse import unquote_plus

READY = "ready"


class _Worker:
    def __init__(self, ffmpeg: str, events: str, results: str) -> None:
        """`events` and `results` are the URLs of queues: of S3's events, of what it answers."""
        from cloud.switch import read_switch
        from scripts.bench.photos import read_photo
        from scripts.bench.pipeline_report import ReportStyle
        from scripts.paths import ROOT

        switch = read_switch()
        self._s3, self._sqs = switch.client("s3"), switch.client("sqs")
        self._dynamodb = switch.client("dynamodb")
        self._table = switch.names.people_table
        self._events, self._results = events, results
        enrolled = {}
        for folder in sorted((ROOT / "fixtures" / "people").iterdir()):
            enrolled[folder.name] = read_photo(sorted(folder.glob("*.jpg"))[0])
        self._pipeline = ReportStyle(ffmpeg, enrolled)

    def once(self) -> None:
        answer = self._sqs.receive_message(QueueUrl=self._events, WaitTimeSeconds=20)
        for message in answer.get("Messages", ()):
            self._sqs.delete_message(QueueUrl=self._events, ReceiptHandle=message["ReceiptHandle"])
            for record in json.loads(message["Body"]).get("Records", ()):
                self._answer(record["s3"]["bucket"]["name"], record["s3"]["object"]["key"])

    def _answer(self, bucket: str, key: str) -> None:
        marks: dict[str, float] = {"event": _now_ms()}
        key = unquote_plus(key)
        clip = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        marks["fetch"] = _now_ms()
        name, stages = self._pipeline.answer(clip)
        marks["handler"] = _now_ms()
        person: dict[str, Any] = {}
        if name:
            row = {"person_id": {"S": name}}
            person = self._dynamodb.get_item(TableName=self._table, Key=row).get("Item", {})
        marks["look_up"] = _now_ms()
        told = {"key": key, "name": name, "person": person, "marks": marks, "stages_ms": stages}
        self._sqs.send_message(QueueUrl=self._results, MessageBody=json.dumps(told))


def _now_ms() -> float:
    return time.time_ns() / 1e6


def main(packages: str, asked: str) -> None:
    began = time.perf_counter()
    # Behind everything else: only what this environment lacks comes from there.
    sys.path.append(packages)
    warnings.simplefilter("ignore")
    work = _Worker(**json.loads(asked))
    print(READY, round((time.perf_counter() - began) * 1000), flush=True)
    while True:
        work.once()


if __name__ == "__main__":
    main(*sys.argv[1:])
