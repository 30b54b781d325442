"""The small changes that can be made to a file, found by cosmic-ray's operators."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.develop.side_packages import install_beside
from scripts.errors import LabError
from scripts.paths import BUILD
from scripts.setup import SetupError

LOCK = Path(__file__).parent / "requirements.txt"
PACKAGES = BUILD / "env" / "mutation"
# Of all that cosmic-ray can do: what a hurried person might do wrong, once for each spot.
_REPLACED = {
    "ReplaceComparisonOperator": (
        "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_GtE", "GtE_Lt", "Gt_LtE", "LtE_Gt",
        "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is",
    ),
    "ReplaceBinaryOperator": (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul",
        "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd", "LShift_RShift", "RShift_LShift",
    ),
    "ReplaceUnaryOperator": ("Delete_Not", "Delete_USub", "Delete_Invert"),
}  # fmt: skip
_OTHERS = (
    "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "AddNot",
    "NumberReplacer", "ZeroIterationForLoop",
)  # fmt: skip
OPERATORS = (*(f"{kind}_{pair}" for kind, pairs in _REPLACED.items() for pair in pairs), *_OTHERS)


class NoOperators(LabError):
    """cosmic-ray can't be installed here."""


@dataclass(frozen=True)
class Change:
    """`file`'s text from `start` to `end` becomes `new`."""

    file: str
    start: int
    end: int
    new: str
    line: int  # where it begins, from 1
    where: str  # the class and function that it lies in
    before: str  # the lines it touches, as they stand
    after: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.new + source[self.end :]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays when lines above it come and go."""
        return self.file, self.where, self.before, self.after


def changes_of(file: str, source: str) -> list[Change]:
    """Every change of `source`, in the order of its lines.

    Left out is what says nothing about tests: type annotations, what only a type checker reads,
    decorators, which arguments must be named, what an error's message or a log says, and numbers
    that are given a name (another limit is another choice, not a fault).

    Raises
    ------
    NoOperators
    """
    outline = Outline(source)
    found: dict[tuple[int, int, str], Change] = {}
    for name, mutated in _mutations(source):
        start, end, new = _difference(source, mutated)
        line = source.count("\n", 0, start) + 1
        # As ast counts: in bytes of UTF-8.
        column = len(source[source.rfind("\n", 0, start) + 1 : start].encode())
        if outline.is_idle(line, column, is_number=name == "NumberReplacer"):
            continue
        before, after = _lines(source, start, end, new)
        if "not not " in after or outline.is_same_program(mutated, line):
            continue
        where = outline.where(line)
        change = Change(file, start, end, new, line, where, before, after)
        found[start, end, new] = change
    return [found[key] for key in sorted(found)]


def _mutations(source: str) -> Iterator[tuple[str, str]]:
    """The text after each change, with the name of what made it. The text is parsed once: what
    an operator does to a node is written down, and taken back."""
    nodes = [one for one in _nodes_of(source) if not _is_bare_star(one)]
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for name, operator in _operators():
        for node in nodes:
            for index in range(len(list(operator.mutation_positions(node)))):
                line, column = node.get_start_pos_of_prefix()
                start = begins[line - 1] + column
                end = start + len(node.get_code())
                with _taken_back(node):
                    mutated = operator.mutate(node, index)
                    code = mutated.get_code()
                yield name, source[:start] + code + source[end:]


def _is_bare_star(node: Any) -> bool:
    """Whether it is the `*` between a function's parameters."""
    return node.type == "operator" and node.parent.type == "parameters"


@contextmanager
def _taken_back(node: Any) -> Iterator[None]:
    """Put a node's text back as it was."""
    inner = _below(node)
    children = [(one, list(one.children)) for one in inner if hasattr(one, "children")]
    values = [(one, one.value) for one in inner if not hasattr(one, "children")]
    yield
    for one, before in children:
        one.children = before
    for one, value in values:
        one.value = value


def _below(node: Any) -> list[Any]:
    """A node and all that is in it."""
    return [node, *(one for child in getattr(node, "children", ()) for one in _below(child))]


def _nodes_of(source: str) -> list[Any]:
    try:
        install_beside(LOCK, PACKAGES)
    except SetupError as error:
        raise NoOperators(
            f"cosmic-ray can't be installed: {error}", "it needs a package index, once"
        ) from error
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    from cosmic_ray.ast import ast_nodes, get_ast

    return list(ast_nodes(get_ast(source)))


def _operators() -> Iterator[tuple[str, Any]]:
    from cosmic_ray.operators.provider import OperatorProvider

    from scripts.develop.mutation.operators import OWN

    provider = OperatorProvider()
    for name in OPERATORS:
        yield name, provider[name]()
    for kind in OWN:
        yield kind.__name__, kind()


def _difference(before: str, after: str) -> tuple[int, int, str]:
    """The one span that differs, and what stands there afterwards."""
    start = 0
    shorter = min(len(before), len(after))
    while start < shorter and before[start] == after[start]:
        start += 1
    tail = 0
    while tail < shorter - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return start, len(before) - tail, after[start : len(after) - tail]


