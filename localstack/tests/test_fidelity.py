"""What has no effect says so, in the log and in the documents; nothing is invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.fidelity import NO_EFFECT

PAGE = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text()


@pytest.mark.parametrize("one", NO_EFFECT, ids=lambda one: f"{one.service}-{one.operations[0]}")
def test_the_page_has_each_line_of_the_table(one: Any) -> None:
    operations = ", ".join(f"`{name}`" for name in one.operations)
    assert f"| {one.service} | {operations} | {one.says} |" in PAGE


def test_what_has_no_effect_is_said_once(emulator: Any) -> None:
    client = emulator.client("s3")
    policy = '{"Version": "2012-10-17", "Statement": []}'
    client.create_bucket(Bucket="no-effect")
    for _ in range(2):
        client.put_bucket_policy(Bucket="no-effect", Policy=policy)
    assert emulator.log.count("no effect: s3 PutBucketPolicy") == 1
    queues = emulator.client("sqs")
    queues.create_queue(QueueName="plain")
    assert "no effect: sqs CreateQueue" not in emulator.log
    queues.create_queue(QueueName="with-policy", Attributes={"Policy": policy})
    assert "no effect: sqs CreateQueue: policies" in emulator.log


def test_no_finding_of_a_scan_is_invented(emulator: Any, deployer: Any) -> None:
    deployer.push("def handler(event, context): return 1")
    asked = {"repositoryName": deployer.repository, "imageId": {"imageTag": "latest"}}
    with pytest.raises(ClientError) as refused:
        emulator.client("ecr").start_image_scan(**asked)
    assert refused.value.response["Error"]["Code"] == "UnsupportedImageTypeException"
    with pytest.raises(ClientError) as missing:
        emulator.client("ecr").describe_image_scan_findings(**asked)
    assert missing.value.response["Error"]["Code"] == "ScanNotFoundException"
