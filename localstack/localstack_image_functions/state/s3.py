"""S3: a row for each object version, kept before a write is acknowledged, and each event due."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from typing import Any

from localstack.aws.api import RequestContext
from localstack.runtime import events as runtime_events
from localstack.services.s3 import notifications
from localstack.services.s3.models import (
    KeyStore,
    S3Bucket,
    S3DeleteMarker,
    S3Object,
    VersionedKeyStore,
    s3_stores,
)
from localstack.services.s3.provider import S3Provider

from localstack_image_functions.state.codec import Codec, Omissions
from localstack_image_functions.state.database import Database, RowKey, Rows
from localstack_image_functions.state.objects import FileObjectStore
from localstack_image_functions.state.resting import wake

OBJECT = "s3-object"
EVENT = "s3-event"
OMISSIONS: Omissions = {
    KeyStore: {"_store": dict},
    VersionedKeyStore: {"_store": lambda: defaultdict(dict)},
}
CREATING = {"PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"}
CHANGING = {
    "DeleteObject",
    "PutObjectAcl",
    "PutObjectRetention",
    "PutObjectLegalHold",
    "RestoreObject",
}
OBJECT_OPERATIONS = CREATING | CHANGING | {"DeleteObjects"}
KEPT_ALONE = OBJECT_OPERATIONS - {"CompleteMultipartUpload"}
"""After these nothing but rows of objects has to be kept, unless they carry tags."""


class ObjectRows:
    """Keeps the rows of S3 objects as their buckets have them."""

    def __init__(self, database: Database, codec: Codec, store: FileObjectStore):
        self._database = database
        self._codec = codec
        self._store = store

    def after(self, context: RequestContext) -> None:
        """Keep what an operation that has succeeded did to objects."""
        name, request = context.operation.name, context.service_request or {}
        bucket = request.get("Bucket", "")
        if name == "DeleteBucket":
            self._forget_bucket(bucket)
        elif name == "PutBucketVersioning":
            self.keep_bucket(bucket)
        elif name == "DeleteObjects":
            for one in request["Delete"]["Objects"]:
                self.keep(bucket, one["Key"])
        elif name in OBJECT_OPERATIONS:
            key = request.get("Key", "")
            if name == "PostObject":  # the key is in the form
                response: Any = context.service_response or {}
                key = response.get("Key") or key
                if not key:
                    return self.keep_bucket(bucket)
            self.keep(bucket, key)
        return None

    def keep(self, bucket: str, key: str) -> None:
        """Bring the rows of all versions under `key` to what the bucket has."""
        found = find_bucket(bucket)
        versions = _versions(found, key) if found else {}
        kept = self._rows(bucket, key)
        for version, one in versions.items():
            # Of those that are there already only the last two change: the current one, and
            # the one that it replaced.
            if version not in kept or version in list(versions)[-2:]:
                self._put(bucket, key, version)
                self._discard_replaced(bucket, kept.get(version), getattr(one, "content", None))
        for version in [one for one in kept if one not in versions]:
            self._database.delete(_row(bucket, key, version))
            self._discard_replaced(bucket, kept[version], None)

    def keep_bucket(self, bucket: str) -> None:
        found = find_bucket(bucket)
        keys = {one.key for one in all_versions(found)} if found else set()
        for key in keys | {json.loads(row)[0] for row in self._database.keys(OBJECT, bucket)}:
            self.keep(bucket, key)

    def load(self, rows: Rows) -> int:
        """Put the objects back into their buckets; how many have lost their content."""
        lost = 0
        contents: dict[str, set[str]] = {name: set() for name in _bucket_names()}
        for bucket, place, one in rows:
            key, version = json.loads(place)
            found = find_bucket(bucket)
            whole = isinstance(one, S3DeleteMarker) or self._store.holds(bucket, one)
            if found is None or not whole:
                self._database.delete(_row(bucket, key, version))
                lost += not whole
                continue
            _set(found, key, version, one)
            if content := getattr(one, "content", None):
                contents[bucket].add(content)
        self._store.keep_only(contents)
        return lost

    def _put(self, bucket: str, key: str, version: str) -> None:
        def value() -> bytes | None:
            found = find_bucket(bucket)
            one = _versions(found, key).get(version) if found else None
            return None if one is None else self._codec.encode(wake(one))

        self._database.put(_row(bucket, key, version), value)

    def _rows(self, bucket: str, key: str) -> dict[str, bytes]:
        """What is kept of an object: a record for each version."""
        first, last = _places_of(key)
        rows = self._database.span(OBJECT, bucket, first, last)
        return {json.loads(place)[1]: record for place, record in rows}

    def _discard_replaced(self, bucket: str, replaced: bytes | None, new: str | None) -> None:
        """Remove the file of the content that a row names, unless it is the new one's, too."""
        if replaced is not None:
            old = getattr(self._codec.decode(replaced), "content", None)
            if old != new:
                self._database.afterwards(lambda: self._store.discard(bucket, old))

    def _forget_bucket(self, bucket: str) -> None:
        self._database.delete_scope(OBJECT, bucket)


