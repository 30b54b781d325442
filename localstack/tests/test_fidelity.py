"""What has no effect says so, in the log and in the documents; nothing is invented."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.fidelity import NO_EFFECT

PAGE = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text()

HINT = "do without it here, or run this part on AWS"
HINT_OF_MANY = "do without them here, or run this part on AWS"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:any"
KAFKA = "arn:aws:kafka:us-east-1:000000000000:cluster/a/b"


SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, Signature=0"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("one", NO_EFFECT, ids=lambda one: f"{one.service}-{one.operations[0]}")
def test_the_page_has_each_line_of_the_table(one: Any) -> None:
    operations = ", ".join(f"`{name}`" for name in one.operations)
    assert f"| {one.service} | {operations} | {one.says} |" in PAGE


SETTINGS = """
import inspect, json, re
from importlib import import_module
from botocore import xform_name
from localstack.aws.spec import load_service

PROVIDERS = {
    "s3": "localstack.services.s3.provider:S3Provider",
    "lambda": "localstack.services.lambda_.provider:LambdaProvider",
    "sqs": "localstack.services.sqs.provider:SqsProvider",
    "logs": "localstack_image_functions.logs.provider:LogsProvider",
}
MOTO = {
    "ecr": "moto.ecr.responses:ECRResponse",
    "logs": "moto.logs.responses:LogsResponse",
    "dynamodb": "moto.dynamodb.responses:DynamoHandler",
}

def class_of(place):
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)

def is_there(service, operation):
    name = xform_name(operation)
    own = getattr(class_of(PROVIDERS[service]), name, None) if service in PROVIDERS else None
    if own is not None and not own.__module__.startswith("localstack.aws.api"):
        return "raise NotImplementedError" not in inspect.getsource(inspect.unwrap(own))
    return service in MOTO and hasattr(class_of(MOTO[service]), name)

begins = re.compile("(Put|Create|Update|Set|Add|Associate|Enable|Register|Attach)[A-Z]")
print(json.dumps({
    service: [one for one in load_service(service).operation_names
              if begins.match(one) and is_there(service, one)]
    for service in {**PROVIDERS, **MOTO}
}))
"""
EFFECTIVE = {
    "s3": {
        "CreateBucket", "CreateMultipartUpload", "PutBucketCors", "PutBucketLifecycleConfiguration",
        "PutBucketNotificationConfiguration", "PutBucketTagging", "PutBucketVersioning",
        "PutBucketWebsite", "PutObject", "PutObjectLegalHold", "PutObjectLockConfiguration",
        "PutObjectRetention", "PutObjectTagging",
    },
    "lambda": {
        "AddLayerVersionPermission", "CreateAlias", "CreateEventSourceMapping", "CreateFunction",
        "CreateFunctionUrlConfig", "PutFunctionConcurrency", "PutFunctionEventInvokeConfig",
        "PutFunctionRecursionConfig", "PutProvisionedConcurrencyConfig", "UpdateAlias",
        "UpdateEventSourceMapping", "UpdateFunctionCode", "UpdateFunctionConfiguration",
        "UpdateFunctionEventInvokeConfig", "UpdateFunctionUrlConfig",
    },
    "sqs": {"CreateQueue", "SetQueueAttributes"},
    "ecr": {
        "CreateRepository", "PutImage", "PutImageScanningConfiguration", "PutImageTagMutability",
    },
    "logs": {
        "CreateExportTask", "CreateLogGroup", "CreateLogStream", "PutLogEvents", "PutMetricFilter",
        "PutQueryDefinition", "PutRetentionPolicy", "PutSubscriptionFilter",
    },
    "dynamodb": {
        "CreateBackup", "CreateTable", "PutItem", "UpdateItem", "UpdateTable", "UpdateTimeToLive",
    },
}  # fmt: skip
"""What does something here, or says that it can't; some of it not all that it may be asked for."""


def test_no_setting_that_is_taken_stays_unsaid(
    asked_of_emulators_python: Callable[..., str],
) -> None:
    """What a newer LocalStack or moto stores has to be looked at, and to go to either list."""
    taken = json.loads(asked_of_emulators_python(SETTINGS).splitlines()[-1])
    assert set(taken) == set(EFFECTIVE)
    for service, operations in taken.items():
        assert len(operations) >= 3
        said = {
            one for one in operations
            for entry in NO_EFFECT if entry.service == service and entry.is_asked_for(one, {})
        }  # fmt: skip
        assert EFFECTIVE[service] & said == set()
        assert sorted(set(operations) - said - EFFECTIVE[service]) == []


def test_a_policy_of_life_cycle_was_never_evaluated(emulator: Any) -> None:
    client, rule = emulator.client("ecr"), {"rulePriority": 1, "action": {"type": "expire"}}
    rule["selection"] = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3}
    client.create_repository(repositoryName="aging")
    client.put_lifecycle_policy(
        repositoryName="aging", lifecyclePolicyText=json.dumps({"rules": [rule]})
    )
    assert "no effect: ecr PutLifecyclePolicy: policies of life cycle" in emulator.log
    for asked in (client.get_lifecycle_policy, client.delete_lifecycle_policy):
        assert "lastEvaluatedAt" not in asked(repositoryName="aging")


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
        ("apigatewayv2", "get_apis", {}, f"apigatewayv2 is not emulated: {HINT}"),
        (
            "lambda",
            "create_event_source_mapping",
            {"FunctionName": "any", "EventSourceArn": KAFKA},
            "is not emulated for Amazon MSK: queues and streams of DynamoDB and Kinesis are; run "
            "this part on AWS",
        ),
        (
            "lambda",
            "update_function_configuration",
            {"FunctionName": "any", "DurableConfig": {"ExecutionTimeout": 60}},
            rf"durable functions \(DurableConfig\) are not emulated: {HINT_OF_MANY}",
        ),
        (
            "lambda",
            "get_durable_execution",
            {"DurableExecutionArn": f"{FUNCTION}:1/durable-execution/a/b"},
            f"lambda GetDurableExecution is not emulated: {HINT}",
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
