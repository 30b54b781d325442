"""What S3 answers where a condition does not hold."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.api.s3 import NoSuchKey, PreconditionFailed
from localstack.aws.api.s3 import NotImplemented as NotImplementedHeader
from localstack.services.s3.models import S3DeleteMarker

from localstack_image_functions.s3.conditions import failed_condition, names, naming_headers

UNMET = "At least one of the pre-conditions you specified did not hold"
NOT_MODIFIED = 304
_LOCKS = tuple(threading.RLock() for _ in range(64))


class NotModified(CommonServiceException):
    """The caller's copy is the current one: an answer without a body, with what names it."""

    def __init__(self, last_modified: datetime, etag: str) -> None:
        super().__init__("NotModified", "Not Modified", status_code=NOT_MODIFIED)
        self.headers = naming_headers(last_modified, etag)


def check_read(request: Mapping[str, Any], last_modified: datetime, etag: str) -> None:
    """Look whether the conditions of GetObject and HeadObject hold.

    Raises
    ------
    NotModified
        When the caller has this object.
    PreconditionFailed
        When it is not what the caller wants.
    """
    failed = failed_condition(request, last_modified, etag)
    if failed in ("If-None-Match", "If-Modified-Since"):
        raise NotModified(last_modified, etag)
    if failed:
        raise PreconditionFailed(UNMET, Condition=failed)


def one_at_a_time(bucket: str, key: str) -> threading.RLock:
    """Held by writes with a condition from looking to writing, so that one of several succeeds."""
    return _LOCKS[hash((bucket, key)) % len(_LOCKS)]


def check_write(stored: Any, key: str, if_match: str | None, if_none_match: str | None) -> None:
    """Look whether the conditions of a write hold for what is stored under its key.

    Raises
    ------
    NotImplementedHeader
        When a value is not one that S3 takes for writes.
    PreconditionFailed
        When something is there that should not be, or something else.
    NoSuchKey
        When nothing is there.
    """
    for header, value, is_known in (
        ("If-Match", if_match, if_match != "*"),
        ("If-None-Match", if_none_match, if_none_match == "*"),
    ):
        if value and not is_known:
            raise not_accepted(header, f"We don't accept the provided value of {header}")
    there = stored is not None and not isinstance(stored, S3DeleteMarker)
    if if_none_match and there:
        raise PreconditionFailed(UNMET, Condition="If-None-Match")
    if if_match and not there:
        raise NoSuchKey("The specified key does not exist.", Key=key)
    if if_match and not names(if_match, stored.etag):
        raise PreconditionFailed(UNMET, Condition="If-Match")


def check_delete(stored: Any, key: str, if_match: str) -> None:
    """Look whether the condition of a delete holds for what is stored under its key.

    Raises
    ------
    NoSuchKey
        When nothing is there.
    PreconditionFailed
        When something else is there, or a delete marker.
    """
    if stored is None:
        raise NoSuchKey("The specified key does not exist.", Key=key)
    if isinstance(stored, S3DeleteMarker) or not names(if_match, stored.etag):
        raise PreconditionFailed(UNMET, Condition="If-Match")


def not_accepted(header: str, why: str) -> NotImplementedHeader:
    """Of headers and values that S3 has for other buckets, or for other operations."""
    return NotImplementedHeader(
        "A header you provided implies functionality that is not implemented",
        Header=header,
        additionalMessage=why,
    )
