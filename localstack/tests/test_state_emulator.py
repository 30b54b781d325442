"""State on disk with a real LocalStack: what AWS's features leave there, and what goes in time."""

from __future__ import annotations

import fcntl
import json
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


@pytest.fixture
def emulator(own_emulator: Any) -> Any:
    own_emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(own_emulator.folder / "state")
    own_emulator.start()
    return own_emulator


def killed_and_started(emulator: Any) -> dict[str, Any]:
    """What the emulator says about its state after `kill -9` and a start."""
    emulator.kill()
    emulator.start()
    return facts(emulator)


def facts(emulator: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{emulator.port}/_aws/image-functions/state"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_objects_versions_tags_and_uploads_survive(emulator: Any) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="a b/ü?.txt", Body=b"1", Tagging="color=red")
    s3.put_object(Bucket="plain", Key="twice", Body=b"first")
    s3.put_object(Bucket="plain", Key="twice", Body=b"second", ContentType="text/plain")
    s3.put_object(Bucket="plain", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="plain", Key="deleted")
    s3.copy_object(Bucket="plain", Key="copy", CopySource="plain/twice")
    s3.copy_object(
        Bucket="plain", Key="twice", CopySource="plain/twice", MetadataDirective="REPLACE",
        Metadata={"now": "other"},
    )  # fmt: skip
    with pytest.raises(ClientError):
        s3.put_object(
            Bucket="plain", Key="twice", Body=b"third", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="
        )
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="versions", Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket="versions", Key="k", Body=b"new")
    s3.put_object(Bucket="versions", Key="gone", Body=b"x")
    s3.delete_object(Bucket="versions", Key="gone")
    upload = s3.create_multipart_upload(Bucket="plain", Key="big")["UploadId"]
    part = s3.upload_part(
        Bucket="plain", Key="big", UploadId=upload, PartNumber=1, Body=b"p" * 6_000_000
    )
    time.sleep(1.5)  # what is kept within a second: the upload

    assert killed_and_started(emulator)["restored"]

    assert s3.get_object(Bucket="plain", Key="a b/ü?.txt")["Body"].read() == b"1"
    tags = s3.get_object_tagging(Bucket="plain", Key="a b/ü?.txt")["TagSet"]
    assert tags == [{"Key": "color", "Value": "red"}]
    twice = s3.get_object(Bucket="plain", Key="twice")
    assert (twice["Body"].read(), twice["Metadata"]) == (b"second", {"now": "other"})
    assert s3.get_object(Bucket="plain", Key="copy")["ContentType"] == "text/plain"
    keys = {row["Key"] for row in s3.list_objects_v2(Bucket="plain")["Contents"]}
    assert keys == {"a b/ü?.txt", "twice", "copy"}
    assert s3.get_object(Bucket="versions", Key="k")["Body"].read() == b"new"
    assert s3.get_object(Bucket="versions", Key="k", VersionId=old)["Body"].read() == b"old"
    listed = s3.list_object_versions(Bucket="versions")
    assert [one["Key"] for one in listed["DeleteMarkers"]] == ["gone"]
    s3.upload_part(Bucket="plain", Key="big", UploadId=upload, PartNumber=2, Body=b"end")
    parts = s3.list_parts(Bucket="plain", Key="big", UploadId=upload)["Parts"]
    s3.complete_multipart_upload(
        Bucket="plain", Key="big", UploadId=upload,
        MultipartUpload={"Parts": [{k: one[k] for k in ("PartNumber", "ETag")} for one in parts]},
    )  # fmt: skip
    assert part["ETag"] == parts[0]["ETag"]
    assert s3.get_object(Bucket="plain", Key="big")["Body"].read() == b"p" * 6_000_000 + b"end"
    killed_and_started(emulator)
    assert s3.head_object(Bucket="plain", Key="big")["ContentLength"] == 6_000_003


