"""The README's picture is one of today's page: it was weeks older once, and nobody noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests import page_sources
from tests.page_sources import digest_beside, page_digest

PICTURE = Path(__file__).parents[3] / "docs" / "dashboard.png"


def test_the_picture_was_taken_of_the_page_as_it_is():
    hint = "retake it: FACELAB_PICTURE=docs/dashboard.png make test ARGS=tests/browser"
    assert digest_beside(PICTURE).read_text().strip() == page_digest(), hint


def test_another_style_is_another_page(tmp_path, monkeypatch):
    before = page_digest()
    copy = shutil.copytree(page_sources.FOLDER, tmp_path / "dashboard")
    monkeypatch.setattr(page_sources, "FOLDER", copy)
    assert page_digest() == before
    with (copy / "static" / "page.css").open("a") as style:
        style.write("\n.card { color: red; }\n")
    assert page_digest() != before
