"""Logs of real functions, filtered, followed and queried through the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

Wait = Callable[..., Any]
SPEAK = """
    import json
    def handler(event, context):
        for line in event["lines"]:
            print(line)
"""


@pytest.fixture(scope="module")
def group(emulator: Any, deploy_into: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The log group of a function that wrote five lines."""
    deployer = deploy_into(emulator, tmp_path_factory.mktemp("speaks"), "speaks")
    deployer.create("speaks", SPEAK)
    lines = ["ERROR one", "WARN two", '{"level": "error", "took": 7}', "calm", "ERROR three"]
    deployer.invoke("speaks", lines=lines)
    client, group = emulator.client("logs"), "/aws/lambda/speaks"
    deadline = time.monotonic() + 20
    while "REPORT" not in str(messages(client, group) if _there(client, group) else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return group


def _there(client: Any, group: str) -> bool:
    return bool(client.describe_log_groups(logGroupNamePrefix=group)["logGroups"])


def messages(client: Any, group: str, **asked: Any) -> list[str]:
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, **asked)
    return [event["message"].strip() for page in pages for event in page["events"]]


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("ERROR", 2),
        ("?ERROR ?WARN", 3),
        ("ERROR -three", 1),
        ('"REPORT RequestId"', 1),
        ("{ $.took > 5 }", 1),
        ("[level=ERROR, number]", 2),
        ("nowhere", 0),
    ],
)
def test_a_pattern_is_honored(emulator: Any, group: str, pattern: str, number: int) -> None:
    assert len(messages(emulator.client("logs"), group, filterPattern=pattern)) == number


def test_a_pattern_that_cannot_be_read_is_refused(emulator: Any, group: str) -> None:
    client = emulator.client("logs")
    for pattern in ("{ $.a = ", "user@host"):
        with pytest.raises(ClientError) as refused:
            client.filter_log_events(logGroupName=group, filterPattern=pattern)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    with pytest.raises(ClientError) as missing:
        client.filter_log_events(logGroupName="/none")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_pages_and_streams(emulator: Any, group: str) -> None:
    client = emulator.client("logs")
    everything = messages(client, group)
    assert messages(client, group, PaginationConfig={"PageSize": 2}) == everything
    stream = client.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    assert messages(client, group, logStreamNamePrefix=stream[:4]) == everything
    assert messages(client, group, logStreamNamePrefix="nothing") == []
    assert messages(client, group, logStreamNames=[stream]) == everything


def test_a_log_can_be_followed(emulator: Any, group: str, wait_until: Wait) -> None:
    """As `aws logs tail --follow` does: from the last timestamp on, without what was seen."""
    client = emulator.client("logs")
    seen = {event["eventId"] for event in client.filter_log_events(logGroupName=group)["events"]}
    since = int(time.time() * 1000) - 60_000
    client.create_log_stream(logGroupName=group, logStreamName="another")
    now = int(time.time() * 1000)
    client.put_log_events(
        logGroupName=group,
        logStreamName="another",
        logEvents=[{"timestamp": now, "message": "followed"}],
    )
    answer = client.filter_log_events(logGroupName=group, startTime=since, interleaved=True)
    new = [event for event in answer["events"] if event["eventId"] not in seen]
    assert [(event["message"], event["logStreamName"]) for event in new] == [
        ("followed", "another")
    ]


def test_a_group_without_tags_can_be_given_some(emulator: Any) -> None:
    client = emulator.client("logs")
    client.create_log_group(logGroupName="tagged-later")
    (found,) = client.describe_log_groups(logGroupNamePrefix="tagged-later")["logGroups"]
    arn = found["arn"].removesuffix(":*")
    client.tag_resource(resourceArn=arn, tags={"a": "1"})
    client.tag_log_group(logGroupName="tagged-later", tags={"b": "2"})
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2"}


