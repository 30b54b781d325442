"""What is really in the fixture's clips, and how results compare with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from contract.results import Result

CUSTOM_MIN_SHARE = 0.95
SAID_BY_THE_PEOPLE = ("stranger", "two")  # tags that add nothing to who is there


@dataclass(frozen=True)
class ClipTruth:
    """Who is visible in one clip. `strangers` are people nobody enrolled."""

    index: int
    visible: tuple[str, ...]
    strangers: int
    tags: tuple[str, ...]

    @property
    def is_single_person(self) -> bool:
        return len(self.visible) == 1 and not self.strangers

    @property
    def somebody(self) -> bool:
        return bool(self.visible or self.strangers)

    @property
    def scene(self) -> str:
        people = [*self.visible, *["a stranger"] * self.strangers]
        tags = [one for one in self.tags if one not in SAID_BY_THE_PEOPLE]
        return (" and ".join(people) or "nobody") + (f" ({', '.join(tags)})" if tags else "")


def read_truth(path: Path) -> list[ClipTruth]:
    clips = json.loads(path.read_text(encoding="utf-8"))["clips"]
    return [
        ClipTruth(
            clip["index"], tuple(clip["visible"]), clip["strangers"], tuple(clip.get("tags", ()))
        )
        for clip in clips
    ]


@dataclass(frozen=True)
class ShownResult:
    """One result as the device showed it, with the latencies that it computed, ms."""

    result: Result
    clip_end_ms: float
    capture_start_ms: float


def names(result: Result, model: str) -> set[str]:
    """The people that `model` ("online" or "custom") named in a clip."""
    identities = (getattr(face, model) for face in result.faces)
    return {identity.person.person_id for identity in identities if identity.person}


@dataclass(frozen=True)
class Comparison:
    """A whole run against the truth. `answers` has the shown results by clip index."""

    truth: list[ClipTruth]
    answers: dict[int, ShownResult]
    duplicates: int

    def unanswered(self) -> list[int]:
        return [clip.index for clip in self.truth if clip.index not in self.answers]

    def single_person(self) -> list[ClipTruth]:
        return [clip for clip in self.truth if clip.is_single_person]

    def correct(self, model: str) -> int:
        """Single-person clips in which `model` named that person and nobody else."""
        return sum(self.is_right(clip, model) for clip in self.single_person())

    def is_right(self, clip: ClipTruth, model: str) -> bool:
        answer = self.answers.get(clip.index)
        return answer is not None and names(answer.result, model) == set(clip.visible)

    def wrong_names(self) -> list[str]:
        """Every name shown for somebody who was not there."""
        wrong = []
        for clip in self.truth:
            if clip.index in self.answers:
                result = self.answers[clip.index].result
                for model in ("online", "custom"):
                    for name in sorted(names(result, model) - set(clip.visible)):
                        wrong.append(f"clip {clip.index} ({clip.scene}): {model} said {name}")
        return wrong

    def failures(self) -> list[str]:
        """What makes the run a failure, one line each; empty when it was good."""
        lines = []
        if missing := self.unanswered():
            lines.append(f"{len(missing)} clips went unanswered: {_list(missing)}")
        if self.duplicates:
            lines.append(f"{self.duplicates} results were shown twice")
        lines += [f"wrong name: {line}" for line in self.wrong_names()]
        single = self.single_person()
        for model, share in (("online", 1.0), ("custom", CUSTOM_MIN_SHARE)):
            if self.correct(model) < share * len(single):
                missed = [clip.index for clip in single if not self.is_right(clip, model)]
                lines.append(
                    f"{model} model right on {self.correct(model)} of {len(single)} "
                    f"single-person clips, missed {_list(missed)}"
                )
        return lines


def _list(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:12]))
    return shown + (", …" if len(numbers) > 12 else "")
