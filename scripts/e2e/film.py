"""A film's clips, as the camera would have made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device.sources.fixture import cut_at_key_frames
from scripts.e2e.truth import ClipTruth, read_truth
from scripts.paths import ROOT

CLIP_FRAMES = 15
FIXTURE = ROOT / "fixtures" / "lab.h264"


@dataclass(frozen=True)
class PlayedFilm:
    """What a camera plays, over and over: `clips` in their order, and what is really in each,
    where somebody has said so."""

    clips: Sequence[bytes] = ()
    truth: Sequence[ClipTruth] = ()

    def place(self, number: int) -> int:
        """Where in the film the clip lies that the camera recorded as its `number`th."""
        return number % max(1, len(self.clips))

    def truth_at(self, place: int) -> ClipTruth | None:
        return self.truth[place] if self.truth else None


def read_film(path: Path) -> PlayedFilm:
    is_fixture = path.resolve() == FIXTURE.resolve()
    return PlayedFilm(
        film_clips(path), read_truth(path.with_name("truth.json")) if is_fixture else ()
    )


def film_clips(film: Path) -> list[bytes]:
    """Cut the film at its key frames, half a second each."""
    stream = film.read_bytes()
    cuts = cut_at_key_frames(stream, CLIP_FRAMES)
    return [cut.headers + stream[cut.start : cut.end] for cut in cuts]
