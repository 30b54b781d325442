"""A function that calls itself, or writes to the bucket that calls it, ends as on AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localstack_image_functions.recursion import (
    MOST_IN_A_CHAIN,
    is_loop,
    lineage_of,
    with_one_more,
)

FUNCTION, OTHER = (f"arn:aws:lambda:eu-west-1:111122223333:function:{name}" for name in "ab")
LOOP = """
import json, os, urllib.error, urllib.parse, urllib.request

def ask(method, path, service, body, **headers):
    signed = f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, "
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, body, {
        "Authorization": signed + "SignedHeaders=host, Signature=0",
        "X-Amzn-Trace-Id": os.environ["_X_AMZN_TRACE_ID"],  # as AWS's SDKs do
        **headers,
    }, method=method)
    try:
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.headers["x-amzn-errortype"]

def handler(event, context):
    for record in event.get("Records", ()):
        if record.get("eventSource") == "aws:sqs":
            asked = json.loads(record["body"])
            asked["depth"] += 1
            body = json.dumps({"QueueUrl": asked["queue"], "MessageBody": json.dumps(asked)})
            said = ask("POST", "/", "sqs", body.encode(), **{
                "X-Amz-Target": "AmazonSQS.SendMessage",
                "Content-Type": "application/x-amz-json-1.0",
            })
            print(f"depth {asked['depth']}: {said}")
            return
        if "Sns" in record:
            asked = json.loads(record["Sns"]["Message"])
            asked["depth"] += 1
            body = urllib.parse.urlencode({"Action": "Publish", "Version": "2010-03-31",
                "TopicArn": asked["topic"], "Message": json.dumps(asked)})
            said = ask("POST", "/", "sns", body.encode(), **{
                "Content-Type": "application/x-www-form-urlencoded"})
            print(f"depth {asked['depth']}: {said}")
            return
        number = int(record["s3"]["object"]["key"]) + 1
        return ask("PUT", f"/{record['s3']['bucket']['name']}/{number}", "s3", b"")
    depth = event["depth"] + 1
    name, body = context.function_name, json.dumps({**event, "depth": depth}).encode()
    if depth == event.get("last"):
        print(f"depth {depth}: the last")
        return depth
    path = f"/2015-03-31/functions/{name}/invocations"
    said = ask("POST", path, "lambda", body, **{"X-Amz-Invocation-Type": "Event"})
    print(f"depth {depth}: {said}")
