"""A foreign page's requests to the emulator, forged as a browser sends them."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

QUEUE = "results"
PAGE = "https://evil.example"
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Referer": f"{PAGE}/"}


@pytest.fixture
def queue(emulator: Any) -> Iterator[str]:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    yield url
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def gallery(emulator: Any) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="people")
    s3.put_object(Bucket="people", Key="gallery", Body=b"faces")


def ask(
    emulator: Any, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{emulator.port}{path}",
        data=body,
        method=method,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def waiting(emulator: Any, queue: str) -> list[dict]:
    return emulator.client("sqs").receive_message(QueueUrl=queue).get("Messages", [])


SEND = {"Action": "SendMessage", "MessageBody": "forged", "Version": "2012-11-05"}


@pytest.mark.parametrize(
    "headers",
    [
        {},  # an old browser, no-referrer
        NAVIGATION,
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "000000000000.lambda-url.us-east-1.localhost"},
        {"Host": "x.execute-api.localhost"},
        {"Host": "x.s3-website.localhost"},
        {"Host": "sqs.us-east-1.localhost.localstack.cloud"},
    ],
)
def test_image_of_a_page_sends_no_message(emulator, queue, headers):
    for path in (f"/queue/us-east-1/000000000000/{QUEUE}", f"/000000000000/{QUEUE}", "/"):
        query = urlencode({**SEND, "QueueUrl": queue})
        assert ask(emulator, f"{path}?{query}", **headers)[0] in (403, 404)
    assert waiting(emulator, queue) == []


@pytest.mark.parametrize("origin", [PAGE, "null", "https://app.localstack.cloud"])
def test_form_of_a_page_sends_no_message(emulator, queue, origin):
    body = urlencode({**SEND, "QueueUrl": queue}).encode()
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        status, _ = ask(emulator, "/", "POST", body, Origin=origin, Content_Type=kind)
        assert status == 403
    assert waiting(emulator, queue) == []


def test_name_that_points_here_reads_nothing(emulator, gallery):
    signed = "AWS4-HMAC-SHA256 Credential=test/20261125/us-east-1/s3/aws4_request"
    rebound = {"Host": "evil.example", "Authorization": signed, "Sec-Fetch-Site": "same-origin"}
    for path in ("/people/gallery", "/_localstack/health", "/_aws/sqs/messages"):
        status, body = ask(emulator, path, **rebound)
        assert (status, b"faces" in body) == (403, False)


def test_page_gets_no_leave_to_read(emulator, gallery):
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    assert ask(emulator, "/people/gallery", "OPTIONS", **preflight)[0] == 403
    status, body = ask(emulator, "/people/gallery", Origin=PAGE)
    assert (status, b"faces" in body) == (403, False)


def test_page_cannot_stop_the_emulator(emulator):
    body = b'{"action": "kill"}'
    assert ask(emulator, "/_localstack/health", "POST", body, Origin=PAGE)[0] == 403
    assert ask(emulator, "/_localstack/health")[0] == 200


def test_websocket_of_a_page_is_refused(emulator):
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=30) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nOrigin: {PAGE}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith((b"HTTP/1.1 403", b"HTTP/1.1 500"))


def test_presigned_url_may_be_shown_by_a_page(emulator, gallery):
    url = emulator.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": "people", "Key": "gallery"}
    )
    path = url.partition(str(emulator.port))[2]
    assert ask(emulator, path, **NAVIGATION) == (200, b"faces")


def test_refusal_is_read_by_every_protocol(emulator, queue):
    for service, call in (
        ("sqs", lambda client: client.send_message(QueueUrl=queue, MessageBody="x")),
        ("s3", lambda client: client.list_objects_v2(Bucket="people")),
        ("sts", lambda client: client.get_caller_identity()),
        ("lambda", lambda client: client.list_functions()),
        ("dynamodb", lambda client: client.list_tables()),
    ):
        client = emulator.client(service)
        client.meta.events.register(
            "before-send", lambda request, **_: request.headers.update({"Origin": PAGE})
        )
        with pytest.raises(ClientError, match="a request of a web page") as error:
            call(client)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_function_url_takes_unsigned_requests(deployer, emulator):
    deployer.create("url", "def handler(event, context):\n    return 'open'\n")
    url = emulator.client("lambda").create_function_url_config(FunctionName="url", AuthType="NONE")
    path = url["FunctionUrl"].partition(str(emulator.port))[2]
    host = f"{path.split('/')[-2]}.lambda-url.us-east-1.localhost"
    for address in ((path, {}), ("/", {"Host": host})):
        status, body = ask(emulator, address[0], Origin=PAGE, **address[1])
        assert (status, body.strip(b'"')) == (200, b"open")
