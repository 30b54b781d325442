"""Do pictures agree with the names they are given? For enrollment and training; pure functions.

Embeddings are float32 [n, 128]; distances are between embeddings at unit length. On the
development faces pictures of two people were never nearer than 0.30, one pair in 10,000 lies
below 0.34 and one in 50 below 0.42; of one person 94 % of pairs lie below 0.32 and all below
0.42.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognition.embedder import distances_between
from recognition.gallery import Gallery

# So near, two names are taken for one person's until somebody says otherwise.
DOUBLE_DISTANCE = 0.32
# So near, two people will be mixed up now and then: relatives, or pictures too poor to tell.
TWIN_DISTANCE = 0.37
# So far, pictures are not of one person; who is as near to each other, is.
STRANGE_DISTANCE = 0.44


@dataclass(frozen=True)
class Resemblance:
    """Another name whose pictures look like these, and how near the nearest come: `distance`, L2
    of embeddings, 0 to 2."""

    person_id: str
    distance: float

    @property
    def is_same_person(self) -> bool:
        return self.distance < DOUBLE_DISTANCE


@dataclass(frozen=True)
class FolderFindings:
    """What the pictures of one person say of each other, as indices into them.

    `groups` has one entry where all show one person, two or more when the folder is mixed,
    the largest first. `odd` are single pictures that look like none of the others.
    """

    groups: tuple[tuple[int, ...], ...]
    odd: tuple[int, ...]

    @property
    def is_mixed(self) -> bool:
        return len(self.groups) > 1


def look_through(embeddings: np.ndarray) -> FolderFindings:
    """Sort one person's embeddings [n, 128] into groups that look alike.

    Around the picture most like all others everything within `STRANGE_DISTANCE`, in the mean
    over the group, is one person; then the same among the rest. Where as many pictures look like
    none of the others as there are of anybody, all are groups: nobody can tell which are wrong.
    """
    far = distances_between(embeddings, embeddings)
    rest, groups = list(range(len(far))), []
    while rest:
        among = far[np.ix_(rest, rest)]
        center = int(np.median(among, axis=1).argmin())
        near = [i for i, d in zip(rest, among[center], strict=True) if d <= STRANGE_DISTANCE]
        group = [i for i in rest if far[i, near].mean() <= STRANGE_DISTANCE]
        group = group or [rest[center]]
        groups.append(tuple(group))
        rest = [i for i in rest if i not in group]
    groups.sort(key=lambda group: (-len(group), group))
    odd = [group[0] for group in groups[1:] if len(group) == 1]
    if groups and len(odd) >= len(groups[0]):
        return FolderFindings(tuple(groups), ())
    return FolderFindings(
        tuple(group for index, group in enumerate(groups) if index == 0 or len(group) > 1),
        tuple(sorted(odd)),
    )


def look_alikes(
    embeddings: np.ndarray, gallery: Gallery, but: Sequence[str] = ()
) -> list[Resemblance]:
    """People of the gallery, save `but`, that look like these embeddings [n, 128], the nearest
    first: `is_same_person` when a picture of theirs is as near as one's own, else near twins."""
    if not len(embeddings) or not gallery.people:
        return []
    nearest = np.min([gallery.nearest_distances(one) for one in embeddings], axis=0)
    found = [
        Resemblance(person, round(float(distance), 3))
        for person, distance in zip(gallery.people, nearest, strict=True)
        if distance < TWIN_DISTANCE and person not in but
    ]
    return sorted(found, key=lambda one: one.distance)
