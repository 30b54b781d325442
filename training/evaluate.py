"""Measure both models on pictures, pairs and clips, by the function's own code.

    training/evaluate.py --data DIR [--strangers DIR] [--pairs pairs.csv] [--clips DIR]

DIR/<person>/[<session>/]<picture> is split by names and a seed into enrolment pictures and
probes; without `--strangers` a quarter of the people stays out of the gallery. The custom
model is trained on the enrolment pictures, or given by `--custom`. Writes `out/eval.json`
and the page `out/eval.html`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recognition import CustomModel, Gallery, RecognitionError, Settings, load_recognizer
from recognition.embedder import Embedder
from training.clips import LabelledClip, read_clips
from training.dataset import DatasetError, Picture, order, read_picture, read_tree
from training.evaluation.answers import FINAL, MODELS, Answer, Examiner, groups_of
from training.evaluation.filmed import (
    ClipAnswer,
    all_clip_figures,
    first_picture,
    recognize_clips,
)
from training.evaluation.metrics import compare, figures
from training.evaluation.page import Chart, Mistake, render
from training.evaluation.pairs import made_pairs, read_pairs, verify
from training.evaluation.plan import Plan, make_plan
from training.faces import Faces, FaceSample, find_faces, observe_main_face
from training.progress import progress
from training.tree import ToolError, folder

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "facelab.eval/1"
_MISTAKES_SHOWN = 24
_DECISIONS = ("rank1", "named_right", "named_wrong", "stranger_rejection", "n", "interval_95")


class NothingToMeasure(ToolError):
    """The data leaves nobody to ask about."""


@dataclass
class _Asked:
    """Every answer by model, and the probes that had no face, by person (None: strangers)."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    missed: Counter[str | None] = field(default_factory=Counter)


