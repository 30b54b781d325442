from __future__ import annotations

import hashlib
import http.client
import ssl
from pathlib import Path

import pytest
from botocore import exceptions as boto

from cloud.switch import Switch, read_switch
from contract.clips import ClipKey, ClipMetadata
from contract.traces import ClipTrace
from device.clip_record import ClipRecord
from device.clock import Clock
from device.problems import Kind, Problem, problem_of
from device.uploader import S3Uploader
from tests.fakes.cloud import Failure, FakeCloud

DATA = bytes(range(256)) * 40


def clip(data: bytes = DATA) -> ClipRecord:
    key = ClipKey("pi-01", "2026-11-22", "20261122T120000000Z-000004-abcdef")
    return ClipRecord.of(key, ClipMetadata(1_800_000_000_000, 1_800_000_000_500, 4), data)


def uploader(cloud: FakeCloud) -> S3Uploader:
    return S3Uploader(read_switch(cloud.environment), Clock(), workers=2)


@pytest.fixture
def cloud():
    with FakeCloud() as cloud:
        yield cloud


def failing(cloud: FakeCloud, failure: Failure | None) -> None:
    cloud.put_failure = lambda key: failure


def test_a_clip_travels_with_its_times_type_and_checksum(cloud: FakeCloud):
    uploader(cloud)(clip(), DATA)
    (stored,) = cloud.puts
    assert stored.bucket == "facelab-000000000000-us-east-1"
    assert stored.key == "clips/pi-01/2026-11-22/20261122T120000000Z-000004-abcdef.h264"
    assert stored.data == DATA
    assert stored.content_type == "video/h264"
    assert ClipMetadata.from_s3(stored.metadata) == clip().metadata


def test_a_clip_whose_times_are_lost_travels_without_metadata(cloud: FakeCloud):
    record = ClipRecord.of(clip().key, ClipMetadata(0, 0, 0), DATA)
    uploader(cloud)(record, DATA)
    assert ClipMetadata.from_s3(cloud.puts[0].metadata) is None


def test_a_clip_brings_its_trace_also_after_the_device_started_anew(cloud: FakeCloud):
    before, after = clip(), ClipRecord.from_json(clip().to_json())
    lost = ClipRecord.of(clip().key, ClipMetadata(0, 0, 0), DATA)  # a side file that was torn
    for record in (before, after, lost):
        uploader(cloud)(record, DATA)
    expected = ClipTrace.of("pi-01", clip().clip_id)
    assert [ClipTrace.from_s3(one.metadata) for one in cloud.puts] == [expected] * 3


def test_without_traces_a_clip_brings_none(cloud: FakeCloud):
    upload = S3Uploader(read_switch(cloud.environment), Clock(), workers=2, is_traced=False)
    upload(clip(), DATA)
    assert cloud.puts[0].metadata == clip().metadata.to_s3()


def test_the_account_is_asked_for_once(cloud: FakeCloud):
    upload = uploader(cloud)
    for _ in range(3):
        upload(clip(), DATA)
    assert len([line for line in cloud.requests if "GetCallerIdentity" in line]) == 1


def test_bytes_that_changed_on_the_way_are_sent_again_and_no_refusal(cloud: FakeCloud):
    with pytest.raises(Problem) as raised:
        uploader(cloud)(clip(b"other"), DATA)
    assert raised.value.kind is Kind.STRANGE
    assert cloud.puts == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "RequestTimeTooSkewed", Kind.CLOCK),
        (400, "ExpiredToken", Kind.CREDENTIALS),
        (403, "InvalidAccessKeyId", Kind.CREDENTIALS),
        (403, "AccessDenied", Kind.DENIED),
        (404, "NoSuchBucket", Kind.MISSING),
        (503, "SlowDown", Kind.BUSY),
        (500, "InternalError", Kind.BUSY),
        (429, "TooManyRequests", Kind.BUSY),
        (400, "EntityTooLarge", Kind.REFUSED),
    ],
)
def test_each_cause_is_told_apart_and_passes_without_a_restart(
    cloud: FakeCloud, status: int, code: str, kind: Kind
):
    upload = uploader(cloud)
    failing(cloud, Failure(status, code))
    with pytest.raises(Problem) as raised:
        upload(clip(), DATA)
    assert raised.value.kind is kind
    assert "\n" not in str(raised.value)
    failing(cloud, None)
    upload(clip(), DATA)
    assert len(cloud.puts) == 1


def test_no_retries_hide_in_boto3(cloud: FakeCloud):
    failing(cloud, Failure(503, "SlowDown"))
    with pytest.raises(Problem):
        uploader(cloud)(clip(), DATA)
    assert len([line for line in cloud.requests if line.startswith("PUT")]) == 1


def test_a_connection_cut_in_the_middle_is_the_network(cloud: FakeCloud):
    failing(cloud, Failure(cut_after_bytes=100))
    with pytest.raises(Problem) as raised:
        uploader(cloud)(clip(), DATA)
    assert raised.value.kind is Kind.NETWORK
    assert cloud.puts == []


def test_without_a_network_the_endpoint_is_named_and_its_return_is_enough(cloud: FakeCloud):
    upload = uploader(cloud)
    cloud.down()
    with pytest.raises(Problem, match=cloud.url) as raised:
        upload(clip(), DATA)
    assert raised.value.kind is Kind.NETWORK
    cloud.up()
    upload(clip(), DATA)
    assert len(cloud.puts) == 1


