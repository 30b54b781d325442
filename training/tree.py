"""What the dataset tools share: walk a tree, treat each picture, report, never stop at one file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contract.printable import printable
from pictures import Refusal, files_below, find_pictures
from training.progress import progress


class ToolError(Exception):
    """A dataset tool can't do what it was asked to; the message says why and what helps."""


class NotAFolder(ToolError):
    """The tree to walk is missing or is a file."""


class UnusableOption(ToolError):
    """An option has a value outside its bounds, or does not go with another one."""


class FileFailed(ToolError):
    """One file can't be treated; the others still are."""


@dataclass
class TreeSummary:
    """What became of a tree: counts, and the reason for each file that failed, and for each
    that was never tried: links, hidden files."""

    found: int = 0
    written: int = 0
    skipped: int = 0
    deleted: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)

    def print(self, tool: str, *, as_json: bool) -> None:
        if as_json:
            print(json.dumps(asdict(self), ensure_ascii=False))
            return
        for name, reason in (*self.passed_over.items(), *self.errors.items()):
            print(f"{tool}: {name}: {reason}")
        deleted = f", {self.deleted} originals deleted" if self.deleted else ""
        print(
            f"{tool}: {self.found} pictures: {self.written} written, {self.skipped} already "
            f"there{deleted}, {len(self.errors)} failed"
        )

    @property
    def exit_code(self) -> int:
        return 1 if self.errors else 0


def folder(text: str) -> Path:
    """An option's value as a folder. An empty one, as from `make train` without DATA, would
    otherwise mean the current folder, with all that lies in it."""
    if not text:
        raise argparse.ArgumentTypeError("name a folder (make: DATA=dir)")
    return Path(text)


def add_tree_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tree", type=folder, help="folder to walk, with everything below it")
    parser.add_argument(
        "--out", type=Path, help="write into this folder, in the same order; default: beside"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")


def complain(error: Exception | str) -> int:
    """Tell, as every task of `facelab` does, what could not be done; its exit code."""
    print("\n".join(map(printable, f"facelab: {error}".splitlines())), file=sys.stderr)
    return 1


def check_folder(tree: Path) -> Path:
    """Return `tree` if it is a folder.

    Raises
    ------
    NotAFolder
    """
    if not tree.is_dir():
        raise NotAFolder(f"{tree} is not a folder")
    return tree


def say_refused(refusal: Refusal) -> None:
    print(f"  not taken: {refusal}", file=sys.stderr)


def pictures_below(tree: Path, refused: Callable[[Refusal], None] = say_refused) -> list[Path]:
    """The pictures below `tree`, sorted; every other file goes to `refused`.

    Raises
    ------
    NotAFolder
    """
    found = list(find_pictures(check_folder(tree)))
    for one in found:
        if isinstance(one, Refusal):
            refused(one)
    return sorted(one for one in found if isinstance(one, Path))


def files_with(tree: Path, suffixes: Iterable[str], summary: TreeSummary) -> list[Path]:
    """Files below `tree` with one of `suffixes` (lower case), sorted; links and what else
    could not be looked at go into the summary.

    Raises
    ------
    NotAFolder
    """
    wanted, paths = set(suffixes), []
    for found in files_below(check_folder(tree)):
        if isinstance(found, Refusal):
            summary.passed_over[found.source] = found.reason
        elif found.suffix.lower() in wanted:
            paths.append(found)
    return sorted(paths)


def treat_each(
    paths: list[Path], tree: Path, what: str, treat: Callable[[Path], None], summary: TreeSummary
) -> TreeSummary:
    """Call `treat` on each path; what it raises for one file goes into the summary."""
    summary.found = len(paths)
    for path in progress(paths, what):
        try:
            treat(path)
        except Exception as error:  # of whatever kind: it is about this file, the others go on
            reason = str(error) or type(error).__name__
            summary.errors[str(path.relative_to(tree))] = reason
    return summary


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A path to write to that becomes `target` only when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
