"""DynamoDB's transactions: done once for each token, and cancelled for a reason of each item."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.api.dynamodb import IdempotentParameterMismatchException
from moto.dynamodb.exceptions import MockValidationException, MultipleTransactionsException
from moto.dynamodb.models import DynamoDBBackend

TOKEN_LIVES_S = 10 * 60
_transaction = threading.local()


class ValidationError(Exception):
    """When an item of a transaction can't be written as asked; moto tells its name as the code."""


class _Tokens:
    """What was written under which token within ten minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], tuple[float, str]] = OrderedDict()

    def written(self, place: tuple[str, str, str]) -> str | None:
        """The digest of what was written under a token."""
        with self._lock:
            while self._known and next(iter(self._known.values()))[0] < time.monotonic():
                self._known.popitem(last=False)
            return self._known.get(place, (0, None))[1]

    def remember(self, place: tuple[str, str, str], digest: str) -> None:
        with self._lock:
            self._known[place] = (time.monotonic() + TOKEN_LIVES_S, digest)


def write_once(
    write: Callable[[RequestContext, Any], Any],
) -> Callable[[RequestContext, Any], Any]:
    """TransactWriteItems: the same again under one token writes nothing, another is refused."""
    _tell_reasons()
    tokens = _Tokens()

    def answer(context: RequestContext, request: Any) -> Any:
        token = request.get("ClientRequestToken")
        place = (context.account_id, context.region, token)
        digest = _digest(request["TransactItems"]) if token else ""
        written = tokens.written(place) if token else None
        if written == digest and token:
            return {}
        if written:
            raise IdempotentParameterMismatchException(
                "The request uses the same client token as a previous, but non-identical request."
            )
        with _in_transaction():
            answered = write(context, request)
        if token:
            tokens.remember(place, digest)
        return answered

    return answer


def _digest(items: Any) -> str:
    return hashlib.sha256(json.dumps(items, sort_keys=True, default=repr).encode()).hexdigest()


@contextlib.contextmanager
def _in_transaction() -> Iterator[None]:
    _transaction.is_open = True
    try:
        yield
    finally:
        _transaction.is_open = False


@functools.cache
def _tell_reasons() -> None:
    """What moto refuses of one item is that item's reason, where it fails the whole request."""
    for name in ("get_item", "put_item", "update_item", "delete_item"):
        setattr(DynamoDBBackend, name, _for_a_reason(getattr(DynamoDBBackend, name)))


def _for_a_reason(do: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(do)
    def done(*arguments: Any, **options: Any) -> Any:
        try:
            return do(*arguments, **options)
        except MultipleTransactionsException:
            raise
        except MockValidationException as error:
            if not getattr(_transaction, "is_open", False):
                raise
            raise ValidationError(error.exception_msg) from error

    return done