class Evaluation:
    """One run: the plan, the faces found, both models made of the enrolment."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.settings = Settings()
        self.recognizer = load_recognizer(options.models, self.settings)
        tree = read_tree(options.data)
        strangers = read_tree(options.strangers) if options.strangers else None
        if options.people:
            kept = set(order(tree, options.seed)[: options.people])
            tree = {person: pictures for person, pictures in tree.items() if person in kept}
        if options.per_person:
            tree = {person: self._drawn(pictures) for person, pictures in tree.items()}
        self.clips, self.unreadable_clips = self._clips(set(tree))
        seen = {person for clip in self.clips for person in clip.visible}
        self.plan = make_plan(tree, strangers, seen, options.enrol, options.seed)
        self.faces = self._find(self.plan)
        self.by_path = {sample.picture.path: sample for sample in self.faces.samples}
        self.enrolled = self._samples(
            [picture for person in self.plan.people for picture in self.plan.enrolment[person]]
        )
        if not self.enrolled:
            raise NothingToMeasure("no face was found in any enrolment picture")
        self.examiner = Examiner(self._gallery(), self._custom(), self.settings)

    def _drawn(self, pictures: list[Picture]) -> list[Picture]:
        families = order({picture.family for picture in pictures}, self.options.seed)
        kept = set(families[: self.options.per_person])
        return [picture for picture in pictures if picture.family in kept]

    def _clips(self, people: set[str]) -> tuple[list[LabelledClip], dict[Path, str]]:
        if not self.options.clips:
            return [], {}
        _say("reading clips")
        return read_clips(self.options.clips, people)

    def _find(self, plan: Plan) -> Faces:
        pictures = plan.pictures()
        _say(f"finding faces in {len(pictures)} pictures of {len(plan.people)} people and others")
        return find_faces(self.recognizer, pictures, "find faces")

    def _samples(self, pictures: list[Picture]) -> list[FaceSample]:
        return [self.by_path[one.path] for one in pictures if one.path in self.by_path]

    def _gallery(self) -> Gallery:
        return Gallery.of(
            [sample.picture.person_id for sample in self.enrolled],
            np.array([sample.embedding for sample in self.enrolled]),
        )

    def _custom(self) -> CustomModel:
        if self.options.custom:
            return CustomModel.from_bytes(self.options.custom.read_bytes())
        # torch is only needed here: a given model can be measured without it.
        from training.embedding_network import EmbeddingNetwork
        from training.export import check_parity, export
        from training.fitting import FitOptions
        from training.train_face_recognition import train

        _say(f"training the custom model on {len(self.enrolled)} enrolment pictures")
        people: dict[str, list[FaceSample]] = {}
        for sample in self.enrolled:
            people.setdefault(sample.picture.person_id, []).append(sample)
        fit_options = FitOptions(epochs=self.options.epochs, seed=self.options.seed)
        weights = self.options.models / "embedding.onnx"
        # Everything enrolled is trained on: the probes are what is held out.
        trained = train(
            Embedder(weights),
            people,
            [],
            fit_options,
            self.options.arch,
            validation_share=0,
            network=EmbeddingNetwork.from_file(weights) if self.options.fine_tune else None,
        )
        exported = export(trained.model, trained.labels, trained.calibration, {})
        check_parity(trained.model, exported, self.options.seed, chips=trained.sample_chips)
        return CustomModel.from_bytes(exported)

    def ask(self, group_size: int) -> _Asked:
        """Ask about all probes, `group_size` pictures of a person at a time."""
        asked = _Asked({model: [] for model in (*MODELS, FINAL)})
        for pictures, is_stranger in ((self.plan.probes, False), (self.plan.strangers, True)):
            for group in groups_of(self._samples(pictures), group_size):
                truth = None if is_stranger else group[0].picture.person_id
                for model, answer in self.examiner.ask(truth, group).items():
                    asked.answers[model].append(answer)
            for picture in pictures:
                if picture in self._without_face:
                    asked.missed[None if is_stranger else picture.person_id] += 1
        return asked

    @property
    def _without_face(self) -> set[Picture]:
        return set(self.faces.without_face)

    def figures(self, asked: _Asked, model: str, *, count_missed: bool = True) -> dict[str, object]:
        made = figures(
            asked.answers[model],
            self.examiner.people(model),
            dict(asked.missed) if count_missed else {},
            len(self.faces.without_face),
            len(self.faces.samples) + len(self.faces.without_face),
        )
        return {key: made[key] for key in _DECISIONS} if model == FINAL else made

    def clip_answers(self) -> dict[str, list[ClipAnswer]]:
        if not self.clips:
            return {}
        from dataclasses import replace

        _say(f"recognising {len(self.clips)} clips, with one frame and with all")
        gallery, custom = self.examiner.gallery, self.examiner.custom
        single = load_recognizer(self.options.models, replace(self.settings, max_frames=1))
        return {
            "off": recognize_clips(single, self.clips, gallery, custom, "one frame"),
            "on": recognize_clips(self.recognizer, self.clips, gallery, custom, "whole clips"),
        }

    def pairs(self):
        if self.options.pairs:
            pairs, source = read_pairs(self.options.pairs, self.options.data), "given"
        else:
            asked = self._samples([*self.plan.probes, *self.plan.strangers])
            pairs, source = made_pairs(asked, self.options.seed), "made of the probes"
        embeddings = {path: sample.embedding for path, sample in self.by_path.items()}
        wanted = {path for pair in pairs for path in (pair.a, pair.b)} - set(embeddings)
        known_without = {picture.path for picture in self.faces.without_face}
        for path in progress(sorted(wanted - known_without), "pairs"):
            embeddings[path] = self._embedding_of(path)
        return verify(pairs, embeddings, source)

    def _embedding_of(self, path: Path) -> np.ndarray | None:
        try:
            seen = observe_main_face(self.recognizer, read_picture(path))
        except DatasetError as error:
            self.faces.unreadable[path] = str(error)
            return None
        return seen[0].embedding if seen else None

    def nearest_enrolled(self, sample: FaceSample, person: str) -> np.ndarray | None:
        """The chip of `person`'s enrolment picture that is nearest to `sample`."""
        own = [one for one in self.enrolled if one.picture.person_id == person]
        if not own:
            return None
        return min(own, key=lambda one: np.linalg.norm(one.embedding - sample.embedding)).chip


