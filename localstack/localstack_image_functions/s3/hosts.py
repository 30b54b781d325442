"""Buckets as names below this emulator's own: `clips.localhost:4566`, as SDKs ask for them unless
told otherwise. LocalStack knows `clips.s3.localhost:4566`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from localstack_image_functions.gateway.rules import host_name

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ENDPOINTS = frozenset({"s3", "s3-control", "sqs", "sns", "sts", "queue"})


def bucket_below(host: str, names: Iterable[str]) -> str | None:
    """The bucket that a Host header names before one of the emulator's names, longest first."""
    name = host_name(host)
    if "." not in name or name in names:
        return None
    for own in names:
        bucket = name.removesuffix(f".{own}")
        if bucket != name:
            return bucket if _BUCKET.fullmatch(bucket) and bucket not in _ENDPOINTS else None
    return None


def serve_buckets_below(own_names: Iterable[str]) -> None:
    """Let S3 know them so, from now on."""
    from localstack.aws.protocol import service_router
    from localstack.services.s3 import presigned_url, utils

    names = tuple(sorted(own_names, key=len, reverse=True))
    known_host, known_name = (
        utils.uses_host_addressing,
        utils.extract_bucket_name_and_key_from_headers_and_path,
    )

    def uses_host_addressing(headers: Mapping[str, str]) -> str | None:
        return known_host(headers) or bucket_below(headers.get("host", ""), names)

    def extract(headers: Mapping[str, str], path: str) -> tuple[str | None, str | None]:
        bucket = bucket_below(headers.get("host", ""), names)
        if bucket is None:
            return known_name(headers, path)
        return bucket, path.partition("?")[0].removeprefix("/") or None

    for module in (utils, service_router, presigned_url):
        module.uses_host_addressing = uses_host_addressing
    for module in (utils, presigned_url):
        module.extract_bucket_name_and_key_from_headers_and_path = extract