def test_queues_of_every_kind_survive(emulator: Any) -> None:
    sqs = emulator.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1}
    poison = sqs.create_queue(
        QueueName="poison", Attributes={"RedrivePolicy": json.dumps(redrive)}
    )["QueueUrl"]
    sqs.send_message(QueueUrl=poison, MessageBody="bad")
    for _ in range(2):
        sqs.receive_message(QueueUrl=poison, VisibilityTimeout=0)
    ordered = sqs.create_queue(QueueName="ordered.fifo", Attributes=FIFO)["QueueUrl"]
    for body in ("1", "2", "2", "3"):
        sqs.send_message(QueueUrl=ordered, MessageBody=body, MessageGroupId="g")
    first = sqs.receive_message(QueueUrl=ordered, VisibilityTimeout=0)["Messages"][0]
    purged = sqs.create_queue(QueueName="purged")["QueueUrl"]
    sqs.send_message(QueueUrl=purged, MessageBody="x")
    sqs.purge_queue(QueueUrl=purged)
    removed = sqs.create_queue(QueueName="removed")["QueueUrl"]
    sqs.send_message(QueueUrl=removed, MessageBody="x")
    sqs.delete_queue(QueueUrl=removed)

    rows = killed_and_started(emulator)["rows"]

    assert rows["sqs-message"] == 4
    assert sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "bad"
    assert "Messages" not in sqs.receive_message(QueueUrl=poison)
    assert "Messages" not in sqs.receive_message(QueueUrl=purged)
    assert first["Body"] == "1"
    bodies = []
    for _ in range(3):
        (message,) = sqs.receive_message(QueueUrl=ordered)["Messages"]
        bodies.append(message["Body"])
        sqs.delete_message(QueueUrl=ordered, ReceiptHandle=message["ReceiptHandle"])
    assert bodies == ["1", "2", "3"]
    # The five minutes in which it is the same message are not over.
    sqs.send_message(QueueUrl=ordered, MessageBody="3", MessageGroupId="g")
    assert facts(emulator)["warnings"] == []


def test_tables_of_every_kind_survive(emulator: Any) -> None:
    dynamodb = emulator.client("dynamodb")
    dynamodb.create_table(
        TableName="rows",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "h", "AttributeType": "S"},
            {"AttributeName": "r", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "h", "KeyType": "HASH"},
            {"AttributeName": "r", "KeyType": "RANGE"},
        ],
    )

    def key(number: int) -> dict[str, Any]:
        return {"h": {"S": "a"}, "r": {"N": str(number)}}

    dynamodb.batch_write_item(
        RequestItems={"rows": [{"PutRequest": {"Item": key(n)}} for n in range(5)]}
    )
    dynamodb.update_item(
        TableName="rows", Key=key(1), UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"M": {"list": {"L": [{"B": b"\x00"}, {"NS": ["1"]}]}}}},
    )  # fmt: skip
    dynamodb.delete_item(TableName="rows", Key=key(0))
    dynamodb.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": "rows", "Key": key(2)}},
            {"Put": {"TableName": "rows", "Item": key(9)}},
        ]
    )
    with pytest.raises(ClientError):
        dynamodb.put_item(
            TableName="rows", Item=key(3) | {"v": {"S": "no"}},
            ConditionExpression="attribute_not_exists(h)",
        )  # fmt: skip
    dynamodb.delete_item(TableName="rows", Key=key(4))
    dynamodb.execute_statement(Statement="INSERT INTO \"rows\" VALUE {'h': 'a', 'r': 7}")
    before = dynamodb.scan(TableName="rows")["Items"]

    killed_and_started(emulator)

    after = dynamodb.scan(TableName="rows")["Items"]
    assert sorted(map(str, after)) == sorted(map(str, before))
    assert {row["r"]["N"] for row in after} == {"1", "3", "7", "9"}
    dynamodb.delete_table(TableName="rows")
    assert "dynamodb-item" not in killed_and_started(emulator)["rows"]


