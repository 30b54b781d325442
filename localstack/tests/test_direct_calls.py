"""What goes from service to service without a request does what the request did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TELLING = """
import os
def handler(event, context):
    for record in event.get("Records", []):
        print("heard of", record["s3"]["object"]["key"], "by", context.invoked_function_arn)
        print("traced" if os.environ.get("_X_AMZN_TRACE_ID", "").startswith("Root=1-") else "lost")
    return 1
"""
GROUP = "/aws/lambda/telling"


@pytest.fixture
def emulator(own_emulator: Any) -> Any:
    own_emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(own_emulator.folder / "state")
    own_emulator.start()
    return own_emulator


def test_a_bucket_tells_an_alias_and_its_lines_survive_a_kill(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("telling", TELLING)
    functions, s3 = emulator.client("lambda"), emulator.client("s3")
    version = functions.publish_version(FunctionName="telling")["Version"]
    functions.get_waiter("published_version_active").wait(FunctionName="telling", Qualifier=version)
    alias = functions.create_alias(FunctionName="telling", Name="live", FunctionVersion=version)
    functions.add_permission(
        FunctionName="telling", StatementId="s3", Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com", Qualifier="live",
    )  # fmt: skip
    s3.create_bucket(Bucket="clips")
    s3.put_bucket_notification_configuration(
        Bucket="clips",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": alias["AliasArn"], "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    s3.put_object(Bucket="clips", Key="a.h264", Body=b"1")
    wait_until(lambda: f"heard of a.h264 by {alias['AliasArn']}\n" in lines(emulator))
    assert "traced\n" in lines(emulator)
    # A group that somebody has deleted comes back with the next line.
    emulator.client("logs").delete_log_group(logGroupName=GROUP)
    s3.put_object(Bucket="clips", Key="b.h264", Body=b"1")
    wait_until(lambda: any("heard of b.h264" in line for line in lines(emulator)))
    wait_until(lambda: kept(emulator, "heard of b.h264"))
    emulator.kill()
    emulator.start()
    assert sum("heard of b.h264" in line for line in lines(emulator)) == 1
    assert not any("heard of a.h264" in line for line in lines(emulator))


def lines(emulator: Any) -> list[str]:
    logs = emulator.client("logs")
    try:
        return [one["message"] for one in logs.filter_log_events(logGroupName=GROUP)["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def kept(emulator: Any, text: str) -> bool:
    """Whether it is on disk: lines are written within a second."""
    state = emulator.folder / "state"
    return any(text.encode() in one.read_bytes() for one in state.iterdir() if one.is_file())
