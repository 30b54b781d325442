"""Each environment variable of ours is read in one place: two that read it soon differ in what an
empty or odd value means. Whether traces are off was worked out in four."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# The function runs in an image of its own, without this machine's settings, and the plugin knows
# nothing of the lab.
SIDES = {
    "lab": ("cloud", "contract", "device", "pictures", "scripts", "training"),
    "function": ("contract", "lambda"),
    "plugin": ("localstack/localstack_image_functions",),
}
SOURCES = {"os", "os.environ", "environ", "process"}
# Whatever else is called so, `self._environment`, too; a request's `environ` is no process's.
NAMED = ("environment", "environment()")


def constants() -> dict[str, str]:
    """Texts that modules name: `TRACES_SETTING` is read as often as what it stands for."""
    found = {}
    for folder in (one for side in SIDES.values() for one in side):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                    names = (one.id for one in node.targets if isinstance(one, ast.Name))
                    found |= {name: str(node.value.value) for name in names if name.isupper()}
    return found


def reads(source: str, known: dict[str, str]) -> Iterator[str]:
    """Variables that a module takes from an environment, by `[…]`, `.get` or `getenv`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            origin, name = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            origin, name = node.func.value, node.args[0]
            if node.func.attr not in ("get", "getenv"):
                continue
        else:
            continue
        if (place := ast.unparse(origin)) not in SOURCES and not place.endswith(NAMED):
            continue
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value
        elif isinstance(name, ast.Name) and name.id in known:
            yield known[name.id]


@pytest.mark.parametrize("side", SIDES)
def test_each_variable_is_read_in_one_place(side):
    places, known = defaultdict(set), constants()
    for folder in SIDES[side]:
        for path in (ROOT / folder).rglob("*.py"):
            for name in reads(path.read_text(), known):
                places[name].add(str(path.relative_to(ROOT)))
    assert {name: sorted(where) for name, where in places.items() if len(where) > 1} == {}


def test_every_way_to_read_one_is_seen():
    known = {"SETTING": "FACELAB_X"}
    for source in ("os.environ['A']", "os.environ.get('A')", "os.getenv('A')", "environment()['A']",
                   "environment.get('A') or None",
                   "self._environment['A']", "print(process['A'])"):  # fmt: skip
        assert list(reads(source, known)) == ["A"], source
    assert list(reads("environment().get(SETTING)", known)) == ["FACELAB_X"]
    for source in ("os.environ['A'] = '1'", "request.environ['A']", "os.path.join('A')"):
        assert not list(reads(source, known)), source
