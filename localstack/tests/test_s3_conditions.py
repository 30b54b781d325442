"""Conditions of requests to S3, without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localstack_image_functions.s3.conditions import (
    failed_condition,
    failed_copy,
    naming_headers,
)
from localstack_image_functions.s3.hosts import bucket_below

TAG = "5d41402abc4b2a76b9719d911017c592"
CHANGED = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
BEFORE, AFTER = CHANGED - timedelta(days=1), CHANGED + timedelta(days=1)
NAMES = ("localhost.localstack.cloud", "lab.example.com", "example.com", "localhost")


@pytest.mark.parametrize(
    ("asked", "failed"),
    [
        ({}, None),
        ({"IfMatch": f'"{TAG}"'}, None),
        ({"IfMatch": TAG}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"other"'}, "If-Match"),
        ({"IfMatch": f'"{TAG}"', "IfUnmodifiedSince": BEFORE}, None),
        ({"IfUnmodifiedSince": BEFORE}, "If-Unmodified-Since"),
        ({"IfUnmodifiedSince": CHANGED.replace(microsecond=0)}, None),
        ({"IfNoneMatch": f'"other", W/"{TAG}"'}, "If-None-Match"),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": CHANGED}, None),
        ({"IfModifiedSince": AFTER}, "If-Modified-Since"),
        ({"IfModifiedSince": BEFORE}, None),
        ({"IfModifiedSince": datetime(9999, 1, 1, tzinfo=UTC)}, None),
    ],
)
def test_a_tag_counts_before_a_date_and_a_date_that_is_to_come_never(
    asked: dict[str, Any], failed: str | None
) -> None:
    assert failed_condition(asked, CHANGED, TAG) == failed
    of_source = {f"CopySource{name}": value for name, value in asked.items()}
    assert failed_copy(of_source, CHANGED, TAG) == (failed and f"x-amz-copy-source-{failed}")


def test_what_was_not_modified_is_named_without_being_sent() -> None:
    assert naming_headers(CHANGED, TAG) == {
        "ETag": f'"{TAG}"',
        "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    }


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("clips.localhost:4566", "clips"),
        ("clips.localhost.localstack.cloud", "clips"),
        ("localhost:4566", None),
        ("127.0.0.1:4566", None),
        ("s3.localhost:4566", None),
        ("sqs.us-east-1.localhost:4566", None),
        ("lab.example.com", None),
        ("No.localhost", None),
        ("clips.elsewhere.com", None),
    ],
)
def test_a_bucket_is_one_name_before_one_of_the_gateways(host: str, bucket: str | None) -> None:
    assert bucket_below(host, NAMES) == bucket
