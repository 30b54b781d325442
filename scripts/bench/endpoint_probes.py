"""What the loop asks of an endpoint, one probe each: made, tried and removed by the public API."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import platform
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from scripts.errors import LabError
from scripts.functions.roles import TRUST
from scripts.provision.function_image import lambda_architecture

LIMIT_S = 60.0
POLL_S = 0.05

# The calls of the lab's function around a clip: claim, fetch, look up, send, answered.
HANDLER = """
import json, os, boto3
from botocore.exceptions import ClientError
options = {"endpoint_url": os.environ["PROBE_ENDPOINT"], "region_name": "us-east-1",
           "aws_access_key_id": "test", "aws_secret_access_key": "test"}
s3, table, sqs = (boto3.client(name, **options) for name in ("s3", "dynamodb", "sqs"))
prefix = os.environ["PROBE_PREFIX"]
queue = sqs.get_queue_url(QueueName=prefix + "-results")["QueueUrl"]

def state(key, value, **more):
    table.update_item(TableName=prefix + "-ledger", Key={"id": {"S": key}},
        UpdateExpression="SET #s = :s", ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": value}}, **more)

def handler(event, context):
    if event.get("fail"):
        raise RuntimeError("as asked")
    for record in event.get("Records", []):
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        state(key, "started", ConditionExpression="attribute_not_exists(id)")
        size = len(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        table.get_item(TableName=prefix + "-ledger", Key={"id": {"S": key}})
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"key": key, "size": size}))
        state(key, "answered")
    return {"statusCode": 200, "body": "here"}
"""


@dataclass(frozen=True)
class ProbeResult:
    """What became of a probe; `said` is the endpoint's own word where it does not work."""

    name: str
    works: bool
    said: str = ""


@dataclass(frozen=True)
class LabImage:
    """The lab's own function: its image's manifest, its variables, and where it is in ECR already,
    if it is."""

    manifest: str
    variables: Mapping[str, str]
    uri: str | None = None


