"""Function URLs over HTTP, by a path that every machine finds and by AWS's form of name."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from localstack_image_functions.urls.lookup import address_of

ECHO = """
    import base64
    def handler(event, context):
        match event["rawPath"]:
            case "/event":
                return event
            case "/text":
                return "plain"
            case "/binary":
                body = base64.b64encode(bytes(range(256))).decode()
                return {"statusCode": 201, "isBase64Encoded": True, "body": body,
                        "headers": {"Content-Type": "image/png", "X-Own": "yes"},
                        "cookies": ["a=1; Secure", "b=2"]}
            case "/wrong":
                return {"statusCode": "many"}
            case _:
                raise ValueError("no such page")
"""
Answer = tuple[int, Any, bytes]


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="module")
def function(emulator: Any, deploy_into: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    deployer = deploy_into(emulator, tmp_path_factory.mktemp("urls"), "urls")
    deployer.create("urls", ECHO)
    return "urls"


@pytest.fixture
def make_url(emulator: Any, function: str) -> Any:
    client = emulator.client("lambda")

    def make(auth: str = "NONE", **settings: Any) -> str:
        return client.create_function_url_config(FunctionName=function, AuthType=auth, **settings)[
            "FunctionUrl"
        ]

    yield make
    client.delete_function_url_config(FunctionName=function)


def test_the_address_that_is_told_answers(emulator: Any, make_url: Callable[..., str]) -> None:
    url = make_url()
    assert url.startswith(f"http://127.0.0.1:{emulator.port}/")
    told = emulator.client("lambda").get_function_url_config(FunctionName="urls")
    assert told["FunctionUrl"] == url
    status, headers, body = ask(f"{url}text")
    assert (status, body, headers["Content-Type"]) == (200, b'"plain"', "application/json")
    by_name = f"{url.rstrip('/').rpartition('/')[2]}.lambda-url.us-east-1.localhost"
    assert ask(f"http://127.0.0.1:{emulator.port}/text", Host=by_name)[2] == b'"plain"'


def test_an_address_by_name_begins_with_the_id_as_on_aws() -> None:
    told = address_of("abc", "eu-west-1", "localhost:4566", "name")
    assert told == "http://abc.lambda-url.eu-west-1.localhost:4566/"


def test_the_event_has_format_2(make_url: Callable[..., str]) -> None:
    status, _, body = ask(
        f"{make_url()}event?a=1&a=2&b=x%20y",
        "POST",
        b'{"asked": 1}',
        Content_Type="application/json",
        Cookie="one=1; two=2",
        X_Own="value",
    )
    event = json.loads(body)
    assert status == 200
    assert (event["version"], event["routeKey"]) == ("2.0", "$default")
    assert (event["rawPath"], event["rawQueryString"]) == ("/event", "a=1&a=2&b=x%20y")
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["cookies"] == ["one=1", "two=2"]
    assert event["headers"]["x-own"] == "value"
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"asked": 1}', False)
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["sourceIp"]) == ("POST", "/event", "127.0.0.1")
    assert event["requestContext"]["accountId"] == "anonymous"
    assert "authorizer" not in event["requestContext"]
    empty = json.loads(ask(f"{make_url_of(event)}event")[2])
    assert not {"body", "cookies", "queryStringParameters"} & set(empty)


def make_url_of(event: dict[str, Any]) -> str:
    host, port = event["headers"]["host"].split(":")
    return f"http://{host}:{port}/_aws/lambda-url/{event['requestContext']['apiId']}/"


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=b", "text/plain"])
def test_bodies_arrive_byte_by_byte(make_url: Callable[..., str], kind: str) -> None:
    sent = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n\xff\x00\xfe\r\n--b--\r\n'
    event = json.loads(ask(f"{make_url()}event", "POST", sent, Content_Type=kind)[2])
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == sent


def test_responses_say_what_the_function_said(make_url: Callable[..., str]) -> None:
    url = make_url()
    status, headers, body = ask(f"{url}binary")
    assert (status, body, headers["Content-Type"]) == (201, bytes(range(256)), "image/png")
    assert (headers["X-Own"], headers.get_all("Set-Cookie")) == ("yes", ["a=1; Secure", "b=2"])
    assert ask(f"{url}wrong")[0] == 502
    assert ask(f"{url}missing")[0] == 502


def test_an_address_that_is_no_functions_is_answered_as_recorded_on_aws(emulator: Any) -> None:
    unknown = f"http://127.0.0.1:{emulator.port}/_aws/lambda-url/0123456789abcdefghijklmnopqrstuv/"
    emulator.client("lambda").list_functions()  # its routes are there from here on
    status, headers, body = ask(unknown)
    assert (status, body) == (403, b'{"Message":null}')
    assert headers["x-amzn-ErrorType"] == "AccessDeniedException"


def test_iam_refuses_whoever_did_not_sign(emulator: Any, make_url: Callable[..., str]) -> None:
    url = make_url("AWS_IAM")
    assert ask(f"{url}text")[::2] == (403, b'{"Message":"Forbidden"}')
    credentials = boto3.Session("111122223333", "secret").get_credentials()
    request = AWSRequest("GET", f"{url}event")
    SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    status, _, body = ask(f"{url}event", **dict(request.headers))
    assert status == 200
    caller = json.loads(body)["requestContext"]["authorizer"]["iam"]
    assert (caller["accountId"], caller["accessKey"]) == ("111122223333", "111122223333")


def test_pages_may_ask_as_the_settings_say(make_url: Callable[..., str]) -> None:
    allowed = "https://page.example"
    url = make_url(
        Cors={
            "AllowOrigins": [allowed],
            "AllowMethods": ["POST"],
            "AllowHeaders": ["x-own"],
            "MaxAge": 60,
        }
    )
    preflight = {"Access_Control_Request_Method": "POST"}
    status, headers, body = ask(f"{url}missing", "OPTIONS", Origin=allowed, **preflight)
    assert (status, body) == (200, b"")  # the function, which would fail, never saw it
    assert headers["Access-Control-Allow-Origin"] == allowed
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Max-Age"] == "60"
    assert ask(f"{url}text", Origin=allowed)[1]["Access-Control-Allow-Origin"] == allowed
    stranger = ask(f"{url}text", Origin="https://other.example")
    assert stranger[0] == 200
    assert stranger[1]["Access-Control-Allow-Origin"] is None


def test_its_pages_do_not_act_as_the_gateways_own(make_url: Callable[..., str]) -> None:
    assert "sandbox" in ask(f"{make_url()}text")[1]["Content-Security-Policy"]


def test_a_url_that_does_not_exist_is_forbidden(emulator: Any, function: str) -> None:
    url = f"http://127.0.0.1:{emulator.port}/_aws/lambda-url/nothing/"
    assert ask(url)[0] == 403
    assert ask(url, Origin="https://page.example")[0] == 403
    with pytest.raises(ClientError):
        emulator.client("lambda").get_function_url_config(FunctionName=function)


def test_what_does_not_run_now_is_429(emulator: Any, make_url: Callable[..., str]) -> None:
    url, client = make_url(), emulator.client("lambda")
    client.put_function_concurrency(FunctionName="urls", ReservedConcurrentExecutions=0)
    assert ask(f"{url}text")[0] == 429
    client.delete_function_concurrency(FunctionName="urls")
    assert ask(f"{url}text")[0] == 200
