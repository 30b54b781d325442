"""Statements of PartiQL as DynamoDB's own expressions."""

from __future__ import annotations

import pytest

from localstack_image_functions.partiql.statements import Delete, Insert, Select, Update, read
from localstack_image_functions.partiql.tokens import NotWellFormed


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("a = 'x' AND b > 2", "#n0 = :v0 AND #n1 > :v1"),
        ("NOT (a = 1 OR a != 2)", "NOT (#n0 = :v0 OR #n0 <> :v1)"),
        ("a.b[2].c <= -1.5", "#n0.#n1[2].#n2 <= :v0"),
        ("\"a b\" IN ['x', 'y']", "#n0 IN (:v0, :v1)"),
        ("a NOT IN (1)", "NOT #n0 IN (:v0)"),
        ("a BETWEEN 1 AND 2 AND b = 3", "#n0 BETWEEN :v0 AND :v1 AND #n1 = :v2"),
        ("begins_with(a, 'x') AND size(b) > 1", "begins_with(#n0, :v0) AND size(#n1) > :v1"),
        (
            "a IS MISSING AND b IS NOT MISSING",
            "attribute_not_exists(#n0) AND attribute_exists(#n1)",
        ),
        ("a IS NOT NULL", "NOT attribute_type(#n0, :v0)"),
    ],
)
def test_a_condition_is_one_of_dynamodb(condition: str, said: str) -> None:
    assert read(f"DELETE FROM t WHERE {condition}").condition == said  # noqa: S608


def test_only_what_must_be_equal_is_a_key() -> None:
    both = read("DELETE FROM t WHERE id = 'a' AND at = 1 AND (b = 2 OR c = 3) AND NOT d = 4")
    assert both.equalities == {"id": {"S": "a"}, "at": {"N": "1"}}
    assert read("DELETE FROM t WHERE id = 'a' OR at = 1").equalities == {}


def test_values_of_every_kind() -> None:
    statement = read(
        "INSERT INTO t VALUE {'s': 'it''s', 'n': -1.5e3, 'b': true, 'none': NULL, "
        "'l': [1, ?], 'm': {'x': 'y'}, 'set': <<'a', 'b'>>}",
        [{"B": b"\0"}],
    )
    assert isinstance(statement, Insert)
    assert statement.item == {
        "s": {"S": "it's"},
        "n": {"N": "-1.5e3"},
        "b": {"BOOL": True},
        "none": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"B": b"\0"}]},
        "m": {"M": {"x": {"S": "y"}}},
        "set": {"SS": ["a", "b"]},
    }


def test_clauses_of_an_update() -> None:
    statement = read(
        "UPDATE t SET a = a + ? SET b = list_append(b, [1]), c = SET_ADD(c, <<'x'>>) "
        "REMOVE d, e[0] WHERE id = 'k' RETURNING MODIFIED NEW *",
        [{"N": "1"}],
    )
    assert isinstance(statement, Update)
    assert statement.update == (
        "SET #n0 = #n0 + :v0, #n1 = list_append(#n1, :v1) ADD #n2 :v2 REMOVE #n3, #n4[0]"
    )
    assert statement.returning == "UPDATED_NEW"
    assert read("DELETE FROM t WHERE id = 'k' RETURNING ALL OLD *") == Delete(
        "t",
        statement.placed.__class__({"#n0": "id"}, {":v0": {"S": "k"}}),
        "#n0 = :v0",
        {"id": {"S": "k"}},
        returning="ALL_OLD",
    )


def test_what_is_shown_from_where_in_which_order() -> None:
    statement = read('SELECT a, b.c FROM "t"."by-b" WHERE b = 1 ORDER BY a DESC, b;')
    assert isinstance(statement, Select)
    assert (statement.table, statement.index) == ("t", "by-b")
    assert statement.paths == (("a",), ("b", "c"))
    assert statement.order == (("a", True), ("b", False))


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("", []),
        ("DROP t", []),
        ("SELECT * FROM t WHERE", []),
        ("SELECT * FROM t WHERE a ~ 1", []),
        ("SELECT * FROM t nonsense", []),
        ("SELECT * FROM t WHERE a = ?", []),
        ("SELECT * FROM t WHERE a = 1", [{"N": "1"}]),
        ("INSERT INTO t VALUE 'x'", []),
        ("INSERT INTO t VALUE {'a': <<>>}", []),
        ("UPDATE t WHERE id = 'k'", []),
        ("DELETE FROM t WHERE id = 'k' RETURNING SOME *", []),
    ],
)
def test_what_is_not_well_formed_is_refused(statement: str, parameters: list[dict]) -> None:
    with pytest.raises(NotWellFormed):
        read(statement, parameters)
