"""Pages of S3's lists of versions and of uploads, which end where there is no more.

LocalStack calls a page the last one only where it ends at the bucket's last key, whatever prefix
was asked for, and does not end pages of buckets without versions at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

MOST = 1000
_ALL = 2**31
_NONE = "null"
"""The version of what was put without versioning."""

Entry = tuple[str, Any, str, Mapping[str, Any]]
"""Its key, what it is sorted by among those of its key, the list that it is in, and itself."""
Original = Callable[..., Any]


def list_object_versions(self: Any, original: Original, context: Any, **asked: Any) -> Any:
    """Of the newest first, deletions and groups of keys among them."""
    limit = min(MOST if asked.get("max_keys") is None else asked["max_keys"], MOST)
    _, bucket = self._get_cross_account_bucket(context, asked["bucket"])
    whole = {**asked, "max_keys": _ALL}
    if asked.get("version_id_marker") == _NONE and not bucket.versioning_status:
        whole["version_id_marker"] = None  # a key's one version: what follows is the next key
    answered = original(self, context, **whole)
    shown, more = _cut(answered, ("Versions", "DeleteMarkers"), _newest_first, limit)
    page = {
        **_without(answered, "Versions", "DeleteMarkers", "CommonPrefixes"),
        "MaxKeys": limit,
        "VersionIdMarker": asked.get("version_id_marker") or "",
        "IsTruncated": more,
        **_lists(shown),
    }
    if more:
        key, _, kind, last = shown[-1]
        page["NextKeyMarker"] = key
        if kind != "CommonPrefixes":
            page["NextVersionIdMarker"] = last.get("VersionId") or _NONE
    return page


def _newest_first(entry: Mapping[str, Any]) -> Any:
    return (not entry["IsLatest"], -entry["LastModified"].timestamp())


def list_multipart_uploads(self: Any, original: Original, context: Any, **asked: Any) -> Any:
    """Of a key those that began first."""
    limit = min(asked.get("max_uploads") or MOST, MOST)
    answered = original(self, context, **{**asked, "max_uploads": _ALL})
    shown, more = _cut(answered, ("Uploads",), lambda one: one["Initiated"].timestamp(), limit)
    key, _, _, last = shown[-1] if shown else ("", 0, "", {})
    return {
        **_without(answered, "Uploads", "CommonPrefixes"),
        "MaxUploads": limit,
        "IsTruncated": more,
        "NextKeyMarker": key,
        "NextUploadIdMarker": last.get("UploadId", ""),
        **_lists(shown),
    }


def _cut(
    answered: Mapping[str, Any],
    lists: Sequence[str],
    order: Callable[[Mapping[str, Any]], Any],
    limit: int,
) -> tuple[list[Entry], bool]:
    """The first of all that was found, and whether there are more."""
    found: list[Entry] = [
        (one["Key"], order(one), name, one) for name in lists for one in answered.get(name) or ()
    ]
    found += [
        (one["Prefix"], 0, "CommonPrefixes", one) for one in answered.get("CommonPrefixes") or ()
    ]
    encoded = lists == ("Uploads",) and answered.get("EncodingType") == "url"

    def place(entry: Entry) -> tuple[str, Any]:
        plain = entry[2] != "CommonPrefixes" and encoded
        return (quote(entry[0]) if plain else entry[0], entry[1])

    found.sort(key=place)
    return found[:limit], 0 < limit < len(found)


def _lists(shown: Sequence[Entry]) -> dict[str, list[Mapping[str, Any]]]:
    lists: dict[str, list[Mapping[str, Any]]] = {}
    for _, _, kind, entry in shown:
        lists.setdefault(kind, []).append(entry)
    return lists


def _without(answered: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {
        name: value
        for name, value in answered.items()
        if name not in names and not name.startswith("Next")
    }
