"""What an image's URI says without its version, whatever registry it names."""

from __future__ import annotations

import pytest

from localstack_image_functions.image_uris import without_version

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
