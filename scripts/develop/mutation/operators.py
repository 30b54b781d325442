"""Three changes that cosmic-ray does not know, or not all of, in its form. Loaded once its package
is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cosmic_ray.operators.operator import Example, Operator

Span = tuple[tuple[int, int], tuple[int, int]]


class InvertMembership(Operator):
    """`in` becomes `not in`, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "comparison":
            for one in node.children[1::2]:
                if _words(one) in ("in", "not in"):
                    yield one.start_pos, one.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        import parso

        spots = [at for at, one in enumerate(node.children) if _words(one) in ("in", "not in")]
        at = spots[index]
        new = " not in" if _words(node.children[at]) == "in" else " in"
        node.children[at] = parso.parse(new)
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("x in y", "x not in y"), Example("x not in y", "x in y"))


class DropCall(Operator):
    """A call that is made for what it does, not for its value, is not made. Logs may lack."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "simple_stmt" and _is_call(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        import parso

        call = node.children[0]
        node.children[0] = parso.parse(f"{call.get_first_leaf().prefix}None")
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("f(x)", "None"),)


class CatchAnother(Operator):
    """An error that is caught is caught no more; cosmic-ray's own trips over `socket.error`."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        for one in self._caught(node):
            yield one.start_pos, one.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        import parso

        caught = self._caught(node)[index]
        siblings = caught.parent.children
        prefix = caught.get_first_leaf().prefix
        siblings[siblings.index(caught)] = parso.parse(f"{prefix}CosmicRayTestingException")
        return node

    @staticmethod
    def _caught(node: Any) -> list[Any]:
        if node.type != "except_clause":
            return []
        named = node.children[1]
        if named.type != "atom":
            return [named]
        inside = named.children[1]
        return inside.children[::2] if inside.type == "testlist_comp" else [inside]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("try: f()\nexcept (a.E, F): g()", "try: f()\nexcept (b, F): g()"),)


def _words(node: Any) -> str:
    return " ".join(node.get_code().split())


def _is_call(node: Any) -> bool:
    if node.type != "atom_expr":
        return False
    last, code = node.children[-1], node.get_code(include_prefix=False)
    return last.type == "trailer" and last.children[0].value == "(" and not code.startswith("LOG.")


OWN: tuple[type[Operator], ...] = (InvertMembership, DropCall, CatchAnother)
