"""What the init hook imports is there where the hook runs: inside LocalStack's container."""

import yaml

from scripts.develop.imports import Tree
from scripts.paths import ROOT

HOOK = "scripts.cli.provision"


def reachable_rooms(start: str) -> set[str]:
    tree = Tree(ROOT)
    arrows: dict[str, set[str]] = {}
    for one in tree.imports():
        arrows.setdefault(one.importer, set()).add(one.module)
    seen, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module not in seen and tree.room(module):
            seen.add(module)
            waiting += arrows.get(module, set())
    return {room for module in seen if (room := tree.room(module))}


def test_every_room_that_the_hook_imports_is_mounted():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["localstack"]
    mounted = {
        volume.split(":")[0].removeprefix("./").partition("/")[0]
        for volume in service["volumes"]
        if volume.startswith("./")
    }
    assert reachable_rooms(HOOK) <= mounted
