"""What S3's pages say of tags, of objects and of buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from localstack.aws.api import CommonServiceException
from localstack.aws.api.s3 import InvalidTag

MOST_TAGS = 10
MOST_TAGS_OF_BUCKETS = 50
LONGEST_KEY = 128
LONGEST_VALUE = 256


def _check(tags: Iterable[tuple[str, str]], most: int, whose: str) -> None:
    given = [*tags]
    if len(given) > most:
        raise CommonServiceException(
            "BadRequest", f"{whose} cannot be greater than {most}", sender_fault=True
        )
    for key, value in given:
        if len(key) > LONGEST_KEY:
            raise InvalidTag("The TagKey you have provided is invalid", TagKey=key)
        if len(value) > LONGEST_VALUE:
            raise InvalidTag(
                "The TagValue you have provided is invalid", TagKey=key, TagValue=value
            )


def _pairs(tags: Iterable[Mapping[str, str]] | None) -> list[tuple[str, str]]:
    return [(one.get("Key") or "", one.get("Value") or "") for one in tags or ()]


def _put_tags(request: Mapping[str, Any]) -> None:
    _check(_pairs((request.get("Tagging") or {}).get("TagSet")), MOST_TAGS, "Object tags")


def _put_bucket_tags(request: Mapping[str, Any]) -> None:
    tags = _pairs((request.get("Tagging") or {}).get("TagSet"))
    _check(tags, MOST_TAGS_OF_BUCKETS, "Bucket tag count")


def _create_bucket(request: Mapping[str, Any]) -> None:
    tags = _pairs((request.get("CreateBucketConfiguration") or {}).get("Tags"))
    _check(tags, MOST_TAGS_OF_BUCKETS, "Bucket tag count")


def _put(request: Mapping[str, Any]) -> None:
    if tags := request.get("Tagging"):
        _check(parse_qsl(tags, keep_blank_values=True), MOST_TAGS, "Object tags")


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CopyObject": _put,
    "CreateBucket": _create_bucket,
    "CreateMultipartUpload": _put,
    "PutBucketTagging": _put_bucket_tags,
    "PutObject": _put,
    "PutObjectTagging": _put_tags,
}
