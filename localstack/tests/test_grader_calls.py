"""Calls that graders of the course make, and that their answers are true.

What they ask of Lambda, S3, SQS and CloudWatch before and after a workload.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

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
