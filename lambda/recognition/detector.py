"""Finding faces: places are proposed cheaply, and confirmed by dlib's mmod network.

Pictures are uint8 [height, width, 3], RGB; places and sizes are in their px.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from contract.results import Box
from recognition.proposals import Proposer
from recognition.pyramid import (
    WINDOW_PX,
    Detection,
    Region,
    around,
    best_of_each,
    bordered,
    box_at,
    brightened,
    is_same_face,
    levels_between,
    overlap,
    scales_down,
    whole,
)
from recognition.regions import regions_that_changed, regions_with_detail
from recognition.runtime import open_session
from recognition.settings import Settings
from recognition.side_by_side import share

# The network sees faces of about 80 px through a window it moves in steps of 8 px.
_STEP_PX = 8
_FIRST_CENTER_PX = 14
_BORDER_PX = 24
# Measured: full response from 65 to 97 px.
_SMALLEST_SEEN_PX = 65
_THOROUGH_STEP = 0.8
# Where faces from about 130 px on are looked for without a proposal: cheap levels.
_LARGE_FACES_SCALE = 0.5
# Brightest channel of a washed out pixel, and the share of them that counts.
_WASHED_OUT, _GLARE = 250, 0.01
# How far around a place it is looked at, in sizes of the face: where it may have moved to.
_ROOM = 0.5
# Size, of the proposed one, and room: the look that most faces need, and those that a strong
# proposal gets when it finds nothing. Covered faces need to be seen with what is around them.
_FIRST_LOOK = (1.0, 0.35)
_CLOSER_LOOKS = ((1.0, _ROOM), (0.82, _ROOM), (1.22, _ROOM))


def _has_glare(rgb: np.ndarray) -> bool:
    """Whether light has washed out a part of the picture as large as a near face's cheek."""
    return float((rgb[::8, ::8].max(axis=2) >= _WASHED_OUT).mean()) > _GLARE


