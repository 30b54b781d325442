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
        ("IMAGE_FUNCTIONS_INTERNET", "yes"),
    ],
)
def test_unusable_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}={value}"):
        read_settings({name: value})


def test_functions_reach_nothing_else_unless_it_is_opened() -> None:
    closed = read_settings({"IMAGE_FUNCTIONS_OPEN": "", "IMAGE_FUNCTIONS_INTERNET": ""})
    assert (closed.internet, closed.open_ports) == (False, ())
    opened = read_settings(
        {
            "IMAGE_FUNCTIONS_OPEN": "db.example:5432, 127.0.0.1:8000,",
            "IMAGE_FUNCTIONS_INTERNET": "on",
        }
    )
    assert opened.internet is True
    assert opened.open_ports == (("db.example", 5432), ("127.0.0.1", 8000))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("5432", "5432 is not HOST:PORT"),
        (":5432", ":5432 is not HOST:PORT"),
        ("host:", "host: is not HOST:PORT"),
        ("host:http", "host:http is not HOST:PORT"),
        ("host:0", "host:0 is not HOST:PORT"),
        ("host:65536", "host:65536 is not HOST:PORT"),
        ("one:80,two:80", "one host only"),
    ],
)
def test_what_can_not_be_opened_is_named(value: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=f"IMAGE_FUNCTIONS_OPEN: .*{says}"):
        read_settings({"IMAGE_FUNCTIONS_OPEN": value})
