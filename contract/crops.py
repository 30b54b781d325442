"""What a face that was cut out is, wherever it is made or read."""

from __future__ import annotations

# Both sides of the square, px: what `pictures` stores, and what a custom model of crops takes.
CROP_PX = 160
