"""Stacks do what their templates say, when they are made and when they are changed, or fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.stacks.applying import Watched
from localstack_image_functions.stacks.buckets import lifecycle_rule
from localstack_image_functions.stacks.deleted import DELETED, prune

LIMIT_S = 60


@pytest.fixture
def stack(emulator: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., dict[str, Any]]]:
    """Makes or updates the test's one stack from resources; gives the stack as described."""
    name = request.node.originalname.replace("_", "-")[:60]
    cloud = emulator.client("cloudformation")
    made = []

    def deploy(**resources: Any) -> dict[str, Any]:
        template = json.dumps({"Resources": resources})
        if made:
            cloud.update_stack(StackName=name, TemplateBody=template)
        else:
            cloud.create_stack(StackName=name, TemplateBody=template)
            made.append(name)
        return _settled(cloud, name)

    yield deploy
    cloud.delete_stack(StackName=name)


def _settled(cloud: Any, name: str) -> dict[str, Any]:
    import time

    deadline = time.monotonic() + LIMIT_S
    while True:
        found = cloud.describe_stacks(StackName=name)["Stacks"][0]
        if not found["StackStatus"].endswith("IN_PROGRESS"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)  # between polls of a condition


def bucket(name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}


def group(name: Any, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, **properties}}


EXPIRE = {"Id": "old", "Status": "Enabled", "Prefix": "clips/", "ExpirationInDays": "1"}


def test_a_bucket_made_by_a_stack_has_its_lifecycle(emulator, stack):
    assert stack(Bucket=bucket("rules", LifecycleConfiguration={"Rules": [EXPIRE]}))[
        "StackStatus"
    ] == ("CREATE_COMPLETE")
    (rule,) = emulator.client("s3").get_bucket_lifecycle_configuration(Bucket="rules")["Rules"]
    assert rule == {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": "clips/"},
        "Expiration": {"Days": 1},
    }


def test_a_log_group_made_by_a_stack_has_its_retention(emulator, stack):
    stack(Group=group("/kept/a-week", RetentionInDays=7, Tags=[{"Key": "a", "Value": "b"}]))
    logs = emulator.client("logs")
    (found,) = logs.describe_log_groups(logGroupNamePrefix="/kept/")["logGroups"]
    assert found["retentionInDays"] == 7
    arn = found["arn"].removesuffix(":*")
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}


def test_an_update_of_a_bucket_is_made_not_only_reported(emulator, stack):
    s3 = emulator.client("s3")
    arn = "arn:aws:sqs:us-east-1:000000000000:told"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "told"}}
    tell = {"QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": arn}]}
    stack(
        Queue=queue,
        Bucket=bucket("changed", LifecycleConfiguration={"Rules": [EXPIRE]})
        | {"DependsOn": "Queue"},
    )
    done = stack(
        Queue=queue,
        Bucket=bucket(
            "changed",
            NotificationConfiguration=tell,
            VersioningConfiguration={"Status": "Enabled"},
            Tags=[{"Key": "a", "Value": "b"}],
        )
        | {"DependsOn": "Queue"},
    )
    assert done["StackStatus"] == "UPDATE_COMPLETE"
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket="changed")
    assert s3.get_bucket_versioning(Bucket="changed")["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket="changed")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.put_object(Bucket="changed", Key="one", Body=b"1")
    sqs = emulator.client("sqs")
    url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
    seen = [
        json.loads(message["Body"])
        for _ in range(2)  # the first is the test event
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    ]
    assert any(
        "Records" in one and one["Records"][0]["s3"]["object"]["key"] == "one" for one in seen
    )


def test_updates_of_groups_rules_and_tables_are_made(emulator, stack):
    def resources(days: int, rate: str, ttl: str) -> dict[str, Any]:
        return {
            "Group": group("/changed/group", RetentionInDays=days),
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"Name": "changed-rule", "ScheduleExpression": rate},
            },
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "changed-table",
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    **(
                        {"TimeToLiveSpecification": {"AttributeName": ttl, "Enabled": True}}
                        if ttl
                        else {}
                    ),
                },
            },
        }

    stack(**resources(7, "rate(1 day)", ""))
    assert stack(**resources(30, "rate(2 days)", "until"))["StackStatus"] == "UPDATE_COMPLETE"
    (found,) = emulator.client("logs").describe_log_groups(logGroupNamePrefix="/changed/")[
        "logGroups"
    ]
    assert found["retentionInDays"] == 30
    rule = emulator.client("events").describe_rule(Name="changed-rule")
    assert rule["ScheduleExpression"] == "rate(2 days)"
    live = emulator.client("dynamodb").describe_time_to_live(TableName="changed-table")
    assert live["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "until",
    }