def _is_of(box: Box, face: Box) -> bool:
    """Whether what is proposed at `box` can only be `face`, or a part of its head."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return is_same_face(box, face) or (face.left <= x < face.right and face.top <= y < face.bottom)


class Detector:
    """Stateless after loading: the same picture gives the same faces. `model` lies beside the
    proposal network."""

    def __init__(self, model: Path, settings: Settings) -> None:
        self._session = open_session(model)
        self._proposer = Proposer(model.with_name("proposals.onnx"))
        self._settings = settings

    def is_plain(self, rgb: np.ndarray) -> bool:
        """Whether the picture is so plain that no face can hide in it."""
        return not regions_with_detail(rgb, self._settings.detail_contrast)

    def find(self, rgb: np.ndarray) -> list[Detection]:
        """The faces of a clip's picture.

        First those that a picture of `cheap_side_px` still shows well. Then, where there is
        detail, finer levels: beside somebody down to `companion_size` of the largest face, people
        of one scene; with nobody down to `smallest_face_px`. Still nobody, though something was
        proposed, or with glare: the original network itself looks for large faces, whose proposals
        a dim or harsh light, or a face turned up, puts in the wrong place or hides.
        """
        scales = self._coarse_scales(rgb)
        coarse = self._proposed(rgb, scales, [whole(rgb)])
        found = self._confirmed(rgb, coarse, [])
        finest = self._finest_beside(rgb, found) if found else self._finest_scale(rgb)
        finer = levels_between(scales[0], finest, self._settings.proposal_step)
        if found and not finer:
            return found
        regions = regions_with_detail(rgb, self._settings.detail_contrast)
        fine = self._proposed(rgb, finer, regions)
        found = self._confirmed(rgb, fine, found)
        if regions and not found and (coarse or fine or _has_glare(rgb)):
            large = min(_LARGE_FACES_SCALE, self._finest_scale(rgb))
            found = self._search(rgb, scales_down(rgb, large, _THOROUGH_STEP), whole(rgb))
        return found

    def turned_by(self, rgb: np.ndarray) -> int | None:
        """How far, in degrees clockwise, the picture must be turned to show somebody: a camera
        mounted on its side or upside down. Only for a picture without a face; only near ones."""
        seen = []
        for quarters in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(rgb, -quarters))
            proposed = self._proposer.propose(
                turned,
                self._coarse_scales(turned),
                [whole(turned)],
                self._settings.strong_proposal_score,
            )
            if self._confirmed(turned, proposed, []):
                seen.append((proposed[0].score, quarters))
        # The original sees some faces that lie on their side as well as upright ones; who proposes
        # them is much surer of these.
        return 90 * max(seen)[1] if seen else None

    def find_all(self, rgb: np.ndarray) -> list[Detection]:
        """Every face down to `smallest_face_px`, on close levels, whatever it costs. Half covered
        ones are often seen only where and as large as they are proposed."""
        finest = self._finest_scale(rgb)
        found = self._search(rgb, scales_down(rgb, finest, _THOROUGH_STEP), whole(rgb))
        scales = scales_down(rgb, finest, self._settings.proposal_step)
        return self._confirmed(rgb, self._proposed(rgb, scales, [whole(rgb)]), found)

    def find_newcomers(
        self, rgb: np.ndarray, before: np.ndarray, known: Sequence[Box]
    ) -> list[Detection]:
        """Faces of any size where `rgb` differs from `before`, a picture of the same clip, and
        none of the `known` ones is."""
        regions = regions_that_changed(rgb, before, known, self._settings.change_contrast)
        finest = self._finest_scale(rgb)
        scales = scales_down(rgb, finest, self._settings.proposal_step)
        found = self._confirmed(rgb, self._proposed(rgb, scales, regions), []) if regions else []
        return [face for face in found if all(not is_same_face(face.box, box) for box in known)]

    def find_near(self, rgb: np.ndarray, box: Box) -> Detection | None:
        """The face that was at `box` a moment ago, looked for at its size and place only."""
        found = self._at(rgb, box, 1.0, _ROOM)
        return max(found, key=lambda face: face.score, default=None)

    def _proposed(
        self, rgb: np.ndarray, scales: list[float], regions: list[Region]
    ) -> list[Detection]:
        return self._proposer.propose(rgb, scales, regions, self._settings.proposal_score)

    def _confirmed(
        self, rgb: np.ndarray, proposed: list[Detection], known: list[Detection]
    ) -> list[Detection]:
        """The known faces and the proposed ones that the original network sees, too."""
        found, looked = list(known), 0
        glances: dict[Detection, list[Detection]] = {}
        for place, proposal in enumerate(proposed):
            if found and proposal.score < self._settings.companion_proposal_score:
                break
            if any(_is_of(proposal.box, face.box) for face in found):
                continue
            if looked == self._settings.proposals_at_most:
                break
            looked += 1
            if proposal not in glances:
                pair = [proposal, *self._next_glance(proposed[place:], found, looked)]
                looks = share(lambda one: self._seen(rgb, one.box, _FIRST_LOOK), pair)
                glances.update(zip(pair, looks, strict=True))
            seen = glances[proposal]
            if proposal.score >= self._strong_score(found):
                closer = (self._seen(rgb, proposal.box, look) for look in _CLOSER_LOOKS)
                seen = seen or next(filter(None, closer), [])
            if seen:
                found = best_of_each([*found, *seen])
        return found

    def _strong_score(self, found: list[Detection]) -> float:
        settings = self._settings
        return settings.strong_companion_score if found else settings.strong_proposal_score

    def _next_glance(
        self, proposed: list[Detection], found: list[Detection], looked: int
    ) -> list[Detection]:
        """The second of `proposed` where it gets a look whatever comes of the first."""
        if len(proposed) < 2 or looked == self._settings.proposals_at_most:
            return []
        first, second = proposed[:2]
        if any(_is_of(second.box, one.box) for one in (first, *found)):
            return []
        # Weak places are looked at only while nobody is found, which they seldom end.
        strong = self._settings.companion_proposal_score
        return [second] if second.score >= strong or first.score < strong else []

    def _seen(self, rgb: np.ndarray, box: Box, look: tuple[float, float]) -> list[Detection]:
        size, room = look
        return [face for face in self._at(rgb, box, size, room) if is_same_face(face.box, box)]

    def _at(self, rgb: np.ndarray, box: Box, size: float, room: float) -> list[Detection]:
        """What the original network sees around `box` of faces `size` times as large."""
        region = around(box, room, rgb)
        if region.right - region.left < 8 or region.bottom - region.top < 8:
            return []
        side = max(box.bottom - box.top, box.right - box.left) * size
        return self._search(rgb, [WINDOW_PX / side], region)

    def _coarse_scales(self, rgb: np.ndarray) -> list[float]:
        finest = min(self._finest_scale(rgb), self._settings.cheap_side_px / max(rgb.shape[:2]))
        return scales_down(rgb, finest, self._settings.proposal_step)

    def _finest_beside(self, rgb: np.ndarray, found: list[Detection]) -> float:
        """The scale at which the smallest face that is searched for beside these is seen."""
        largest = max(face.box.bottom - face.box.top for face in found)
        smallest = self._settings.companion_size * largest
        return min(self._finest_scale(rgb), _SMALLEST_SEEN_PX / smallest)

    def _finest_scale(self, rgb: np.ndarray) -> float:
        affordable = math.sqrt(self._settings.max_level_px / (rgb.shape[0] * rgb.shape[1]))
        return min(_SMALLEST_SEEN_PX / self._settings.smallest_face_px, affordable)

    def _search(self, rgb: np.ndarray, scales: list[float], region: Region) -> list[Detection]:
        part = rgb[region.top : region.bottom, region.left : region.right]
        levels = share(lambda scale: self._level(part, scale, region, rgb.shape), scales)
        return best_of_each(itertools.chain(*levels))

    def _level(
        self, part: np.ndarray, scale: float, region: Region, shape: tuple[int, ...]
    ) -> list[Detection]:
        rows, columns = (max(1, round(side * scale)) for side in part.shape[:2])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(part, (columns, rows), interpolation=method)
        padded = bordered(brightened(resized), _BORDER_PX)
        scores = self._session.run(None, {"pictures": padded[None]})[0][0, 0]
        scale_y, scale_x = rows / part.shape[0], columns / part.shape[1]
        found = []
        for row, column in np.argwhere(scores > self._settings.detection_score):
            y = (_STEP_PX * row + _FIRST_CENTER_PX - _BORDER_PX) / scale_y + region.top
            x = (_STEP_PX * column + _FIRST_CENTER_PX - _BORDER_PX) / scale_x + region.left
            if 0 <= x < shape[1] and 0 <= y < shape[0]:
                box = box_at(x, y, WINDOW_PX / 2 / scale_x, WINDOW_PX / 2 / scale_y)
                found.append(Detection(float(scores[row, column]), box))
        return found


__all__ = ["Detection", "Detector", "Region", "overlap"]
