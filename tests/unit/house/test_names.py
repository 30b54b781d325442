"""One word, one thing: a public class's name is that of one class."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from scripts.develop.imports import Tree
from scripts.paths import ROOT

# The plugin is a package for others, with names of its own.
PLUGIN = "localstack_image_functions"


def defined_twice(modules: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Public classes that several of the modules (name, text) define, each with their modules."""
    found: dict[str, list[str]] = {}
    for module, text in modules:
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    return {name: where for name, where in found.items() if len(where) > 1}


# Private words for what has a plain one: a reader can't look them up.
NICKNAMES = re.compile(
    r"(?<!\w)_(?:lit|told|(?:\w+_)?apart)\(|\bself\._(?:lit|told|apart)\b|\bleavings\b"
)


def nicknames(text: str) -> list[str]:
    return [found.group() for found in NICKNAMES.finditer(text)]


def test_nothing_has_a_name_that_only_its_writer_understands():
    paths = Tree(ROOT).modules.values()
    found = {str(path): nicknames(path.read_text("utf-8")) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_nickname_is_seen():
    assert nicknames("def _told(x): self._lit = _set_apart(leavings)") == [
        "_told(", "self._lit", "_set_apart(", "leavings",
    ]  # fmt: skip


# Words of the glossary that other rooms once had for something else, and who may say them.
KEPT_WORDS = {
    "outbox": ("device",),
    "verdict": ("answering", "recognition", "training.evaluation", "scripts.bench.calibrate"),
    "identity": (
        "answering", "contract.results", "device.report", "telemetry",
        "scripts.gallery.queued_results", "scripts.report.e2e", "scripts.e2e.truth",
        # AWS's word for who calls.
        "cloud", "scripts.aws.account", "scripts.dashboard.clients", "scripts.pitfalls",
    ),
}  # fmt: skip


def words(text: str) -> set[str]:
    """What the names of a module are put together from, lower case."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    names += [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    names += [node.arg for node in nodes if isinstance(node, ast.arg | ast.keyword) and node.arg]
    kinds = ast.ClassDef | ast.FunctionDef
    names += [node.name for node in nodes if isinstance(node, kinds)]
    return {word.lower() for name in names for word in re.findall(r"[A-Z]?[a-z]+", name)}


def test_a_word_of_the_glossary_means_one_thing():
    modules = Tree(ROOT).modules
    for word, rooms in KEPT_WORDS.items():
        plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
        found = [
            name
            for name, path in modules.items()
            if not name.startswith((PLUGIN, *rooms))
            and words(path.read_text("utf-8")) & {word, plural}
        ]
        assert found == [], word


def test_a_word_is_seen_wherever_it_is_part_of_a_name():
    assert words("def f(a_verdict): x.Identity = g(tone=1)") >= {"verdict", "identity", "tone"}


def test_no_two_classes_have_one_name():
    texts = {module: path.read_text("utf-8") for module, path in Tree(ROOT).modules.items()}
    ours = {name: text for name, text in texts.items() if not name.startswith(PLUGIN)}
    plugins = {name: text for name, text in texts.items() if name.startswith(PLUGIN)}
    assert len(ours) > 250
    assert defined_twice(ours.items()) == {}
    assert defined_twice(plugins.items()) == {}


def test_a_name_that_is_there_already_is_found():
    one, other = ("a", "class A: ...\nclass _B: ...\n"), ("b", "class A: ...\nclass _B: ...\n")
    assert defined_twice((one, other)) == {"A": ["a", "b"]}
