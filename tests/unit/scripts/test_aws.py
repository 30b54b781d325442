"""The parts of aws-up that need no cloud, or one that refuses."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from contract.names import Names
from scripts.aws.account import BucketTaken, check_bucket_name
from scripts.aws.cost import Usage, estimate_text, per_clips, per_idle_month, total
from scripts.console import Progress
from scripts.provision.container_image import registry_login
from scripts.provision.function_image import lambda_architecture
from scripts.provision.publishers import ContainerImage, ProcessBundle, publisher_for


def stubbed(service: str) -> tuple[SimpleNamespace, Stubber]:
    """A switch whose clients are one client that answers what the test says."""
    client = boto3.client(
        service,
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    switch = SimpleNamespace(
        client=lambda _: client,
        account="111122223333",
        bucket="facelab-111122223333-eu-central-1",
        names=Names(),
    )
    return switch, Stubber(client)


@pytest.mark.parametrize("status", [403, 301])
def test_bucket_name_of_another_account_is_told_as_taken(status):
    switch, stub = stubbed("s3")
    stub.add_client_error("head_bucket", str(status), http_status_code=status)
    with stub, pytest.raises(BucketTaken, match="belongs to another account") as taken:
        check_bucket_name(switch, Progress(quiet=True))
    assert "FACELAB_PREFIX" in taken.value.hint


def test_bucket_name_that_nobody_has_is_fine():
    switch, stub = stubbed("s3")
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    with stub:
        check_bucket_name(switch, Progress(quiet=True))


def test_password_of_the_registry_may_contain_a_colon():
    switch, stub = stubbed("ecr")
    token = base64.b64encode(b"AWS:pass:word").decode()
    answer = {"authorizationData": [{"authorizationToken": token}]}
    stub.add_response("get_authorization_token", answer)
    with stub:
        assert registry_login(switch) == {"username": "AWS", "password": "pass:word"}


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("amd64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_architecture_by_any_of_its_names(machine, architecture):
    assert lambda_architecture(machine) == architecture


def test_aws_gets_an_image_and_never_a_bundle(tmp_path):
    for backend, kind in (("aws", ContainerImage), ("docker", ContainerImage)):
        assert isinstance(publisher_for(SimpleNamespace(backend=backend), tmp_path), kind)
    for backend in ("embedded", None):
        assert isinstance(publisher_for(SimpleNamespace(backend=backend), tmp_path), ProcessBundle)


def test_estimate_follows_its_assumptions():
    usage = Usage(billed_s=1.0, memory_mb=1024)
    lines = {line.what: line.usd for line in per_clips(1_000_000, "x86_64", usage)}
    assert lines["Lambda compute"] == pytest.approx(16.6667)
    assert lines["Lambda requests"] == pytest.approx(0.20)
    assert lines["SQS"] == pytest.approx(1.20)
    assert total(per_clips(100, "arm64")) < total(per_clips(100, "x86_64"))
    assert total(per_clips(200, "arm64")) == pytest.approx(2 * total(per_clips(100, "arm64")))
    assert total(per_idle_month(Usage(images=4))) > total(per_idle_month(Usage(images=1)))


def test_estimate_says_what_it_is():
    text = "\n".join(estimate_text("arm64"))
    assert "list prices" in text
    assert "us-east-1" in text
    assert "not an offer" in text
    assert "free tier" in text
