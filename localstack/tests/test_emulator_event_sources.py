"""Queues as sources of a function's events: soon, in part, in order, and not for ever."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

Wait = Callable[..., Any]
ECHO = """
    import json, os, boto3
    sqs = boto3.client("sqs", region_name="us-east-1")
    def handler(event, context):
        failed = []
        for record in event["Records"]:
            body = json.loads(record["body"])
            if body.get("poison"):
                failed.append({"itemIdentifier": record["messageId"]})
            elif body.get("raise"):
                raise ValueError("asked to")
            else:
                sqs.send_message(QueueUrl=os.environ["ANSWERS"], MessageBody=record["body"])
        return {"batchItemFailures": failed}
"""


@pytest.fixture
def pipe(emulator: Any, deployer: Any, request: pytest.FixtureRequest) -> Any:
    """Makes queue → function → queue; gives their URLs."""
    name = request.node.name.replace("_", "-")[:40]
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    mappings = []

    def make(suffix: str = "", **settings: str) -> tuple[str, str, str]:
        letters = queues.create_queue(
            QueueName=f"{name}-dead{suffix}", Attributes={"FifoQueue": "true"} if suffix else {}
        )["QueueUrl"]
        redrive = {"deadLetterTargetArn": arn_of(queues, letters), "maxReceiveCount": 2}
        attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "3", **settings}
        if suffix:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        asked = queues.create_queue(QueueName=f"{name}-asked{suffix}", Attributes=attributes)
        answers = queues.create_queue(QueueName=f"{name}-answers")["QueueUrl"]
        deployer.create(name, ECHO, Environment={"Variables": {"ANSWERS": answers}}, Timeout=3)
        deployer.invoke(name, Records=[])  # warm from here on
        mapping = functions.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=arn_of(queues, asked["QueueUrl"]),
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        mappings.append(mapping["UUID"])
        return asked["QueueUrl"], answers, letters

    yield make
    for mapping in mappings:
        functions.delete_event_source_mapping(UUID=mapping)


def arn_of(queues: Any, url: str) -> str:
    return queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


def send(queues: Any, url: str, **body: Any) -> None:
    fifo = {"MessageGroupId": str(body.get("group", "g"))} if url.endswith(".fifo") else {}
    queues.send_message(QueueUrl=url, MessageBody=json.dumps(body), **fifo)


def receive(queues: Any, url: str, number: int, limit_s: float = 20.0) -> list[dict[str, Any]]:
    """The bodies of the next `number` messages."""
    bodies: list[dict[str, Any]] = []
    deadline = time.monotonic() + limit_s
    while len(bodies) < number and time.monotonic() < deadline:
        answer = queues.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            bodies.append(json.loads(message["Body"]))
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_a_message_reaches_a_warm_function_at_once_after_a_silence(
    emulator: Any, pipe: Any
) -> None:
    queues = emulator.client("sqs")
    asked, answers, _ = pipe()
    took: list[float] = []
    for number in range(8):
        began = time.monotonic()
        send(queues, asked, number=number)
        assert receive(queues, answers, 1) == [{"number": number}]
        took.append(time.monotonic() - began)
        time.sleep(0.7)  # the silence after which LocalStack would look ever more rarely
    # 0.15 s where nothing else runs; its own first pause is a second, and it grows.
    assert statistics.median(took) <= 0.75


def test_only_what_failed_comes_again_and_ends_among_the_dead_letters(
    emulator: Any, pipe: Any
) -> None:
    queues = emulator.client("sqs")
    asked, answers, letters = pipe()
    for number in range(4):
        send(queues, asked, number=number, poison=number == 2)
    assert sorted(body["number"] for body in receive(queues, answers, 3)) == [0, 1, 3]
    assert [body["number"] for body in receive(queues, letters, 1)] == [2]
    assert receive(queues, answers, 1, limit_s=1) == []


def test_what_a_function_fails_on_ends_among_the_dead_letters(emulator: Any, pipe: Any) -> None:
    queues = emulator.client("sqs")
    asked, answers, letters = pipe()
    send(queues, asked, **{"raise": True})
    assert receive(queues, letters, 1) == [{"raise": True}]
    send(queues, asked, number=1)
    assert receive(queues, answers, 1) == [{"number": 1}]


def test_what_a_filter_lets_through_comes_and_the_rest_goes(
    emulator: Any, pipe: Any, wait_until: Wait
) -> None:
    """On AWS what no filter wants is deleted from the queue."""
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    asked, answers, letters = pipe()
    mapping = mapping_of(emulator, asked)
    functions.update_event_source_mapping(
        UUID=mapping, FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": ["face"]}}'}]}
    )
    wait_until(lambda: state_of(functions, mapping) == "Enabled")
    for number, kind in enumerate(("tree", "face", "car")):
        send(queues, asked, number=number, kind=kind)
    assert receive(queues, answers, 1) == [{"number": 1, "kind": "face"}]
    wait_until(lambda: left_in(queues, asked) == 0)
    assert receive(queues, answers, 1, limit_s=1) == []
    assert left_in(queues, letters) == 0
    assert state_of(functions, mapping) == "Enabled"  # the worker from before the change has ended


def test_a_mapping_that_is_disabled_leaves_the_queue_alone_until_it_is_enabled(
    emulator: Any, pipe: Any, wait_until: Wait
) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    asked, answers, _ = pipe()
    mapping = mapping_of(emulator, asked)
    wait_until(lambda: state_of(functions, mapping) == "Enabled")
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    wait_until(lambda: state_of(functions, mapping) == "Disabled")
    send(queues, asked, number=1)
    assert receive(queues, answers, 1, limit_s=3) == []
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    wait_until(lambda: state_of(functions, mapping) == "Enabled")
    assert receive(queues, answers, 1) == [{"number": 1}]


def test_a_deleted_mapping_takes_no_message_once_it_is_gone(
    emulator: Any, pipe: Any, wait_until: Wait, request: pytest.FixtureRequest
) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    asked, answers, _ = pipe()
    kept = mapping_of(emulator, asked)  # the fixture deletes it
    other = queues.create_queue(QueueName="of-a-deleted-mapping")["QueueUrl"]
    name = request.node.name.replace("_", "-")[:40]
    for _attempt in range(3):
        made = functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=arn_of(queues, other)
        )["UUID"]
        wait_until(lambda made=made: state_of(functions, made) == "Enabled")
        answered = functions.delete_event_source_mapping(UUID=made)
        assert answered["State"] == "Deleting"
        wait_until(lambda made=made: is_gone(functions, made))
        send(queues, other, number=1)
        (message,) = queues.receive_message(
            QueueUrl=other, WaitTimeSeconds=2, MessageSystemAttributeNames=["All"]
        )["Messages"]
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        queues.delete_message(QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])
    assert receive(queues, answers, 1, limit_s=1) == []
    assert state_of(functions, kept) == "Enabled"


def test_what_is_being_deleted_is_neither_changed_nor_deleted_again(
    emulator: Any, pipe: Any, wait_until: Wait, request: pytest.FixtureRequest
) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    pipe()
    url = queues.create_queue(QueueName="deleted-twice")["QueueUrl"]
    name = request.node.name.replace("_", "-")[:40]
    asked = {"FunctionName": name, "EventSourceArn": arn_of(queues, url)}
    made = functions.create_event_source_mapping(**asked, MaximumBatchingWindowInSeconds=5)["UUID"]
    wait_until(lambda: state_of(functions, made) == "Enabled")
    functions.delete_event_source_mapping(UUID=made)
    assert state_of(functions, made) == "Deleting"
    with pytest.raises(functions.exceptions.ResourceInUseException):
        functions.update_event_source_mapping(UUID=made, BatchSize=1)
    with pytest.raises(functions.exceptions.ResourceInUseException):
        functions.delete_event_source_mapping(UUID=made)
    wait_until(lambda: is_gone(functions, made))


def test_a_disabled_mapping_that_is_deleted_is_gone(
    emulator: Any, pipe: Any, request: pytest.FixtureRequest
) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    pipe()
    url = queues.create_queue(QueueName="never-polled")["QueueUrl"]
    name = request.node.name.replace("_", "-")[:40]
    asked = {"FunctionName": name, "EventSourceArn": arn_of(queues, url)}
    made = functions.create_event_source_mapping(**asked, Enabled=False)["UUID"]
    functions.delete_event_source_mapping(UUID=made)
    assert is_gone(functions, made)
    found = functions.list_event_source_mappings(EventSourceArn=asked["EventSourceArn"])
    assert found["EventSourceMappings"] == []


def is_gone(functions: Any, mapping: str) -> bool:
    try:
        functions.get_event_source_mapping(UUID=mapping)
    except functions.exceptions.ResourceNotFoundException:
        return True
    return False


def mapping_of(emulator: Any, queue: str) -> str:
    arn = arn_of(emulator.client("sqs"), queue)
    found = emulator.client("lambda").list_event_source_mappings(EventSourceArn=arn)
    (mapping,) = found["EventSourceMappings"]
    return mapping["UUID"]


def state_of(functions: Any, mapping: str) -> str:
    return functions.get_event_source_mapping(UUID=mapping)["State"]


def left_in(queues: Any, url: str) -> int:
    """Messages that wait or are in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(told[name]) for name in names)


