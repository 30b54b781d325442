"""Signatures as botocore makes them, and what is left of them after a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from localstack_image_functions.gateway.signatures import Signed, check_signature

KEY, SECRET = "FACELAB0123456789", "random secret"


def signed(service: str, call: Any, key: str = KEY, secret: str = SECRET) -> Signed:
    """What a client would send."""
    client = client_of(service, key, secret)
    sent: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        raise RuntimeError("kept")

    client.meta.events.register_first("before-send", keep)
    with pytest.raises(RuntimeError, match="kept"):
        call(client)
    request = sent[0]
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    return Signed(request.method, target, {"host": parts.netloc, **headers}, lambda: body)


def client_of(service: str, key: str = KEY, secret: str = SECRET) -> Any:
    return boto3.client(
        service,
        endpoint_url="http://127.0.0.1:4566",
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path"}, signature_version="s3v4" if service == "s3" else None
        ),
    )


def refusal(request: Signed, now: datetime | None = None) -> str | None:
    refusal = check_signature(request, {KEY: SECRET}.get, now)
    return refusal and refusal.code


CALLS = {
    "sqs": lambda c: c.send_message(QueueUrl="http://127.0.0.1:4566/0/q", MessageBody="ü & x"),
    "s3": lambda c: c.get_object(Bucket="b", Key="clips/a b/ü+%2F~.h264"),
    "lambda": lambda c: c.get_function(FunctionName="arn:aws:lambda:x:0:function:f:$LATEST"),
    "dynamodb": lambda c: c.list_tables(Limit=3),
    "sts": lambda c: c.get_caller_identity(),
}


@pytest.mark.parametrize("service", sorted(CALLS))
def test_what_the_lab_s_key_signed_is_taken(service):
    assert refusal(signed(service, CALLS[service])) is None


@pytest.mark.parametrize("service", sorted(CALLS))
def test_what_another_secret_signed_is_refused(service):
    assert refusal(signed(service, CALLS[service], secret="test")) == "SignatureDoesNotMatch"  # noqa: S106


def test_dummy_keys_are_refused():
    assert refusal(signed("sts", CALLS["sts"], "test", "test")) == "InvalidClientTokenId"


def test_listing_with_a_query_is_taken():
    request = signed("s3", lambda c: c.list_objects_v2(Bucket="b", Prefix="a b/+&ü", MaxKeys=2))
    assert refusal(request) is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"target": "/other"},
        {"target": "/?Action=x"},
        {"body": lambda: b"{}"},
    ],
)
def test_changed_request_is_refused(change):
    request = replace(signed("sqs", CALLS["sqs"]), **change)
    assert refusal(request) == "SignatureDoesNotMatch"


def test_changed_header_is_refused():
    request = signed("sqs", CALLS["sqs"])
    other = {**request.headers, "x-amz-target": "AmazonSQS.DeleteQueue"}
    assert refusal(replace(request, headers=other)) == "SignatureDoesNotMatch"


def test_old_request_is_refused():
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert refusal(signed("sts", CALLS["sts"]), later) == "RequestTimeTooSkewed"


def presigned(expires_s: int = 60) -> Signed:
    url = client_of("s3").generate_presigned_url(
        "get_object", Params={"Bucket": "b", "Key": "a b"}, ExpiresIn=expires_s
    )
    parts = urlsplit(url)
    return Signed("GET", f"{parts.path}?{parts.query}", {"host": parts.netloc}, lambda: b"")


def test_presigned_url_is_taken_until_it_expires():
    assert refusal(presigned()) is None
    assert refusal(presigned(), datetime.now(UTC) + timedelta(seconds=70)) == "AccessDenied"


def test_presigned_url_for_another_object_is_refused():
    request = presigned()
    other = replace(request, target=request.target.replace("/b/", "/c/"))
    assert refusal(other) == "SignatureDoesNotMatch"
    longer = replace(request, target=request.target.replace("Expires=60", "Expires=6000"))
    assert refusal(longer) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "header",
    ["", "AWS test:sig", "Bearer x", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 " * 9],
)
def test_anything_else_is_no_signature(header):
    request = Signed("GET", "/", {"host": "h", "authorization": header}, lambda: b"")
    assert refusal(request) == "MissingAuthenticationToken"


def test_host_must_be_signed():
    request = signed("sts", CALLS["sts"])
    unsigned = request.headers["authorization"].replace("host;", "")
    assert refusal(replace(request, headers={**request.headers, "authorization": unsigned})) == (
        "MissingAuthenticationToken"
    )
