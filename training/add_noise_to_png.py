"""Make noisy copies of every PNG below a folder, as training data for a camera in the dark.

Originals are never touched. The same seed gives the same copies, picture by picture, no
matter what else lies in the tree; copies that exist are left alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import read_image
from training.tree import (
    ToolError,
    TreeSummary,
    UnusableOption,
    add_tree_options,
    complain,
    files_with,
    treat_each,
    written_whole,
)

COPY = re.compile(r"-noise-\d+$")


def gaussian(pixels: np.ndarray, amount: float, random: np.random.Generator) -> np.ndarray:
    """Sensor noise: standard deviation `amount` of full scale, independent by channel."""
    return pixels + random.normal(0.0, 255.0 * amount, pixels.shape)


def salt_pepper(pixels: np.ndarray, amount: float, random: np.random.Generator) -> np.ndarray:
    """Dead pixels: a share `amount` of all becomes black or white."""
    noisy = pixels.copy()
    draw = random.random(pixels.shape[:2])
    noisy[draw < amount / 2] = 0.0
    noisy[draw > 1 - amount / 2] = 255.0
    return noisy


def speckle(pixels: np.ndarray, amount: float, random: np.random.Generator) -> np.ndarray:
    """Noise in proportion to the light: standard deviation `amount` of each value."""
    return pixels * (1.0 + random.normal(0.0, amount, pixels.shape))


KINDS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "gaussian": gaussian,
    "salt-pepper": salt_pepper,
    "speckle": speckle,
}


def noise_tree(
    tree: Path,
    out: Path | None = None,
    *,
    kind: str = "gaussian",
    amount: float = 0.05,
    copies: int = 1,
    seed: int = 0,
) -> TreeSummary:
    """Write `copies` noisy copies of each PNG as `<name>-noise-<n>.png`.

    Raises
    ------
    NotAFolder, UnusableOption
        Before anything is written. What goes wrong with single files is in the summary.
    """
    if not 0 < amount <= 1:
        raise UnusableOption(f"amount {amount}: take more than 0, at most 1")
    if copies < 1:
        raise UnusableOption(f"copies {copies}: take at least 1")
    if kind not in KINDS:
        raise UnusableOption(f"kind {kind!r}: take one of {', '.join(KINDS)}")
    summary = TreeSummary()

    def treat(path: Path) -> None:
        relative = path.relative_to(tree)
        folder = (out / relative if out else path).parent
        targets = [folder / f"{path.stem}-noise-{n}.png" for n in range(1, copies + 1)]
        missing = [n for n, target in enumerate(targets) if not target.exists()]
        summary.skipped += copies - len(missing)
        if not missing:
            return
        picture = read_image(path)
        for n in missing:
            random = np.random.default_rng([seed, n, *relative.as_posix().encode()])
            noisy = _noisy(picture, kind, amount, random)
            with written_whole(targets[n]) as part:
                noisy.save(part, format="PNG")
            summary.written += 1

    paths = [path for path in files_with(tree, (".png",), summary) if not COPY.search(path.stem)]
    return treat_each(paths, tree, "noise", treat, summary)


def _noisy(
    picture: Image.Image, kind: str, amount: float, random: np.random.Generator
) -> Image.Image:
    pixels = np.asarray(picture)
    light = pixels if picture.mode in ("L", "RGB") else pixels[..., :-1]
    noise = KINDS[kind](light.astype(np.float64), amount, random)
    noisy = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    if light is not pixels:  # a transparent picture keeps its transparency
        noisy = np.concatenate([noisy, pixels[..., -1:]], axis=-1)
    return Image.fromarray(noisy)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training/add_noise_to_png.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_tree_options(parser)
    parser.add_argument("--kind", choices=tuple(KINDS), default="gaussian")
    parser.add_argument(
        "--amount", type=float, default=0.05, help="strength, more than 0 to 1; default %(default)s"
    )
    parser.add_argument("--copies", type=int, default=1, help="of each picture; default 1")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    options = parser.parse_args(arguments)
    try:
        summary = noise_tree(
            options.tree,
            options.out,
            kind=options.kind,
            amount=options.amount,
            copies=options.copies,
            seed=options.seed,
        )
    except ToolError as error:
        return complain(error)
    summary.print("add_noise_to_png", as_json=options.json)
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
