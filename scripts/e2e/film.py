"""A film's clips, as the camera would have made them."""

from __future__ import annotations

from pathlib import Path

from device.sources.fixture import cut_at_key_frames

CLIP_FRAMES = 15


def film_clips(film: Path) -> list[bytes]:
    """Cut the film at its key frames, half a second each."""
    stream = film.read_bytes()
    return [stream[cut.start : cut.end] for cut in cut_at_key_frames(stream, CLIP_FRAMES)]