def test_an_update_that_localstack_can_not_make_fails_the_stack(emulator, stack):
    def alarm(threshold: int) -> dict[str, Any]:
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "fixed",
                "Namespace": "n",
                "MetricName": "m",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": threshold,
            },
        }

    assert stack(Alarm=alarm(1))["StackStatus"] == "CREATE_COMPLETE"
    done = stack(Alarm=alarm(2))
    assert done["StackStatus"].endswith("FAILED")
    events = emulator.client("cloudformation").describe_stack_events(StackName=done["StackName"])
    reasons = [one.get("ResourceStatusReason", "") for one in events["StackEvents"]]
    assert any("can't update AWS::CloudWatch::Alarm (Threshold)" in one for one in reasons)


def test_a_resource_whose_condition_holds_no_more_is_removed_and_made_again(emulator):
    """The update said that it was done, and the resource stayed, which no stack knew any more."""
    cloud, logs = emulator.client("cloudformation"), emulator.client("logs")
    template = json.dumps(
        {
            "Parameters": {"Wanted": {"Type": "String"}},
            "Conditions": {"IsWanted": {"Fn::Equals": [{"Ref": "Wanted"}, "yes"]}},
            "Resources": {
                "Always": group("/always"),
                "Sometimes": {**group("/sometimes"), "Condition": "IsWanted"},
            },
        }
    )

    made: list[str] = []

    def deploy(wanted: str) -> set[str]:
        (cloud.update_stack if made else cloud.create_stack)(
            StackName="conditions",
            TemplateBody=template,
            Parameters=[{"ParameterKey": "Wanted", "ParameterValue": wanted}],
        )
        made.append(wanted)
        assert _settled(cloud, "conditions")["StackStatus"].endswith("E_COMPLETE")
        # Page by page: the emulator has other tests' groups, too.
        pages = logs.get_paginator("describe_log_groups").paginate()
        groups = {one["logGroupName"] for page in pages for one in page["logGroups"]}
        return groups & {"/always", "/sometimes"}

    try:
        assert [deploy(wanted) for wanted in ("no", "yes", "no", "yes")] == [
            {"/always"}, {"/always", "/sometimes"}, {"/always"}, {"/always", "/sometimes"},
        ]  # fmt: skip
    finally:
        cloud.delete_stack(StackName="conditions")


def test_a_repository_of_a_stack_is_one(emulator, stack):
    def repository(mutability: str) -> dict[str, Any]:
        return {
            "Type": "AWS::ECR::Repository",
            "Properties": {"RepositoryName": "of-a-stack", "ImageTagMutability": mutability},
        }

    def found() -> dict[str, Any]:
        ecr = emulator.client("ecr")
        return ecr.describe_repositories(repositoryNames=["of-a-stack"])["repositories"][0]

    stack(Repository=repository("MUTABLE"))
    assert found()["imageTagMutability"] == "MUTABLE"
    done = stack(Repository=repository("IMMUTABLE"))
    assert done["StackStatus"] == "UPDATE_COMPLETE"
    assert found()["imageTagMutability"] == "IMMUTABLE"
    cloud, name = emulator.client("cloudformation"), done["StackName"]
    (resource,) = cloud.describe_stack_resources(StackName=name)["StackResources"]
    assert resource["PhysicalResourceId"] == "of-a-stack"


def test_the_uri_of_a_stacks_repository_is_the_one_to_push_to(emulator, stack):
    name = "to-push-to"
    queue = {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": "knows-the-uri",
            "Tags": [{"Key": "uri", "Value": {"Fn::GetAtt": ["Repository", "RepositoryUri"]}}],
        },
    }
    stack(
        Repository={"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": name}},
        Queue=queue,
    )
    sqs = emulator.client("sqs")
    tags = sqs.list_queue_tags(QueueUrl=sqs.get_queue_url(QueueName="knows-the-uri")["QueueUrl"])
    (found,) = emulator.client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    assert tags["Tags"] == {"uri": found["repositoryUri"]}


def test_a_variable_that_is_reserved_fails_a_stack(emulator, stack):
    """A template that passed here would fail on AWS."""
    role = "arn:aws:iam::000000000000:role/any"
    properties = {
        "FunctionName": "reserved-variable",
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(event, context): pass"},
        "Environment": {"Variables": {"AWS_REGION": "eu-west-1"}},
        "Role": role,
    }
    made = stack(Function={"Type": "AWS::Lambda::Function", "Properties": properties})
    assert made["StackStatus"] in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    events = emulator.client("cloudformation").describe_stack_events(StackName=made["StackName"])
    failed = [
        one["ResourceStatusReason"]
        for one in events["StackEvents"]
        if one["LogicalResourceId"] == "Function" and one["ResourceStatus"] == "CREATE_FAILED"
    ]
    assert len(failed) == 1
    assert "Reserved keys used in this request: AWS_REGION" in failed[0]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        emulator.client("lambda").get_function(FunctionName="reserved-variable")


def test_a_property_that_nothing_is_done_with_is_said(emulator, stack):
    stack(Bucket=bucket("silent", IntelligentTieringConfigurations=[{"Id": "a"}]))
    assert (
        "AWS::S3::Bucket Bucket: LocalStack does nothing with IntelligentTieringConfigurations"
        in emulator.log
    )