def test_what_is_throttled_is_tried_again_and_not_left_hidden(
    emulator: Any, pipe: Any, request: pytest.FixtureRequest
) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    asked, answers, _ = pipe(VisibilityTimeout="120")
    name = request.node.name.replace("_", "-")[:40]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    send(queues, asked, number=1)
    assert receive(queues, answers, 1, limit_s=1) == []
    functions.delete_function_concurrency(FunctionName=name)
    assert receive(queues, answers, 1) == [{"number": 1}]


def test_a_fifo_queue_keeps_the_order_of_each_group(emulator: Any, pipe: Any) -> None:
    queues = emulator.client("sqs")
    asked, answers, letters = pipe(".fifo")
    for number in range(12):
        send(queues, asked, number=number, group=number % 2)
    send(queues, asked, poison=True, group="bad")
    send(queues, asked, number=12, group=0)
    found = receive(queues, answers, 13)
    for group in (0, 1):
        numbers = [body["number"] for body in found if body["group"] == group]
        assert numbers == sorted(numbers)
    assert len(found) == 13
    assert receive(queues, letters, 1) == [{"poison": True, "group": "bad"}]


def test_batches_run_beside_each_other(emulator: Any, deployer: Any, wait_until: Wait) -> None:
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    url = queues.create_queue(QueueName="beside", Attributes={"VisibilityTimeout": "60"})[
        "QueueUrl"
    ]
    deployer.create("beside", "import time\ndef handler(event, context): time.sleep(2)")
    mapping = functions.create_event_source_mapping(
        FunctionName="beside", EventSourceArn=arn_of(queues, url), BatchSize=1
    )
    for number in range(5):
        send(queues, url, number=number)
    wait_until(lambda: len(deployer.processes("beside")) >= 3)
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def stream_of_new_table(tables: Any, name: str, view: str) -> str:
    made = tables.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    arn: str = made["TableDescription"]["LatestStreamArn"]
    return arn


