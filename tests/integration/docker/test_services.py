"""The services around an image function, and what a killed emulator leaves behind."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from urllib.parse import unquote_plus, urlsplit

import psutil

from tests.conftest import wait_until
from tests.integration.docker.emulator import ImageFunctionsEmulator
from tests.integration.docker.functions import HOST_ARCHITECTURE, ROLE, deployed

MESSAGE_WAIT_S = 40


def test_put_to_s3_runs_the_function_whose_answer_arrives_in_sqs(emulator, probe_image):
    s3, sqs = emulator.client("s3"), emulator.client("sqs")
    uri = emulator.push(probe_image, "triggered")
    s3.create_bucket(Bucket="triggers")
    queue = sqs.create_queue(QueueName="answers")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    with deployed(emulator, "triggered", uri) as function:
        lambda_ = function.lambda_
        lambda_.put_function_event_invoke_config(
            FunctionName="triggered",
            DestinationConfig={"OnSuccess": {"Destination": arn["QueueArn"]}},
        )
        lambda_.add_permission(
            FunctionName="triggered",
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::triggers",
        )
        function_arn = lambda_.get_function(FunctionName="triggered")["Configuration"][
            "FunctionArn"
        ]
        s3.put_bucket_notification_configuration(
            Bucket="triggers",
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [
                    {"LambdaFunctionArn": function_arn, "Events": ["s3:ObjectCreated:*"]}
                ]
            },
        )
        s3.put_object(Bucket="triggers", Key="with space+ü.txt", Body=b"x")
        message = wait_until(
            lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"),
            MESSAGE_WAIT_S,
            "the function's answer in the queue",
        )[0]
        answer = json.loads(message["Body"])["responsePayload"]
        key = answer["Records"][0]["s3"]["object"]["key"]
        assert unquote_plus(key) == "with space+ü.txt"


def test_a_queues_address_needs_no_name_below_localhost(emulator):
    """Not every resolver knows `sqs.us-east-1.localhost`."""
    queue = emulator.client("sqs").create_queue(QueueName="addressed")["QueueUrl"]
    assert urlsplit(queue).path == "/queue/us-east-1/000000000000/addressed"
    assert not urlsplit(queue).netloc.startswith("sqs.")


POLL = "import boto3, sys; boto3.client('sqs', endpoint_url=sys.argv[1], region_name='us-east-1')\
.receive_message(QueueUrl=sys.argv[2], WaitTimeSeconds=20)"


def test_a_killed_viewers_poll_takes_nothing_through_a_published_port(lab_images):
    """Docker's proxy stands between the viewer, whose connection ends, and the lab's gateway."""
    gateway = {"GATEWAY_SERVER": "threads", "GATEWAY_LISTEN": "0.0.0.0:4566"}
    with ImageFunctionsEmulator(*lab_images, settings=gateway) as emulator:
        sqs = emulator.client("sqs")
        hidden = {"VisibilityTimeout": "60"}
        queue = sqs.create_queue(QueueName="viewed", Attributes=hidden)["QueueUrl"]
        _poll_and_die(emulator.endpoint, queue)
        sqs.send_message(QueueUrl=queue, MessageBody="first")
        (message,) = sqs.receive_message(
            QueueUrl=queue, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"]
        )["Messages"]
        assert message["Body"] == "first"
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def _poll_and_die(endpoint: str, queue: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    viewer = subprocess.Popen(
        [sys.executable, "-c", POLL, endpoint, queue], env={**os.environ, **keys}
    )
    try:
        wait_until(
            lambda: [one for one in psutil.Process(viewer.pid).net_connections() if one.raddr],
            30,
            "the viewer's connection",
        )
        time.sleep(1)  # for the request to be a waiting poll: nothing outside tells when
    finally:
        viewer.kill()
        viewer.wait()


def test_dynamodb_without_java(emulator):
    dynamodb = emulator.client("dynamodb")
    dynamodb.create_table(
        TableName="people",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="people", Item={"id": {"S": "a"}, "n": {"N": "1"}})
    assert dynamodb.get_item(TableName="people", Key={"id": {"S": "a"}})["Item"]["n"] == {"N": "1"}


def test_zip_functions_are_left_to_localstack(emulator):
    """They need LocalStack's own images, which only a registry has; ours stay out of it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context): return {}")
    lambda_ = emulator.client("lambda")
    made = lambda_.create_function(
        FunctionName="zipped",
        Runtime="python3.13",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        Role=ROLE,
    )
    assert made["PackageType"] == "Zip"

    def settled():
        state = lambda_.get_function(FunctionName="zipped")["Configuration"]["State"]
        return state != "Pending" and state

    # Active where LocalStack's images can be pulled, Failed where they can't.
    assert wait_until(settled, 60, "the zip function to settle") in ("Active", "Failed")
    assert emulator.function_containers("zipped") == []


def test_containers_of_a_killed_emulator_are_swept_by_the_next(lab_images, probe_image):
    with ImageFunctionsEmulator(*lab_images) as emulator:
        uri = emulator.push(probe_image, "orphans")
        emulator_lambda = emulator.client("lambda")
        emulator_lambda.create_function(
            FunctionName="orphan",
            PackageType="Image",
            Code={"ImageUri": uri},
            Architectures=[HOST_ARCHITECTURE],
            Role=ROLE,
        )
        emulator_lambda.get_waiter("function_active_v2").wait(FunctionName="orphan")
        emulator_lambda.invoke(FunctionName="orphan", Payload=b"{}")
        (orphan,) = emulator.function_containers()
        emulator.kill_localstack()
        assert [one.id for one in emulator.function_containers()] == [orphan.id]
        emulator.start_localstack()
        assert emulator.function_containers() == []
        # The registry kept the image: the function can be made again without a push.
        with deployed(emulator, "orphan", uri) as function:
            assert function.invoke().error is None
        emulator.stop_localstack()
        assert emulator.function_containers() == []