def test_renewed_credentials_are_taken_without_a_restart(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """boto3 keeps what it read first; the person runs `aws sso login` or edits the file."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    used = []
    cloud.on_put = lambda _, stored: None
    switch = Switch("aws", cloud.url, "eu-central-1", "pi-01", 4566)

    def check(key: str) -> Failure | None:
        used.append(file.read_text())
        return Failure(403, "ExpiredToken") if "old" in seen_access_key() else None

    def seen_access_key() -> str:
        return upload.prepare()._request_signer._credentials.access_key

    upload = S3Uploader(switch, Clock(), workers=1)
    cloud.put_failure = check
    with pytest.raises(Problem) as raised:
        upload(clip(), DATA)
    assert raised.value.kind is Kind.CREDENTIALS
    file.write_text("[default]\naws_access_key_id = old\naws_secret_access_key = x\n")
    with pytest.raises(Problem, match="ExpiredToken"):
        upload(clip(), DATA)
    file.write_text("[default]\naws_access_key_id = new\naws_secret_access_key = x\n")
    upload(clip(), DATA)
    assert len(cloud.puts) == 1


def test_a_certificate_of_tomorrow_means_that_the_clock_is_wrong():
    cause = ssl.SSLCertVerificationError("certificate verify failed: certificate is not yet valid")
    problem = problem_of(boto.SSLError(endpoint_url="https://s3", error=cause), "AWS")
    assert problem.kind is Kind.CLOCK


@pytest.mark.parametrize(
    "error",
    [
        boto.EndpointConnectionError(endpoint_url="x"),
        boto.ConnectTimeoutError(endpoint_url="x"),
        boto.ReadTimeoutError(endpoint_url="x"),
        boto.ConnectionClosedError(endpoint_url="x"),
        boto.ProxyConnectionError(proxy_url="x"),
        boto.SSLError(endpoint_url="x", error=ssl.SSLError("handshake failure")),
        boto.HTTPClientError(error=http.client.IncompleteRead(b"")),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_that_is_the_network_is_called_so(error: Exception):
    assert problem_of(error, "bucket b").kind is Kind.NETWORK


@pytest.mark.parametrize(
    "error",
    [
        boto.NoCredentialsError(),
        boto.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
        boto.ProfileNotFound(profile="lab"),
        boto.UnauthorizedSSOTokenError(),
        boto.SSOTokenLoadError(error_msg="x"),
        boto.TokenRetrievalError(provider="sso", error_msg="x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_that_is_our_identity_is_called_so(error: Exception):
    assert problem_of(error, "AWS").kind is Kind.CREDENTIALS


def test_a_missing_region_is_not_the_credentials():
    problem = problem_of(boto.NoRegionError(), "AWS")
    assert problem.kind is Kind.REGION
    assert "AWS_REGION" in problem.hint


HTML = b"<!doctype html><html><body>Sign in to the campus network</body></html>"
TYPE = (("Content-Type", "text/html"),)
SOMEBODY_ELSE = {
    "captive portal, 200": Failure(200, body=HTML, headers=TYPE),
    "captive portal, 302": Failure(
        302, body=b"", headers=(("Location", "http://127.0.0.1:9/login"),)
    ),
    "captive portal, 403": Failure(403, body=HTML, headers=TYPE),
    "captive portal, 511": Failure(511, body=HTML, headers=TYPE),
    "empty 200": Failure(200, body=b""),
    "200 with another ETag": Failure(200, body=b"", headers=(("ETag", '"0"'),)),
    "200 with another checksum": Failure(200, body=b"", headers=(("x-amz-checksum-sha256", "x"),)),
    "204": Failure(204, body=b""),
    "400 of a proxy": Failure(400, body=b"Bad Request", headers=(("Via", "squid"),)),
    "404 of a router": Failure(404, body=HTML, headers=TYPE),
    "407": Failure(407, body=b"Proxy Authentication Required"),
    "503 in JSON": Failure(
        503, body=b'{"error": "upstream"}', headers=(("Content-Type", "application/json"),)
    ),
    "XML that is not S3's": Failure(
        400, body=b"<Error><Code>EntityTooLarge</Code></Error>",
        headers=(("Content-Type", "application/xml"),),
    ),
    "XML that is not whole": Failure(500, body=b"<Error><Code>Inter"),
}  # fmt: skip


@pytest.mark.parametrize("failure", SOMEBODY_ELSE.values(), ids=SOMEBODY_ELSE)
def test_somebody_else_s_answer_is_neither_a_refusal_nor_a_confirmation(
    cloud: FakeCloud, failure: Failure
):
    upload = uploader(cloud)
    failing(cloud, failure)
    with pytest.raises(Problem) as raised:
        upload(clip(), DATA)
    assert raised.value.kind not in (Kind.REFUSED, Kind.OTHER)
    failing(cloud, None)
    upload(clip(), DATA)
    assert len(cloud.puts) == 1


@pytest.mark.parametrize(
    "failure",
    [*SOMEBODY_ELSE.values(), Failure(400, "EntityTooLarge"), Failure(403, "AccessDenied")],
    ids=[*SOMEBODY_ELSE, "refused", "denied"],
)
def test_a_failing_sts_never_counts_against_a_clip(cloud: FakeCloud, failure: Failure):
    upload = uploader(cloud)
    cloud.sts_failure = lambda: failure
    with pytest.raises(Problem) as raised:
        upload(clip(), DATA)
    assert raised.value.kind is not Kind.REFUSED
    assert cloud.puts == []
    cloud.sts_failure = lambda: None
    upload(clip(), DATA)
    assert len(cloud.puts) == 1


def test_a_store_without_checksums_confirms_with_its_etag(cloud: FakeCloud):
    etag = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    failing(cloud, Failure(200, body=b"", headers=(("ETag", f'"{etag}"'),)))
    uploader(cloud)(clip(), DATA)
