"""What is measured, folder by folder: with which tests, and what is left out and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.develop.mutation.importers import tests_that_import
from scripts.errors import LabError
from scripts.paths import ROOT

FLOOR = 85.0  # percent of a folder's changes that tests must notice
_PLUGIN = "localstack/localstack_image_functions/"


class NoSuchPlace(LabError):
    """A folder or file that is not measured."""


@dataclass(frozen=True)
class Place:
    """A folder of ours and the tests that guard it. Paths are relative to the checkout."""

    folder: str
    tests: tuple[str, ...]
    # File or folder in it: why it is not measured.
    left_out: dict[str, str] = field(default_factory=dict)

    def files(self, root: Path = ROOT) -> list[str]:
        """Its files that are measured."""
        found = (one.relative_to(root).as_posix() for one in (root / self.folder).rglob("*.py"))
        return sorted(one for one in found if not self.reason_to_leave_out(one))

    def reason_to_leave_out(self, file: str) -> str | None:
        return next((why for path, why in self.left_out.items() if file.startswith(path)), None)

    def test_files(self) -> list[str]:
        """The files that its tests are in."""
        paths = [ROOT / one for one in self.tests]
        found = (path.rglob("test_*.py") if path.is_dir() else [path] for path in paths)
        return sorted(one.relative_to(ROOT).as_posix() for files in found for one in files)

    def near(self, files: list[str]) -> Place:
        """The same with those of its tests alone whose files import one of `files` by name."""
        near = {one for file in files for one in tests_that_import(file, self.test_files())}
        return replace(self, tests=tuple(sorted(near)))

    def holds(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self.folder}/")


_NETWORKS = "runs the networks: its tests compare whole pictures with a reference"
_CAMERA = "drives hardware or a library of it; its tests are programs of their own"

PLACES = (
    Place("contract", ("tests/unit/contract", "tests/unit/device/test_spans.py")),
    Place("cloud", ("tests/unit/cloud",)),
    Place(
        "device",
        ("tests/unit/device",),
        {
            "device/sources/picamera.py": _CAMERA,
            "device/sources/webcam.py": _CAMERA,
            "device/stand_ins/": "runs in a child process, where a change is not seen",
            "device/install.py": "changes this machine's services; tested as a program",
            "device/portraits/faces.py": _NETWORKS,
        },
    ),
    Place(
        "lambda",
        # Of recognition's tests those that run no network: the others take seconds each.
        (
            "tests/unit/lambda",
            *(
                f"tests/unit/recognition/test_{name}.py"
                for name in (
                    "agreement", "custom_model", "decision", "decision_edges", "decode", "gallery",
                    "inquiry", "pose", "quality", "recognition_edges", "regions", "settings", "sps",
                    "tracking",
                )
            ),
        ),
        {
            "lambda/weights/": "converts files once, at set-up; compared with the reference then",
            **dict.fromkeys(
                (
                    f"lambda/recognition/{name}.py"
                    for name in (
                        "alignment", "detector", "embedder", "landmarks", "loading", "proposals",
                        "pyramid", "recognizer", "reference", "runtime", "side_by_side",
                    )
                ),
                _NETWORKS,
            ),
        },
    ),
    Place(
        f"{_PLUGIN}runtime",
        (
            "localstack/tests/test_runtime_api.py",
            "localstack/tests/test_local_invocation.py",
            "localstack/tests/test_runtime_states.py",
            "localstack/tests/test_execution_environment.py",
            "localstack/tests/test_relay.py",
            "localstack/tests/test_output.py",
            "localstack/tests/test_zips.py",
        ),
    ),
)  # fmt: skip


def chosen(paths: list[str], places: tuple[Place, ...] = PLACES) -> Iterator[tuple[Place, str]]:
    """The files that `paths` (folders or files; none: all) name, each with its place.

    Raises
    ------
    NoSuchPlace
        When a path names nothing that is measured.
    """
    wanted = [path.strip("/") for path in paths]
    files = [(place, file) for place in places for file in place.files()]
    for path in wanted:
        if not any(_is_below(file, path) for _, file in files):
            raise NoSuchPlace(*_why_not(path, places))
    for place, file in files:
        if not wanted or any(_is_below(file, path) for path in wanted):
            yield place, file


def _is_below(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")


def _why_not(path: str, places: tuple[Place, ...]) -> tuple[str, str]:
    for place in places:
        if place.holds(path) and (reason := place.reason_to_leave_out(path)):
            return f"{path} is not measured: it {reason}", "scripts/develop/mutation/places.py"
    known = ", ".join(place.folder for place in places)
    return f"there is nothing to measure at {path!r}", f"name a folder or a file of {known}"
