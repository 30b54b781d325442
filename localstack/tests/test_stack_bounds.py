"""What a service refuses fails a stack, with its words, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 60
GONE = "arn:aws:sqs:us-east-1:000000000000:gone"
MANY = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
FUNCTION = {
    "Runtime": f"python3.{sys.version_info.minor}",
    "Handler": "index.handler",
    "Role": "arn:aws:iam::000000000000:role/any",
    "Code": {"ZipFile": "def handler(event, context): pass"},
}
RULE = {
    "rulePriority": 1,
    "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3},
    "action": {"type": "expire"},
}
UNTAGGED_TWICE = json.dumps({"rules": [RULE, {**RULE, "rulePriority": 2}]})
AT_MOST = "less than or equal to {}"
PATTERN = "regular expression pattern"
REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "AWS::Lambda::Function": [
        ({"MemorySize": 127}, "min value: 128"),
        ({"MemorySize": 10_241}, AT_MOST.format(10_240)),
        ({"Timeout": 0}, "min value: 1"),
        ({"Timeout": 901}, AT_MOST.format(900)),
        ({"EphemeralStorage": {"Size": 511}}, "min value: 512"),
        ({"EphemeralStorage": {"Size": 10_241}}, AT_MOST.format(10_240)),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "Reserved keys"),
        ({"Environment": {"Variables": {"1a": "x"}}}, PATTERN),
        ({"Environment": {"Variables": {"LONG": "x" * 5000}}}, "4KB limit"),
        ({"ReservedConcurrentExecutions": 901}, "below its minimum value"),
        ({"ReservedConcurrentExecutions": -1}, "min value: 0"),
        ({"FunctionName": "a" * 65}, "64"),
        ({"FunctionName": "a b"}, PATTERN),
        ({"Role": "role"}, PATTERN),
        ({"Runtime": "python9"}, "python9"),
        ({"Handler": "h" * 129}, "128"),
        ({"Architectures": ["mips"]}, "mips"),
        ({"Description": "d" * 257}, "256"),
        (
            {"Layers": [f"arn:aws:lambda:us-east-1:000000000000:layer:l{n}:1" for n in range(6)]},
            "5",
        ),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::x"}}, "queue or a topic"),
        ({"RecursiveLoop": "Maybe"}, "recursiveLoop"),
        ({"SnapStart": {"ApplyOn": "Always"}}, "snapStart.applyOn"),
        ({"KmsKeyArn": "key"}, "kMSKeyArn"),
        ({"Tags": MANY}, "tag limit"),
    ],
    "AWS::SQS::Queue": [
        ({"QueueName": "a" * 81}, "1 to 80"),
        ({"QueueName": "a b"}, "alphanumeric"),
        ({"DelaySeconds": 901}, "DelaySeconds"),
        ({"MessageRetentionPeriod": 59}, "MessageRetentionPeriod"),
        ({"VisibilityTimeout": 43_201}, "VisibilityTimeout"),
        ({"ReceiveMessageWaitTimeSeconds": 21}, "ReceiveMessageWaitTimeSeconds"),
        ({"MaximumMessageSize": 1_048_577}, "MaximumMessageSize"),
        ({"RedrivePolicy": {"deadLetterTargetArn": GONE, "maxReceiveCount": 0}}, "maxReceiveCount"),
        ({"FifoQueue": True, "DeduplicationScope": "x"}, "DeduplicationScope"),
    ],
    "AWS::ECR::Repository": [
        ({"RepositoryName": "a"}, "repositoryName"),
        ({"RepositoryName": "Abc"}, PATTERN),
        ({"ImageTagMutability": "SOMETIMES"}, "imageTagMutability"),
        ({"LifecyclePolicy": {"LifecyclePolicyText": UNTAGGED_TWICE}}, "only one rule"),
        ({"RepositoryPolicyText": {"a": "b"}}, "policy"),
        ({"EncryptionConfiguration": {"EncryptionType": "DES"}}, "encryptionType"),
        ({"Tags": MANY}, "over the limit"),
    ],
    "AWS::Logs::LogGroup": [
        ({"LogGroupName": "a b"}, PATTERN),
        ({"LogGroupName": "a" * 513}, "512"),
        ({"LogGroupName": "aws/a"}, "can't start with aws/"),
        ({"RetentionInDays": 2}, "2 is no valid"),
        ({"LogGroupClass": "COLD"}, "logGroupClass"),
        ({"Tags": MANY}, "50"),
    ],
}
CASES = [
    pytest.param(kind, properties, said, id=f"{kind[5:]}-{'-'.join(properties)}-{said}")
    for kind, cases in REFUSED.items()
    for properties, said in cases
]


@pytest.fixture(scope="module")
def emulator(
    make_emulator: Any,
    tmp_path_factory: pytest.TempPathFactory,
    localstack_cache: Path,
    own_runtimes: Path,
) -> Iterator[Any]:
    """One that has a runtime: a function that can't start would fail a stack, too."""
    folder = tmp_path_factory.mktemp("stacks")
    emulator = make_emulator(folder, f"pytest-{os.getpid()}-stacks", localstack_cache)
    emulator.extra = {"IMAGE_FUNCTIONS_RUNTIMES": str(own_runtimes)}
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def deployed(emulator: Any) -> Iterator[Any]:
    """Makes a stack of one resource, `It`; gives it as described, and why the resource failed."""
    cloud = emulator.client("cloudformation")
    made = []

    def deploy(kind: str, properties: dict[str, Any], update: str = "") -> tuple[Any, str]:
        needed = FUNCTION if kind == "AWS::Lambda::Function" else {}
        resource = {"Type": kind, "Properties": {**needed, **properties}}
        asked = {"TemplateBody": json.dumps({"Resources": {"It": resource}})}
        if update:
            cloud.update_stack(StackName=update, **asked)
        else:
            made.append(
                cloud.create_stack(StackName=f"bounds-{time.time_ns()}", **asked)["StackId"]
            )
        deadline = time.monotonic() + LIMIT_S
        while True:
            stack = cloud.describe_stacks(StackName=update or made[-1])["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            assert time.monotonic() < deadline, stack
            time.sleep(0.1)  # between polls of a condition
        events = cloud.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        reasons = [
            one.get("ResourceStatusReason", "")
            for one in events
            if one["LogicalResourceId"] == "It" and one["ResourceStatus"].endswith("FAILED")
        ]
        return stack, reasons[0] if reasons else ""

    yield deploy
    for stack in made:
        cloud.delete_stack(StackName=stack)


def there(emulator: Any) -> set[str]:
    """All functions, queues, repositories and log groups."""
    found: set[str] = set()
    for service, operation, items in (
        ("lambda", "list_functions", "Functions[].FunctionName"),
        ("sqs", "list_queues", "QueueUrls[]"),
        ("ecr", "describe_repositories", "repositories[].repositoryName"),
        ("logs", "describe_log_groups", "logGroups[].logGroupName"),
    ):
        pages = emulator.client(service).get_paginator(operation).paginate()
        found.update(pages.search(items))
    return found - {None}


@pytest.mark.parametrize(("kind", "properties", "said"), CASES)
def test_what_the_service_refuses_fails_a_stack_and_leaves_nothing(
    emulator: Any, deployed: Any, kind: str, properties: dict[str, Any], said: str
) -> None:
    before = there(emulator)
    stack, reason = deployed(kind, properties)
    assert stack["StackStatus"] in ("CREATE_FAILED", "ROLLBACK_COMPLETE")
    assert said in reason
    assert there(emulator) == before


def test_a_functions_settings_beside_its_creation_are_made_and_changed(
    emulator: Any, deployed: Any
) -> None:
    functions, name = emulator.client("lambda"), {"FunctionName": "set-by-a-stack"}
    given = {**name, "EphemeralStorage": {"Size": 1024}, "RecursiveLoop": "Allow"}
    stack, _ = deployed("AWS::Lambda::Function", {**given, "ReservedConcurrentExecutions": 2})

    def seen() -> tuple[int, str, int | None]:
        return (
            functions.get_function_configuration(**name)["EphemeralStorage"]["Size"],
            functions.get_function_recursion_config(**name)["RecursiveLoop"],
            functions.get_function_concurrency(**name).get("ReservedConcurrentExecutions"),
        )

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert seen() == (1024, "Allow", 2)
    update = stack["StackName"]
    stack, _ = deployed("AWS::Lambda::Function", {**name, "MemorySize": 256}, update=update)
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert seen() == (512, "Terminate", None)
    stack, reason = deployed(
        "AWS::Lambda::Function", {**name, "EphemeralStorage": {"Size": 10_241}}, update=update
    )
    assert stack["StackStatus"].endswith("FAILED")
    assert AT_MOST.format(10_240) in reason


def test_a_functions_property_that_nothing_is_done_with_is_said(
    emulator: Any, deployed: Any
) -> None:
    """A provider that comes again while its function is made had looked at all of them."""
    deployed("AWS::Lambda::Function", {"RuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"}})
    said = "AWS::Lambda::Function It: LocalStack does nothing with RuntimeManagementConfig"
    assert said in emulator.log


def test_a_permission_says_whose_bucket_may_invoke(emulator: Any, deployed: Any) -> None:
    """LocalStack took four of a permission's properties, and any account's bucket could invoke."""
    functions, name = emulator.client("lambda"), "permitted-by-a-stack"
    made, _ = deployed("AWS::Lambda::Function", {"FunctionName": name})
    assert made["StackStatus"] == "CREATE_COMPLETE"

    def conditions() -> list[Any]:
        policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
        return [one["Condition"] for one in policy["Statement"]]

    given = {
        "FunctionName": name,
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::permitted",
    }
    stack, _ = deployed("AWS::Lambda::Permission", {**given, "SourceAccount": "111111111111"})
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    source = {"ArnLike": {"AWS:SourceArn": given["SourceArn"]}}
    account = {"StringEquals": {"AWS:SourceAccount": "111111111111"}}
    assert conditions() == [{**source, **account}]
    stack, _ = deployed("AWS::Lambda::Permission", given, update=stack["StackName"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert conditions() == [source]
