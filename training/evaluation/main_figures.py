"""The main figures: what happens when strangers walk in, too, and for whom it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.answers import FINAL, MODELS
from training.evaluation.filmed import ClipAnswer, clip_questions, clip_trials
from training.evaluation.open_set import (
    CONDITIONS,
    MEASURED_GROUPS,
    REPORT_STYLE,
    OpenSetTrial,
    by_label,
    by_part,
    detection_error,
    labeled,
    open_set,
    read_labels,
    report_style,
    trials,
)
from training.evaluation.run import AskedModels, Evaluation

# Of strangers drawn from everybody; lambda/README.md says how it was chosen, and for whom more are.
PROMISED = 0.005
Parts = dict[str, Any]


def of_pictures(run: Evaluation, single: AskedModels, voting: AskedModels) -> Parts:
    """`open_set`, `by_group` and `by_condition` of eval.json, of single pictures."""
    gallery, seed, answers = run.examiner.gallery, run.options.seed, single.answers
    asked = {
        **{model: trials(answers[model], single.missed) for model in (*MODELS, FINAL)},
        REPORT_STYLE: trials(report_style(answers["online"], gallery), single.missed),
    }
    groups = {**labeled(_labels(run)), **MEASURED_GROUPS}
    of = {name: by_part(answers, one, gallery, run.settings, seed) for name, one in groups.items()}
    return {
        "open_set": {
            "of": "pictures",
            **_shares(asked, seed),
            "five_vote": {
                model: open_set(trials(voting.answers[model], Counter()), seed)
                for model in (*MODELS, FINAL)
            },
            "custom_warnings": list(run.custom_warnings),
            "promise": promise(of),
        },
        "by_group": of,
        "by_condition": {
            **{
                name: by_part(answers, one, gallery, run.settings, seed)
                for name, one in CONDITIONS.items()
            },
            **run.under_conditions(),
        },
    }


def of_clips(run: Evaluation, filmed: Sequence[ClipAnswer]) -> Parts:
    """The same of whole clips of one person each. Labels count clips without a face, too; what is
    measured of a face has those with one."""
    if not filmed:
        return {"open_set": None, "by_group": None, "by_condition": None}
    gallery, seed = run.examiner.gallery, run.options.seed
    asked = {model: clip_trials(filmed, model) for model in (*MODELS, FINAL)}
    questions = {model: clip_questions(filmed, model) for model in (*MODELS, FINAL)}

    def parts(groups: Mapping[str, Any]) -> Parts:
        return {n: by_part(questions, g, gallery, run.settings, seed) for n, g in groups.items()}

    groups = {
        **{name: by_label(asked, of, seed) for name, of in _labels(run).items()},
        **parts(MEASURED_GROUPS),
    }
    return {
        "open_set": {
            "of": "clips",
            **_shares(asked, seed),
            "custom_warnings": list(run.custom_warnings),
            "promise": promise(groups),
        },
        "by_group": groups,
        "by_condition": parts(CONDITIONS),
    }


def promise(by_group: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Whether no group's strangers are named more often than `promised`: `kept` is False when
    those of one are by their interval, True when by theirs none can be, else None: too few to
    tell. `worst` is the group that is likeliest to lie above; None without strangers."""
    shares = [
        (group, label, figures["strangers_named"])
        for group, labels in by_group.items()
        for label, figures in labels.items()
        if figures["strangers_named"]["n"]
    ]
    if not shares:
        return {"promised": PROMISED, "kept": None, "worst": None}
    group, label, worst = max(
        shares, key=lambda one: (one[2]["interval_95"][0], one[2]["value"], -one[2]["n"])
    )
    kept = None
    if worst["interval_95"][0] > PROMISED:
        kept = False
    elif all(share["interval_95"][1] <= PROMISED for *_, share in shares):
        kept = True
    return {
        "promised": PROMISED,
        "kept": kept,
        "worst": {"group": group, "label": label, "strangers_named": worst},
    }


def _labels(run: Evaluation) -> dict[str, dict[str, str]]:
    return read_labels(run.options.groups) if run.options.groups else {}


def _shares(asked: Mapping[str, Sequence[OpenSetTrial]], seed: int) -> Parts:
    return {
        **{name: open_set(one, seed) for name, one in asked.items()},
        "det": {name: detection_error(one) for name, one in asked.items() if name != FINAL},
    }
