"""The real loop with a fault proxy between the device's programs and the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from contract.clips import ClipKey
from device.sources.fixture import cut_at_key_frames
from events import ClipRef
from scripts.console import Progress
from scripts.e2e.truth import read_truth
from scripts.lab.contents import Contents
from scripts.paths import ROOT
from tests.conftest import Lab, wait_until
from tests.fakes.programs import Program
from tests.faults.proxy import FaultProxy
from tests.faults.report import Row

FILM = ROOT / "fixtures" / "lab.h264"
ANSWER_S = 120.0


@cache
def who_is_in() -> list[set[str]]:
    return [set(truth.visible) for truth in read_truth(ROOT / "fixtures" / "truth.json")]


@dataclass
class Loop:
    """Camera and messages of one device, restarted at will; what all of them said."""

    lab: Lab
    folder: Path
    proxy: FaultProxy
    device: str = "lab"
    cameras: list[Program] = field(default_factory=list)
    viewers: list[Program] = field(default_factory=list)

    def _program(self, module: str, *arguments: object) -> Program:
        own = {name: text for name, text in self.lab.env.items() if name.startswith("FACELAB_")}
        environment = {**own, "AWS_ENDPOINT_URL": self.proxy.url}
        spool = ("--device", self.device, "--spool", self.folder / "spool")
        return Program(module, *spool, *arguments, environment=environment)

    def camera(self, count: int, *arguments: object) -> Program:
        camera = self._program("device.camera", "--count", count, *arguments)
        self.cameras.append(camera)
        return camera

    def viewer(self) -> Program:
        viewer = self._program("device.messages")
        self.viewers.append(viewer)
        return viewer

    def recorded(self) -> dict[str, dict]:
        """Every clip that any of the cameras recorded."""
        return {line["clip_id"]: line for one in self.cameras for line in one.of("clip")}

    def shown(self) -> list[dict]:
        return [line for one in self.viewers for line in one.of("result")]

    def wait_until_all_are_shown(self, ids: set[str] | None = None) -> None:
        wanted = ids if ids is not None else set(self.recorded())

        def there() -> bool:
            return wanted <= {line["clip_id"] for line in self.shown()} | set(self.letters())

        wait_until(there, ANSWER_S, f"results of {len(wanted)} clips")

    def wait_until_all_are_answered(self) -> None:
        wanted = set(self.recorded())

        def there() -> bool:
            return wanted <= {line["clip_id"] for line in self.shown()}

        wait_until(there, ANSWER_S, f"results of {len(wanted)} clips")

    def letters(self) -> list[str]:
        """Ids of the clips that have a dead letter now, without receiving it."""
        bodies = self._contents.messages(self.lab.switch.names.dead_letters)
        return sorted({one for body in bodies for one in _clips_in(body)})

    @cached_property
    def _contents(self) -> Contents:
        return Contents(self.lab.switch, Progress(quiet=True))

    def fill(self, row: Row, may_repeat: int = 0) -> None:
        recorded = self.recorded()
        # The queue is shared by the tests of a session: what others left is not ours to judge.
        shown = [line for line in self.shown() if line["clip_id"] in recorded]
        row.count(
            list(recorded),
            [line["clip_id"] for line in shown],
            self.letters(),
            sum(self._is_wrong(line, recorded[line["clip_id"]]) for line in shown),
            may_repeat,
        )

    def _is_wrong(self, result: dict, clip: dict) -> bool:
        truth = who_is_in()
        named = {face["person_id"] for face in result["faces"]} - {None}
        index = clip["sequence"] % len(truth)
        return result["device_id"] != self.device or not named <= truth[index]


def _clips_in(letter: str) -> list[str]:
    try:
        records = json.loads(letter)["requestPayload"]["Records"]
        return [ClipKey.parse(one["s3"]["object"]["key"]).clip_id for one in records]
    except (KeyError, TypeError, ValueError):
        return []


@contextmanager
def loop(lab: Lab, folder: Path, device: str = "lab") -> Iterator[Loop]:
    """A loop behind a proxy of its own."""
    with FaultProxy(lab.port) as proxy:
        yield Loop(lab, folder, proxy, device)


def stored_ref(lab: Lab, key: str) -> ClipRef:
    """A clip of the bucket as its event names it."""
    bucket = lab.switch.bucket
    etag = lab.switch.client("s3").head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    return ClipRef(bucket, key, ClipKey.parse(key), etag=etag)


def film_of(clips: int, folder: Path) -> Path:
    """The fixture's first clips as a file of their own."""
    film = FILM.read_bytes()
    cuts = cut_at_key_frames(film, 15)[:clips]
    path = folder / "film.h264"
    path.write_bytes(film[cuts[0].start : cuts[-1].end])
    return path
