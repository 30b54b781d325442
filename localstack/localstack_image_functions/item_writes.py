"""DynamoDB's operations that write items, answered as AWS documents where moto does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import RequestContext
from localstack.services.moto import call_moto, call_moto_with_request
from moto.dynamodb.parsing.ast_nodes import (
    UpdateExpressionAction,
    UpdateExpressionPath,
    UpdateExpressionSetAction,
)
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

from localstack_image_functions.canonical_numbers import has_others, with_canonical_numbers
from localstack_image_functions.capacity import Account
from localstack_image_functions.legacy_conditions import with_condition, with_updates
from localstack_image_functions.projections import projected
from localstack_image_functions.transactions import write_once

_OF_AFTER = {"UPDATED_NEW": "ALL_NEW", "UPDATED_OLD": "ALL_OLD"}
_MOTOS_OWN = ("ConsumedCapacity", "ConsumedCapacityUnits", "ItemCollectionMetrics")


def to_moto(context: RequestContext, request: Any) -> Any:
    """Ask moto, with numbers as they are kept."""
    if has_others(context.request.data):
        request = with_canonical_numbers(request)
    if request is context.service_request:
        return call_moto(context)
    return call_moto_with_request(context, {k: v for k, v in request.items() if v is not None})


def _accounted(
    write: Callable[[RequestContext, Any], Any],
) -> Callable[[RequestContext, Any], Any]:
    def answer(context: RequestContext, request: Any) -> Any:
        account = Account(context, request)
        answered = write(context, request)
        return {k: v for k, v in answered.items() if k not in _MOTOS_OWN} | account.told()

    return answer


def _write(context: RequestContext, request: Any) -> Any:
    return to_moto(context, with_condition(request))


def _update(context: RequestContext, request: Any) -> Any:
    asked, wants = with_updates(with_condition(request)), request.get("ReturnValues")
    if "UpdateExpression" not in asked:
        asked = {**asked, "AttributeUpdates": {}}  # an item of nothing but its key
    if wants in _OF_AFTER:
        asked = {**asked, "ReturnValues": _OF_AFTER[wants]}
    answered = to_moto(context, asked)
    attributes = answered.pop("Attributes", None) or {}
    if wants in _OF_AFTER:
        attributes = _touched(asked, attributes)
    return {**answered, "Attributes": attributes} if attributes else answered


def _touched(request: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Of an item what an update's expression names to be changed."""
    expression = request.get("UpdateExpression")
    if not expression:
        return {}
    tree = UpdateExpressionParser.make(expression.strip())
    paths = [path.to_str() for path in _paths(tree)]
    return projected(item, ", ".join(paths), request.get("ExpressionAttributeNames") or {})


def _paths(node: Any) -> list[Any]:
    if isinstance(node, (UpdateExpressionSetAction, UpdateExpressionAction)):
        return [one for one in node.children if isinstance(one, UpdateExpressionPath)][:1]
    return [path for child in getattr(node, "children", None) or () for path in _paths(child)]


OPERATIONS: Mapping[str, Callable[[RequestContext, Any], Any]] = {
    "BatchWriteItem": _accounted(to_moto),
    "DeleteItem": _accounted(_write),
    "PutItem": _accounted(_write),
    "TransactWriteItems": _accounted(write_once(to_moto)),
    "UpdateItem": _accounted(_update),
}
