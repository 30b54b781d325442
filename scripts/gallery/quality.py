"""How good a person's enrollment pictures were: kept in their row, for whoever looks later.

The gallery holds embeddings alone, which do not tell. `forget` removes it with the row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

ENOUGH_PICTURES = 3
# Below these the function still knows a face, less often: see lambda/recognition/settings.py.
GOOD_FACE_PX = 120
GOOD_SHARPNESS = 60.0
MOST_POSES = 5
MAX_TEXT = 2_000


@dataclass(frozen=True)
class PhotoQuality:
    """Of all pictures that were taken: the smallest face (px), the least sharpness (variance of
    the Laplacian, gray levels), and the poses that none of them shows."""

    count: int
    least_face_px: int
    least_sharpness: float
    missing_poses: tuple[str, ...] = ()

    def and_more(self, before: PhotoQuality | None) -> PhotoQuality:
        """With those of an earlier enrollment that stay in the gallery."""
        if before is None:
            return self
        return PhotoQuality(
            self.count + before.count,
            min(self.least_face_px, before.least_face_px),
            min(self.least_sharpness, before.least_sharpness),
            tuple(pose for pose in self.missing_poses if pose in before.missing_poses),
        )

    def remarks(self) -> list[str]:
        """What would make it better; nothing when all is well."""
        found = []
        if self.count < ENOUGH_PICTURES:
            found.append("three or more recognize better")
        if self.least_face_px < GOOD_FACE_PX:
            found.append(f"a face of {self.least_face_px} px is small")
        if self.least_sharpness < GOOD_SHARPNESS:
            found.append(f"one is blurred (sharpness {self.least_sharpness:.0f})")
        return [*found, *(f"none {pose}" for pose in self.missing_poses)]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(
        cls, sizes_px: Sequence[int], blurs: Sequence[float], missing: Sequence[str]
    ) -> PhotoQuality:
        """Of at least one picture."""
        return cls(len(sizes_px), min(sizes_px), round(min(blurs), 1), tuple(missing))

    @classmethod
    def from_json(cls, text: str) -> PhotoQuality | None:
        """What `to_json` wrote; None for anything else."""
        try:
            if len(text) > MAX_TEXT:
                return None
            fields = json.loads(text)
            return cls(
                int(fields["count"]),
                int(fields["least_face_px"]),
                float(fields["least_sharpness"]),
                tuple(map(str, fields["missing_poses"]))[:MOST_POSES],
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
