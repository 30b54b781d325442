"""Calls that graders of the course make, and that their answers are true.

What they ask of Lambda, S3, SQS and CloudWatch before and after a workload.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

Wait = Callable[..., Any]
WORK = """
    import time
    def handler(event, context):
        time.sleep(2)
        return {"statusCode": 200}
"""


@pytest.fixture(scope="module")
def graded(emulator: Any, deploy_into: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A function of a student that has worked on six videos at once."""
    deployer = deploy_into(emulator, tmp_path_factory.mktemp("graded"), "graded")
    deployer.create("graded", WORK, Timeout=60, MemorySize=512)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: deployer.invoke("graded"), range(6)))
    return "graded"


def test_the_functions_configuration(emulator: Any, graded: str) -> None:
    found = emulator.client("lambda").get_function(FunctionName=graded)
    configuration = found["Configuration"]
    assert configuration["FunctionName"] == graded
    assert (configuration["Timeout"], configuration["MemorySize"]) == (60, 512)
    assert (configuration["PackageType"], configuration["State"]) == ("Image", "Active")
    assert configuration["EphemeralStorage"]["Size"] == 512
    assert found["Code"]["RepositoryType"] == "ECR"
    with pytest.raises(ClientError) as missing:
        emulator.client("lambda").get_function(FunctionName="nobody")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("metric", "stat", "of_function", "low", "high"),
    [
        ("Duration", "Average", True, 2000, 8000),
        ("Duration", "Maximum", True, 2000, 8000),
        ("ConcurrentExecutions", "Maximum", True, 5, 6),
        ("ConcurrentExecutions", "Maximum", False, 5, 1000),
        ("Invocations", "Sum", True, 6, 6),
        ("Errors", "Sum", True, 0, 0),
    ],
)
def test_metrics_with_and_without_dimensions(
    emulator: Any, graded: str, metric: str, stat: str, of_function: bool, low: float, high: float
) -> None:
    dimensions = [{"Name": "FunctionName", "Value": graded}] if of_function else []
    named = {"Namespace": "AWS/Lambda", "MetricName": metric}
    now = datetime.now(UTC)
    (result,) = emulator.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "testQuery",
                "MetricStat": {
                    "Metric": {**named, "Dimensions": dimensions},
                    "Period": 600,
                    "Stat": stat,
                },
                "ReturnData": True,
            }
        ],
        StartTime=now - timedelta(minutes=9),
        EndTime=now + timedelta(seconds=30),
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    assert (result["Id"], result["Label"], result["StatusCode"]) == (
        "testQuery",
        metric,
        "Complete",
    )
    assert len(result["Timestamps"]) == len(result["Values"]) == 1
    assert low <= result["Values"][0] <= high


def test_buckets_and_their_objects(emulator: Any) -> None:
    client = emulator.client("s3")
    names = ["1234567890-input", "1234567890-stage-1", "1234567890-output"]
    for name in names:
        client.create_bucket(Bucket=name)
    listed = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    assert set(names) <= listed
    assert "Contents" not in client.list_objects_v2(Bucket=names[1])
    for number in range(3):
        client.put_object(Bucket=names[1], Key=f"test_{number:02d}.jpg", Body=b"x" * number)
    found = client.list_objects(Bucket=names[1])["Contents"]
    assert [one["Key"] for one in found] == ["test_00.jpg", "test_01.jpg", "test_02.jpg"]
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=names[1], PaginationConfig={"PageSize": 2}
    )
    assert sum(page["KeyCount"] for page in pages) == 3
    assert client.head_object(Bucket=names[1], Key="test_02.jpg")["ContentLength"] == 2
    with pytest.raises(ClientError) as missing:
        client.head_object(Bucket=names[1], Key="none")
    assert missing.value.response["Error"]["Code"] == "404"
    with pytest.raises(ClientError) as absent:
        client.head_bucket(Bucket="1234567890-none")
    assert absent.value.response["Error"]["Code"] == "404"
    doomed = [{"Key": one["Key"]} for one in found]
    client.delete_objects(Bucket=names[1], Delete={"Objects": doomed})
    assert client.list_objects_v2(Bucket=names[1])["KeyCount"] == 0


def test_queues_by_name_and_by_url(emulator: Any) -> None:
    client = emulator.client("sqs")
    made = client.create_queue(QueueName="1234567890-resp-queue")["QueueUrl"]
    url = client.get_queue_url(QueueName="1234567890-resp-queue")["QueueUrl"]
    assert url == made
    assert url.startswith(f"http://127.0.0.1:{emulator.port}/")
    assert url in client.list_queues(QueueNamePrefix="1234567890")["QueueUrls"]
    client.send_message(QueueUrl=url, MessageBody="test_00.jpg:Paul")
    asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    assert [counts[name] for name in asked] == ["1", "0"]
    client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [counts[name] for name in asked] == ["0", "1"]
    assert counts["QueueArn"].endswith(":1234567890-resp-queue")
    with pytest.raises(client.exceptions.QueueDoesNotExist):
        client.get_queue_url(QueueName="none")


