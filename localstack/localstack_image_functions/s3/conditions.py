"""Conditions of reads and copies in S3: those of RFC 7232, in its order (section 6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any


def failed_condition(
    request: Mapping[str, Any], last_modified: datetime, etag: str, of: str = ""
) -> str | None:
    """The header whose condition does not hold; `of` stands before the parameters' names.

    A date counts only where its sibling with a tag is not given, and a later one than now never.
    """
    changed = last_modified.replace(microsecond=0)
    if match := request.get(f"{of}IfMatch"):
        if not names(match, etag):
            return "If-Match"
    elif (since := request.get(f"{of}IfUnmodifiedSince")) and changed > since.replace(
        microsecond=0
    ):
        return "If-Unmodified-Since"
    if none_match := request.get(f"{of}IfNoneMatch"):
        if names(none_match, etag):
            return "If-None-Match"
    elif (since := request.get(f"{of}IfModifiedSince")) and changed <= since.replace(
        microsecond=0
    ) < datetime.now(UTC):
        return "If-Modified-Since"
    return None


def names(tags: str, etag: str) -> bool:
    """Whether a list of tags has this one, weak or not."""
    given = {one.strip().removeprefix("W/").strip('"') for one in tags.split(",")}
    return "*" in given or etag.strip('"') in given


def failed_copy(request: Mapping[str, Any], last_modified: datetime, etag: str) -> str | None:
    """The header of CopyObject whose condition the source does not meet."""
    failed = failed_condition(request, last_modified, etag, of="CopySource")
    return f"x-amz-copy-source-{failed}" if failed else None


def naming_headers(last_modified: datetime, etag: str) -> dict[str, str]:
    """What an answer without a body says of the object."""
    return {
        "ETag": f'"{etag}"',
        "Last-Modified": format_datetime(last_modified.astimezone(UTC), usegmt=True),
    }
