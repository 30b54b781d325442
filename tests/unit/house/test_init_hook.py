"""What the init hook imports is there where the hook runs: inside LocalStack's container."""

import yaml

from scripts.develop.imports import Tree
from scripts.paths import ROOT

HOOK = "scripts.cli.provision"
PLUGIN_IMAGE = ROOT / "localstack" / "Dockerfile"


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
    assert reachable_rooms(HOOK) <= mounted | in_the_image(service)


def in_the_image(service: dict) -> set[str]:
    """The plugin, where the image has it and the hook looks for it there."""
    installed = "COPY --from=plugin /opt/plugin /opt/plugin" in PLUGIN_IMAGE.read_text()
    roots = service["environment"]["FACELAB_IMPORT_ROOTS"].split(":")
    return {"localstack"} if installed and "/opt/plugin" in roots else set()