class Probes:
    """The probes against one endpoint; `client` makes a client of a service."""

    def __init__(
        self, client: Callable[[str], Any], endpoint: str, prefix: str, image: LabImage
    ) -> None:
        self._client = client
        self._image = image
        self._endpoint = endpoint
        self._prefix = prefix
        self._results = ""
        self._role = ""

    def all(self) -> list[ProbeResult]:
        """Every probe in the order of the loop. A later one may need what an earlier one made.

        Raises
        ------
        EndpointUnreachable
        """
        self._role = self._make_role()
        return [
            self._tried("the lab's own image function starts", self._image_function),
            self._tried("a zip function answers", self._zip_function),
            self._tried("its lines are in CloudWatch Logs", self._logs),
            self._tried("S3's event invokes it, its result is in the queue", self._loop),
            self._tried("a second claim of one clip is refused", self._claim),
            self._tried("a failed event goes to its destination", self._destination),
            self._tried("CloudWatch counts its invocations", self._metrics),
            self._tried("its URL answers", self._url),
        ]

    def clip(self, number: int, body: bytes) -> float:
        """Milliseconds from PUT to the received result of the zip function."""
        began = time.perf_counter()
        key = f"clips/{number}-{time.time_ns()}.h264"
        self._client("s3").put_object(Bucket=f"{self._prefix}-clips", Key=key, Body=body)
        while True:
            for message in self._received():
                if json.loads(message)["key"] == key:
                    return (time.perf_counter() - began) * 1000
            if time.perf_counter() - began > LIMIT_S:
                raise TimeoutError(f"no result within {LIMIT_S:.0f} s")

    def clear(self) -> None:
        """Remove what was made, as far as the endpoint lets us."""
        prefix, functions, sqs = self._prefix, self._client("lambda"), self._client("sqs")

        def delete_queue(name: str) -> None:
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])

        for kind in ("image", "zip"):
            _quietly(functools.partial(functions.delete_function, FunctionName=f"{prefix}-{kind}"))
        for kind in ("results", "failed"):
            _quietly(functools.partial(delete_queue, f"{prefix}-{kind}"))
        _quietly(lambda: self._client("iam").delete_role(RoleName=prefix))
        _quietly(lambda: self._client("dynamodb").delete_table(TableName=f"{prefix}-ledger"))
        _quietly(lambda: self._client("ecr").delete_repository(repositoryName=prefix, force=True))
        _quietly(lambda: _empty(self._client("s3"), f"{prefix}-clips"))

    def _make_role(self) -> str:
        try:
            role = self._client("iam").create_role(
                RoleName=self._prefix, AssumeRolePolicyDocument=TRUST
            )
        except EndpointConnectionError as error:
            raise EndpointUnreachable(
                f"nothing answers at {self._endpoint}", "start the other emulator first"
            ) from error
        return role["Role"]["Arn"]

    def _tried(self, name: str, probe: Callable[[], None]) -> ProbeResult:
        try:
            probe()
        except Exception as error:  # another program may answer anything
            said = str(error) if isinstance(error, _ANSWERS) else f"{type(error).__name__}: {error}"
            return ProbeResult(name, False, " ".join(said.split())[:300])
        return ProbeResult(name, True)

    def _image_function(self) -> None:
        functions, name = self._client("lambda"), f"{self._prefix}-image"
        functions.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": self._image.uri or self._pushed(self._image.manifest)},
            Architectures=[lambda_architecture(platform.machine())],
            Role=self._role,
            Timeout=60,
            MemorySize=2048,
            Environment={"Variables": dict(self._image.variables)},
        )
        _until(lambda: functions.get_function_configuration(FunctionName=name)["State"] == "Active")
        answer = functions.invoke(FunctionName=name, Payload=b'{"Records": []}')
        body = answer["Payload"].read().decode(errors="replace")
        if "FunctionError" in answer:
            raise _Lacking(body)

    def _pushed(self, manifest: str) -> str:
        ecr = self._client("ecr")
        uri = ecr.create_repository(repositoryName=self._prefix)["repository"]["repositoryUri"]
        ecr.put_image(repositoryName=self._prefix, imageManifest=manifest, imageTag="latest")
        return f"{uri}@sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"

    def _zip_function(self) -> None:
        self._make_stores()
        functions, name = self._client("lambda"), f"{self._prefix}-zip"
        functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="handler.handler",
            Role=self._role,
            Timeout=30,
            MemorySize=512,
            Code={"ZipFile": _zipped()},
            Environment={
                "Variables": {"PROBE_PREFIX": self._prefix, "PROBE_ENDPOINT": self._endpoint}
            },
        )
        _until(lambda: functions.get_function_configuration(FunctionName=name)["State"] == "Active")
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        body = answer["Payload"].read().decode(errors="replace")
        if "FunctionError" in answer or '"here"' not in body:
            raise _Lacking(f"it answers {body!r}")

    def _logs(self) -> None:
        logs, group = self._client("logs"), f"/aws/lambda/{self._prefix}-zip"

        def lines() -> str:
            try:
                found = logs.filter_log_events(logGroupName=group)["events"]
            except logs.exceptions.ResourceNotFoundException:
                return ""
            return "".join(one["message"] for one in found)

        _until(lambda: "REPORT RequestId" in lines())

    def _loop(self) -> None:
        functions, name = self._client("lambda"), f"{self._prefix}-zip"
        functions.add_permission(
            FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{self._prefix}-clips",
        )  # fmt: skip
        arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        told = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
        self._client("s3").put_bucket_notification_configuration(
            Bucket=f"{self._prefix}-clips",
            NotificationConfiguration={"LambdaFunctionConfigurations": [told]},
        )
        self.clip(0, b"first")

    def _claim(self) -> None:
        table = self._client("dynamodb")

        def claim() -> None:
            table.put_item(
                TableName=f"{self._prefix}-ledger",
                Item={"id": {"S": "claimed"}},
                ConditionExpression="attribute_not_exists(id)",
            )

        claim()
        try:
            claim()
        except table.exceptions.ConditionalCheckFailedException:
            return
        raise _Lacking("it was taken")

    def _destination(self) -> None:
        functions, sqs = self._client("lambda"), self._client("sqs")
        url = sqs.create_queue(QueueName=f"{self._prefix}-failed")["QueueUrl"]
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        name = f"{self._prefix}-zip"
        functions.put_function_event_invoke_config(
            FunctionName=name,
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": told["Attributes"]["QueueArn"]}},
        )
        functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"fail": true}')
        _until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"))

    def _metrics(self) -> None:
        cloudwatch, now = self._client("cloudwatch"), time.time()

        def invocations() -> float:
            points = cloudwatch.get_metric_statistics(
                Namespace="AWS/Lambda", MetricName="Invocations", Period=60, Statistics=["Sum"],
                Dimensions=[{"Name": "FunctionName", "Value": f"{self._prefix}-zip"}],
                StartTime=now - 600, EndTime=now + 120,
            )["Datapoints"]  # fmt: skip
            return sum(point["Sum"] for point in points)

        _until(lambda: invocations() >= 2)

    def _url(self) -> None:
        functions, name = self._client("lambda"), f"{self._prefix}-zip"
        url = functions.create_function_url_config(FunctionName=name, AuthType="NONE")[
            "FunctionUrl"
        ]
        functions.add_permission(
            FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl",
            Principal="*", FunctionUrlAuthType="NONE",
        )  # fmt: skip
        if not url.startswith(("http://", "https://")):
            raise _Lacking(f"its address is {url}")
        try:
            with urlopen(Request(url), timeout=10) as answer:  # noqa: S310  looked at above
                body = answer.read().decode(errors="replace")
        except OSError as error:
            raise _Lacking(f"{url}: {error}") from error
        if body != "here":
            raise _Lacking(f"{url} answers {body[:100]}")

    def _make_stores(self) -> None:
        self._client("s3").create_bucket(Bucket=f"{self._prefix}-clips")
        self._client("dynamodb").create_table(
            TableName=f"{self._prefix}-ledger",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        queue = self._client("sqs").create_queue(QueueName=f"{self._prefix}-results")
        self._results = queue["QueueUrl"]

    def _received(self) -> list[str]:
        sqs = self._client("sqs")
        found = sqs.receive_message(
            QueueUrl=self._results, WaitTimeSeconds=5, MaxNumberOfMessages=10
        ).get("Messages", [])
        for one in found:
            sqs.delete_message(QueueUrl=self._results, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in found]


class EndpointUnreachable(LabError):
    """Nobody listens there."""


class _Lacking(Exception):
    """It answers, and not what was asked."""


_ANSWERS = (ClientError, BotoCoreError, TimeoutError, _Lacking)


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {LIMIT_S:.0f} s")
        time.sleep(POLL_S)  # between polls of a condition, with a deadline


def _quietly(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        return  # another endpoint's leftovers are not ours to insist on


def _empty(s3: Any, bucket: str) -> None:
    for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=one["Key"])
    s3.delete_bucket(Bucket=bucket)


def _zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folder:
        folder.writestr("handler.py", HANDLER)
    return archive.getvalue()