def test_what_is_over_goes(emulator: Any, wait_until: Callable[..., Any]) -> None:
    """Lifecycle, retention and time to live are applied, as moto and LocalStack don't."""
    s3, dynamodb, logs = (emulator.client(name) for name in ("s3", "dynamodb", "logs"))
    s3.create_bucket(Bucket="bucket")
    for name in ("clips/old", "gallery/kept"):
        s3.put_object(Bucket="bucket", Key=name, Body=b"x" * 1000)
    yesterday = datetime(2020, 1, 1, tzinfo=UTC)
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "clips/"}}
    s3.put_bucket_lifecycle_configuration(
        Bucket="bucket",
        LifecycleConfiguration={"Rules": [rule | {"Expiration": {"Date": yesterday}}]},
    )
    dynamodb.create_table(
        TableName="rows", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
    )  # fmt: skip
    dynamodb.update_time_to_live(
        TableName="rows", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    for name, until in (("over", time.time() - 10), ("not yet", time.time() + 1000)):
        item = {"h": {"S": name}, "until": {"N": str(int(until))}}
        dynamodb.put_item(TableName="rows", Item=item)
    logs.create_log_group(logGroupName="g")
    logs.put_retention_policy(logGroupName="g", retentionInDays=1)
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    now_ms = int(time.time() * 1000)
    events = [
        {"timestamp": now_ms - 2 * 86_400_000, "message": "old"},
        {"timestamp": now_ms, "message": "new"},
    ]
    for event in events:
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])

    def kept() -> tuple[list[str], list[str], list[str]]:
        return (
            [row["Key"] for row in s3.list_objects_v2(Bucket="bucket").get("Contents", ())],
            [row["h"]["S"] for row in dynamodb.scan(TableName="rows")["Items"]],
            [e["message"] for e in logs.filter_log_events(logGroupName="g")["events"]],
        )

    expected = (["gallery/kept"], ["not yet"], ["new"])
    wait_until(lambda: kept() == expected, 90)
    rows = killed_and_started(emulator)["rows"]
    assert kept() == expected
    assert (rows["s3-object"], rows["dynamodb-item"], rows["log-events"]) == (1, 1, 1)


def test_contents_lie_in_files_of_their_size_and_go_with_their_objects(emulator: Any) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="bucket")
    for number in range(20):
        s3.put_object(Bucket="bucket", Key=str(number % 2), Body=b"x" * 100_000)
    killed_and_started(emulator)
    folder = Path(emulator.folder) / "state" / "objects" / "bucket"
    contents = list(folder.iterdir())
    assert [path.stat().st_size for path in contents] == [100_000] * 2
    contents[0].write_bytes(b"torn")
    (warning,) = killed_and_started(emulator)["warnings"]
    assert warning.startswith("1 S3 objects are gone")
    assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 1


def test_without_a_folder_nothing_is_kept(own_emulator: Any) -> None:
    own_emulator.start()
    own_emulator.client("sqs").create_queue(QueueName="q")
    assert facts(own_emulator) == {"kept": False, "restored": False, "warnings": []}
    own_emulator.kill()
    own_emulator.start()
    assert "QueueUrls" not in own_emulator.client("sqs").list_queues()


def test_a_folder_that_another_emulator_has_is_refused(own_emulator: Any) -> None:
    """Two would write over each other's state."""
    folder = own_emulator.folder / "state"
    folder.mkdir(parents=True)
    own_emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(folder)
    with (folder / "in-use").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AssertionError, match="is the state of another emulator"):
            own_emulator.start()
    own_emulator.start()


def test_a_queue_that_invokes_a_function_does_not_keep_the_emulator_from_starting(
    own_emulator: Any, make_deployer: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """As with Docker: services do not call each other in memory unless the plugin says so."""
    own_emulator.extra |= {
        "IMAGE_FUNCTIONS_STATE": str(own_emulator.folder / "state"),
        "IN_MEMORY_CLIENT": "0",
    }
    own_emulator.start()
    make_deployer(own_emulator).create("taking", "def handler(event, context):\n    return 1\n")
    sqs, functions = own_emulator.client("sqs"), own_emulator.client("lambda")
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn["QueueArn"], FunctionName="taking"
    )["UUID"]

    def is_enabled() -> bool:
        return functions.get_event_source_mapping(UUID=mapping)["State"] == "Enabled"

    wait_until(is_enabled)
    own_emulator.stop()
    own_emulator.start()
    wait_until(is_enabled)
    sqs.send_message(QueueUrl=queue, MessageBody="work")

    def is_taken() -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return set(counts.values()) == {"0"}

    wait_until(is_taken)


