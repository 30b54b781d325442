"""Every number that recognition depends on: default, bounds and meaning in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from contract.clips import MAX_CLIP_BYTES
from recognition.errors import RecognitionError

# Pictures of one person in one light lie about this far from each other.
_LEAST_ACCEPT_SHARE = 0.65


class InvalidSettings(RecognitionError, ValueError):
    """A setting outside its bounds."""


def _number(default: float, low: float, high: float, description: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "description": description})


@dataclass(frozen=True)
class Settings:
    """Defaults were calibrated, not guessed: `lambda/README.md` says on what and how.

    Raises
    ------
    InvalidSettings
        When a number is outside its bounds.
    """

    # What a clip may be.
    max_clip_bytes: int = _number(MAX_CLIP_BYTES, 1024, 2**30, "Largest clip, bytes.")
    max_decode_s: float = _number(
        5.0, 0.1, 600.0, "Time for decoding one clip, s; what is not decoded by then is skipped."
    )
    max_frame_px: int = _number(
        2048, 64, 8192, "Longest side of a frame, px; bounds the decoder's memory."
    )
    max_frames: int = _number(5, 1, 30, "Frames of a clip that are searched for faces at most.")
    sharpest_of: int = _number(
        4,
        1,
        30,
        "Of so many pictures, up to each frame between the first and the last, the one is looked "
        "at in which the faces that are followed are sharpest.",
    )
    max_search_frames: int = _number(
        12, 1, 100, "The same for a clip of several key frames, until somebody is found."
    )

    # Finding faces.
    detection_score: float = _number(
        0.0, -1.0, 2.0, "Least mmod score of a face; 0 is dlib's own decision."
    )
    cheap_side_px: int = _number(
        540,
        80,
        2048,
        "Longest side of the picture in which the first pass looks for faces of 80 px, px.",
    )
    proposal_step: float = _number(
        0.72, 0.5, 0.95, "Scale from level to level where faces are proposed."
    )
    proposal_score: float = _number(
        -2.0, -12.0, 12.0, "Least score (log-odds) of a place that the original network looks at."
    )
    companion_proposal_score: float = _number(
        0.0, -12.0, 12.0, "The same beside a face that was found already."
    )
    companion_size: float = _number(
        0.45, 0.1, 1.0, "Beside a face, others are searched for down to this share of its height."
    )
    strong_proposal_score: float = _number(
        0.0, -12.0, 12.0, "From this score on, it looks at a place at three sizes if need be."
    )
    strong_companion_score: float = _number(
        2.0, -12.0, 12.0, "The same beside a face that was found already."
    )
    proposals_at_most: int = _number(
        6, 1, 100, "Places without a face that it looks at, on the coarse and on the fine levels."
    )
    smallest_face_px: int = _number(
        40, 20, 400, "Faces smaller than this (box height, px) are not searched for."
    )
    max_level_px: int = _number(
        1_200_000,
        10_000,
        50_000_000,
        "Most pixels of one detector level; in larger pictures small faces are not searched.",
    )
    detail_contrast: float = _number(
        2.0,
        0.0,
        64.0,
        "Gray levels by which neighboring 8 px blocks must differ for a region to be "
        "searched in the full pyramid; plain background with camera noise stays below.",
    )
    change_contrast: float = _number(
        10.0,
        0.0,
        255.0,
        "Gray levels by which the last frame must differ from that in which everybody was settled "
        "for a part of it to be searched for people who came in.",
    )

    # When a face is good enough to be compared.
    min_face_px: int = _number(36, 16, 400, "Smallest face (box height, px) that may be named.")
    min_blur: float = _number(
        2.5, 0.0, 1000.0, "Least variance of the Laplacian of the aligned face (gray levels)."
    )
    min_contrast: float = _number(
        2.5, 0.0, 100.0, "Least standard deviation of the aligned face's gray levels."
    )
    full_weight_face_px: int = _number(
        120, 20, 1000, "From this size on, a larger face earns no larger weight."
    )
    full_weight_blur: float = _number(
        30.0, 1.0, 5000.0, "From this sharpness on, a sharper face earns no larger weight."
    )

    # Who it is (online model: L2 distance of embeddings at unit length).
    accept_distance: float = _number(
        0.384,
        0.2,
        1.2,
        "Largest distance, weighted over the frames, at which the only enrolled person is named.",
    )
    accept_falloff: float = _number(
        0.027,
        0.0,
        0.2,
        "By how much accept_distance shrinks for each tenfold of people enrolled: the more "
        "people, the likelier a stranger resembles one.",
    )
    several_slack: float = _number(
        0.010,
        0.0,
        0.2,
        "How much farther the mean over several frames may be: chance resemblance averages out.",
    )
    several_frames: int = _number(3, 2, 30, "From how many frames on they count as several.")
    candidate_slack: float = _number(
        0.057, 0.0, 0.5, "How much farther than accepted one frame may be and still vote."
    )
    doubt_slack: float = _number(
        0.022,
        0.0,
        0.5,
        "How much farther than accepted the online model's guess may be and leave it to the custom "
        "model, when that names the same person.",
    )
    sure_slack: float = _number(
        0.07, 0.0, 0.5, "How much nearer than accepted a face must be for one frame to be enough."
    )
    margin: float = _number(
        0.045, 0.0, 0.5, "Least distance by which the second nearest person must lie farther."
    )
    vote_share: float = _number(
        0.6, 0.5, 1.0, "Share of the weight of all votes that a person must have; ties never do."
    )
    dim_contrast: float = _number(
        12.0,
        0.0,
        100.0,
        "Contrast of an aligned face (standard deviation of gray levels) below which the light is "
        "so poor that strangers look more alike.",
    )
    dim_slack: float = _number(
        0.016, 0.0, 0.5, "What is added to the distances of such a face, so that as few are named."
    )
    even_distance: float = _number(
        0.395,
        0.2,
        1.2,
        "Distance to the only enrolled person at which they and a stranger are equally likely; it "
        "shrinks with more people as accept_distance does.",
    )
    even_slope: float = _number(
        0.012, 0.001, 0.2, "By how much nearer that chance rises from 1 : 1 to e : 1."
    )
    sure_unknown_frames: int = _number(
        3, 1, 30, "Frames after which a face that no frame finds a candidate for is unknown."
    )

    # Following a face from frame to frame.
    track_overlap: float = _number(
        0.3, 0.0, 1.0, "Least overlap (intersection over union) to be the same face."
    )
    track_distance: float = _number(
        0.34, 0.0, 2.0, "Largest embedding distance to be the same face at another place."
    )
    track_distance_in_place: float = _number(
        0.41,
        0.0,
        2.0,
        "Largest embedding distance to be the same face at the same place: blur and turning move "
        "an embedding farther than an accept distance allows.",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value, low, high = getattr(self, item.name), item.metadata["low"], item.metadata["high"]
            if not low <= value <= high:
                raise InvalidSettings(f"{item.name}={value} is not between {low} and {high}")

    def accept_distance_among(self, people: int, frames: int = 1) -> float:
        """The accept distance with that many people enrolled, for a mean over the frames.

        The share of strangers within a distance of one enrolled person grows tenfold for every
        0.03 or so; with more people a second one is near, too, and `margin` holds many back.
        This falloff keeps the risk of naming a stranger, drawn from everybody, below one in two
        hundred. Where all look more alike it is larger: training/README.md says how much.
        """
        shrunk = self.accept_distance - self._falloff_among(people)
        several = self.several_slack if frames >= self.several_frames else 0.0
        return max(shrunk, _LEAST_ACCEPT_SHARE * self.accept_distance) + several

    def distance_added(self, contrast: float) -> float:
        """What a face of that contrast lies farther from everybody than was measured."""
        return self.dim_slack if contrast < self.dim_contrast else 0.0

    def probability_of_right(self, distance: float, people: int) -> float:
        """How often the nearest of so many people at this distance is the right one, when
        every other face is a stranger's."""
        odds = (self.even_distance - self._falloff_among(people) - distance) / self.even_slope
        return 1 / (1 + math.exp(min(-odds, 700.0)))

    def _falloff_among(self, people: int) -> float:
        return self.accept_falloff * math.log10(max(1, people))