def evaluate(options: argparse.Namespace) -> tuple[dict, str]:
    """The report (what eval.json holds) and the page.

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
        "pairs": asdict(run.pairs()),
        "voting": {
            "off": {model: run.figures(single, model) for model in (*MODELS, FINAL)},
            "on": {
                model: run.figures(voting, model, count_missed=False) for model in (*MODELS, FINAL)
            },
        }
        if by_pictures
        else None,
        "clips": clips or None,
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
    page = render(report, _charts(run, single), _mistakes(run, single, clip_answers))
    return report, page


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
        "enrolment_pictures": sum(len(pictures) for pictures in plan.enrolment.values()),
        "probe_pictures": len(plan.probes),
        "strangers": len({picture.person_id for picture in plan.strangers}),
        "stranger_pictures": len(plan.strangers),
        "strangers_are": strangers_are,
        "clips": len(run.clips),
        "unreadable": len(run.faces.unreadable) + len(run.unreadable_clips),
        "custom_model": "given"
        if options.custom
        else f"trained on the enrolment ({_arch(options)})",
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
        "enrolled_without_face": sorted(set(run.plan.people) - set(run.examiner.gallery.people)),
    }


def _charts(run: Evaluation, asked: _Asked) -> list[Chart]:
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
    run: Evaluation, asked: _Asked, clip_answers: dict[str, list[ClipAnswer]]
) -> list[Mistake]:
    """The worst first: wrong names, then people not recognised, then faces not found."""
    wrong, unsure = [], []
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


def _mistake(run: Evaluation, model: str, answer: Answer) -> tuple[float, Mistake]:
    """(score of the person it is about, what to show)."""
    sample, shown = answer.samples[0], answer.named or answer.truth or ""
    title = f"{answer.truth or 'a stranger'} named {answer.named}"
    if not answer.named:
        title = f"{answer.truth} not recognised"
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


def _say(text: str) -> None:
    print(f"evaluate: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="training/evaluate.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--strangers", type=Path, help="likewise, of people never enrolled")
    parser.add_argument("--pairs", type=Path, help="CSV with columns a, b, same")
    parser.add_argument(
        "--clips", type=Path, help="CLIPS/<person>/<video>, or a recording beside its truth.json"
    )
    parser.add_argument("--custom", type=Path, help="measure this custom.onnx, train none")
    parser.add_argument("--arch", choices=("transfer", "scratch"), default="transfer")
    parser.add_argument(
        "--fine-tune", action="store_true", help="with transfer: as train_face_recognition.py does"
    )
    parser.add_argument("--epochs", type=int, default=60, help="at most; default %(default)s")
    parser.add_argument(
        "--enrol", type=int, default=3, help="pictures of each person; default %(default)s"
    )
    parser.add_argument("--people", type=int, help="only so many people of --data, drawn by seed")
    parser.add_argument("--per-person", type=int, help="only so many pictures of each of them")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="default: out/")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--json", action="store_true", help="print eval.json, too")
    return parser


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.fine_tune and options.arch != "transfer":
        parser.error("--fine-tune goes with --arch transfer only")
    try:
        report, page = evaluate(options)
    except (ToolError, RecognitionError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "eval.html").write_text(page, encoding="utf-8")
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (options.out / "eval.json").write_text(text + "\n", encoding="utf-8")
    print(text if options.json else _table(report))
    _say(f"{options.out / 'eval.json'} and {options.out / 'eval.html'}, {report['seconds']} s")
    return 0


def _table(report: dict) -> str:
    lines = [f"{'':28}{'online':>10}{'custom':>10}"]
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


if __name__ == "__main__":
    sys.exit(main())
