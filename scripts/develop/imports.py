"""Which room may import which: read from the source, without running it.

A file's room is its first folder; `lambda/` and `localstack/` are import roots, so what lies in
them is named by file (`recognition`, `handler`, `localstack_image_functions`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Room: the rooms it may see beside itself. A room that is not named here may see all but
# command lines.
MAY_SEE = {
    "contract": frozenset[str](),
    "cloud": frozenset({"contract"}),
    "device": frozenset({"contract", "cloud"}),
    "lambda": frozenset({"contract", "cloud"}),
    "localstack": frozenset[str](),
    "pictures": frozenset[str](),
    "training": frozenset({"contract", "cloud", "lambda", "pictures"}),
    "fixtures": frozenset({"contract"}),
    "scripts": frozenset(
        {"contract", "cloud", "device", "lambda", "localstack", "fixtures", "pictures", "training"}
    ),
}
ROOMS = tuple(MAY_SEE)
_IMPORT_ROOTS = {"lambda": "lambda", "localstack": "localstack"}
# What only one room's environment holds, or what must stay out of the function's image.
_FORBIDDEN_OUTSIDE = {"torch": frozenset({"training", "scripts"})}
_COMMAND_LINES = "scripts.cli"
# (importer, imported): why this one may.
EXCEPTIONS = {
    **dict.fromkeys(
        (
            ("training.evaluate", "scripts.report.page"),
            ("training.evaluation.page", "scripts.report.page"),
            ("training.evaluation.clip_rows", "scripts.report.page"),
            ("training.evaluation.clip_rows", "scripts.report.thumbnails"),
            ("training.evaluation.clip_rows", "scripts.report.correctness"),
        ),
        "the one template of all reports: plain data in, a file out",
    ),
    ("device.portraits.faces", "recognition"): (
        "pictures.py looks for faces where the lab lies beside it, and says so where it does not"
    ),
}


@dataclass(frozen=True)
class Import:
    """`module` is imported at `line` of `path`, which is the module `importer`."""

    path: Path
    line: int
    importer: str
    module: str


class Tree:
    """The modules of a checkout."""

    def __init__(self, root: Path):
        self._root = root
        self.modules = dict(self._modules())

    def _modules(self) -> Iterator[tuple[str, Path]]:
        for room in ROOMS:
            top = self._root / room
            base = top if room in _IMPORT_ROOTS else self._root
            for path in sorted(top.rglob("*.py")):
                inside = path.relative_to(top).parts
                if inside[0] in ("tests", "build"):
                    continue
                parts = list(path.relative_to(base).with_suffix("").parts)
                if parts[-1] == "__init__":
                    parts.pop()
                if parts:
                    yield ".".join(parts), path

    def room(self, module: str) -> str | None:
        """The room that `module` lies in; None for a module of somebody else."""
        known = self._nearest(module)
        return self.modules[known].relative_to(self._root).parts[0] if known else None

    def _nearest(self, module: str) -> str | None:
        while module and module not in self.modules:
            module = module.rpartition(".")[0]
        return module or None

    def imports(self) -> Iterator[Import]:
        """Every import statement, those inside functions too."""
        for importer, path in self.modules.items():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        yield Import(path, node.lineno, importer, alias.name)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    for alias in node.names:
                        name = f"{node.module}.{alias.name}"
                        found = name if name in self.modules else node.module
                        yield Import(path, node.lineno, importer, found)
                elif isinstance(node, ast.ImportFrom):
                    yield Import(path, node.lineno, importer, "." * node.level)

    def broken_rules(self) -> list[str]:
        """One line for each import that its room may not make."""
        broken = []
        for one in self.imports():
            reason = self._reason_against(one)
            if reason:
                where = f"{one.path.relative_to(self._root)}:{one.line}"
                broken.append(f"{where}: imports {one.module}: {reason}")
        return broken

    def _reason_against(self, one: Import) -> str | None:
        if one.module.startswith("."):
            return "imports are absolute here"
        own, other = self.room(one.importer), self.room(one.module)
        package = one.module.partition(".")[0]
        allowed = _FORBIDDEN_OUTSIDE.get(package)
        if allowed is not None and own not in allowed:
            return f"only {' and '.join(sorted(allowed))} may use it"
        if other is None or own is None:
            return None
        if _is_below(one.module, _COMMAND_LINES) and not _is_below(one.importer, _COMMAND_LINES):
            return "nothing imports a command line"
        if (one.importer, one.module) in EXCEPTIONS:
            return None
        if own != other and other not in MAY_SEE[own]:
            seen = ", ".join(sorted(MAY_SEE[own])) or "nothing"
            return f"{own}/ sees only itself and {seen}"
        return None

    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other when they are loaded, each sorted."""
        arrows: dict[str, set[str]] = {module: set() for module in self.modules}
        for importer, path in self.modules.items():
            for name in _imported_on_load(ast.parse(path.read_text(encoding="utf-8"))):
                known = self._nearest(name)
                if known and known != importer:
                    arrows[importer].add(known)
        return _strongly_connected(arrows)


def _is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _imported_on_load(tree: ast.Module) -> Iterator[str]:
    """Names that loading the module imports: not those in functions or for the type checker."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]


def _strongly_connected(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Circles of a graph: what can be reached both ways (the graph is small)."""
    reach = {start: _reachable(arrows, start) for start in arrows}
    groups = {
        tuple(sorted({start} | {end for end in reach[start] if start in reach[end]}))
        for start in arrows
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reachable(arrows: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for end in arrows[waiting.pop()] - seen:
            seen.add(end)
            waiting.append(end)
    return seen
