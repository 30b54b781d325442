"""The report's function, as a process that takes its events from a queue. Needs torch.

Started by `facelab bench-loop` in the training environment. It is warm, and there is one of it:
what the report's own function loses by cold starts is not in what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

READY = "ready"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--ffmpeg", required=True)
    parser.add_argument("--events", required=True, help="URL of the queue of S3 events")
    parser.add_argument("--results", required=True, help="URL of the queue of results")
    options = parser.parse_args()
    began = time.perf_counter()
    # Behind everything else: only what this environment lacks comes from there.
    sys.path.append(str(options.packages))
    warnings.simplefilter("ignore")
    work = _Worker(options)
    print(READY, round((time.perf_counter() - began) * 1000), flush=True)
    while True:
        work.once()


class _Worker:
    def __init__(self, options: argparse.Namespace) -> None:
        from cloud.switch import read_switch
        from scripts.bench.photos import read_photo
        from scripts.bench.pipeline_report import ReportStyle
        from scripts.paths import ROOT

        switch = read_switch()
        self._s3, self._sqs = switch.client("s3"), switch.client("sqs")
        self._dynamodb = switch.client("dynamodb")
        self._table = switch.names.people_table
        self._events, self._results = options.events, options.results
        enrolled = {}
        for folder in sorted((ROOT / "fixtures" / "people").iterdir()):
            enrolled[folder.name] = read_photo(sorted(folder.glob("*.jpg"))[0])
        self._pipeline = ReportStyle(options.ffmpeg, enrolled)

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


if __name__ == "__main__":
    sys.exit(main())
