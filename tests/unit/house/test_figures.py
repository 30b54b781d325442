"""A figure stands once: documents say what the measured files make of them."""

import json
import shutil

import pytest

from scripts.cli import figures as command
from scripts.cli.figures import documents, read_figures
from scripts.develop.figure_claims import misstated
from scripts.develop.figure_tables import TABLES, rendered
from scripts.develop.figures import RUNS, VARIATIONS, NothingMeasured, take
from scripts.paths import ROOT

KEPT = read_figures()
ORIGIN = ("2026-11-25", "2 cores", "abc")


def e2e(backend="embedded", p50=160.0):
    return {
        "backend": backend,
        "clips": 110,
        "answered": 110,
        "duplicates": 0,
        "single_person_clips": 72,
        "correct": {"online": 72, "custom": 71},
        "wrong_names": 0,
        "latency_ms": {
            "warm_clip_end": {"p50": p50, "p95": 400.0, "max": 1234.0},
            "clip_end": {"max": 1300.0},
        },
    }


def measured(out):
    """Figures of one run of the loop on each backend, and of the emulator's share."""
    figures = {}
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench-overhead.json").write_text('{"overhead_ms": {"p50": 33.6}}')
    for backend in ("embedded", "docker"):
        (out / "e2e.json").write_text(json.dumps(e2e(backend)))
        for name in ("e2e", "overhead"):
            figures = take(figures, f"{name}_{backend}", out, *ORIGIN)
    return figures


def test_a_table_is_made_of_what_was_measured(tmp_path):
    text = "before\n<!-- figures: in_short -->\nstale\n<!-- end of figures -->\nafter\n"
    made = rendered(text, measured(tmp_path))
    assert "stale" not in made
    assert "p50 0.16 s, p95 0.40 s, slowest 1.2 s" in made
    assert "34 ms embedded, 34 ms docker | 2026-11-25: `make bench-overhead` |" in made
    assert "right on 72 (online) and 71 (custom model) of 72" in made
    assert made.startswith("before\n")
    assert made.endswith("<!-- end of figures -->\nafter\n")
    assert "compute" not in made, "what was never measured has no row"
    assert rendered(made, measured(tmp_path)) == made


def test_what_one_backend_does_otherwise_stands_beside_the_other(tmp_path):
    figures = {}
    for backend, passed in (("embedded", 8), ("docker", 9)):
        counted = {"behaviours": 9, "passed": passed, "known_differences": 9 - passed}
        counted["unsupported"] = 0
        reasons = [{"service": "ecr", "reason": "no layers", "behaviors": "an upload"}]
        facts = {"backend": backend, **counted, "by_service": {"ecr": counted}}
        facts["reasons"] = reasons[: 9 - passed]
        (tmp_path / "conformance.json").write_text(json.dumps(facts))
        figures = take(figures, f"conformance_{backend}", tmp_path, *ORIGIN)
        if backend == "embedded":
            with pytest.raises(NothingMeasured, match="embedded"):
                take(figures, "conformance_docker", tmp_path, *ORIGIN)
    made = rendered("<!-- figures: conformance -->\n<!-- end of figures -->", figures)
    row = "9 | 8 | 1 | 0 | 9 | 9 | 0 | 0 |"
    assert f"| ecr | {row}\n| all | {row}\n" in made
    assert "| ecr: an upload | embedded | no layers |" in made
    del figures["conformance_embedded"]
    made = rendered("<!-- figures: conformance -->\n<!-- end of figures -->", figures)
    assert "| ecr | 9 | 9 | 0 | 0 |" in made, "what was never measured has no column"


def test_a_goal_that_was_missed_says_so(tmp_path):
    figures = measured(tmp_path)
    made = rendered("<!-- figures: goals -->\n<!-- end of figures -->", figures)
    assert "| p50 ≤ 90, p95 ≤ 200 ms | p50 160, p95 400 ms | missed |" in made
    assert "| not measured |  | `make throughput` |" in made, "no goal is passed over in silence"
    figures["e2e_embedded"]["values"] |= {"p50_ms": 80.0, "p95_ms": 200.0}
    made = rendered("<!-- figures: goals -->\n<!-- end of figures -->", figures)
    assert "| p50 80, p95 200 ms | reached |" in made


def test_a_figure_inside_a_sentence_stays_in_its_line(tmp_path):
    text = "It takes <!-- figures: clip_end -->1 s<!-- end of figures --> in all."
    made = rendered(text, measured(tmp_path))
    assert made == text.replace("1 s", "0.16 s")


def test_pictures_of_several_seeds_are_added_up():
    def share(count, of):
        return {"value": count / of, "count": count, "n": of}

    models = ("online", "custom", "final", "report_style")
    figures = {
        f"open_set_{seed}": {
            "values": {
                f"{model} {kept}": share(*counts)
                for model in models
                for kept, counts in (
                    ("named_right", (209 + (seed > 0), 210)),
                    ("named_wrong", (0, 210)),
                    ("strangers_named", (seed, 100)),
                )
            }
        }
        for seed in (0, 1, 2)
    }
    made = rendered("<!-- figures: open_set -->\n<!-- end of figures -->", figures)
    assert (
        "| online | 99.5 / 100.0 / 100.0 (629 of 630) | 0.0 / 0.0 / 0.0 (0 of 630) "
        "| 0.0 / 1.0 / 2.0 (3 of 300) |"
    ) in made


