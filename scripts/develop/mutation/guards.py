"""What a test that noticed a change is made of: as long as it stays, so does what it noticed."""

from __future__ import annotations

import ast
from functools import cache


def text_of_test(source: str, test: str) -> str:
    """A file of tests without the others: what `test` (as pytest names it) may depend on."""
    return _alone(source, tuple(test.partition("[")[0].split("::")[1:]))


@cache
def _alone(source: str, names: tuple[str, ...]) -> str:
    tree = ast.parse(source)
    body = tree.body
    for name in names:
        body[:] = [one for one in body if not _is_test(one) or getattr(one, "name", "") == name]
        body = next(
            (one.body for one in body if isinstance(one, ast.ClassDef) and one.name == name), []
        )
    return ast.unparse(tree)


def _is_test(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test")
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test")
