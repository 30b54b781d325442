"""What has no effect says so, in the log and in the documents; nothing is invented."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.fidelity import NO_EFFECT

PAGE = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text()

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:any"
KAFKA = "arn:aws:kafka:us-east-1:000000000000:cluster/a/b"


SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, Signature=0"
FORM = "application/x-www-form-urlencoded"


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


@pytest.mark.parametrize(
    ("service", "method", "asked", "says"),
    [
        ("apigatewayv2", "get_apis", {}, "apigatewayv2 is not emulated"),
        (
            "lambda",
            "create_event_source_mapping",
            {"FunctionName": "any", "EventSourceArn": KAFKA},
            "is not emulated for Amazon MSK",
        ),
        (
            "lambda",
            "update_function_configuration",
            {"FunctionName": "any", "DurableConfig": {"ExecutionTimeout": 60}},
            r"durable functions \(DurableConfig\) are not emulated",
        ),
        (
            "lambda",
            "get_durable_execution",
            {"DurableExecutionArn": f"{FUNCTION}:1/durable-execution/a/b"},
            "lambda GetDurableExecution is not emulated",
        ),
    ],
)
def test_what_is_not_here_is_501_with_its_name(
    emulator: Any, service: str, method: str, asked: dict[str, Any], says: str
) -> None:
    client = emulator.client(service)
    with pytest.raises(ClientError, match=says) as refused:
        getattr(client, method)(**asked)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("service", "target", "code"),
    [
        ("dynamodb", "DynamoDB_20120810.ListTables", "SerializationException"),
        ("sqs", "AmazonSQS.ListQueues", "SerializationException"),
        ("logs", "Logs_20140328.DescribeLogGroups", "SerializationException"),
        ("lambda", None, "InvalidRequestContentException"),
    ],
)
def test_a_body_that_can_not_be_read_is_the_callers_fault(
    emulator: Any, service: str, target: str | None, code: str
) -> None:
    """LocalStack takes it for a failure of its own, and for Lambda for no body at all."""
    headers = {
        "Authorization": SIGNED.format(service),
        "Content-Type": "application/x-amz-json-1.0" if target else FORM,
    } | ({"X-Amz-Target": target} if target else {})
    url = f"http://127.0.0.1:{emulator.port}{'/' if target else '/2015-03-31/functions'}"
    request = urllib.request.Request(url, b'{"a": ', headers, method="POST")
    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310
    assert answered.value.code == 400
    assert code in answered.value.headers["x-amzn-errortype"]


def test_what_curl_puts_is_not_taken_for_a_form(emulator: Any) -> None:
    """LocalStack read it as one, and took away what the document that it then missed replaces."""
    emulator.client("s3").create_bucket(Bucket="curled")
    document = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    headers = {"Authorization": SIGNED.format("s3"), "Content-Type": FORM}
    url = f"http://127.0.0.1:{emulator.port}/curled?versioning"
    request = urllib.request.Request(url, document, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        assert answer.status == 200
    assert emulator.client("s3").get_bucket_versioning(Bucket="curled")["Status"] == "Enabled"


def test_what_is_no_operation_is_told_so(emulator: Any) -> None:
    """LocalStack takes it for a failure of its own."""
    url = f"http://127.0.0.1:{emulator.port}/2015-03-31/functions/any/no-such-thing"
    request = urllib.request.Request(url, headers={"Authorization": SIGNED.format("lambda")})
    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310
    assert answered.value.code == 404
    assert answered.value.headers["x-amzn-errortype"] == "UnknownOperationException"


def test_no_finding_of_a_scan_is_invented(emulator: Any, deployer: Any) -> None:
    deployer.push("def handler(event, context): return 1")
    asked = {"repositoryName": deployer.repository, "imageId": {"imageTag": "latest"}}
    with pytest.raises(ClientError) as refused:
        emulator.client("ecr").start_image_scan(**asked)
    assert refused.value.response["Error"]["Code"] == "UnsupportedImageTypeException"
    with pytest.raises(ClientError) as missing:
        emulator.client("ecr").describe_image_scan_findings(**asked)
    assert missing.value.response["Error"]["Code"] == "ScanNotFoundException"
