"""One evaluation: the plan, the faces found, both models made of the enrollment."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pictures import Refusal
from recognition import CustomModel, Gallery, Settings, load_recognizer
from recognition.embedder import Embedder, distance_between
from training.checking import Findings, check
from training.clips import LabeledClip, read_clips
from training.dataset import DatasetError, DatasetPicture, order, read_picture, read_tree
from training.evaluation.answers import FINAL, MODELS, Examiner, ModelAnswer, groups_of
from training.evaluation.filmed import (
    ClipAnswer,
    recognize_clips,
)
from training.evaluation.metrics import figures
from training.evaluation.open_set import decisions, share_by_subject, trials
from training.evaluation.pairs import PairFigures, made_pairs, read_pairs, verify
from training.evaluation.plan import EvaluationPlan, make_plan
from training.face_cache import FaceCache
from training.faces import FaceSample, FaceSamples, find_faces, observe_main_face
from training.progress import progress
from training.stress import MADE, stressed
from training.tree import ToolError

_DECISIONS = ("rank1", "named_right", "named_wrong", "stranger_rejection", "n", "interval_95")


class NothingToMeasure(ToolError):
    """The data leaves nobody to ask about."""


@dataclass
class AskedModels:
    """Every answer by model, and the probes that had no face, by person (None: strangers)."""

    answers: dict[str, list[ModelAnswer]] = field(default_factory=dict)
    missed: Counter[str | None] = field(default_factory=Counter)


class Evaluation:
    """One run: the plan, the faces found, both models made of the enrollment."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.settings = Settings()
        self.recognizer = load_recognizer(options.models, self.settings)
        refused: list[Refusal] = []
        tree = read_tree(options.data, refused.append)
        strangers = read_tree(options.strangers, refused.append) if options.strangers else None
        if options.people:
            kept = set(order(tree, options.seed)[: options.people])
            tree = {person: pictures for person, pictures in tree.items() if person in kept}
        if options.per_person:
            tree = {person: self._drawn(pictures) for person, pictures in tree.items()}
        self.clips, self.unreadable_clips = self._clips(set(tree))
        seen = {person for clip in self.clips for person in clip.visible}
        self.plan = make_plan(tree, strangers, seen, options.enroll, options.seed)
        self.faces = self._find(self.plan)
        self.faces.unreadable |= {Path(one.source): str(one) for one in refused}
        self.by_path = {sample.picture.path: sample for sample in self.faces.samples}
        self.enrolled = self._samples(
            [picture for person in self.plan.people for picture in self.plan.enrollment[person]]
        )
        if not self.enrolled:
            raise NothingToMeasure("no face was found in any enrollment picture")
        self.findings = self._checked()
        self.custom_warnings: tuple[str, ...] = ()
        self.examiner = Examiner(self._gallery(), self._custom(), self.settings)

    def _drawn(self, pictures: list[DatasetPicture]) -> list[DatasetPicture]:
        families = order({picture.family for picture in pictures}, self.options.seed)
        kept = set(families[: self.options.per_person])
        return [picture for picture in pictures if picture.family in kept]

    def _clips(self, people: set[str]) -> tuple[list[LabeledClip], dict[Path, str]]:
        if not self.options.clips:
            return [], {}
        _say("reading clips")
        return read_clips(self.options.clips, people)

    def _find(self, plan: EvaluationPlan) -> FaceSamples:
        pictures = plan.pictures()
        _say(f"finding faces in {len(pictures)} pictures of {len(plan.people)} people and others")
        cache = FaceCache(self.options.models)
        cache.drop_old()
        return find_faces(self.recognizer, pictures, "find faces", cache)

    def _samples(self, pictures: list[DatasetPicture]) -> list[FaceSample]:
        return [self.by_path[one.path] for one in pictures if one.path in self.by_path]

    def _checked(self) -> Findings:
        """What is doubtful about the names of the data; wrong ones make wrong figures."""
        held_out = (
            {picture.path for picture in self.plan.strangers} if self.options.strangers else ()
        )
        people: dict[str, list[FaceSample]] = {}
        strangers = []
        for sample in self.faces.samples:
            if sample.picture.path in held_out:
                strangers.append(sample)
            else:
                people.setdefault(sample.picture.person_id, []).append(sample)
        findings = check(people, strangers)
        for line in findings.contradictions:
            _say(f"careful: {line}; the figures count it as it is named")
        return findings

    def _gallery(self) -> Gallery:
        return Gallery.of(
            [sample.picture.person_id for sample in self.enrolled],
            np.array([sample.embedding for sample in self.enrolled]),
        )

    def _custom(self) -> CustomModel:
        if self.options.custom:
            return CustomModel.from_bytes(self.options.custom.read_bytes())
        # torch is only needed here: a given model can be measured without it.
        from training.custom import train
        from training.embedding_network import EmbeddingNetwork
        from training.export import check_parity, export
        from training.fitting import FitOptions

        _say(f"training the custom model on {len(self.enrolled)} enrollment pictures")
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
        self.custom_warnings = trained.calibration.warnings
        exported = export(trained.model, trained.labels, trained.calibration, {})
        check_parity(trained.model, exported, self.options.seed, chips=trained.sample_chips)
        return CustomModel.from_bytes(exported)

    def ask(self, group_size: int) -> AskedModels:
        """Ask about all probes, `group_size` pictures of a person at a time."""
        asked = AskedModels({model: [] for model in (*MODELS, FINAL)})
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
    def _without_face(self) -> set[DatasetPicture]:
        return set(self.faces.without_face)

    def figures(
        self, asked: AskedModels, model: str, *, count_missed: bool = True
    ) -> dict[str, object]:
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

        _say(f"recognizing {len(self.clips)} clips, with one frame and with all")
        gallery, custom = self.examiner.gallery, self.examiner.custom
        single = load_recognizer(self.options.models, replace(self.settings, max_frames=1))
        return {
            "off": recognize_clips(single, self.clips, gallery, custom, "one frame"),
            "on": recognize_clips(self.recognizer, self.clips, gallery, custom, "whole clips"),
        }

    def under_conditions(self) -> dict[str, dict[str, dict[str, object]]]:
        """The decisions on probes and strangers as other conditions would show them."""
        if not self.options.stress:
            return {}
        report = {}
        for condition in MADE:
            answers: dict[str, list[ModelAnswer]] = {model: [] for model in (*MODELS, FINAL)}
            missed: Counter[str | None] = Counter()
            found = []
            for pictures, is_stranger in ((self.plan.probes, False), (self.plan.strangers, True)):
                what = f"{condition}{', strangers' if is_stranger else ''}"
                samples = self._samples(pictures)
                for sample, seen in zip(samples, self._made(samples, condition, what), strict=True):
                    truth = None if is_stranger else sample.picture.person_id
                    found.append((sample.picture.person_id, seen is not None, 1))
                    if seen is None:
                        missed[truth] += 1
                        continue
                    for model, answer in self.examiner.ask(truth, (seen,)).items():
                        answers[model].append(answer)
            asked = {model: trials(own, missed) for model, own in answers.items()}
            report[condition] = {
                **decisions(asked, self.options.seed),
                "face_found": share_by_subject(found, self.options.seed),
            }
        return {"made": report}

    def _made(
        self, samples: list[FaceSample], condition: str, what: str
    ) -> Iterable[FaceSample | None]:
        def look(sample: FaceSample) -> FaceSample | None:
            rgb = stressed(self.recognizer, read_picture(sample.picture.path), condition)
            faces = self.recognizer.look(rgb) if rgb is not None else []
            return FaceSample(sample.picture, faces[0]) if faces else None

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from progress(pool.map(look, samples), what, total=len(samples))

    def pairs(self) -> PairFigures:
        if self.options.pairs:
            pairs, source = read_pairs(self.options.pairs, self.options.data), "given"
        else:
            asked = self._samples([*self.plan.probes, *self.plan.strangers])
            pairs, source = made_pairs(asked, self.options.seed), "made of the probes"
        embeddings: dict[Path, np.ndarray | None] = {
            path: sample.embedding for path, sample in self.by_path.items()
        }
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
        """The chip of `person`'s enrollment picture that is nearest to `sample`."""
        own = [one for one in self.enrolled if one.picture.person_id == person]
        if not own:
            return None
        return min(own, key=lambda one: distance_between(one.embedding, sample.embedding)).chip


def _say(text: str) -> None:
    print(f"evaluate: {text}", file=sys.stderr, flush=True)