@pytest.mark.parametrize("fifo", [False, True])
def test_a_queues_name_where_its_url_belongs(emulator: Any, fifo: bool) -> None:
    """Graders of 2025 give a queue's name as its URL, to count and to purge."""
    client = emulator.client("sqs")
    name = "1225754101-req-queue" + (".fifo" if fifo else "")
    extra = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
    url = client.create_queue(QueueName=name, Attributes=extra)["QueueUrl"]
    group = {"MessageGroupId": "one"} if fifo else {}
    client.send_message(QueueUrl=url, MessageBody="{}", **group)
    asked = ["ApproximateNumberOfMessages"]
    counted = client.get_queue_attributes(QueueUrl=name, AttributeNames=asked)["Attributes"]
    assert counted == {"ApproximateNumberOfMessages": "1"}
    client.purge_queue(QueueUrl=name)
    counted = client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    assert counted == {"ApproximateNumberOfMessages": "0"}
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])
    assert int(told["Attributes"]["MaximumMessageSize"]) >= 262_144
    with pytest.raises(client.exceptions.QueueDoesNotExist):
        client.get_queue_attributes(QueueUrl="1225754101-none", AttributeNames=asked)


def resource(emulator: Any, service: str) -> Any:
    return boto3.resource(
        service,
        endpoint_url=f"http://127.0.0.1:{emulator.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  the emulator accepts anything
    )


def test_resources_of_queues_and_buckets(emulator: Any) -> None:
    sqs, s3 = resource(emulator, "sqs"), resource(emulator, "s3")
    emulator.client("sqs").create_queue(QueueName="by-resource")
    queue = sqs.get_queue_by_name(QueueName="by-resource")
    assert queue.url.endswith("/by-resource")
    assert queue.attributes["ApproximateNumberOfMessages"] == "0"
    bucket = s3.create_bucket(Bucket="by-resource")
    for number in range(3):
        bucket.put_object(Key=f"test_{number:02d}/output-00.jpg", Body=b"x")
    assert len(list(bucket.objects.all())) == 3
    found = emulator.client("s3").list_objects_v2(
        Bucket="by-resource", Prefix="test_01", Delimiter="/"
    )
    assert found["KeyCount"] == 1
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["test_01/"]
    bucket.objects.all().delete()
    assert list(bucket.objects.all()) == []


def test_functions_and_what_invokes_them(emulator: Any, graded: str) -> None:
    client, sqs = emulator.client("lambda"), emulator.client("sqs")
    pages = client.get_paginator("list_functions").paginate()
    listed = {one["FunctionName"]: one for page in pages for one in page["Functions"]}
    assert listed[graded]["MemorySize"] == 512
    assert client.list_event_source_mappings(FunctionName=graded)["EventSourceMappings"] == []
    url = sqs.create_queue(QueueName="feeds", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = told["Attributes"]["QueueArn"]
    made = client.create_event_source_mapping(FunctionName=graded, EventSourceArn=arn)
    (found,) = client.list_event_source_mappings(FunctionName=graded)["EventSourceMappings"]
    assert (found["EventSourceArn"], found["UUID"]) == (arn, made["UUID"])
    assert found["FunctionArn"].endswith(f":function:{graded}")
    client.delete_event_source_mapping(UUID=made["UUID"])


@pytest.mark.parametrize(
    ("metric", "statistic", "of_function", "low"),
    [
        ("Duration", "Average", True, 2000),
        ("Duration", "Maximum", False, 2000),  # other functions of the account were quicker
        ("ConcurrentExecutions", "Maximum", True, 5),
        ("ConcurrentExecutions", "Maximum", False, 5),
    ],
)
def test_statistics_of_a_metric(
    emulator: Any, graded: str, metric: str, statistic: str, of_function: bool, low: float
) -> None:
    now = datetime.now(UTC)
    found = emulator.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": graded}] if of_function else [],
        StartTime=now - timedelta(minutes=9),
        EndTime=now + timedelta(seconds=30),
        Period=600,
        Statistics=[statistic],
    )
    assert found["Label"] == metric
    (point,) = found["Datapoints"]
    assert low <= point[statistic] <= 60_000
    assert point["Unit"] == {"Duration": "Milliseconds"}.get(metric, "Count")


def test_billing_alarm(emulator: Any) -> None:
    client = emulator.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="billing",
        Namespace="AWS/Billing",
        MetricName="EstimatedCharges",
        Dimensions=[{"Name": "Currency", "Value": "USD"}],
        Statistic="Maximum",
        Period=21600,
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    pages = client.get_paginator("describe_alarms").paginate()
    alarms = (one for page in pages for one in page["MetricAlarms"])
    found = next(one for one in alarms if one["AlarmName"] == "billing")
    assert (found["Statistic"], found["Threshold"]) == ("Maximum", 5.0)
    assert found["ComparisonOperator"] == "GreaterThanThreshold"
    assert found["StateValue"] in ("OK", "INSUFFICIENT_DATA")
    assert found["AlarmArn"].endswith(":alarm:billing")


def test_policies_of_the_grading_user(emulator: Any) -> None:
    client = emulator.client("iam")
    with pytest.raises(ClientError) as missing:
        client.list_attached_user_policies(UserName="cse546-AutoGrader", MaxItems=100)
    assert missing.value.response["Error"]["Code"] == "NoSuchEntity"
    client.create_user(UserName="cse546-AutoGrader")
    names = ("IAMReadOnlyAccess", "AmazonSQSFullAccess", "AWSLambda_ReadOnlyAccess")
    for name in names:
        client.attach_user_policy(
            UserName="cse546-AutoGrader", PolicyArn=f"arn:aws:iam::aws:policy/{name}"
        )
    found = client.list_attached_user_policies(UserName="cse546-AutoGrader", MaxItems=100)
    assert {one["PolicyName"] for one in found["AttachedPolicies"]} == set(names)
