"""The gallery and the custom model: kept in S3, so that a new one needs no new image."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Artefact(Generic[T]):
    """An S3 object, parsed, that follows its newest version.

    It asks S3 at most once every `check_every_s` seconds, and then with the ETag it holds,
    so that an unchanged object costs one small round trip. An object that can't be parsed
    leaves the last good version in place: a bad upload must not stop the lab.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        key: str,
        parse: Callable[[bytes], T],
        missing: T,
        check_every_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._parse = parse
        self._missing = missing
        self._check_every_s = check_every_s
        self._clock = clock
        self._value = missing
        self._etag = ""
        self._checked_at = float("-inf")

    @property
    def version(self) -> str:
        """The object's ETag, or `none`."""
        return self._etag.strip('"') or "none"

    def get(self) -> T:
        now = self._clock()
        if now - self._checked_at >= self._check_every_s:
            self._refresh()
            self._checked_at = now
        return self._value

    def _refresh(self) -> None:
        held = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, **held)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("304", "NotModified"):
                return
            if code in ("NoSuchKey", "404"):
                LOG.warning("no %s in %s yet", self._key, self._bucket)
                self._value, self._etag = self._missing, ""
                return
            raise
        data = answer["Body"].read()
        try:
            self._value = self._parse(data)
        except ValueError as error:
            LOG.error("%s %s can't be used, keeping the last: %s", self._key, answer["ETag"], error)
        self._etag = answer["ETag"]
