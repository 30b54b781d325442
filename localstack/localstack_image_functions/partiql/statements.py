"""Statements, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from localstack_image_functions.partiql.expressions import Path, Placed, StatementReader, Value
from localstack_image_functions.partiql.tokens import Words, not_well_formed

_RETURNING = {
    ("ALL", "OLD"): "ALL_OLD",
    ("ALL", "NEW"): "ALL_NEW",
    ("MODIFIED", "OLD"): "UPDATED_OLD",
    ("MODIFIED", "NEW"): "UPDATED_NEW",
}


@dataclass(frozen=True)
class Statement:
    """What a statement asks for; `condition` and `update` are DynamoDB's expressions."""

    table: str
    placed: Placed
    condition: str | None = None
    equalities: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Select(Statement):
    """`paths` are what is shown, None for all; `order` has attributes and whether downwards."""

    paths: tuple[Path, ...] | None = None
    index: str | None = None
    order: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Exists(Statement):
    """A condition of a transaction."""


@dataclass(frozen=True)
class Insert(Statement):
    """A new item."""

    item: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Update(Statement):
    """A change of one item."""

    update: str = ""
    returning: str = "NONE"


@dataclass(frozen=True)
class Delete(Statement):
    """The end of one item."""

    returning: str = "NONE"


def read(statement: str, parameters: Sequence[Value] = ()) -> Statement:
    """Read a statement.

    Raises
    ------
    NotWellFormed
        When it is not.
    """
    words = Words(statement)
    reader = StatementReader(words, parameters)
    for word, kind in _KINDS.items():
        if words.takes(word):
            found: Statement = kind(reader)
            words.end()
            reader.check_parameters()
            return found
    raise not_well_formed(words.next)


def _where(reader: StatementReader) -> dict[str, Any]:
    condition = reader.condition() if reader.words.takes("WHERE") else None
    return {"condition": condition, "equalities": reader.equalities, "placed": reader.placed}


def _select(reader: StatementReader) -> Select:
    words = reader.words
    paths = None
    if not words.takes_sign("*"):
        found = [reader.path()]
        while words.takes_sign(","):
            found.append(reader.path())
        paths = tuple(found)
    words.must("FROM")
    table = reader.name()
    index = reader.name() if words.takes_sign(".") else None
    where = _where(reader)
    order: list[tuple[str, bool]] = []
    if words.takes("ORDER", "BY"):
        while not order or words.takes_sign(","):
            name = reader.name()
            order.append((name, not words.takes("ASC") and words.takes("DESC")))
    return Select(table, paths=paths, index=index, order=tuple(order), **where)


def _exists(reader: StatementReader) -> Exists:
    reader.words.must_sign("(")
    reader.words.must("SELECT")
    select = _select(reader)
    reader.words.must_sign(")")
    return Exists(select.table, select.placed, select.condition, select.equalities)


def _insert(reader: StatementReader) -> Insert:
    reader.words.must("INTO")
    table = reader.name()
    reader.words.must("VALUE")
    value = reader.value()
    if value is None or "M" not in value:
        raise not_well_formed(reader.words.next)
    return Insert(table, reader.placed, item=value["M"])


def _update(reader: StatementReader) -> Update:
    words, table = reader.words, reader.name()
    clauses: dict[str, list[str]] = {}
    while True:
        if words.takes("SET"):
            clause, said = _change(reader)
            clauses.setdefault(clause, []).append(said)
            while words.takes_sign(","):
                clause, said = _change(reader)
                clauses.setdefault(clause, []).append(said)
        elif words.takes("REMOVE"):
            removed = clauses.setdefault("REMOVE", [])
            removed.append(reader.placed.path(reader.path()))
            while words.takes_sign(","):
                removed.append(reader.placed.path(reader.path()))
        else:
            break
    if not clauses:
        raise not_well_formed(words.next)
    update = " ".join(f"{clause} {', '.join(said)}" for clause, said in clauses.items())
    where = _where(reader)
    return Update(table, update=update, returning=_returning(words), **where)


def _change(reader: StatementReader) -> tuple[str, str]:
    """The clause of an update expression that a SET is, and what it says there."""
    words, placed = reader.words, reader.placed
    path = placed.path(reader.path())
    words.must_sign("=")
    for word, clause in (("SET_ADD", "ADD"), ("SET_DELETE", "DELETE")):
        if words.takes(word):
            words.must_sign("(")
            reader.path()
            words.must_sign(",")
            said = f"{path} {reader.operand()}"
            words.must_sign(")")
            return clause, said
    said = reader.operand()
    if sign := words.takes_sign("+", "-"):
        said += f" {sign} {reader.operand()}"
    return "SET", f"{path} = {said}"


def _delete(reader: StatementReader) -> Delete:
    reader.words.must("FROM")
    table = reader.name()
    where = _where(reader)
    return Delete(table, returning=_returning(reader.words), **where)


def _returning(words: Words) -> str:
    if not words.takes("RETURNING"):
        return "NONE"
    for said, value in _RETURNING.items():
        if words.takes(*said):
            words.must_sign("*")
            return value
    raise not_well_formed(words.next)


_KINDS = {
    "SELECT": _select,
    "EXISTS": _exists,
    "INSERT": _insert,
    "UPDATE": _update,
    "DELETE": _delete,
}
