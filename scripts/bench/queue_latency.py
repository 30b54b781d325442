"""How long a message in a queue takes to its function, in the lab that is up.

A function that passes messages on: from `SendMessage` until its own message is received. One
message at a time, so that nothing queues.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloud.switch import read_switch
from scripts.bench.deployed import BASE_IMAGE, deployed
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.backends import running
from scripts.percentiles import percentiles

NAME = "facelab-bench-queue"
QUEUE, RESULTS = f"{NAME}-in", f"{NAME}-out"
LIMIT_S = 60.0
WARM_UP = 3
HANDLER = f"""\
import os
from botocore.session import get_session
sqs = get_session().create_client("sqs", region_name=os.environ["AWS_REGION"])
results = sqs.get_queue_url(QueueName="{RESULTS}")["QueueUrl"]

def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=results, MessageBody=record["body"])
"""
DOCKERFILE = f"""\
FROM {BASE_IMAGE}
COPY handler.py /var/task/passing_on.py
CMD ["passing_on.handler"]
"""


def measure(count: int, progress: Progress) -> dict[str, Any]:
    """Milliseconds of `count` messages."""
    switch = running(read_switch(), progress)
    sqs, took = switch.client("sqs"), []
    with tempfile.TemporaryDirectory() as name, _results(sqs) as results:
        folder = Path(name)
        (folder / "handler.py").write_text(HANDLER)
        (folder / "Dockerfile").write_text(DOCKERFILE)
        with deployed(NAME, folder, "--trigger", f"sqs:{QUEUE}", "--allow", "sqs"):
            queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
            try:
                for number in progress.each(range(WARM_UP + count), "messages", WARM_UP + count):
                    elapsed_ms = _pass_on(sqs, queue, results, str(number))
                    if number >= WARM_UP:
                        took.append(elapsed_ms)
            finally:
                sqs.delete_queue(QueueUrl=queue)
    return {
        "messages": count,
        "send_to_received_ms": percentiles(took),
        "load_average": round(os.getloadavg()[0], 1),
    }


@contextlib.contextmanager
def _results(sqs: Any) -> Iterator[str]:
    url = sqs.create_queue(QueueName=RESULTS)["QueueUrl"]
    try:
        yield url
    finally:
        sqs.delete_queue(QueueUrl=url)


def _pass_on(sqs: Any, queue: str, results: str, body: str) -> float:
    began = time.perf_counter()
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    while time.perf_counter() - began < LIMIT_S:
        answer = sqs.receive_message(QueueUrl=results, WaitTimeSeconds=20)
        elapsed_ms = (time.perf_counter() - began) * 1000
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=results, ReceiptHandle=message["ReceiptHandle"])
            if message["Body"] == body:
                return elapsed_ms
    raise LabError(f"no message within {LIMIT_S:.0f} s", f"`make logs FUNCTION={NAME}`")
