"""Each clip that was asked about as a row of the page, with its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scripts.report.correctness import WRONG, correctness
from scripts.report.page import ClipRow, urgency
from scripts.report.thumbnails import thumbnail
from training.clips import LabeledClip
from training.evaluation.filmed import ClipAnswer

MOST_ROWS = 300


def clip_rows(answers: Sequence[ClipAnswer]) -> list[ClipRow]:
    """The first of them: wrong ones, then unknown ones, then the rest."""
    rows = sorted(((_row(one), one.clip.data) for one in answers), key=lambda one: urgency(one[0]))
    return [replace(row, jpeg=thumbnail(data)) for row, data in rows[:MOST_ROWS]]


def _row(answer: ClipAnswer) -> ClipRow:
    custom, online = answer.named("custom"), answer.named("online")
    is_rejected = answer.recognition is None
    said = [answer.reason or "rejected"] * 2 if is_rejected else [_names(custom), _names(online)]
    return ClipRow(
        name=answer.clip.name,
        expected=_scene(answer.clip),
        said=said,
        correctness=WRONG if is_rejected else correctness(answer.clip, custom, online),
        latency_ms=None,
    )


def _scene(clip: LabeledClip) -> str:
    return " and ".join([*clip.visible, *["a stranger"] * clip.strangers]) or "nobody"


def _names(named: set[str]) -> str:
    return ", ".join(sorted(named)) or "nobody"
