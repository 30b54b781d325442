"""The documented face: public classes and functions say what they are, each error says when.

Read from the source, without running it. Public is what no name with `_` leads to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.paths import ROOT

ROOMS = (
    "contract",
    "cloud",
    "device",
    "lambda/recognition",
    "localstack/localstack_image_functions",
)
SECTION = re.compile(r"^Raises\n-+\n(?P<entries>.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.M | re.S)
SHAPE = re.compile(r"\[[^\[\]]*(?:\w+|\.\.\.)(?:, *[^\[\]]+)*\]")
DTYPE = re.compile(r"\b(?:uint8|float32|float64|int64|intp|bool)\b")
# A name that ends so says what its number counts or measures.
MEASURED = re.compile(
    r"(?:^|_)(?:ms|s|ns|seconds|px|bytes|mb|m|fps|percent|port|pid|descriptor|status|workers|count)$"
)

Callable = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Documented:
    """A class or function with what stands around it."""

    where: str
    node: ast.ClassDef | Callable
    docs: tuple[str, ...]  # its own first, then those of its class and module
    is_method: bool
    commented: frozenset[int] = frozenset()  # the file's lines that a comment explains


class Face:
    """The public names of some files, and the family tree of all errors in them."""

    def __init__(self, files: dict[str, str]) -> None:
        self.found: list[Documented] = []
        self._bases: dict[str, list[str]] = {}
        for path, text in files.items():
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self._bases[node.name] = [ast.unparse(base) for base in node.bases]
            found = _public(tree.body, path, (ast.get_docstring(tree) or "",))
            self.found += [replace(one, commented=_commented(text)) for one in found]

    def ancestors(self, name: str) -> set[str]:
        """The error's name and those of its bases, as far as these files tell them."""
        of_bases = [self.ancestors(base) for base in self._bases.get(name, ())]
        return {name}.union(*of_bases)

    def faults(self) -> list[str]:
        return [
            f"{one.where}: {fault}" for one in self.found for fault in (*self._of(one),) if fault
        ]

    def _of(self, one: Documented) -> Iterator[str]:
        own = one.docs[0]
        if isinstance(one.node, ast.ClassDef) and (constructor := _constructor(one.node)):
            own += "\n\n" + (ast.get_docstring(constructor) or "")
        if not one.docs[0] and not one.is_method:
            yield "no docstring"
        named = entries(own)
        for error, when in named.items():
            if not when:
                yield f"does not say when it raises {error}"
        said_of = set(re.split(r"\W+", " ".join(named)))
        for raised in self._raised(one):
            if raised is None and not named:
                yield "has a raise and no Raises section"
            elif raised is not None and not self.ancestors(raised) & said_of:
                yield f"does not say when it raises {raised}"
        if isinstance(one.node, Callable) and _has_arrays(one.node):
            said = "\n".join(one.docs)
            if not SHAPE.search(said) or not DTYPE.search(said):
                yield "an array without its shape or its type"
        for name in _to_explain(one):
            said = "\n".join(one.docs[:2] if one.is_method else one.docs[:1])
            if one.docs[0] and not re.search(rf"\b{name}\b", f"{said}\n{own}"):
                yield f"does not say what {name} is"

    def _raised(self, one: Documented) -> Iterator[str | None]:
        """Names of what it raises itself and lets go; None where that has no name here."""
        if isinstance(one.node, Callable):
            yield from self._let_go(one.node, ())
        elif (constructor := _constructor(one.node)) is not None:
            yield from self._let_go(constructor, ())

    def _let_go(self, node: ast.AST, caught: tuple[str, ...]) -> Iterator[str | None]:
        if isinstance(node, ast.Raise) and node.exc is not None:
            yield from self._unless_caught(node.exc, caught)
        elif isinstance(node, ast.Try):
            here = (*caught, *(name for one in node.handlers for name in _swallowed(one)))
            for part in node.body:
                yield from self._let_go(part, here)
            for part in (*node.handlers, *node.orelse, *node.finalbody):
                yield from self._let_go(part, caught)
        else:
            for part in ast.iter_child_nodes(node):
                if not isinstance(part, Callable | ast.ClassDef | ast.Lambda):
                    yield from self._let_go(part, caught)

    def _unless_caught(self, error: ast.expr, caught: tuple[str, ...]) -> Iterator[str | None]:
        if isinstance(error, ast.IfExp):
            yield from self._unless_caught(error.body, caught)
            yield from self._unless_caught(error.orelse, caught)
            return
        name = ast.unparse(error.func if isinstance(error, ast.Call) else error).rpartition(".")[2]
        if not name[:1].isupper():
            yield None
        elif not {*self.ancestors(name), "Exception"} & set(caught):
            yield name


def entries(docstring: str) -> dict[str, str]:
    """The errors of a Raises section, each with when it happens."""
    section = SECTION.search(docstring + "\n")
    found: dict[str, str] = {}
    name = ""
    for line in section["entries"].splitlines() if section else ():
        if line and not line.startswith(" "):
            name = line.strip()
            found[name] = ""
        elif name:
            found[name] += line.strip()
    return found


def _public(
    body: list[ast.stmt], where: str, around: tuple[str, ...], is_method: bool = False
) -> Iterator[Documented]:
    for node in body:
        if not isinstance(node, Callable | ast.ClassDef) or node.name.startswith("_"):
            continue
        place = f"{where}:{node.lineno} {node.name}"
        docs = (ast.get_docstring(node) or "", *around)
        # A command's help is its module's docstring.
        yield Documented(place, node, docs, is_method or node.name == "main")
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, where, docs, is_method=True)


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    return next((one for one in methods if one.name in ("__init__", "__post_init__")), None)


