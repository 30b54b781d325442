"""Image functions in a real LocalStack, over HTTP."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localstack_image_functions.errors import IsolationUnavailable
from localstack_image_functions.process.bundle import Bundle
from localstack_image_functions.process.isolation import isolation_here

HELLO = """
    import os
    calls, life = 0, os.urandom(8).hex()
    def handler(event, context):
        global calls
        calls += 1
        print("hello from", context.function_name)
        return {"calls": calls, "life": life, **event}
"""
SLEEP = """
    import os, time
    life = os.urandom(8).hex()
    def handler(event, context):
        time.sleep(event["seconds"])
        return life
"""
ENVIRONMENT = """
    import os
    def handler(event, context):
        return dict(os.environ)
"""
FAILURES = """
    import os, time
    def handler(event, context):
        match event["how"]:
            case "raise":
                raise KeyError("missing")
            case "exit":
                os._exit(3)
            case "sleep":
                time.sleep(60)
            case "eat":
                held = []
                while True:
                    held.append(bytearray(8 * 2**20))
                    time.sleep(0.002)
        return "fine"
"""

ACCOUNT = "000000000000"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
OCI_NAMES = {"x86_64": "amd64", "arm64": "arm64"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"

Wait = Callable[..., Any]
Gone = Callable[[int], bool]


def test_ecr_shows_exactly_the_image_that_runs(deployer: Any, emulator: Any) -> None:
    bundle = deployer.create("shown", HELLO)
    ecr = emulator.client("ecr")
    repository = deployer.repository
    found = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert [image["imageDigest"] for image in found] == [bundle.digest]
    assert found[0]["imageTags"] == ["latest"]
    listed = ecr.list_images(repositoryName=repository)["imageIds"]
    assert listed == [{"imageDigest": bundle.digest, "imageTag": "latest"}]
    got = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "latest"}])
    assert got["images"][0]["imageManifest"] == bundle.manifest
    code = emulator.client("lambda").get_function(FunctionName="shown")
    assert code["Configuration"]["CodeSha256"] == bundle.digest.removeprefix("sha256:")
    assert code["Configuration"]["PackageType"] == "Image"
    assert code["Code"]["ResolvedImageUri"] == deployer.uri(bundle)


def test_put_image_under_a_wrong_digest_is_refused(deployer: Any, emulator: Any) -> None:
    bundle = deployer.push(HELLO)
    with pytest.raises(ClientError, match="ImageDigestDoesNotMatch"):
        emulator.client("ecr").put_image(
            repositoryName=deployer.repository,
            imageManifest=bundle.manifest,
            imageTag="wrong",
            imageDigest="sha256:" + "0" * 64,
        )


def test_client_context_reaches_the_function_of_a_synchronous_invocation(
    deployer: Any, emulator: Any
) -> None:
    """LocalStack drops it. One invocation's is not the next one's."""
    code = """
        def handler(event, context):
            told = context.client_context
            return told and {"custom": told.custom, "app": told.client.app_title}
    """
    deployer.create("contextual", code)
    told = {"custom": {"course": "cloud"}, "client": {"app_title": "camera"}, "env": {}}
    encoded = base64.b64encode(json.dumps(told).encode()).decode()
    client = emulator.client("lambda")

    def answer(**own: Any) -> Any:
        return json.load(client.invoke(FunctionName="contextual", **own)["Payload"])

    assert answer(ClientContext=encoded) == {"custom": {"course": "cloud"}, "app": "camera"}
    assert answer() is None
    for none in ("not base64", base64.b64encode(b"{").decode()):
        with pytest.raises(ClientError, match="InvalidRequestContentException"):
            answer(ClientContext=none)


def test_image_by_tag_is_resolved_to_its_digest(deployer: Any, emulator: Any) -> None:
    bundle = deployer.push(HELLO, tag="v1")
    uri = deployer.uri(bundle).partition("@")[0]
    client = emulator.client("lambda")
    client.create_function(
        FunctionName="tagged",
        PackageType="Image",
        Code={"ImageUri": f"{uri}:v1"},
        Architectures=[bundle.architecture],
        Role=ROLE,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="tagged")
    assert deployer.invoke("tagged").payload["calls"] == 1
    code = client.get_function(FunctionName="tagged")["Code"]
    assert code["ImageUri"] == f"{uri}:v1"
    assert code["ResolvedImageUri"] == deployer.uri(bundle)


@pytest.mark.parametrize(
    "uri",
    [
        "busybox",
        "localhost:5000/missing:v1",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/missing:v1",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/missing@sha256:" + "1" * 64,
    ],
)
def test_image_that_does_not_exist_is_refused(emulator: Any, uri: str) -> None:
    client = emulator.client("lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="valid source"):
        client.create_function(
            FunctionName="missing", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
        )
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="missing")


def test_image_of_another_architecture_or_region_is_refused(deployer: Any, emulator: Any) -> None:
    """LocalStack takes both; what was built on a Mac then ran here and on AWS did not start."""
    bundle = deployer.create("placed", HELLO)
    other = {"x86_64": "arm64", "arm64": "x86_64"}[bundle.architecture]
    foreign = deployer.push(HELLO, tag="foreign", architecture=OCI_NAMES[other])
    uri, elsewhere = deployer.uri(foreign), deployer.uri(bundle).replace("us-east-1", "eu-west-1")
    client = emulator.client("lambda")
    image = {"FunctionName": "misplaced", "PackageType": "Image", "Role": ROLE}
    mine = [bundle.architecture]
    for source, architectures, says in (
        (uri, mine, f"was built for {other}"),
        (deployer.uri(bundle), [other], f"was built for {mine[0]}"),
        (elsewhere, mine, "is not valid.*us-east-1"),
    ):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=says):
            client.create_function(**image, Code={"ImageUri": source}, Architectures=architectures)
    for source, says in ((uri, f"was built for {other}"), (elsewhere, "is not valid")):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=says):
            client.update_function_code(FunctionName="placed", ImageUri=source)
    assert deployer.invoke("placed").payload["calls"] == 1
    made = client.create_function(**image, Code={"ImageUri": uri}, Architectures=[other])
    assert made["Architectures"] == [other]
    client.update_function_code(FunctionName="placed", ImageUri=uri, Architectures=[other])
    client.get_waiter("function_updated_v2").wait(FunctionName="placed")
    found = client.get_function_configuration(FunctionName="placed")
    assert found["Architectures"] == [other]


def test_an_alias_sends_as_many_to_its_second_version_as_its_weight_says(
    deployer: Any, emulator: Any
) -> None:
    deployer.create("weighted", HELLO)
    client = emulator.client("lambda")
    for number in ("1", "2"):
        client.update_function_configuration(FunctionName="weighted", Description=number)
        client.get_waiter("function_updated_v2").wait(FunctionName="weighted")
        assert client.publish_version(FunctionName="weighted")["Version"] == number
        client.get_waiter("published_version_active").wait(
            FunctionName="weighted", Qualifier=number
        )

    def versions(times: int) -> list[str]:
        return [
            client.invoke(FunctionName="weighted", Qualifier="live")["ExecutedVersion"]
            for _ in range(times)
        ]

    def weight(share: float) -> dict[str, Any]:
        return {"RoutingConfig": {"AdditionalVersionWeights": {"2": share}}}

    alias = {"FunctionName": "weighted", "Name": "live", "FunctionVersion": "1"}
    client.create_alias(**alias, **weight(1.0))
    assert versions(6) == ["2"] * 6
    client.update_alias(**alias, **weight(0.0))
    assert versions(6) == ["1"] * 6
    client.update_alias(**alias, **weight(0.5))
    assert set(versions(40)) == {"1", "2"}  # by chance one in 5 * 10**11 fails


def test_update_to_an_image_that_does_not_exist_changes_nothing(
    deployer: Any, emulator: Any
) -> None:
    bundle = deployer.create("kept", HELLO)
    client = emulator.client("lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.update_function_code(FunctionName="kept", ImageUri=deployer.uri(bundle)[:-3] + "000")
    assert deployer.invoke("kept").payload["calls"] == 1


def test_image_index_is_refused(deployer: Any, emulator: Any) -> None:
    deployer.push(HELLO)
    ecr, client = emulator.client("ecr"), emulator.client("lambda")
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [], "layers": []})
    digest = ecr.put_image(
        repositoryName=deployer.repository, imageManifest=index, imageTag="index"
    )["image"]["imageId"]["imageDigest"]
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="not supported"):
        client.create_function(
            FunctionName="index",
            PackageType="Image",
            Code={"ImageUri": f"{REGISTRY}/{deployer.repository}@{digest}"},
            Role=ROLE,
        )


def test_missing_image_fails_a_stack(emulator: Any, wait_until: Wait) -> None:
    template = {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "PackageType": "Image",
                    "Role": ROLE,
                    "Code": {"ImageUri": f"{REGISTRY}/missing:v1"},
                },
            }
        }
    }
    client = emulator.client("cloudformation")
    client.create_stack(
        StackName="missing-image", TemplateBody=json.dumps(template), OnFailure="DO_NOTHING"
    )

    def failed() -> bool:
        stack = client.describe_stacks(StackName="missing-image")["Stacks"][0]
        return stack["StackStatus"] == "CREATE_FAILED"

    wait_until(failed, 60)
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in client.describe_stack_events(StackName="missing-image")["StackEvents"]
    ]
    assert any("does not exist" in reason for reason in reasons)


def test_environment_is_reused_while_it_is_free(deployer: Any) -> None:
    deployer.create("warm", HELLO)
    answers = [deployer.invoke("warm").payload for _ in range(3)]
    assert [answer["calls"] for answer in answers] == [1, 2, 3]
    assert len({answer["life"] for answer in answers}) == 1


def test_concurrent_invocations_have_a_process_each(deployer: Any) -> None:
    deployer.create("concurrent", SLEEP)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(deployer.invoke, "concurrent", seconds=2) for _ in range(4)]
        lives = [job.result().payload for job in jobs]
    assert len(set(lives)) == 4
    assert deployer.invoke("concurrent", seconds=0).payload in lives


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("raise", "KeyError"),
        ("exit", "Runtime.ExitError"),
        ("sleep", "Sandbox.Timedout"),
        ("eat", "Runtime.OutOfMemory"),
    ],
)
def test_failure_is_unhandled_and_the_next_call_works(deployer: Any, how: str, kind: str) -> None:
    name = f"fails-{how}"
    deployer.create(name, FAILURES, Timeout=5, MemorySize=128)
    failed = deployer.invoke(name, how=how)
    assert failed.error == "Unhandled"
    assert failed.payload["errorType"] == kind
    assert "START RequestId" in failed.log
    assert "REPORT RequestId" in failed.log
    again = deployer.invoke(name, how="not at all")
    assert (again.error, again.payload) == (None, "fine")


def test_init_error_is_unhandled(deployer: Any) -> None:
    deployer.create("broken", "import nothing_of_this_name\n")
    failed = deployer.invoke("broken")
    assert failed.error == "Unhandled"
    assert failed.payload["errorType"] == "Runtime.ImportModuleError"
    assert "nothing_of_this_name" in failed.log


def seen_at(bundle: Bundle, place: str) -> str:
    """Where a function finds what its image has at `place`."""
    try:
        isolation_here()
    except IsolationUnavailable:
        return str(bundle.host_path(place))
    return place


def test_image_config_of_the_function_wins_over_the_images_own(
    deployer: Any, emulator: Any
) -> None:
    code = """
        import os
        def handler(event, context):
            return "own"
        def other(event, context):
            return ["other", os.environ["_HANDLER"], os.getcwd()]
    """
    bundle = deployer.create("configured", code)
    task = seen_at(bundle, "/var/task")
    assert deployer.invoke("configured").payload == "own"
    client = emulator.client("lambda")
    client.update_function_configuration(
        FunctionName="configured", ImageConfig={"Command": ["handler.other"]}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName="configured")
    assert deployer.invoke("configured").payload == ["other", "handler.other", task]


def test_new_configuration_drops_warm_environments(deployer: Any, emulator: Any) -> None:
    deployer.create("reconfigured", ENVIRONMENT, Environment={"Variables": {"STAGE": "old"}})
    assert deployer.invoke("reconfigured").payload["STAGE"] == "old"
    client = emulator.client("lambda")
    client.update_function_configuration(
        FunctionName="reconfigured", Environment={"Variables": {"STAGE": "new"}}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName="reconfigured")
    assert deployer.invoke("reconfigured").payload["STAGE"] == "new"


def test_new_code_is_live_and_the_old_process_gone(
    deployer: Any, emulator: Any, wait_until: Wait, gone: Gone
) -> None:
    deployer.create("updated", HELLO)
    deployer.invoke("updated")
    (old,) = deployer.processes("updated")
    bundle = deployer.push("def handler(event, context):\n    return 'new'\n", tag="v2")
    client = emulator.client("lambda")
    client.update_function_code(FunctionName="updated", ImageUri=deployer.uri(bundle))
    client.get_waiter("function_updated_v2").wait(FunctionName="updated")
    assert deployer.invoke("updated").payload == "new"
    wait_until(lambda: gone(old))


def test_update_lets_a_running_invocation_end(
    deployer: Any, emulator: Any, wait_until: Wait
) -> None:
    deployer.create("draining", SLEEP)
    life = deployer.invoke("draining", seconds=0).payload
    (pid,) = deployer.processes("draining")
    client = emulator.client("lambda")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(deployer.invoke, "draining", seconds=2)
        wait_until(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED)
        client.update_function_configuration(FunctionName="draining", Timeout=19)
        assert running.result().payload == life


def test_deleted_function_leaves_no_process(
    deployer: Any, emulator: Any, wait_until: Wait, gone: Gone
) -> None:
    deployer.create("deleted", HELLO)
    deployer.invoke("deleted")
    (pid,) = deployer.processes("deleted")
    emulator.client("lambda").delete_function(FunctionName="deleted")
    wait_until(lambda: gone(pid))


def test_output_reaches_cloudwatch_logs(deployer: Any, emulator: Any, wait_until: Wait) -> None:
    deployer.create("logging", HELLO)
    deployer.invoke("logging")
    logs = emulator.client("logs")

    def messages() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/logging")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events]

    lines = wait_until(messages)
    assert "hello from logging\n" in lines
    assert [line.split()[0] for line in lines] == ["START", "hello", "END", "REPORT"]


def test_function_gets_what_aws_sets_and_nothing_of_the_host(deployer: Any, emulator: Any) -> None:
    bundle = deployer.create(
        "environment", ENVIRONMENT, MemorySize=300, Environment={"Variables": {"MINE": "1"}}
    )
    seen = deployer.invoke("environment").payload
    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "environment",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "300",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/environment",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{emulator.port}",
        "LAMBDA_TASK_ROOT": seen_at(bundle, "/var/task"),
        "_HANDLER": "handler.handler",
        "TZ": ":UTC",
        "MINE": "1",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert "[$LATEST]" in seen["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert "not for functions" not in seen.values()
    aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert aws <= set(seen)
    assert not {"AWS_PROFILE", "PYTHONPATH", "FILESYSTEM_ROOT", "IMAGE_FUNCTIONS_STORE"} & set(seen)
    assert seen["HOME"] == seen["TMPDIR"] != os.environ.get("HOME")


def test_function_reaches_the_emulator(deployer: Any, emulator: Any) -> None:
    code = """
        import boto3
        def handler(event, context):
            boto3.client("dynamodb").put_item(
                TableName="from-function", Item={"id": {"S": event["id"]}}
            )
    """
    dynamodb = emulator.client("dynamodb")
    dynamodb.create_table(
        TableName="from-function",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    deployer.create("writer", code)
    assert deployer.invoke("writer", id="7").error is None
    found = dynamodb.get_item(TableName="from-function", Key={"id": {"S": "7"}})
    assert found["Item"] == {"id": {"S": "7"}}


def test_event_is_retried_and_then_sent_to_the_failure_destination(
    deployer: Any, emulator: Any, wait_until: Wait
) -> None:
    deployer.create("retried", FAILURES)
    sqs = emulator.client("sqs")
    queue = sqs.create_queue(QueueName="failures")["QueueUrl"]
    client = emulator.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName="retried",
        MaximumRetryAttempts=1,
        DestinationConfig={
            "OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:failures"}
        },
    )
    client.invoke(
        FunctionName="retried", InvocationType="Event", Payload=json.dumps({"how": "exit"})
    )
    received = wait_until(
        lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"), 60
    )
    failure = json.loads(received[0]["Body"])
    assert failure["requestContext"]["approximateInvokeCount"] == 2
    assert failure["responsePayload"]["errorType"] == "Runtime.ExitError"


def test_nothing_listens_beyond_loopback(emulator: Any) -> None:
    family = psutil.Process(emulator.process.pid)
    sockets = [
        connection.laddr.ip
        for process in (family, *family.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert sockets
    assert set(sockets) == {"127.0.0.1"}


def test_events_around_an_update_are_neither_lost_nor_late_nor_doubled(
    deployer: Any, emulator: Any, wait_until: Wait
) -> None:
    """LocalStack's own poller hides such an event for the function's timeout plus a minute."""
    deployer.create("busy", "def handler(event, context):\n    return event['n']\n", Timeout=60)
    sqs = emulator.client("sqs")
    queue = sqs.create_queue(QueueName="answers")["QueueUrl"]
    client = emulator.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName="busy",
        DestinationConfig={
            "OnSuccess": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:answers"}
        },
    )
    sent = 40
    for number in range(sent):
        if number == sent // 2:
            client.update_function_configuration(FunctionName="busy", Description="new")
        client.invoke(
            FunctionName="busy", InvocationType="Event", Payload=json.dumps({"n": number})
        )
    answers: list[int] = []

    def all_answered() -> bool:
        received = sqs.receive_message(
            QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10
        ).get("Messages", [])
        for message in received:
            answers.append(json.loads(message["Body"])["responsePayload"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(answers) >= sent

    wait_until(all_answered, 40)
    assert sorted(answers) == list(range(sent))


def test_first_invocations_all_at_once(deployer: Any) -> None:
    """Environments are added while others look for a free one."""
    deployer.create("burst", SLEEP)
    with ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(deployer.invoke, "burst", seconds=0.05) for _ in range(48)]
        assert {job.result().error for job in jobs} == {None}