def test_a_tables_changes_reach_a_function(emulator: Any, deployer: Any, wait_until: Wait) -> None:
    tables, functions = emulator.client("dynamodb"), emulator.client("lambda")
    stream = stream_of_new_table(tables, "streamed", "NEW_IMAGE")
    code = """
        def handler(event, context):
            for record in event["Records"]:
                change = record["dynamodb"]
                new = change.get("NewImage", {}).get("count", {}).get("N")
                print("changed", record["eventName"], change["Keys"]["id"]["S"], new)
    """
    deployer.create("streamed", code)
    mapping = functions.create_event_source_mapping(
        FunctionName="streamed",
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"id": {"S": ["a"]}}}}'}]},
    )
    for name, count in (("a", 1), ("b", 1), ("a", 2)):
        tables.put_item(TableName="streamed", Item={"id": {"S": name}, "count": {"N": str(count)}})
    tables.delete_item(TableName="streamed", Key={"id": {"S": "a"}})
    expected = ["INSERT a 1", "MODIFY a 2", "REMOVE a None"]
    wait_until(lambda: changes(emulator) == [f"changed {one}" for one in expected])
    wait_until(lambda: result_of(functions, mapping) == "OK")
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def result_of(functions: Any, mapping: Any) -> str | None:
    told = functions.get_event_source_mapping(UUID=mapping["UUID"])
    return told.get("LastProcessingResult")


def test_a_mapping_says_that_its_function_failed(
    emulator: Any, deployer: Any, wait_until: Wait
) -> None:
    tables, functions = emulator.client("dynamodb"), emulator.client("lambda")
    stream = stream_of_new_table(tables, "failing", "KEYS_ONLY")
    deployer.create("failing", "def handler(event, context): raise ValueError")
    mapping = functions.create_event_source_mapping(
        FunctionName="failing",
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
    )
    assert result_of(functions, mapping) == "No records processed"
    tables.put_item(TableName="failing", Item={"id": {"S": "a"}})
    wait_until(lambda: result_of(functions, mapping) == "PROBLEM: Function call failed")
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def changes(emulator: Any) -> list[str]:
    logs = emulator.client("logs")
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/streamed")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [one["message"].strip() for one in events if one["message"].startswith("changed")]
