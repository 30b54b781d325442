"""The emulator's environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from localstack_image_functions.errors import InvalidSetting
from localstack_image_functions.settings import read_settings


def test_defaults() -> None:
    settings = read_settings({})
    assert (settings.sandbox, settings.isolate) == ("process", True)
    assert settings.store is None


def test_empty_values_count_as_unset() -> None:
    assert read_settings({"IMAGE_FUNCTIONS_STORE": "", "IMAGE_FUNCTIONS_SANDBOX": ""}) == (
        read_settings({})
    )


def test_folders_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"IMAGE_FUNCTIONS_STORE": "images"}).store == tmp_path / "images"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_FUNCTIONS_SANDBOX", "vm"),
        ("IMAGE_FUNCTIONS_ISOLATION", "yes"),
        ("IMAGE_FUNCTIONS_LAB", "a/b"),
        ("IMAGE_FUNCTIONS_URLS", "host"),
    ],
)
def test_unusable_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}={value}"):
        read_settings({name: value})
