"""S3 objects at rest: what LocalStack knows of an object, in a fifth of the memory.

A camera at two clips a second leaves 172,800 objects a day. What nobody has written for a while is
packed: what it has in common with others (owner, access, content type) once for all of them, and
its own in a few bytes. It stays the same object: read, it unpacks what is asked for; changed, it
is whole again.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from localstack.services.s3.models import KeyStore, S3DeleteMarker, S3Object, VersionedKeyStore

RESTS_AFTER_S = 30.0
OWN = (
    "last_modified", "etag", "size", "checksum_value", "internal_last_modified", "content",
    "version_id",
)  # fmt: skip
_MODIFIED = OWN.index("last_modified")
_NAMES = "\x00names"
KEPT = ("key", "is_current")
"""What is looked at in every object when a bucket is listed."""
APART = {*OWN, *KEPT, "user_metadata"}
_NOT_THERE = "\x00none"


class _Common(dict[str, Any]):
    """Fields that many objects have in common."""

    __slots__ = ("__weakref__",)


_common: WeakValueDictionary[str, _Common] = WeakValueDictionary()
_waking = threading.RLock()
_set = object.__setattr__
_last = threading.local()
"""What this thread has unpacked last: one object is asked for several fields."""


class RestingObject(S3Object):
    """An `S3Object` that is packed. Nobody makes one: `rest` turns an object into it."""

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_own" in own and name in (fields := _unpacked(own["_common"], own["_own"])):
            return fields[name]
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        with _waking:
            wake(self)
            _set(self, name, value)


def rest(one: Any) -> bool:
    """Pack an object; whether it is one that can be."""
    if type(one) is not S3Object:
        return False
    with _waking:
        # From here on whoever changes it waits for this; whoever reads finds one or the other.
        fields = one.__dict__
        _set(one, "__class__", RestingObject)
        packed = _packed(fields)
        if packed is None:
            _set(one, "__class__", S3Object)
            return False
        kept = {name: fields[name] for name in KEPT}
        _set(one, "__dict__", {**kept, "_common": packed[0], "_own": packed[1]})
    return True


def wake(one: Any) -> Any:
    """The same object, whole."""
    with _waking:
        if type(one) is RestingObject:
            kept = dict(one.__dict__)
            _set(one, "__dict__", {**_unpacked(kept.pop("_common"), kept.pop("_own")), **kept})
            _set(one, "__class__", S3Object)
            being_written.append((time.monotonic(), one))
    return one


def _packed(fields: dict[str, Any]) -> tuple[_Common, bytes] | None:
    metadata = fields["user_metadata"]
    own = [fields.get(name, _NOT_THERE) for name in OWN]
    common = {name: value for name, value in fields.items() if name not in APART}
    try:
        # The names of metadata are the same in every clip.
        common[_NAMES] = list(metadata)
        own[_MODIFIED] = own[_MODIFIED].isoformat()
        text = json.dumps(common)
        written = json.dumps([*own, *metadata.values()], separators=(",", ":"))
    except (TypeError, AttributeError):
        return None  # it has a date on which it ends, say: few have
    shared = _common.get(text)
    if shared is None:
        shared = _common[text] = _Common(common)
    return shared, written.encode()


def _unpacked(common: _Common, written: bytes) -> dict[str, Any]:
    if getattr(_last, "written", None) is not written:
        own = json.loads(written)
        own[_MODIFIED] = datetime.fromisoformat(own[_MODIFIED])
        fields = {**common, **dict(zip(OWN, own, strict=False))}
        names = fields.pop(_NAMES)
        fields["user_metadata"] = dict(zip(names, own[len(OWN) :], strict=True))
        _last.fields = {name: one for name, one in fields.items() if one != _NOT_THERE}
        _last.written = written
    unpacked: dict[str, Any] = _last.fields
    return unpacked


being_written: deque[tuple[float, S3Object | S3DeleteMarker]] = deque()
"""Objects that are whole, and since when, the oldest first."""


def watch_objects() -> None:
    """See every object that comes into a bucket."""
    for store in (KeyStore, VersionedKeyStore):
        _watch(store)


def _watch(store: Any) -> None:
    original = store.set

    def set_(self: Any, object_key: str, s3_object: S3Object | S3DeleteMarker) -> None:
        original(self, object_key, s3_object)
        being_written.append((time.monotonic(), s3_object))

    store.set = set_


def rest_what_nobody_writes(now: float | None = None) -> None:
    """Pack the objects that have been whole for half a minute at `now` (monotonic seconds)."""
    now = time.monotonic() if now is None else now
    while being_written and being_written[0][0] <= now - RESTS_AFTER_S:
        rest(being_written.popleft()[1])