def _swallowed(handler: ast.ExceptHandler) -> list[str]:
    """What a handler keeps from going on, by name."""
    if any(isinstance(part, ast.Raise) for part in ast.walk(handler)) or handler.type is None:
        return []
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [ast.unparse(kind).rpartition(".")[2] for kind in kinds]


def _has_arrays(node: Callable) -> bool:
    told = [one.annotation for one in _arguments(node)] + [node.returns]
    return any("ndarray" in ast.unparse(one) for one in told if one is not None)


def _arguments(node: Callable) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _to_explain(one: Documented) -> list[str]:
    """What a caller gives and its type does not explain: numbers that no unit in their name
    measures, and arrays, where one has to be told from another. Of a dataclass the fractions and
    arrays without a comment; whole numbers say in their name what they count."""
    node = one.node
    if isinstance(node, ast.ClassDef):
        if (constructor := _constructor(node)) and constructor.name == "__init__":
            return _to_explain(replace(one, node=constructor))
        if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            return []
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        return [
            name
            for part in fields
            if not (name := ast.unparse(part.target)).startswith("_")
            and part.lineno not in one.commented
            and not isinstance(part.value, ast.Call)  # it describes the field
            and (_is_array(part) or _is_unmeasured(name, part, "float"))
        ]
    arguments = [part for part in _arguments(node) if part.annotation is not None]
    arrays = [part.arg for part in arguments if _is_array(part)]
    numbers = [part.arg for part in arguments if _is_unmeasured(part.arg, part, "int|float")]
    return numbers + (arrays if len(arrays) > 1 else [])


def _is_array(part: ast.arg | ast.AnnAssign) -> bool:
    return "ndarray" in ast.unparse(part.annotation)


def _is_unmeasured(name: str, part: ast.arg | ast.AnnAssign, kinds: str) -> bool:
    is_number = re.fullmatch(rf"(?:{kinds})(?: \| None)?", ast.unparse(part.annotation))
    return bool(is_number) and not MEASURED.search(name)


def _commented(text: str) -> frozenset[int]:
    """The lines with a comment at their end or above them, or a docstring below."""
    lines = ["", *text.splitlines(), ""]
    return frozenset(
        number
        for number in range(1, len(lines) - 1)
        if "  # " in lines[number]
        or lines[number - 1].lstrip().startswith("#")
        or lines[number + 1].lstrip().startswith('"""')
    )


def face_of(root: Path) -> Face:
    paths = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    inside = {path: path.relative_to(root) for path in paths}
    return Face(
        {
            str(name): path.read_text("utf-8")
            for path, name in inside.items()
            if not any(part.startswith("_") and part != "__init__.py" for part in name.parts)
        }
    )


def test_public_names_say_what_they_are_and_when_they_fail():
    face = face_of(ROOT)
    assert len(face.found) > 800
    assert face.faults() == []


GOOD = '''"""A module."""
class Bad(ValueError):
    """It is bad."""
class Worse(Bad):
    """It is worse."""
def f(x):
    """Do it.

    Raises
    ------
    Bad
        When it is bad.
    """
    raise Worse(x)
def g(x):
    """What goes wrong stays here."""
    try:
        raise Worse(x)
    except Bad:
        return None
def h(picture: np.ndarray) -> int:
    """Look at a picture, uint8 [height, width, 3]."""
def _private(x):
    raise Worse(x)
def k(one: np.ndarray, other: np.ndarray, within_px: int, share: float) -> bool:
    """Whether `one` and `other`, uint8 [height, width, 3], differ in a `share` from 0 to 1."""
@dataclass
class Seen:
    """What was seen, `bright` from 0 to 1."""
    bright: float
    faces: int
    took_ms: float
    sharp: float  # from 0 to 1
'''


def test_a_documented_face_passes():
    assert Face({"a.py": GOOD}).faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("        When it is bad.\n", "", "f: does not say when it raises Bad"),
        ('    """It is worse."""', "    pass", "Worse: no docstring"),
        ('    """What goes wrong stays here."""', "    pass", "g: no docstring"),
        ("except Bad", "except KeyError", "g: does not say when it raises Worse"),
        ("        return None", "        raise", "g: does not say when it raises Worse"),
        ("def _private", "def private", "private: does not say when it raises Worse"),
        ("(x):\n    raise Worse(x)", "(x):\n    raise x", ""),
        ("def _private(x):\n    raise Worse(x)", "def p(x):\n    raise x", "p: has a raise"),
        (", uint8 [height, width, 3]", ", uint8", "h: an array without its shape"),
        ("picture, uint8 [height", "picture, [height", "h: an array without its shape or its type"),
        ("`one` and", "this and", "k: does not say what one is"),
        ("a `share` from", "parts from", "k: does not say what share is"),
        ("within_px: int", "within: int", "k: does not say what within is"),
        (", `bright` from", ", from", "Seen: does not say what bright is"),
        ("  # from 0 to 1", "", "Seen: does not say what sharp is"),
        ("faces: int", "faces: float", "Seen: does not say what faces is"),
    ],
)  # fmt: skip
def test_what_is_not_said_is_named(old, new, fault):
    assert old in GOOD
    faults = Face({"a.py": GOOD.replace(old, new)}).faults()
    assert any(fault in one for one in faults) == bool(fault)
    assert bool(faults) == bool(fault)


def test_a_constructor_s_errors_stand_in_its_class():
    text = '"""M."""\nclass A:\n    """A."""\n    def __init__(self):\n        raise ValueError\n'
    assert Face({"a.py": text}).faults() == ["a.py:2 A: does not say when it raises ValueError"]
