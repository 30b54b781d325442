"""What an image's URI says without its version, whatever registry it names."""

from __future__ import annotations

import pytest

from localstack_image_functions.errors import ImageNotFound
from localstack_image_functions.image_uris import parse_uri, without_version

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "repository",
    [
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/a/function",
        "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4510/function",
        "localhost:4510/orphans",
    ],
)
@pytest.mark.parametrize("version", ["", ":latest", f"@{DIGEST}", f":latest@{DIGEST}"])
def test_a_registrys_port_is_no_tag(repository: str, version: str) -> None:
    assert without_version(repository + version) == repository


@pytest.mark.parametrize(
    ("uri", "repository", "selector"),
    [
        ("localhost:4510/app:v1", "app", "v1"),
        ("localhost:4510/team/app", "team/app", "latest"),  # the port is no tag
        (f"localhost:4510/app@{DIGEST}", "app", DIGEST),
        (f"localhost:4510/app:v1@{DIGEST}", "app", DIGEST),  # a digest says more than a tag
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com/app:v1", "app", "v1"),
        ("localhost/app", "app", "latest"),
    ],
)
def test_uri_is_taken_apart(uri, repository, selector):
    reference = parse_uri(uri)
    assert (reference.repository, reference.selector) == (repository, selector)


@pytest.mark.parametrize("uri", ["", "app", "app:v1", "team/app:v1", "localhost:4510/"])
def test_uri_without_a_registry_is_refused(uri):
    """On AWS, too, a function's image comes from ECR, never from Docker Hub."""
    with pytest.raises(ImageNotFound):
        parse_uri(uri)
