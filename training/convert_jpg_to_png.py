"""Convert every JPG below a folder to PNG.

A picture is turned upright as its camera meant it (EXIF) and loses its metadata, place and
time included. A PNG that exists is left alone; an original is deleted only when asked, and
only after its PNG was read back and found equal pixel by pixel.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageChops

from pictures import read_image
from training.tree import (
    FileFailed,
    ToolError,
    TreeSummary,
    add_tree_options,
    complain,
    files_with,
    treat_each,
    written_whole,
)

JPG = (".jpg", ".jpeg", ".jpe", ".jfif")


def convert_tree(
    tree: Path, out: Path | None = None, *, overwrite: bool = False, delete_originals: bool = False
) -> TreeSummary:
    """Convert the tree; `out` receives the same folders, by default PNGs lie beside.

    Raises
    ------
    NotAFolder
        When `tree` is not a folder. What goes wrong with single files is in the summary.
    """
    summary = TreeSummary()
    owners: dict[Path, Path] = {}

    def treat(path: Path) -> None:
        target = (out / path.relative_to(tree) if out else path).with_suffix(".png")
        # a.jpg and a.jpeg: the second must not replace the first one's PNG.
        if owners.setdefault(target, path) != path:
            raise FileFailed(f"would become {target.name}, as {owners[target].name} does: rename")
        picture = read_image(path)
        if target.exists() and not overwrite:
            summary.skipped += 1
        else:
            with written_whole(target) as part:
                picture.save(part, format="PNG")
            summary.written += 1
        if delete_originals:
            if not _same_pixels(picture, target):
                raise FileFailed(f"kept: {target.name} shows something else")
            path.unlink()
            summary.deleted += 1

    return treat_each(files_with(tree, JPG, summary), tree, "convert", treat, summary)


def _same_pixels(picture: Image.Image, path: Path) -> bool:
    with Image.open(path) as stored:
        if stored.size != picture.size or stored.mode != picture.mode:
            return False
        return ImageChops.difference(stored, picture).getbbox() is None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training/convert_jpg_to_png.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_tree_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace PNGs that exist")
    parser.add_argument(
        "--delete-originals", action="store_true", help="delete each JPG once its PNG is verified"
    )
    options = parser.parse_args(arguments)
    try:
        summary = convert_tree(
            options.tree,
            options.out,
            overwrite=options.overwrite,
            delete_originals=options.delete_originals,
        )
    except ToolError as error:
        return complain(error)
    summary.print("convert_jpg_to_png", as_json=options.json)
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
