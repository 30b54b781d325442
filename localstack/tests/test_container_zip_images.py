"""Images of zip functions, without an engine. tests/integration/docker has the rest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import ImageNotFound

from localstack_image_functions.container import zip_images
from localstack_image_functions.container.zip_images import RUNTIMES_LABEL, ZipImages
from localstack_image_functions.errors import RuntimeNotFound

BASE = "runtimes:local"
LIMIT = 1000


class Engine:
    """An engine that has every image but those in `lost`, and notes what it was asked for."""

    def __init__(self, runtimes: str) -> None:
        self.images = self
        self.asked: list[str] = []
        self.lost: set[str] = set()
        self._found = SimpleNamespace(id="sha256:" + "b" * 64, labels={RUNTIMES_LABEL: runtimes})

    def get(self, name: str) -> Any:
        self.asked.append(name)
        if name in self.lost:
            raise ImageNotFound(name)
        return self._found


class Code:
    """Code whose folder is there; notes how often it was made ready."""

    id = "code"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.prepared = 0

    def prepare_for_execution(self) -> None:
        self.prepared += 1

    def get_unzipped_code_location(self) -> Path:
        return self._folder


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine("python3.13=/opt/runtime/bin/python,nodejs20.x=/usr/bin/node")
    monkeypatch.setattr(zip_images, "engine", lambda: engine)
    return engine


@pytest.fixture
def code(tmp_path: Path) -> Code:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text("")
    return Code(folder)


def version_of(code: Code, runtime: str) -> Any:
    return SimpleNamespace(config=SimpleNamespace(code=code, layers=[], runtime=runtime))


def test_a_cold_start_looks_once_at_the_base_and_once_at_the_code(engine, code, tmp_path):
    images = ZipImages(BASE, "lab", tmp_path / "store", LIMIT)
    image = images.image(version_of(code, "python3.13"))
    assert engine.asked == [BASE, image.name]
    assert code.prepared == 1
    assert (image.root / "var/task/app.py").is_file()
    assert image.runtime.program == Path("/opt/runtime/bin/python")


def test_without_its_base_image_a_function_says_which_is_missing(engine, code, tmp_path):
    engine.lost = {BASE}
    with pytest.raises(RuntimeNotFound, match=BASE):
        ZipImages(BASE, "lab", tmp_path, LIMIT).image(version_of(code, "python3.13"))
