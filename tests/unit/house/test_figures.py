"""A figure stands once: documents' tables are what the measured files make of them."""

import json
import re

import pytest

from scripts.cli.figures import DOCUMENTS, FIGURES
from scripts.develop.figures import MEASURED, NothingMeasured, rendered, take


def e2e(backend="embedded", p50=160.0):
    return {
        "backend": backend,
        "clips": 110,
        "answered": 110,
        "duplicates": 0,
        "single_person_clips": 72,
        "correct": {"online": 72, "custom": 71},
        "wrong_names": 0,
        "latency_ms": {"clip_end": {"p50": p50, "p95": 400.0}},
        "cold_start_ms": 1900.0,
    }


def measured(tmp_path):
    figures = {}
    (tmp_path / "out").mkdir(parents=True)
    for place in ("embedded", "docker"):
        (tmp_path / "out/e2e.json").write_text(json.dumps(e2e(place)))
        figures = take(figures, f"e2e_{place}", tmp_path, "2026-11-25", "2 cores", "abc")
    (tmp_path / "out/bench-overhead.json").write_text('{"overhead_ms": {"p50": 33.6}}')
    for place in ("embedded", "docker"):
        figures = take(figures, f"overhead_{place}", tmp_path, "2026-11-25", "2 cores", "abc")
    return figures


def test_a_table_is_made_of_what_was_measured(tmp_path):
    text = "before\n<!-- figures: loop -->\nstale\n<!-- end of figures -->\nafter\n"
    made = rendered(text, measured(tmp_path))
    assert "stale" not in made
    assert "0.16 s, 0.40 s" in made
    assert "34 ms" in made
    assert made.startswith("before\n")
    assert made.endswith("after\n")
    assert rendered(made, measured(tmp_path / "again")) == made


def test_figures_of_the_other_backend_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/e2e.json").write_text(json.dumps(e2e("docker")))
    with pytest.raises(NothingMeasured, match="docker"):
        take({}, "e2e_embedded", tmp_path, "2026-11-25", "2 cores", "abc")


def test_what_was_not_measured_names_the_command(tmp_path):
    with pytest.raises(NothingMeasured) as refused:
        take({}, "compute", tmp_path, "2026-11-25", "2 cores", "abc")
    assert MEASURED["compute"][1] in refused.value.hint


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.parent.name)
def test_the_documents_say_what_was_measured(document):
    text = document.read_text()
    if re.search(r"<!-- figures: ", text):
        assert rendered(text, json.loads(FIGURES.read_text())) == text
