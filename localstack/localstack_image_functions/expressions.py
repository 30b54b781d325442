"""moto's expressions of DynamoDB, read once; those of updates checked briefly.

For each UpdateItem moto reads the expression twice, copies its tree once or twice, and walks
through each copy ten times: a third of what an S3 event with two such writes costs the emulator.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator
from typing import Any

from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.ast_nodes import (
    DDBTypedValue,
    ExpressionAttribute,
    ExpressionAttributeName,
    ExpressionAttributeValue,
    Node,
    UpdateExpression,
    UpdateExpressionPath,
    UpdateExpressionSetAction,
    UpdateExpressionSetActions,
    UpdateExpressionSetClause,
    UpdateExpressionValue,
)
from moto.dynamodb.parsing.expressions import (
    UpdateExpressionGroupedValueParser,
    UpdateExpressionParser,
    UpdateExpressionValueParser,
)
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords
from moto.dynamodb.parsing.tokens import Token
from moto.dynamodb.parsing.validators import UpdateExpressionValidator

EXPRESSIONS_KEPT = 256
Assignment = tuple[Node, Node]
"""A path of one attribute, and the value's placeholder."""


def _grouped_value(self: Any) -> Node:
    """A value in parentheses, which moto fails at: what is inside."""
    self.process_token_of_type(Token.OPEN_ROUND_BRACKET)
    inside = UpdateExpressionValueParser(**self._initializer_args())
    value, self.token_pos = inside._parse_with_pos()
    self.process_token_of_type(Token.CLOSE_ROUND_BRACKET)
    return value


@functools.cache
def read_expressions_once() -> None:
    """Let moto keep what it has read, and take the common kind of expression a short way."""
    UpdateExpressionGroupedValueParser._parse = _grouped_value
    read = UpdateExpressionParser.make
    # The tree stays as it is: whoever changes one copies it first.
    UpdateExpressionParser.make = functools.lru_cache(EXPRESSIONS_KEPT)(read)
    cut = ConditionExpressionParser._lex_condition_expression

    @functools.lru_cache(EXPRESSIONS_KEPT)
    def pieces(condition: str) -> tuple[Any, ...]:
        return tuple(cut(ConditionExpressionParser(condition, None, None)))

    ConditionExpressionParser._lex_condition_expression = lambda self: deque(
        pieces(self.condition_expression)
    )
    begin, validate = UpdateExpressionValidator.__init__, UpdateExpressionValidator.validate

    def lazily(self: Any, expression: Node, *arguments: Any, **named: Any) -> None:
        self._begin = functools.partial(begin, self, expression, *arguments, **named)
        self._shortly = functools.partial(checked_assignments, expression, *arguments, **named)

    def shortly(self: Any) -> Node:
        checked = self._shortly()
        if checked is not None:
            return checked
        self._begin()
        return validate(self)

    UpdateExpressionValidator.__init__ = lazily
    UpdateExpressionValidator.validate = shortly


def checked_assignments(
    expression: Node,
    expression_attribute_names: dict[str, str] | None,
    expression_attribute_values: dict[str, dict[str, Any]] | None,
    item: Any,
    table: Any,
) -> Node | None:
    """What moto's validator makes of `SET a = :a, #b = :b` when nothing is wrong with it.

    None for every other expression, and for whatever an error may have to be raised for.
    """
    assignments = _assignments(expression)
    if not assignments:
        return None
    names, values = expression_attribute_names or {}, expression_attribute_values or {}
    keys = {one["AttributeName"] for one in table.attr}
    actions, seen = [], set()
    for path, placeholder in assignments:
        attribute = path.children[0]
        (name,) = attribute.children
        if isinstance(attribute, ExpressionAttributeName):
            name = names.get(name)
        elif name.upper() in ReservedKeywords.get_reserved_keywords():
            return None
        value = values.get(placeholder.children[0])
        if name is None or value is None or name in keys or name in seen:
            return None
        seen.add(name)
        assigned = DDBTypedValue(DynamoType(value))
        actions.append(_node(UpdateExpressionSetAction, [path, assigned]))
    return _node(UpdateExpression, actions)


@functools.lru_cache(EXPRESSIONS_KEPT)
def _assignments(expression: Node) -> tuple[Assignment, ...]:
    """All that the expression does, if that is nothing but plain assignments."""
    clauses = expression.children or []
    if len(clauses) != 1 or type(clauses[0]) is not UpdateExpressionSetClause:
        return ()
    found = [*_assignments_in(clauses[0])]
    plain = tuple(one for one in found if one is not None)
    return plain if len(plain) == len(found) else ()


def _assignments_in(node: Node) -> Iterator[Assignment | None]:
    for child in node.children:
        if type(child) is UpdateExpressionSetActions:
            yield from _assignments_in(child)
        elif type(child) is UpdateExpressionSetAction:
            path, value = child.children
            yield (path, value.children[0]) if _is_plain(path, value) else None
        else:
            yield None


def _is_plain(path: Node, value: Node) -> bool:
    return (
        type(path) is UpdateExpressionPath
        and [type(one) for one in path.children]
        in ([ExpressionAttribute], [ExpressionAttributeName])
        and type(value) is UpdateExpressionValue
        and [type(one) for one in value.children] == [ExpressionAttributeValue]
    )


def _node(kind: type[Node], children: list[Node]) -> Node:
    """A node whose children do not know of it: they belong to the tree that is kept."""
    made = Node.__new__(kind)
    made.type, made.children, made.parent = kind.__name__, children, None
    return made