"""

TRACE = "import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']\n"


def test_each_function_of_a_chain_is_counted_for_itself() -> None:
    lineage = None
    for _ in range(MOST_IN_A_CHAIN):
        assert not is_loop(lineage, FUNCTION)
        lineage = with_one_more(lineage, FUNCTION)
    assert is_loop(lineage, FUNCTION)
    assert not is_loop(with_one_more(lineage, OTHER), OTHER)
    assert is_loop(with_one_more(lineage, OTHER), FUNCTION)


@pytest.mark.parametrize("lineage", [None, "", "|", "a", "a:", ":5", "a:many|:|b:-1", "=;"])
def test_a_lineage_that_says_nothing_is_none(lineage: str | None) -> None:
    assert not is_loop(lineage, FUNCTION)
    assert with_one_more(lineage, FUNCTION) == with_one_more(None, FUNCTION)


def test_a_batch_has_the_longest_lineage_of_each_function() -> None:
    traces = (
        f"Root=1-a-b;Parent=c;Sampled=0;Lineage={with_one_more(None, OTHER)}",
        f"Root=1-a-b;Lineage={with_one_more(with_one_more(None, FUNCTION), FUNCTION)}",
        "Root=1-a-b;Parent=a:7|b:9",
    )
    batch = [{"Attributes": {"AWSTraceHeader": trace}} for trace in traces]
    lineage = lineage_of([*batch, {"Attributes": {}}, {}])
    assert with_one_more(lineage, OTHER) == with_one_more(
        with_one_more(with_one_more(with_one_more(None, OTHER), FUNCTION), FUNCTION), OTHER
    )
    assert lineage_of([{}]) == ""


def told(emulator: Any, name: str) -> list[str]:
    """What the function printed, sorted: its environments end in no order."""
    logs = emulator.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return sorted(one["message"].strip() for one in events if one["message"].startswith("depth"))


def test_a_function_that_calls_itself_ends(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("loop", LOOP)
    client = emulator.client("lambda")
    client.invoke(FunctionName="loop", InvocationType="Event", Payload='{"depth": 0}')
    called = [f"depth {depth}: 202" for depth in range(1, MOST_IN_A_CHAIN)]
    last = f"depth {MOST_IN_A_CHAIN}: RecursiveInvocationException"
    wait_until(lambda: told(emulator, "loop") == sorted([*called, last]))


def test_a_dropped_event_goes_where_failures_go(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("dropping", LOOP)
    functions, queues = emulator.client("lambda"), emulator.client("sqs")
    urls = [queues.create_queue(QueueName=name)["QueueUrl"] for name in ("dropped", "dead")]
    arns = [
        queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["QueueArn"]
        for url in urls
    ]
    functions.put_function_event_invoke_config(
        FunctionName="dropping", DestinationConfig={"OnFailure": {"Destination": arns[0]}}
    )
    functions.update_function_configuration(
        FunctionName="dropping", DeadLetterConfig={"TargetArn": arns[1]}
    )
    functions.get_waiter("function_updated_v2").wait(FunctionName="dropping")
    functions.invoke(FunctionName="dropping", InvocationType="Event", Payload='{"depth": 0}')
    bodies = []
    for url in urls:
        found: list[str] = []
        wait_until(lambda url=url, found=found: found.extend(received(queues, url)) or found)
        bodies += found
    destination, dead = (json.loads(body) for body in bodies)
    assert dead == destination["requestPayload"] == {"depth": MOST_IN_A_CHAIN}
    assert destination["requestContext"]["condition"] == "RecursiveInvocation"


def received(queues: Any, url: str) -> list[str]:
    return [one["Body"] for one in queues.receive_message(QueueUrl=url).get("Messages", ())]


def test_a_function_that_publishes_to_its_own_topic_ends(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("publishing", LOOP)
    topics, functions = emulator.client("sns"), emulator.client("lambda")
    topic = topics.create_topic(Name="loops")["TopicArn"]
    arn = functions.get_function_configuration(FunctionName="publishing")["FunctionArn"]
    functions.add_permission(
        FunctionName="publishing", StatementId="sns", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
    )  # fmt: skip
    topics.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    topics.publish(TopicArn=topic, Message=json.dumps({"topic": topic, "depth": 0}))
    wait_until(lambda: f"{arn} ran {MOST_IN_A_CHAIN} times in one chain" in emulator.log)
    sent = [f"depth {depth}: 200" for depth in range(1, MOST_IN_A_CHAIN + 1)]
    wait_until(lambda: told(emulator, "publishing") == sorted(sent))


@pytest.mark.parametrize(("mode", "sampled"), [("PassThrough", "0"), ("Active", "1")])
def test_a_function_that_is_not_traced_is_not_sampled(
    emulator: Any, deployer: Any, mode: str, sampled: str
) -> None:
    deployer.create(f"traced-{mode}", TRACE)
    client = emulator.client("lambda")
    client.update_function_configuration(
        FunctionName=f"traced-{mode}", TracingConfig={"Mode": mode}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=f"traced-{mode}")
    trace = json.load(client.invoke(FunctionName=f"traced-{mode}")["Payload"])
    assert f"Sampled={sampled}" in trace.split(";")


def test_a_function_that_may_loop_goes_on(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("allowed", LOOP)
    client = emulator.client("lambda")
    client.put_function_recursion_config(FunctionName="allowed", RecursiveLoop="Allow")
    event = json.dumps({"depth": 0, "last": MOST_IN_A_CHAIN + 2})
    client.invoke(FunctionName="allowed", InvocationType="Event", Payload=event)
    wait_until(lambda: f"depth {MOST_IN_A_CHAIN + 2}: the last" in told(emulator, "allowed"))


def test_a_function_that_sends_to_its_own_queue_ends(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("sending", LOOP)
    queues, functions = emulator.client("sqs"), emulator.client("lambda")
    url = queues.create_queue(QueueName="loops")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    made = functions.create_event_source_mapping(
        FunctionName="sending", EventSourceArn=attributes["Attributes"]["QueueArn"], BatchSize=1
    )
    arn, begun = functions.get_function_configuration(FunctionName="sending")["FunctionArn"], 13
    lineage = None
    for _ in range(begun):  # a mapping takes a second for each
        lineage = with_one_more(lineage, arn)
    trace = {"StringValue": f"Root=1-a-b;Lineage={lineage}", "DataType": "String"}
    queues.send_message(
        QueueUrl=url,
        MessageBody=json.dumps({"queue": url, "depth": begun}),
        MessageSystemAttributes={"AWSTraceHeader": trace},
    )
    wait_until(lambda: f"{arn} ran {MOST_IN_A_CHAIN} times in one chain" in emulator.log)
    sent = [f"depth {depth}: 200" for depth in range(begun + 1, MOST_IN_A_CHAIN + 1)]
    assert told(emulator, "sending") == sorted(sent)
    functions.delete_event_source_mapping(UUID=made["UUID"])


def test_a_function_that_writes_to_its_own_bucket_ends(
    emulator: Any, deployer: Any, wait_until: Callable[..., Any]
) -> None:
    deployer.create("writing", LOOP)
    s3, functions = emulator.client("s3"), emulator.client("lambda")
    functions.add_permission(
        FunctionName="writing", StatementId="s3", Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )  # fmt: skip
    s3.create_bucket(Bucket="loops")
    arn = functions.get_function_configuration(FunctionName="writing")["FunctionArn"]
    told_of = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="loops", NotificationConfiguration={"LambdaFunctionConfigurations": [told_of]}
    )
    s3.put_object(Bucket="loops", Key="0", Body=b"")
    wait_until(lambda: f"{arn} ran {MOST_IN_A_CHAIN} times in one chain" in emulator.log)
    assert s3.list_objects_v2(Bucket="loops")["KeyCount"] == MOST_IN_A_CHAIN + 1