def test_a_metric_filter_counts_its_own_group_alone(emulator: Any) -> None:
    client = emulator.client("logs")
    for name in ("counted", "elsewhere"):
        client.create_log_group(logGroupName=name)
        client.create_log_stream(logGroupName=name, logStreamName="s")
    client.put_metric_filter(
        logGroupName="counted",
        filterName="slow",
        filterPattern="{ $.took > 5 }",
        metricTransformations=[
            {"metricName": "Took", "metricNamespace": "Own", "metricValue": "$.took"}
        ],
    )
    now = int(time.time() * 1000)
    for name in ("counted", "elsewhere"):
        events = [{"timestamp": now, "message": f'{{"took": {took}}}'} for took in (1, 6, 8)]
        client.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    (point,) = emulator.client("cloudwatch").get_metric_statistics(
        Namespace="Own",
        MetricName="Took",
        Period=3600,
        Statistics=["Sum", "SampleCount"],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=5),
    )["Datapoints"]
    assert (point["Sum"], point["SampleCount"]) == (14, 2)
    tested = client.test_metric_filter(
        filterPattern="[word, number]", logEventMessages=["took 6", "one"]
    )
    assert [one["extractedValues"] for one in tested["matches"]] == [
        {"$word": "took", "$number": "6"}
    ]


def test_a_query_gives_the_right_rows_or_is_refused(
    emulator: Any, group: str, wait_until: Wait
) -> None:
    client, now = emulator.client("logs"), int(time.time())

    def ask(query: str) -> list[dict[str, str]]:
        times = {"startTime": now - 600, "endTime": now + 600}
        started = client.start_query(logGroupName=group, queryString=query, **times)
        answer = client.get_query_results(queryId=started["queryId"])
        assert answer["status"] == "Complete"
        return [{one["field"]: one["value"] for one in row} for row in answer["results"]]

    rows = ask("fields @message | filter @message like /ERROR/ | sort @timestamp desc | limit 20")
    assert {row["@message"].strip() for row in rows} == {"ERROR one", "ERROR three"}
    (row,) = ask('filter @type = "REPORT" | stats count(*) as n, max(@maxMemoryUsed) as memory')
    assert row["n"] == "1"
    assert float(row["memory"]) > 1_000_000
    with pytest.raises(ClientError) as refused:
        ask("fields @message | pattern @message")
    assert refused.value.response["Error"]["Code"] == "MalformedQueryException"


def test_the_emulators_own_log_has_no_line_for_each_object_that_comes_and_goes(emulator):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="unlogged")
    s3.put_object(Bucket="unlogged", Key="one", Body=b"1")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="unlogged", Key="other")
    assert "AWS s3.CreateBucket => 200" in emulator.log
    assert "AWS s3.GetObject => 404" in emulator.log  # what fails is told
    assert "AWS s3.PutObject => 200" not in emulator.log


def test_who_watches_is_sent_what_comes(emulator: Any, wait_until: Wait) -> None:
    client, name = emulator.client("logs"), "/watched"
    client.create_log_group(logGroupName=name)
    for stream in ("a", "b"):
        client.create_log_stream(logGroupName=name, logStreamName=stream)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{name}"
    watching = boto3.client(
        "logs", "us-east-1", endpoint_url=f"http://127.0.0.1:{emulator.port}",
        aws_access_key_id="test", aws_secret_access_key="test",  # noqa: S106
        config=Config(inject_host_prefix=False),
    )  # fmt: skip
    events = watching.start_live_tail(
        logGroupIdentifiers=[arn], logStreamNames=["a"], logEventFilterPattern="ERROR"
    )["responseStream"]
    sent = iter(events)
    assert next(sent)["sessionStart"]["logGroupIdentifiers"] == [arn]
    now = int(time.time() * 1000)
    for stream, text in (("a", "calm"), ("b", "ERROR elsewhere"), ("a", "ERROR here")):
        client.put_log_events(
            logGroupName=name,
            logStreamName=stream,
            logEvents=[{"timestamp": now, "message": text}],
        )
    seen: list[dict[str, Any]] = []
    while not seen:
        update = next(sent)["sessionUpdate"]
        assert update["sessionMetadata"] == {"sampled": False}
        seen += update["sessionResults"]
    assert [(one["message"], one["logStreamName"], one["logGroupIdentifier"]) for one in seen] == [
        ("ERROR here", "a", arn)
    ]
    assert seen[0]["timestamp"] == now
    events.close()
    # Whoever has gone makes room: more than may watch at once, one after another.
    for _ in range(32):
        assert wait_until(lambda: can_watch(watching, arn), 10)


def can_watch(client: Any, arn: str) -> bool:
    """Watch, and go. That somebody has gone is noticed within a second, so there may be no room."""
    try:
        one = client.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
        next(iter(one))
        one.close()
    except ClientError as error:
        return error.response["Error"]["Code"] != "LimitExceededException"
    return True