def test_a_stack_that_was_made_by_half_is_deleted_whole(emulator, stack):
    """What names a resource that was never made ended the deletion, which said it was complete."""
    refused = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "NOT A NAME"}}
    resources = {
        "First": bucket("half-first"),
        "Last": group({"Fn::Sub": "/half/${Never.Arn}"}),
        "Never": {**bucket("half-never"), "DependsOn": "Refused"},
        "Refused": {**refused, "DependsOn": "First"},
    }
    made = stack(**resources)
    assert made["StackStatus"] in ("CREATE_FAILED", "ROLLBACK_COMPLETE")
    cloud = emulator.client("cloudformation")
    cloud.delete_stack(StackName=made["StackId"])
    assert _settled(cloud, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    events = cloud.describe_stack_events(StackName=made["StackId"])["StackEvents"]
    assert "DELETE_FAILED" not in {one["ResourceStatus"] for one in events}
    names = [one["Name"] for one in emulator.client("s3").list_buckets()["Buckets"]]
    assert "half-first" not in names


def test_a_serverless_template_is_transformed(emulator):
    """Its transform is loaded only now."""
    cloud, name = emulator.client("cloudformation"), "serverless"
    table = {
        "Type": "AWS::Serverless::SimpleTable",
        "Properties": {"TableName": "simple", "PrimaryKey": {"Name": "id", "Type": "String"}},
    }
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Table": table}}
    cloud.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_AUTO_EXPAND"],
    )
    try:
        assert _settled(cloud, name)["StackStatus"] == "CREATE_COMPLETE"
        found = emulator.client("dynamodb").describe_table(TableName="simple")["Table"]
        assert found["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    finally:
        cloud.delete_stack(StackName=name)


def test_properties_remember_who_looked():
    read: set[str] = set()
    watched = Watched({"a": 1, "b": 2, "c": 3}, read)
    assert (watched["a"], watched.get("b")) == (1, 2)
    assert read == {"a", "b"}
    assert {**watched} == {"a": 1, "b": 2, "c": 3}
    assert read == {"a", "b", "c"}


def test_a_rule_of_a_template_becomes_one_of_s3s_api():
    assert lifecycle_rule(
        {
            "Status": "Enabled",
            "Prefix": "logs/",
            "TagFilters": [{"Key": "a", "Value": "b"}],
            "ObjectSizeGreaterThan": "10",
            "ExpiredObjectDeleteMarker": "true",
            "NoncurrentVersionExpirationInDays": 3,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "1"},
            "Transition": {"StorageClass": "GLACIER", "TransitionInDays": 5},
        }
    ) == {
        "Status": "Enabled",
        "Filter": {
            "And": {
                "Prefix": "logs/",
                "ObjectSizeGreaterThan": 10,
                "Tags": [{"Key": "a", "Value": "b"}],
            }
        },
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}],
    }


def test_a_deleted_stack_is_described_by_its_id_and_listed_no_more(emulator: Any) -> None:
    cloud = emulator.client("cloudformation")
    template = json.dumps({"Resources": {"Group": group("deleted-stack")}})
    made = cloud.create_stack(StackName="deleted-stack", TemplateBody=template)["StackId"]
    assert _settled(cloud, made)["StackStatus"] == "CREATE_COMPLETE"
    cloud.delete_stack(StackName=made)
    assert _settled(cloud, made)["StackStatus"] == DELETED
    described = cloud.get_paginator("describe_stacks").paginate()
    assert made not in {one["StackId"] for page in described for one in page["Stacks"]}
    listed = cloud.get_paginator("list_stacks").paginate()
    assert made in {one["StackId"] for page in listed for one in page["StackSummaries"]}


def test_the_state_does_not_grow_with_every_stack_that_ever_was() -> None:
    def made(number: int, status: str) -> SimpleNamespace:
        return SimpleNamespace(stack_id=f"s{number}", status=status, deletion_time=-number)

    stacks = [made(number, DELETED) for number in range(5)] + [made(5, "CREATE_COMPLETE")]
    store = SimpleNamespace(
        stacks_v2={one.stack_id: one for one in stacks},
        change_sets={f"c{one.stack_id}": SimpleNamespace(stack=one) for one in stacks},
    )
    prune(store, kept=2)
    # The newest have the latest deletion times: s0 and s1.
    assert list(store.stacks_v2) == ["s0", "s1", "s5"]
    assert list(store.change_sets) == ["cs0", "cs1", "cs5"]
    prune(store, kept=9)
    assert list(store.stacks_v2) == ["s0", "s1", "s5"]


def test_what_stands_in_for_localstacks_helper_takes_its_arguments_by_name(
    asked_of_emulators_python: Callable[..., str],
) -> None:
    """A permission's provider names them: no stack with one could be made, the lab's neither."""
    said = asked_of_emulators_python(
        "from localstack.services.cloudformation import provider_utils\n"
        "from localstack_image_functions.stacks.applying import _watch_resources\n"
        "_watch_resources()\n"
        "print(provider_utils.select_attributes(model={'A': 1, 'B': 2}, params=['A', 'C']))"
    )
    assert said.strip() == "{'A': 1}"
