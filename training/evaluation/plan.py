"""Who is enrolled with which pictures, which pictures are asked about, and who is a stranger.

Decided before any picture is looked at, by names and a seed alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from training.dataset import DatasetPicture, order

ENROL_AT_MOST = 3
STRANGERS_SHARE = 0.25


@dataclass
class EvaluationPlan:
    """Enrollment pictures by person, probes of enrolled people, probes of strangers."""

    enrollment: dict[str, list[DatasetPicture]] = field(default_factory=dict)
    probes: list[DatasetPicture] = field(default_factory=list)
    strangers: list[DatasetPicture] = field(default_factory=list)

    @property
    def people(self) -> list[str]:
        return sorted(self.enrollment)

    def pictures(self) -> list[DatasetPicture]:
        enrolled = [picture for person in self.people for picture in self.enrollment[person]]
        return [*enrolled, *self.probes, *self.strangers]


def make_plan(
    tree: dict[str, list[DatasetPicture]],
    strangers: dict[str, list[DatasetPicture]] | None = None,
    in_clips: Collection[str] = (),
    enroll_at_most: int = ENROL_AT_MOST,
    seed: int = 0,
) -> EvaluationPlan:
    """Split `tree` into enrollment and probes, deterministically.

    Strangers are the people of `strangers`; without them a quarter of the people with
    several pictures, and everybody with only one, whom one can't both enroll and ask about.
    People who appear in clips (`in_clips`) are always enrolled: the clips are their probes.
    """
    plan = EvaluationPlan()
    for person in _held_out(tree, in_clips, seed) if strangers is None else ():
        plan.strangers += _originals(tree[person])
    for pictures in (strangers or {}).values():
        plan.strangers += _originals(pictures)
    held_out = {picture.person_id for picture in plan.strangers} if strangers is None else set()
    for person in tree:
        if person in held_out:
            continue
        enrolled, probes = split_person(_originals(tree[person]), enroll_at_most, seed)
        plan.enrollment[person] = enrolled
        plan.probes += probes
    return plan


def _held_out(
    tree: dict[str, list[DatasetPicture]], in_clips: Collection[str], seed: int
) -> list[str]:
    several = [person for person in tree if len(_originals(tree[person])) > 1]
    single = [person for person in tree if len(_originals(tree[person])) == 1]
    drawn = order((person for person in several if person not in in_clips), seed)
    # Somebody must stay enrolled.
    count = min(round(STRANGERS_SHARE * len(several)), max(0, len(several) - 1))
    out = set(drawn[:count])
    if several:
        out |= {person for person in single if person not in in_clips}
    return [person for person in tree if person in out]


def split_person(
    pictures: list[DatasetPicture], enroll_at_most: int, seed: int
) -> tuple[list[DatasetPicture], list[DatasetPicture]]:
    """(enrollment, probes) of one person: at most half is enrolled, whole sessions apart.

    Pictures of one family (the same moment) stay together.
    """
    sessions = order({str(picture.session) for picture in pictures}, seed)
    families: dict[str, set[str]] = {str(session): set() for session in sessions}
    for picture in pictures:
        families[str(picture.session)].add(picture.family)
    total = sum(len(names) for names in families.values())
    wanted = max(1, min(enroll_at_most, total // 2))
    if len(sessions) > 1:
        # The first session enrolls, the others ask: nothing of one day is on both sides.
        chosen = order(families[sessions[0]], seed)[:wanted]
        probes = [picture for picture in pictures if str(picture.session) != sessions[0]]
    else:
        chosen = order(families[sessions[0]], seed)[:wanted]
        probes = [picture for picture in pictures if picture.family not in chosen]
    return [picture for picture in pictures if picture.family in chosen], probes


def _originals(pictures: list[DatasetPicture]) -> list[DatasetPicture]:
    return [picture for picture in pictures if not picture.is_noisy_copy] or pictures