def _lines(source: str, start: int, end: int, new: str) -> tuple[str, str]:
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    last = len(source) if last < 0 else last
    after = source[first:start] + new + source[end:last]
    return source[first:last].strip(), after.strip()


class Outline:
    """What lies where in a file."""

    def __init__(self, source: str) -> None:
        self._tree = ast.parse(source)
        self._newlines = source.count("\n")
        self._dumps: dict[ast.stmt, str] = {}
        self._idle: list[ast.AST] = []
        self._named_numbers: list[ast.AST] = []
        self._functions: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []
        self._statements = [one for one in ast.walk(self._tree) if isinstance(one, ast.stmt)]
        self._classes: list[tuple[str, ast.ClassDef]] = []
        self._read(self._tree, "", inside_function=False)

    def _read(self, node: ast.AST, name: str, *, inside_function: bool) -> None:
        for child in ast.iter_child_nodes(node):
            named, inside = name, inside_function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                named, inside = f"{name}.{child.name}".lstrip("."), True
                self._functions.append((named, child))
                arguments = [one for one in ast.walk(child.args) if isinstance(one, ast.arg)]
                self._idle += [one.annotation for one in arguments if one.annotation]
                self._idle += [child.returns] if child.returns else []
                self._named_numbers += [*child.args.defaults, *filter(None, child.args.kw_defaults)]
            elif isinstance(child, ast.ClassDef):
                named = f"{name}.{child.name}".lstrip(".")
                self._classes.append((named, child))
            elif isinstance(child, ast.AnnAssign):
                self._idle.append(child.annotation)
            elif isinstance(child, ast.If) and _is_for_types(child.test):
                self._idle.append(child)
            elif isinstance(child, ast.Raise):
                self._idle += [one for one in ast.walk(child) if isinstance(one, ast.JoinedStr)]
            self._idle += getattr(child, "decorator_list", [])
            if isinstance(child, ast.Assign | ast.AnnAssign) and not inside_function:
                value = [child.value] if child.value else []
                self._named_numbers += value
                self._idle += [one for one in value if _is_arithmetic(one)]
            self._read(child, named, inside_function=inside)

    def is_idle(self, line: int, column: int, *, is_number: bool) -> bool:
        nodes = [*self._idle, *(self._named_numbers if is_number else ())]
        return any(_contains(node, line, column) for node in nodes)

    def is_same_program(self, mutated: str, line: int) -> bool:
        """Whether a text that differs at `line` is no change at all, or no Python any more."""
        whole = next(one for one in self._tree.body if _span(one)[0] <= line <= _span(one)[1])
        first, last = _span(whole)
        grown = mutated.count("\n") - self._newlines
        lines = mutated.split("\n")[first - 1 : last + grown]
        try:
            return ast.dump(ast.parse("\n".join(lines))) == self._dump(whole)
        except SyntaxError:
            return True

    def _dump(self, whole: ast.stmt) -> str:
        if whole not in self._dumps:
            self._dumps[whole] = ast.dump(ast.Module([whole], []))
        return self._dumps[whole]

    def where(self, line: int) -> str:
        """The innermost class or function around a line; the empty string for the module."""
        around = [one for one in (*self._functions, *self._classes) if _spans(one[1], line)]
        return max(around, key=lambda one: one[1].lineno, default=("", None))[0]

    @property
    def keeps_results(self) -> bool:
        """Whether a function of it runs once for all that ask it the same."""
        decorators = (one for _, function in self._functions for one in function.decorator_list)
        names = (ast.unparse(one).partition("(")[0].rpartition(".")[2] for one in decorators)
        return not {"cache", "lru_cache"}.isdisjoint(names)

    def lines_run(self, line: int) -> range | None:
        """The lines of the statement at `line`, as far as it runs itself; None where importing
        runs it, so that whoever uses the file runs it."""
        bodies = [(one.body[0].lineno, one.end_lineno or 0) for _, one in self._functions]
        if not any(first <= line <= last for first, last in bodies):
            return None
        around = [one for one in self._statements if _spans(one, line)]
        nearest = max(around, key=lambda one: (one.lineno, -(one.end_lineno or 0)))
        body = getattr(nearest, "body", None)
        last = body[0].lineno - 1 if body else nearest.end_lineno or line
        return range(nearest.lineno, max(last, nearest.lineno, line) + 1)


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _is_arithmetic(value: ast.expr) -> bool:
    numbers = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)
    return all(isinstance(one, numbers) for one in ast.walk(value))


def _span(node: ast.stmt) -> tuple[int, int]:
    """Its lines, with its decorators."""
    decorators = [one.lineno for one in getattr(node, "decorator_list", ())]
    return min([node.lineno, *decorators]), node.end_lineno or node.lineno


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _contains(node: ast.AST, line: int, column: int) -> bool:
    begin = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    end = (getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0))
    return begin <= (line, column) < end