def test_a_table_of_distances_tells_of_somebody_who_was_taken_for_another():
    def shares(wrong):
        return {
            f"{people} people, {photos} photos": {
                "named_right": 0.9654,
                "named_wrong": wrong,
                "stranger_named": 0.0044,
            }
            for people in (3, 10, 30)
            for photos in (1, 3)
        }

    kinds = {kind: shares(0.0) for kind in VARIATIONS} | {"dark": shares(0.001)}
    figures = {"distances": {"values": {**kinds, "raw": shares(0.0)}}}
    made = rendered("<!-- figures: distances -->\n<!-- end of figures -->", figures)
    assert "| tiny (44 px) | 96.5 / 0.44 | 96.5 / 0.44 | 96.5 / 0.44 |" in made
    assert "| dark | 96.5 / 0.44, 0.10 wrong |" in made
    made = rendered("<!-- figures: distances_raw -->\n<!-- end of figures -->", figures)
    assert "| 30 | 96.5 / 0.44 | 96.5 / 0.44 |" in made


def test_faces_that_were_missed_and_false_alarms_are_told():
    found = {"faces": 576, "found": {"clip": 570}, "false_alarms": {"clip": 2}}
    figures = {"detection_sizes": {"values": found}}
    made = rendered("<!-- figures: detection_sizes --><!-- end of figures -->", figures)
    assert "570 of 576 found, 2 false alarms" in made


def test_whom_a_gate_misses_stands_beside_how_many():
    one = {"saved": 3, "missed": 1, "missed_still": 7, "cpu_ms_per_clip": 6.4}
    one["whom"] = [{"clip": 52, "scene": "joe-biden (small)"}]
    run = {"clips": 20, "nobody": 5, "gates": {"motion": one}}
    figures = {"gate": {"values": run, "when": "a day", "machine": "a machine", "command": "c"}}
    made = rendered("<!-- figures: gate -->\n<!-- end of figures -->", figures)
    assert "held back of 5 with nobody | missed of 15 with somebody" in made
    assert "| `motion` | 3 | 1 (clip 52: joe-biden (small)) | 7 | 6 ms |" in made


def test_figures_of_the_other_backend_are_refused(tmp_path):
    (tmp_path / "e2e.json").write_text(json.dumps(e2e("docker")))
    with pytest.raises(NothingMeasured, match="docker"):
        take({}, "e2e_embedded", tmp_path, *ORIGIN)


@pytest.mark.parametrize("name", RUNS)
def test_what_was_not_measured_names_the_command(tmp_path, name):
    with pytest.raises(NothingMeasured) as refused:
        take({}, name, tmp_path, *ORIGIN)
    assert RUNS[name].command in refused.value.hint


def test_a_file_that_lacks_a_figure_is_refused_with_the_place(tmp_path):
    lacking = e2e()
    del lacking["latency_ms"]["warm_clip_end"]["p95"]
    (tmp_path / "e2e.json").write_text(json.dumps(lacking))
    with pytest.raises(NothingMeasured, match=r"latency_ms\.warm_clip_end\.p95"):
        take({}, "e2e_embedded", tmp_path, *ORIGIN)


def test_the_command_keeps_what_was_measured_and_makes_documents_anew(
    tmp_path, monkeypatch, capsys
):
    kept, page = tmp_path / "figures.json", tmp_path / "page.md"
    shutil.copy(command.FIGURES, kept)
    page.write_text("<!-- figures: clip_end -->?<!-- end of figures -->")
    monkeypatch.setattr(command, "FIGURES", kept)
    monkeypatch.setattr(command, "documents", lambda: [page])
    monkeypatch.setattr(command, "ROOT", tmp_path)
    (tmp_path / "e2e.json").write_text(json.dumps(e2e(p50=170.0)))
    assert command.main(["e2e_embedded", "--out", str(tmp_path), "--on", "at rest"]) == 0
    assert "0.17 s" in page.read_text()
    one = json.loads(kept.read_text())["e2e_embedded"]
    assert (one["values"]["p50_ms"], one["command"]) == (170.0, RUNS["e2e_embedded"].command)
    assert one["machine"].endswith("at rest")
    assert "page.md" in capsys.readouterr().err


def test_what_is_kept_is_whole_and_says_where_it_is_from():
    assert len(KEPT) > 10
    for name, one in KEPT.items():
        assert set(one) == {"command", "commit", "machine", "values", "when"}, name
        assert set(one["values"]) == set(RUNS[name].keeps), name
        assert one["command"] == RUNS[name].command


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documents_say_what_was_measured(document):
    text = document.read_text()
    assert rendered(text, KEPT) == text
    assert list(misstated(text, KEPT)) == []


def test_every_table_stands_in_a_document():
    everything = "\n".join(path.read_text() for path in documents())
    assert [name for name in TABLES if f"<!-- figures: {name} -->" not in everything] == []


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        ("Clip end to printed result takes p50 0.16 s.", True),
        ("Clip end to printed\nresult: p50 160 ms", True),
        ("clip end to printed result, embedded: p50 0.14 s", False),
        ("A clip takes 0.15 s from its end", False),
        ("the emulator adds 34 ms", True),
        ("the emulator adds about 35 ms", False),
        ("the emulator's share is 34 ms", True),
        ("`make down` takes 2.0 s", False),
        ("<!-- figures: loop -->the emulator adds 3 ms<!-- end of figures -->", True),
        ("A clip takes the way of S3; 5 s later", True),
    ],
)
def test_another_number_for_a_figure_is_found(tmp_path, said, is_right):
    figures = measured(tmp_path) | {"lab_embedded": {"values": {"down_ms": 1800}}}
    assert (list(misstated(said, figures)) == []) is is_right
