"""Measure both models on pictures, pairs and clips, by the function's own code.

    training/evaluate.py --data DIR [--strangers DIR] [--pairs pairs.csv] [--clips DIR]

DIR/<person>/[<session>/]<picture> is split by names and a seed into enrollment pictures and
probes; without `--strangers` a quarter of the people stays out of the gallery. The custom
model is trained on the enrollment pictures, or given by `--custom`. Writes `out/eval.json`
and the page `out/eval.html`.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recognition import RecognitionError
from scripts.report.page import Report, write_page
from training.dataset import read_picture
from training.evaluation.answers import FINAL, MODELS, ModelAnswer
from training.evaluation.clip_rows import clip_rows
from training.evaluation.filmed import ClipAnswer, all_clip_figures, first_picture
from training.evaluation.main_figures import of_clips, of_pictures
from training.evaluation.metrics import compare
from training.evaluation.open_set import REPORT_STYLE
from training.evaluation.open_set_page import promise_in_words
from training.evaluation.page import Chart, Mistake, evaluation_report
from training.evaluation.run import AskedModels, Evaluation, NothingToMeasure, _say
from training.tree import ToolError, complain, folder

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "facelab.eval/1"
_MISTAKES_SHOWN = 24


def evaluate(options: argparse.Namespace) -> tuple[dict, Report]:
    """The report (what eval.json holds) and its page.

    Raises
    ------
    ToolError, RecognitionError
    """
    began = time.monotonic()
    run = Evaluation(options)
    single, voting = run.ask(1), run.ask(5)
    clip_answers = run.clip_answers()
    if (
        not single.answers["online"]
        and not single.missed
        and not clip_answers
        and not options.pairs
    ):
        raise NothingToMeasure(
            f"{options.data} leaves nobody to ask about: people need at least two pictures each, "
            "or name --strangers, --clips or --pairs"
        )
    gallery, custom = run.examiner.gallery, run.examiner.custom
    clips = {mode: all_clip_figures(got, gallery, custom) for mode, got in clip_answers.items()}
    by_pictures = bool(single.answers["online"])
    filmed = of_clips(run, clip_answers.get("on", []))
    measured = (
        {model: run.figures(single, model) for model in MODELS}
        if by_pictures or not clips
        else {model: clips["on"][model] for model in MODELS}
    )
    report = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "measured_on": "pictures" if by_pictures or not clips else "clips",
        **measured,
        **(of_pictures(run, single, voting) if by_pictures else filmed),
        "pairs": asdict(run.pairs()),
        "voting": {
            "off": {model: run.figures(single, model) for model in (*MODELS, FINAL)},
            "on": {
                model: run.figures(voting, model, count_missed=False) for model in (*MODELS, FINAL)
            },
        }
        if by_pictures
        else None,
        "clips": {**clips, **filmed} if clips else None,
        "data": _data(run, options),
        "settings": {
            "accept_distance": run.settings.accept_distance,
            "margin": run.settings.margin,
            "custom_accept": custom.thresholds.accept,
            "custom_margin": custom.thresholds.margin,
        },
        "problems": _problems(run),
    }
    report["seconds"] = round(time.monotonic() - began, 1)
    charts, mistakes = _charts(run, single), _mistakes(run, single, clip_answers)
    rows = clip_rows(clip_answers.get("on", ()))
    return report, evaluation_report(report, charts, mistakes, rows)


def _data(run: Evaluation, options: argparse.Namespace) -> dict[str, object]:
    plan = run.plan
    if options.strangers:
        strangers_are = "strangers are the people of --strangers"
    elif plan.strangers:
        strangers_are = "strangers are people of the same data who were not enrolled"
    else:
        strangers_are = "no pictures of strangers were asked about"
    return {
        "name": options.data.resolve().name,
        "seed": options.seed,
        "people_enrolled": len(plan.people),
        "enrolment_pictures": sum(len(pictures) for pictures in plan.enrollment.values()),
        "probe_pictures": len(plan.probes),
        "strangers": len({picture.person_id for picture in plan.strangers}),
        "stranger_pictures": len(plan.strangers),
        "strangers_are": strangers_are,
        "clips": len(run.clips),
        "unreadable": len(run.faces.unreadable) + len(run.unreadable_clips),
        "custom_model": "given"
        if options.custom
        else f"trained on the enrollment ({_arch(options)})",
    }


def _arch(options: argparse.Namespace) -> str:
    return f"{options.arch}, fine-tuned" if options.fine_tune else options.arch


def _problems(run: Evaluation) -> dict[str, list[str]]:
    return {
        "no_face": [str(picture.path) for picture in run.faces.without_face],
        "unreadable": [
            *run.faces.unreadable.values(),
            *run.unreadable_clips.values(),
        ],
        "several_faces": [str(picture.path) for picture in run.faces.several_faces],
        "contradictions": list(run.findings.contradictions),
        "doubts": list(run.findings.doubts),
        "enrolled_without_face": sorted(set(run.plan.people) - set(run.examiner.gallery.people)),
    }


def _charts(run: Evaluation, asked: AskedModels) -> list[Chart]:
    charts = []
    accepts = {
        "online": (-run.settings.accept_distance, "distance"),
        "custom": (run.examiner.custom.thresholds.accept, "probability"),
    }
    for model, (accept, unit) in accepts.items():
        people = run.examiner.people(model)
        place = {person: index for index, person in enumerate(people)}
        own, others = [], []
        for answer in asked.answers[model]:
            index = place.get(answer.truth) if answer.truth else None
            if index is not None:
                own.append(answer.scores[index])
            rest = np.delete(answer.scores, index) if index is not None else answer.scores
            if len(rest):
                others.append(rest.max())
        missed = sum(count for truth, count in asked.missed.items() if truth)
        curve = compare(asked.answers[model], people, missed).curve()
        charts.append(Chart(model, curve, np.array(own), np.array(others), accept, unit))
    return charts


def _mistakes(
    run: Evaluation, asked: AskedModels, clip_answers: dict[str, list[ClipAnswer]]
) -> list[Mistake]:
    """The worst first: wrong names, then people not recognized, then faces not found."""
    wrong: list[tuple[float, Mistake]] = []
    unsure: list[tuple[float, Mistake]] = []
    for model in MODELS:
        for answer in asked.answers[model]:
            if answer.named != answer.truth:
                (wrong if answer.named else unsure).append(_mistake(run, model, answer))
    shown = [mistake for _, mistake in sorted(wrong, key=lambda one: -one[0])]
    shown += _clip_mistakes(run, clip_answers.get("on", []))
    shown += [mistake for _, mistake in sorted(unsure, key=lambda one: one[0])][:_MISTAKES_SHOWN]
    for picture in run.faces.without_face[:6]:
        name = f"{picture.person_id}/{picture.path.name}"
        shown.append(Mistake("no face found", name, read_picture(picture.path)))
    return shown[:_MISTAKES_SHOWN]


def _mistake(run: Evaluation, model: str, answer: ModelAnswer) -> tuple[float, Mistake]:
    """(score of the person it is about, what to show)."""
    sample, shown = answer.samples[0], answer.named or answer.truth or ""
    title = f"{answer.truth or 'a stranger'} named {answer.named}"
    if not answer.named:
        title = f"{answer.truth} not recognized"
    scores = dict(zip(run.examiner.people(model), answer.scores.tolist(), strict=True))
    score = scores.pop(shown, -np.inf)
    told = [model, f"{'distance' if model == 'online' else 'probability'} {abs(score):.2f}"]
    if scores:
        # Near enough and still not named: somebody else was nearly as near.
        told.append(f"lead over the next {score - max(scores.values()):.2f}")
    told.append(f"{sample.picture.person_id}/{sample.picture.path.name}")
    mistake = Mistake(title, "; ".join(told), sample.chip, run.nearest_enrolled(sample, shown))
    return score, mistake


def _clip_mistakes(run: Evaluation, answers: list[ClipAnswer]) -> list[Mistake]:
    mistakes = []
    for answer in answers:
        wrong = {model: sorted(answer.wrong_names(model)) for model in MODELS}
        expected = set(answer.clip.visible)
        missing = {model: sorted(expected - answer.named(model)) for model in MODELS}
        if not any(wrong.values()) and not any(missing.values()):
            continue
        rgb = first_picture(answer.clip, run.recognizer)
        if rgb is None:
            continue
        told = [
            f"{model}: {'names ' + ', '.join(wrong[model]) if wrong[model] else ''}"
            f"{' misses ' + ', '.join(missing[model]) if missing[model] else ''}"
            for model in MODELS
            if wrong[model] or missing[model]
        ]
        title = " and ".join([*answer.clip.visible, *["a stranger"] * answer.clip.strangers])
        mistake = Mistake(title or "nobody", f"{'; '.join(told)}; {answer.clip.name}", rgb)
        mistakes.append((not any(wrong.values()), answer.clip.name, mistake))
    return [mistake for *_, mistake in sorted(mistakes, key=lambda one: one[:2])][:12]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facelab evaluate",
        description=inspect.cleandoc(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--strangers", type=Path, help="likewise, of people never enrolled")
    parser.add_argument("--pairs", type=Path, help="CSV with columns a, b, same")
    parser.add_argument(
        "--clips", type=Path, help="CLIPS/<person>/<video>, or a recording beside its truth.json"
    )
    parser.add_argument(
        "--groups", type=Path, help="CSV with the column person and others: a label for each"
    )
    parser.add_argument(
        "--stress", action="store_true", help="also under made conditions: masks, dark, motion, …"
    )
    parser.add_argument("--custom", type=Path, help="measure this custom.onnx, train none")
    parser.add_argument(
        "--arch",
        choices=("transfer", "scratch"),
        default="transfer",
        help="of the custom model (%(default)s)",
    )
    parser.add_argument(
        "--fine-tune", action="store_true", help="with transfer: as train_face_recognition.py does"
    )
    parser.add_argument("--epochs", type=int, default=60, help="at most; default %(default)s")
    parser.add_argument(
        "--enroll", type=int, default=3, help="pictures of each person; default %(default)s"
    )
    parser.add_argument("--people", type=int, help="only so many people of --data, drawn by seed")
    parser.add_argument("--per-person", type=int, help="only so many pictures of each of them")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="default: out/")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "build" / "models", help="default: build/models/"
    )
    parser.add_argument("--json", action="store_true", help="JSON, and nothing else on stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.fine_tune and options.arch != "transfer":
        parser.error("--fine-tune goes with --arch transfer only")
    try:
        report, page = evaluate(options)
    except (ToolError, RecognitionError, OSError) as error:
        return complain(error)
    options.out.mkdir(parents=True, exist_ok=True)
    write_page(page, options.out / "eval.html", options.out / "report.html")
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (options.out / "eval.json").write_text(text + "\n", encoding="utf-8")
    print(text if options.json else _table(report))
    for figures in (report, report["clips"] or {}):
        if (figures.get("open_set") or {}).get("promise", {}).get("kept") is False:
            _say(f"careful: {promise_in_words(figures['open_set']['promise'])}")
    _say(f"{options.out / 'eval.json'} and {options.out / 'eval.html'}, {report['seconds']} s")
    return 0


def _table(report: dict) -> str:
    lines = []
    if report["open_set"]:
        columns = [one for one in (*MODELS, FINAL, REPORT_STYLE) if one in report["open_set"]]
        lines.append(
            f"{'open set':28}" + "".join(f"{name.replace('_', ' '):>22}" for name in columns)
        )
        for key in ("named_right", "named_wrong", "missed", "strangers_named"):
            cells = "".join(f"{_cell(report['open_set'][name][key]):>22}" for name in columns)
            lines.append(f"{key.replace('_', ' '):28}{cells}")
        lines.append("")
    lines.append(f"{'':28}{'online':>10}{'custom':>10}")
    for key in (
        "rank1",
        "named_right",
        "tar_at_far_1pct",
        "tar_at_far_01pct",
        "stranger_rejection",
        "no_detection_rate",
    ):
        values = (report[model].get(key) for model in MODELS)
        cells = "".join(f"{'-' if value is None else f'{value:.1%}':>10}" for value in values)
        lines.append(f"{key.replace('_', ' '):28}{cells}")
    pairs = report["pairs"]
    if pairs["accuracy"] is not None:
        lines.append(
            f"pairs: {pairs['accuracy']:.1%} of {pairs['n']} at distance {pairs['threshold']}"
        )
    return "\n".join(lines)


def _cell(share: dict) -> str:
    if share["value"] is None:
        return "-"
    low, high = share["interval_95"]
    return f"{share['value']:.1%} ({low:.1%}–{high:.1%})"


if __name__ == "__main__":
    sys.exit(main())
