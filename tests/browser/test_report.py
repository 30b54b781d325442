"""A run's page in a real browser: nothing runs out of it, and everybody can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device.sources.fixture import cut_at_key_frames
from scripts.paths import ROOT
from scripts.report.page import ClipRow, Point, Report, write_page
from scripts.report.thumbnails import thumbnail
from tests.browser.test_dashboard import LOOKS, faults

FILM = (ROOT / "fixtures" / "lab.h264").read_bytes()
LONG = "x" * 90
ROWS = 60


def a_report() -> Report:
    """All that a page may have, with words as long as a digest."""
    cut = next(iter(cut_at_key_frames(FILM, 15)))
    jpeg = thumbnail(FILM[cut.start : cut.end])
    ratings = ("right", "unknown", "wrong")
    said = [LONG, "nobody"]
    return Report(
        title="A run", ok=False, figures=[("answered", "60 of 60"), ("p50", "100 ms")],
        problems=[f"one problem with {LONG}"],
        points=[Point(n, 100.0 + n, ratings[n % 3], str(n)) for n in range(ROWS)],
        stages=[("fetch", 5.0), ("look_up", 7.0)], cold=[("clip 1", 900.0)],
        clips=[ClipRow(str(n), LONG, said, ratings[n % 3], 1, jpeg=jpeg) for n in range(ROWS)],
        tables=[("Narrow", ("what", "value"), [("image", LONG)]),
                ("Wide", [f"column {n}" for n in range(8)], [["a value"] * 7 + [LONG]])],
    )  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_a_report_fits_the_screen_and_is_read_by_everybody(
    chromium: Any, tmp_path: Path, look: dict[str, Any]
):
    path = tmp_path / "report.html"
    write_page(a_report(), path)
    page = chromium.new_page(**look)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    drawn = "[...document.images].filter((one) => one.complete && one.naturalWidth).length"
    assert page.evaluate(drawn) == ROWS
    assert said == []
    page.close()
