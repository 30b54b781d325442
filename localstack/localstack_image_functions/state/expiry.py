"""Applies the rules by which AWS lets data go: lifecycle, retention, time to live.

LocalStack and moto store these rules and show them, and keep everything. Dates are those of
AWS: an object expires its rule's number of days after it was written (AWS rounds up to the next
midnight; here it goes at once, so that clips do not outstay their day).
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from localstack.aws.connect import connect_to
from localstack.services.s3.models import S3Bucket, S3DeleteMarker, S3Object, s3_stores
from localstack.services.s3.utils import get_unique_key_id
from localstack.services.sts.models import sts_stores

from localstack_image_functions.state.dynamodb import ItemRows
from localstack_image_functions.state.logs import LogRows
from localstack_image_functions.state.resting import rest_what_nobody_writes
from localstack_image_functions.state.s3 import all_versions, buckets
from localstack_image_functions.state.sqs import trim_deduplication, trim_expired

LOG = logging.getLogger(__name__)

EVERY_S = 20.0
DAY = timedelta(days=1)
BATCH = 1000
LOOKED_AT = 5000
"""Objects of a bucket that one sweep looks at; a larger bucket takes several."""

Rules = list[dict[str, Any]]
Objects = list[S3Object | S3DeleteMarker]


class Expiry:
    """Sweeps every 20 s, from its own thread. A day of a rule lasts `day_s` seconds."""

    def __init__(self, items: ItemRows, logs: LogRows, day_s: float = 86_400):
        self._items = items
        self._logs = logs
        self._day = timedelta(seconds=day_s)
        self._looked_at: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def sweep(self) -> None:
        """Let go what is over now."""
        now = datetime.now(UTC)
        for bucket in buckets():
            self._expire_objects(bucket, now)
        rest_what_nobody_writes()
        self._items.expire(now.timestamp())
        self._logs.expire(now.timestamp() * 1000, self._day.total_seconds() * 1000)
        trim_expired()
        trim_deduplication(now.timestamp())
        trim_sessions(now)

    def _expire_objects(self, bucket: S3Bucket, now: datetime) -> None:
        """The next 5000 of a bucket, and more as long as something of them is over."""
        rules = [rule for rule in bucket.lifecycle_rules or () if rule.get("Status") == "Enabled"]
        if not rules:
            return
        objects, start, count = all_versions(bucket), self._looked_at.get(bucket.name, 0), 1
        while count and start < len(objects):
            some = objects[start : start + LOOKED_AT]
            count = expire_objects(bucket, rules, some, now, self._day)
            start += LOOKED_AT
        # Those that came first go first: after the last one the next sweep begins there.
        self._looked_at[bucket.name] = start if start < len(objects) else 0
        expire_uploads(bucket, rules, now, self._day)

    def _run(self) -> None:
        while not self._ended.wait(min(EVERY_S, self._day.total_seconds() / 3)):
            try:
                self.sweep()
            except Exception:
                LOG.exception("what is over could not be removed; trying again")


def expire_objects(
    bucket: S3Bucket, rules: Rules, some: Objects, now: datetime, day: timedelta = DAY
) -> int:
    """Delete those of some objects that the bucket's lifecycle says are over; how many."""
    due = _due_objects(bucket, rules, some, now, day)
    for start in range(0, len(due), BATCH):
        _client(bucket).delete_objects(
            Bucket=bucket.name, Delete={"Objects": due[start : start + BATCH], "Quiet": True}
        )
    return len(due)


def expire_uploads(bucket: S3Bucket, rules: Rules, now: datetime, day: timedelta = DAY) -> None:
    """End the uploads that were never completed, once their time is over."""
    for upload in list(bucket.multiparts.values()):
        if any(_upload_is_over(rule, upload, now, day) for rule in rules):
            _client(bucket).abort_multipart_upload(
                Bucket=bucket.name, Key=upload.object.key, UploadId=upload.id
            )


def _client(bucket: S3Bucket) -> Any:
    return connect_to(
        aws_access_key_id=bucket.bucket_account_id, region_name=bucket.bucket_region
    ).s3


def _due_objects(
    bucket: S3Bucket, rules: Rules, some: Objects, now: datetime, day: timedelta
) -> list[dict[str, str]]:
    tags = next(iter(s3_stores[bucket.bucket_account_id].values())).TAGS.tags
    due = []
    for one in some:
        marker = isinstance(one, S3DeleteMarker)
        versioned = bucket.versioning_status is not None
        own = tags.get(get_unique_key_id(bucket.name, one.key, one.version_id), {})
        for rule in rules:
            if not matches(rule, one, own):
                continue
            if one.is_current and not marker and _is_over(rule.get("Expiration"), one, now, day):
                due.append({"Key": one.key})
                break
            days = (rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays")
            if versioned and not one.is_current and days and now - one.last_modified >= days * day:
                due.append({"Key": one.key, "VersionId": one.version_id or "null"})
                break
    return due


def _is_over(
    expiration: dict[str, Any] | None, one: S3Object, now: datetime, day: timedelta
) -> bool:
    expiration = expiration or {}
    if days := expiration.get("Days"):
        return now - one.last_modified >= days * day
    date = expiration.get("Date")
    if isinstance(date, str):
        date = datetime.fromisoformat(date)
    return bool(date and now >= date)


def _upload_is_over(rule: dict[str, Any], upload: Any, now: datetime, day: timedelta) -> bool:
    days = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
    return bool(days and matches(rule, upload.object, {}) and now - upload.initiated >= days * day)


def matches(rule: dict[str, Any], one: S3Object | S3DeleteMarker, tags: dict[str, str]) -> bool:
    """Whether a lifecycle rule is about an object."""
    whole = rule.get("Filter") or {}
    both = whole.get("And") or {}
    prefixes = (rule.get("Prefix"), whole.get("Prefix"), both.get("Prefix"))
    wanted = [whole["Tag"]] if "Tag" in whole else both.get("Tags") or []
    at_least = whole.get("ObjectSizeGreaterThan", both.get("ObjectSizeGreaterThan"))
    at_most = whole.get("ObjectSizeLessThan", both.get("ObjectSizeLessThan"))
    return (
        all(one.key.startswith(prefix) for prefix in prefixes if prefix)
        and all(tags.get(tag["Key"]) == tag["Value"] for tag in wanted)
        and (at_least is None or _size(one) > at_least)
        and (at_most is None or _size(one) < at_most)
    )


def _size(one: S3Object | S3DeleteMarker) -> int:
    return getattr(one, "size", 0) or 0


def trim_sessions(now: datetime) -> None:
    """Forget credentials that have ended: LocalStack and moto keep one set for each environment."""
    from moto.sts.models import sts_backends

    for _, _, backend in list(sts_backends.iter_backends()):
        backend.assumed_roles[:] = [
            role for role in backend.assumed_roles if role.expiration.replace(tzinfo=UTC) > now
        ]
    for _, _, store in sts_stores.iter_stores():
        while len(store.sessions) > BATCH:
            store.sessions.pop(next(iter(store.sessions)), None)