def test_a_mapping_whose_function_is_gone_does_not_keep_the_emulator_from_starting(
    own_emulator: Any, make_deployer: Callable[..., Any]
) -> None:
    own_emulator.extra |= {"IMAGE_FUNCTIONS_STATE": str(own_emulator.folder / "state")}
    own_emulator.start()
    make_deployer(own_emulator).create("gone", "def handler(event, context):\n    return 1\n")
    sqs, functions = own_emulator.client("sqs"), own_emulator.client("lambda")
    queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    functions.create_event_source_mapping(EventSourceArn=arn["QueueArn"], FunctionName="gone")
    functions.delete_function(FunctionName="gone")
    assert len(functions.list_event_source_mappings()["EventSourceMappings"]) == 1
    own_emulator.stop()
    own_emulator.start()
    assert functions.list_event_source_mappings()["EventSourceMappings"] == []


def test_a_schedule_goes_on(emulator: Any, wait_until: Callable[..., Any]) -> None:
    events, sqs = emulator.client("events"), emulator.client("sqs")
    url = sqs.create_queue(QueueName="ticks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="tick", ScheduleExpression="rate(1 minute)", State="ENABLED")
    events.put_targets(Rule="tick", Targets=[{"Id": "q", "Arn": arn["QueueArn"]}])
    time.sleep(1.5)  # what is kept within a second

    assert killed_and_started(emulator)["rows"]["service"]

    assert [rule["Name"] for rule in events.list_rules()["Rules"]] == ["tick"]
    sqs.purge_queue(QueueUrl=url)
    wait_until(lambda: "Messages" in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5), 150)


def test_a_folder_whose_objects_expire_stays_small(
    emulator: Any, wait_until: Callable[..., Any]
) -> None:
    """However long it goes on: what lies there is what a day brings, here six seconds."""
    emulator.stop()
    emulator.extra["IMAGE_FUNCTIONS_DAY_S"] = "6"
    emulator.start()
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="kept", Body=b"x")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "clips/"}}
    s3.put_bucket_lifecycle_configuration(
        Bucket="bucket", LifecycleConfiguration={"Rules": [rule | {"Expiration": {"Days": 1}}]}
    )
    most, written, began = 0, 0, time.monotonic()
    while time.monotonic() - began < 25:
        s3.put_object(Bucket="bucket", Key=f"clips/{written}", Body=b"x" * 100_000)
        written += 1
        most = max(most, len(s3.list_objects_v2(Bucket="bucket")["Contents"]))
        time.sleep(0.1)  # the pace itself
    # A day, the two seconds between sweeps, and what a busy machine is late by.
    assert most < written * 0.7
    wait_until(lambda: len(s3.list_objects_v2(Bucket="bucket")["Contents"]) == 1, 60)
    folder = Path(emulator.folder) / "state" / "objects" / "bucket"
    assert facts(emulator)["rows"]["s3-object"] == 1
    emulator.stop()
    emulator.start()  # files of deleted objects go then, or after a minute
    assert sum(path.stat().st_size for path in folder.iterdir()) == 1


def test_a_deployed_stack_is_not_looked_for_long_after_it_is_made(
    emulator: Any, wait_until: Callable[..., Any]
) -> None:
    """Looking through everything takes a tenth of the emulator's time from whoever sends clips."""
    stacks = emulator.client("cloudformation")
    template = {"Resources": {"Results": {"Type": "AWS::SQS::Queue"}}}
    stacks.create_stack(StackName="made", TemplateBody=json.dumps(template))
    assert not facts(emulator)["settled"]
    stacks.get_waiter("stack_create_complete").wait(StackName="made", WaiterConfig={"Delay": 1})
    wait_until(lambda: facts(emulator)["settled"], 15)
    killed_and_started(emulator)
    (stack,) = stacks.describe_stacks(StackName="made")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    stacks.delete_stack(StackName="made")
    stacks.get_waiter("stack_delete_complete").wait(StackName="made", WaiterConfig={"Delay": 1})
    wait_until(lambda: facts(emulator)["settled"], 15)
    killed_and_started(emulator)
    (deleted,) = stacks.describe_stacks(StackName=stack["StackId"])["Stacks"]
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
