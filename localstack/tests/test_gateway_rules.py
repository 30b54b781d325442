"""Which requests the gateway takes, rule by rule."""

from __future__ import annotations

import pytest

from localstack_image_functions.gateway.rules import Allowed, Asked, host_name, refusal

OURS = "127.0.0.1:4566"
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20261125/us-east-1/sqs/aws4_request"}
PRESIGNED = "X-Amz-Credential=test%2F20261125&X-Amz-Signature=abc"


def code(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    allowed: Allowed | None = None,
    **headers: str,
) -> str | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Asked(method, path, query, {"host": OURS, **named})
    found = refusal(asked, allowed or Allowed())
    return found and found.code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4566",
        "localhost:4566",
        "LOCALHOST",
        "localhost.:4566",
        "[::1]:4566",
        "172.18.0.3:4566",
        "000000000000.127.0.0.1:4566",
        "bucket.localhost:4566",
        "bucket.s3.localhost.localstack.cloud:4566",
        "",
    ],
)
def test_own_names_and_addresses_are_taken(host):
    assert code(host=host, **SIGNED) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example:4566", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example"],
)
def test_name_that_was_made_to_point_here_is_refused_even_signed(host):
    assert code(host=host, **SIGNED) == "InvalidHost"


def test_further_names_are_a_setting():
    allowed = Allowed(frozenset({"laptop.lan"}))
    assert code(host="laptop.lan:4566", allowed=allowed, **SIGNED) is None
    assert code(host="x.lan:4566", allowed=allowed, **SIGNED) == "InvalidHost"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
def test_unsigned_request_is_refused(method):
    query = "Action=SendMessage&MessageBody=forged"
    assert code(method, "/queue/us-east-1/000000000000/q", query) == "MissingAuthenticationToken"
    assert code(method, "/bucket/key") == "MissingAuthenticationToken"


@pytest.mark.parametrize(
    "sent",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "https://app.localstack.cloud"},
        {"referer": "https://evil.example/page"},
    ],
)
def test_page_is_refused_even_with_a_signature(sent):
    assert code("POST", **sent, **SIGNED) == "AccessDenied"
    assert code("GET", "/_localstack/health", **sent) == "AccessDenied"
    assert code("OPTIONS", **sent) == "AccessDenied"


def test_pages_of_a_setting_are_let_in():
    allowed = Allowed(origins=frozenset({"http://localhost:3000"}))
    page = {"origin": "http://localhost:3000", "sec_fetch_site": "same-site"}
    assert code("POST", allowed=allowed, **page, **SIGNED) is None
    assert code("POST", allowed=allowed, origin="http://localhost:3001", **SIGNED)


def test_object_by_a_presigned_url_may_be_shown_by_a_page():
    page = {"sec_fetch_site": "cross-site", "referer": "https://course.example/"}
    assert code("GET", "/bucket/key", PRESIGNED, **page) is None


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/", f"Action=SendMessage&{PRESIGNED}"),
        ("GET", "/", f"aCtion=SendMessage&{PRESIGNED}"),
        ("GET", "/queue/us-east-1/0/q", PRESIGNED),
        ("GET", "/_aws/sqs/messages", PRESIGNED),
        ("POST", "/bucket/key", PRESIGNED),
        ("DELETE", "/bucket/key", PRESIGNED),
    ],
)
def test_presigned_query_lets_no_page_change_anything(method, path, query):
    assert code(method, path, query, sec_fetch_site="cross-site") == "AccessDenied"


def test_presigned_upload_of_a_program_is_taken():
    assert code("PUT", "/bucket/key", PRESIGNED) is None
    form = "multipart/form-data; boundary=x"
    assert code("POST", "/bucket", content_type=form) is None
    assert code("POST", "/", content_type=form) == "MissingAuthenticationToken"


URLS = Allowed(has_function_url=lambda url_id: url_id == "abc")


def test_an_unsigned_read_names_no_headers_of_the_answer():
    query = "response-content-type=text%2Fhtml"
    assert code("GET", "/bucket/key", query) == "InvalidRequest"
    assert code("GET", "/bucket/key", query, **SIGNED) is None
    assert code("GET", "/bucket/key", f"{query}&{PRESIGNED}") is None


REGISTRY = Allowed(has_registry=True)
PASSWORD = {"authorization": "Basic QVdTOng="}


@pytest.mark.parametrize(
    "path",
    ["/v2/", "/v2/_catalog", "/v2/a/b/blobs/uploads/", "/v2/a/manifests/v1", "/v2/a/tags/list"],
)
def test_the_registry_is_asked_with_its_own_password(path):
    assert code("GET", path, allowed=REGISTRY, **PASSWORD) is None
    assert code("GET", path, **PASSWORD) == "MissingAuthenticationToken"
    for host in ("evil.example", "000000000000.dkr.ecr.us-east-1.amazonaws.com.evil.example"):
        assert code("GET", path, allowed=REGISTRY, host=host, **PASSWORD) == "InvalidHost"
    page = {"origin": "https://evil.example"}
    assert code("GET", path, allowed=REGISTRY, **page, **PASSWORD) == "AccessDenied"


@pytest.mark.parametrize(
    "path", ["/v2/apis", "/v20180820/tags/x", "/v2/a/blobs", "/v2x/a/tags/list"]
)
def test_what_only_begins_like_the_registry_is_signed(path):
    assert code("GET", path, allowed=REGISTRY, **PASSWORD) == "MissingAuthenticationToken"


def test_function_urls_are_open_as_on_aws():
    ours = "abc.lambda-url.us-east-1.localhost"
    page = {"origin": "https://anyone.example", "sec_fetch_site": "cross-site"}
    assert code("POST", host=f"{ours}:4566", allowed=URLS, **page) is None
    assert code("POST", host=f"{ours}.evil.example", allowed=URLS) == "InvalidHost"
    path = "/_aws/lambda-url/abc/upload"
    assert code("POST", path, allowed=URLS, **page) is None
    assert code("POST", "/_aws/lambda-url/made-up/", allowed=URLS, **page) == "AccessDenied"
    assert code("POST", path, host="evil.example", allowed=URLS) == "InvalidHost"


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("made-up.lambda-url.us-east-1.localhost", "/"),
        ("abc.lambda-url.us-east-1.localhost", "/queue/us-east-1/0/q"),
        ("abc.lambda-url.us-east-1.localhost", "/_aws/sqs/messages"),
        ("x.execute-api.localhost", "/"),
        ("x.s3-website.localhost", "/"),
        ("x.localhost", "/restapis/a/b/_user_request_/"),
    ],
)
def test_open_host_is_no_way_around_for_a_page(host, path):
    action = "Action=SendMessage"
    assert code("GET", path, action, URLS, host=host, sec_fetch_site="cross-site")
    assert code("POST", path, host=host, allowed=URLS, origin="https://evil.example")


def test_page_that_says_nothing_of_itself_reaches_no_query_api_through_an_open_host():
    for host in ("x.execute-api.localhost", "made-up.lambda-url.us-east-1.localhost"):
        assert code("GET", "/", "Action=SendMessage", URLS, host=host)


def test_stage_of_an_api_is_open_to_programs():
    assert code("GET", "/prod/x", host="x.execute-api.localhost:4566") is None
    assert code("GET", "/restapis/a/b/_user_request_/x") is None


def test_readiness_is_asked_without_credentials():
    assert code("GET", "/_localstack/init/ready") is None


@pytest.mark.parametrize(("host", "name"), [("[::1]:1", "::1"), ("A.b:1", "a.b"), ("a.", "a")])
def test_name_in_a_host_header(host, name):
    assert host_name(host) == name
