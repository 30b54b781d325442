"""One word, one thing: a public class's name is that of one class."""

from __future__ import annotations

import ast
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
