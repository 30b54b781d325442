"""Whatever a service lists, from its first page to its last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def every(client: Any, operation: str, key: str, **asked: Any) -> Iterator[Any]:
    """Every element of `key` over all pages of `operation`, as `client` answers them.

    A single call holds 50 to 1,000 elements, by service, and nothing in it looks unfinished to who
    does not ask for the token: https://docs.aws.amazon.com/boto3/latest/guide/paginators.html
    """
    # SQS ends at a thousand queues, without a token, where it was not told how many to answer.
    if operation == "list_queues":
        asked["PaginationConfig"] = {"PageSize": 1000}
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page.get(key, ())
