"""What S3's pages say of objects' tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from localstack.aws.api import CommonServiceException

MOST_TAGS = 10


def _few(count: int) -> None:
    if count > MOST_TAGS:
        raise CommonServiceException(
            "BadRequest", f"Object tags cannot be greater than {MOST_TAGS}", sender_fault=True
        )


def _put_tags(request: Mapping[str, Any]) -> None:
    _few(len((request.get("Tagging") or {}).get("TagSet") or ()))


def _put(request: Mapping[str, Any]) -> None:
    _few(len(parse_qsl(request.get("Tagging") or "", keep_blank_values=True)))


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CopyObject": _put,
    "CreateMultipartUpload": _put,
    "PutObject": _put,
    "PutObjectTagging": _put_tags,
}