class DueEvents:
    """Keeps each S3 event from the write that it tells of until its target has taken it."""

    def __init__(self, database: Database, codec: Codec):
        self._database = database
        self._codec = codec

    def install(self) -> None:
        """Stand between the dispatcher and its threads."""
        original = notifications.NotificationDispatcher._submit_notification

        def submit(dispatcher: Any, notifier: Any, event: Any, configuration: Any) -> None:
            row = RowKey(EVENT, event.bucket_name, uuid.uuid4().hex)
            record = self._codec.encode(
                [_notifier_name(dispatcher, notifier), event, configuration]
            )
            self._database.put(row, lambda: record)
            waiting = _Delivered(notifier, self._database, row)
            # Not before the row is kept, or the event might be done before it is due.
            self._database.afterwards(lambda: original(dispatcher, waiting, event, configuration))

        notifications.NotificationDispatcher._submit_notification = submit

    def deliver(self, provider: S3Provider, rows: Rows) -> None:
        """Send what was due when the emulator ended."""
        dispatcher = provider._notification_dispatcher
        for bucket, key, (name, event, configuration) in rows:
            waiting = _Delivered(
                dispatcher.notifiers[name], self._database, RowKey(EVENT, bucket, key)
            )
            dispatcher.executor.submit(waiting.notify, event, configuration)


class _Delivered:
    """A notifier that takes the event's row away once it has notified."""

    def __init__(self, notifier: Any, database: Database, row: RowKey):
        self._notifier = notifier
        self._database = database
        self._row = row

    def notify(self, event: Any, configuration: Any) -> None:
        if runtime_events.infra_stopping.is_set():
            return  # services refuse requests by now: it is due when they answer again
        try:
            self._notifier.notify(event, configuration)
        finally:  # a target that is gone stays gone
            if not runtime_events.infra_stopping.is_set():
                self._database.delete(self._row)


def _notifier_name(dispatcher: Any, notifier: Any) -> str:
    return next(name for name, one in dispatcher.notifiers.items() if one is notifier)


def find_bucket(name: str) -> S3Bucket | None:
    """The bucket of that name, in whichever account."""
    for _, regions in list(s3_stores.items()):
        for store in list(regions.values()):
            return_value = store.buckets.get(name)
            if return_value is not None:
                return return_value
            break  # buckets are the same in all regions of an account
    return None


def buckets() -> list[S3Bucket]:
    """Every bucket of every account."""
    return [
        bucket
        for _, regions in list(s3_stores.items())
        for store in list(regions.values())[:1]
        for bucket in list(store.buckets.values())
    ]


def _bucket_names() -> set[str]:
    return {bucket.name for bucket in buckets()}


def _row(bucket: str, key: str, version: str) -> RowKey:
    return RowKey(OBJECT, bucket, json.dumps([key, version]))


def _places_of(key: str) -> tuple[str, str]:
    """Between which keys of rows those of an object's versions are."""
    begin = json.dumps([key])[:-1] + ', "'
    return begin, begin[:-1] + "#"  # what comes after a quotation mark


def _versions(bucket: S3Bucket, key: str) -> dict[str, S3Object | S3DeleteMarker]:
    store = bucket.objects
    if isinstance(store, VersionedKeyStore):
        return dict(store._store.get(key, {}))
    one = store.get(key)
    return {} if one is None else {one.version_id or "null": one}


def all_versions(bucket: S3Bucket) -> list[S3Object | S3DeleteMarker]:
    """Everything in a bucket: objects and delete markers, older versions too."""
    store = bucket.objects
    return (
        store.values(with_versions=True) if isinstance(store, VersionedKeyStore) else store.values()
    )


def _set(bucket: S3Bucket, key: str, version: str, one: S3Object | S3DeleteMarker) -> None:
    if isinstance(bucket.objects, VersionedKeyStore):
        bucket.objects._store[key][version] = one
    else:
        bucket.objects._store[key] = one
