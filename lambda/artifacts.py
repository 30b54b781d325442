"""The gallery and the custom model: kept in S3, so that a new one needs no new image."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Artifact(Generic[T]):
    """An S3 object, parsed, that follows its newest usable version.

    `refresh` asks S3 at most once every `check_every_s` seconds, and then with the ETag it
    saw last, so that an unchanged object costs one small round trip. An object that can't be
    used, or be read while another is held, leaves the last good version in place, and the log
    says so once: a bad upload must not stop the lab.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        key: str,
        parse: Callable[[bytes], T],
        missing: T,
        max_bytes: int,
        check_every_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._parse = parse
        self._missing = missing
        self._max_bytes = max_bytes
        self._check_every_s = check_every_s
        self._clock = clock
        self._checked_at = float("-inf")
        self._seen_etag = ""  # of the version last looked at, usable or not
        self._etag = ""
        self._last_problem = ""
        self._refreshing = Lock()
        self.value = missing

    @property
    def version(self) -> str:
        """The ETag of the version in use, or `none`."""
        return self._etag.strip('"') or "none"

    def refresh(self) -> None:
        """Bring `value` up to date, unless that was done a moment ago.

        Raises
        ------
        Exception
            When S3 can't be asked and nothing is held yet: the caller is to try again.
        """
        with self._refreshing:
            now = self._clock()
            if now - self._checked_at >= self._check_every_s:
                self._ask()
                self._checked_at = now

    def _ask(self) -> None:
        held = {"IfNoneMatch": self._seen_etag} if self._seen_etag else {}
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, **held)
            with answer["Body"] as body:
                self._take(answer["ETag"], answer["ContentLength"], body)
        except ClientError as error:
            self._take_refusal(error)
        except Exception as error:  # a read that broke off
            self._keep(f"can't be read: {error!r}", error)

    def _take(self, etag: str, size_bytes: int, body: Any) -> None:
        if size_bytes > self._max_bytes:
            self._seen_etag = etag
            self._tell(f"{etag} has {size_bytes} bytes, at most {self._max_bytes} are taken")
            return
        data = body.read()
        self._seen_etag = etag
        try:
            self.value = self._parse(data)
        except Exception as error:
            # Whatever a library makes of bytes that are not its own; a bug of ours, too, is
            # better told than turned into a lab that answers nobody.
            self._tell(f"{etag} can't be used: {error!r}", with_traceback=error)
            return
        self._etag, self._last_problem = etag, ""

    def _take_refusal(self, error: ClientError) -> None:
        code = error.response["Error"]["Code"]
        if code in ("304", "NotModified"):
            if self._seen_etag == self._etag:
                self._last_problem = ""
            return
        if code in ("NoSuchKey", "404"):
            self.value, self._etag, self._seen_etag = self._missing, "", ""
            self._tell(f"is not in {self._bucket} yet", logging.WARNING)
            return
        self._keep(f"can't be read: {error}", error)

    def _keep(self, why: str, error: Exception) -> None:
        if not self._etag:
            raise error
        self._tell(why)

    def _tell(
        self, what: str, level: int = logging.ERROR, with_traceback: Exception | None = None
    ) -> None:
        if what == self._last_problem:
            return
        self._last_problem = what
        keeping = "keeping the last good one" if self._etag else "going on without"
        is_expected = with_traceback is None or isinstance(with_traceback, ValueError)
        trace = None if is_expected else with_traceback
        LOG.log(level, "%s %s; %s", self._key, what, keeping, exc_info=trace)
