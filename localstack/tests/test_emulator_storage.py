"""What S3 and SQS answer to clients that no behavior of the conformance suite can be."""

from __future__ import annotations

import http.client
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

WRITERS = 16


@pytest.fixture
def bucket(emulator: Any) -> str:
    name = f"storage-{uuid.uuid4().hex[:8]}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


def presigner(emulator: Any, style: str = "path", secret: str = "test") -> Any:  # noqa: S107
    return boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{emulator.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )


def send(
    emulator: Any, method: str, url: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """To the emulator, whatever the URL's host resolves to."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=30)
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path
    connection.request(method, target, body, {"Host": parts.netloc, **head})
    answer = connection.getresponse()
    received = answer.status, answer.read()
    connection.close()
    return received


def test_one_of_many_writers_of_a_new_key_succeeds(emulator: Any, bucket: str) -> None:
    s3 = emulator.client("s3")

    def write(number: int) -> str:
        try:
            s3.put_object(Bucket=bucket, Key="one", Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "written"

    with ThreadPoolExecutor(WRITERS) as pool:
        wrote = [*pool.map(write, range(WRITERS))]
    assert sorted(wrote) == [*["PreconditionFailed"] * (WRITERS - 1), "written"]
    body = s3.get_object(Bucket=bucket, Key="one")["Body"].read()
    assert body == str(wrote.index("written")).encode()


def test_a_bucket_below_localhost_is_signed_for_as_such(emulator: Any, bucket: str) -> None:
    key = {"Bucket": bucket, "Key": "in/a b+ü.txt"}
    client = presigner(emulator, "virtual")
    put = client.generate_presigned_url("put_object", Params=key)
    get = client.generate_presigned_url("get_object", Params=key)
    assert urlsplit(put).netloc == f"{bucket}.localhost:{emulator.port}"
    assert send(emulator, "PUT", put, b"x")[0] == 200
    assert send(emulator, "GET", get) == (200, b"x")
    assert send(emulator, "GET", get.replace("Expires=3600", "Expires=3601"))[0] == 403


def form(fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> bytes:
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, (filename, content) in files.items():
        head = f'form-data; name="{name}"; filename="{filename}"'
        parts.append(f"--edge\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join([*parts, b"--edge--\r\n"])


def post(emulator: Any, url: str, body: bytes) -> tuple[int, bytes]:
    return send(emulator, "POST", url, body, Content_Type="multipart/form-data; boundary=edge")


@pytest.mark.parametrize("secret", ["test", "wrong"])
def test_a_form_is_taken_if_its_policy_is_signed(emulator: Any, bucket: str, secret: str) -> None:
    signed = presigner(emulator, secret=secret).generate_presigned_post(bucket, "k")
    status, said = post(emulator, signed["url"], form(signed["fields"], {"file": ("f", b"x")}))
    if secret == "wrong":  # noqa: S105
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in said) == (403, True)
    else:
        assert status == 204


def test_a_field_that_comes_as_a_file_is_a_field(emulator: Any, bucket: str) -> None:
    url = f"http://localhost:{emulator.port}/{bucket}"
    body = form({}, {"key": ("key.txt", b"up.txt"), "file": ("f.txt", b"bar")})
    assert post(emulator, url, body)[0] == 204
    assert emulator.client("s3").get_object(Bucket=bucket, Key="up.txt")["Body"].read() == b"bar"
    assert post(emulator, url, form({}, {"file": ("f", b"x")}))[0] == 400
    assert post(emulator, url, form({"key": "k"}, {}))[0] == 400


def test_a_queue_has_the_address_that_its_client_asked(emulator: Any) -> None:
    name = f"storage-{uuid.uuid4().hex[:8]}"
    ours = emulator.client("sqs")
    asked = boto3.client(
        "sqs",
        endpoint_url=f"http://localhost:{emulator.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
    )
    place = f"queue/us-east-1/000000000000/{name}"
    assert asked.create_queue(QueueName=name)["QueueUrl"] == (
        f"http://localhost:{emulator.port}/{place}"
    )
    url = ours.get_queue_url(QueueName=name)["QueueUrl"]
    assert url == f"http://127.0.0.1:{emulator.port}/{place}"
    asked.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=1)
    sent = time.monotonic()
    while not ours.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages"):
        assert time.monotonic() < sent + 1.5, "LocalStack looks for delayed messages once a second"
        time.sleep(0.02)
    assert time.monotonic() > sent + 0.9
    ours.delete_queue(QueueUrl=url)
