"""What protects data at rest and on its way, as deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud.switch import Switch, read_switch
from tests.conftest import Lab
from tests.fakes.wire import Wire


def policy(s3: Any, bucket: str) -> dict[str, Any]:
    return json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])


def check_at_rest(switch: Switch) -> None:
    s3, sqs = switch.client("s3"), switch.client("sqs")
    encryption = s3.get_bucket_encryption(Bucket=switch.bucket)
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    owner = s3.get_bucket_ownership_controls(Bucket=switch.bucket)["OwnershipControls"]
    assert owner["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    names = switch.names
    for queue in (names.dead_letters, names.result_queue(switch.device_id)):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["SqsManagedSseEnabled"])
        assert got["Attributes"]["SqsManagedSseEnabled"] == "true"
    dynamodb = switch.client("dynamodb")
    for table in (names.people_table, names.ledger_table):
        description = dynamodb.describe_table(TableName=table)["Table"]
        assert description["SSEDescription"]["Status"] == "ENABLED"


def test_on_aws_nothing_travels_in_the_clear(on_aws: Wire):
    switch = read_switch()
    (statement,) = policy(switch.client("s3"), switch.bucket)["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    bucket = f"arn:aws:s3:::{switch.bucket}"
    assert statement["Resource"] == [bucket, f"{bucket}/*"]
    check_at_rest(switch)


def test_emulator_over_http_goes_on_working(lab: Lab):
    s3 = lab.switch.client("s3")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=lab.switch.bucket)
    s3.put_object(Bucket=lab.switch.bucket, Key="gallery/probe", Body=b"x")
    s3.delete_object(Bucket=lab.switch.bucket, Key="gallery/probe")
    check_at_rest(lab.switch)
