"""The emulator in which every kind is made, and the register of kinds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ACCOUNT, REGION = "000000000000", "us-east-1"
# Says what it was given, but fails at the first event that asks for it.
HANDLER = """
    import json, os, pathlib
    import boto3

    def handler(event, context):
        if event.get("fail_once") and not pathlib.Path(event["fail_once"]).exists():
            pathlib.Path(event["fail_once"]).touch()
            raise RuntimeError("for the first time")
        if "send_to" in event:
            sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
            sqs.send_message(QueueUrl=event["send_to"], MessageBody=event["say"])
        return {"color": os.environ.get("COLOR"), "version": context.function_version}
"""


@dataclass
class World:
    """The emulator that is killed, and what was noted before that."""

    emulator: Any
    deployer: Any
    noted: dict[str, Any]

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        url = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def function(self, name: str, **settings: Any) -> None:
        """A new function; its image differs from the others', as ECR wants it."""
        self.deployer.create(name, f"{HANDLER}\n    # {name}\n", **settings)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """The first true value of `condition`."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.2)  # between polls
        return value

    def bodies(self, url: str, seconds: float = 30) -> list[str]:
        """Bodies of the next messages, which are taken away."""
        sqs, deadline = self.client("sqs"), time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10)
            for one in answer.get("Messages", ()):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            if "Messages" in answer:
                return [one["Body"] for one in answer["Messages"]]
        return []


Step = Callable[[World], None]
KINDS: dict[str, tuple[Step, Step]] = {}


def kind(name: str) -> Callable[[type], type]:
    """Register a class with `make`, called before the end, and `check`, called after it."""

    def register(steps: type) -> type:
        KINDS[name] = (steps.make, steps.check)  # type: ignore[attr-defined]
        return steps

    return register
