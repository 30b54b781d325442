"""Recognition replaced by reading: a simulated clip says in plain text who is in it.

And a camera source whose clips say that. Everything else of `recognition` is the real thing.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import recognition as real
from contract.results import Box
from recognition.decision import Verdict
from tests.simulation.scheduler import SECOND, current, step, wait

MAGIC = b"simulated clip of "


class _Gallery:
    """A gallery's name list. A broken one can't be parsed, as with the real format."""

    def __init__(self, people: tuple[str, ...] = ()) -> None:
        self.people = people

    @classmethod
    def empty(cls) -> _Gallery:
        return cls()

    @classmethod
    def from_bytes(cls, data: bytes) -> _Gallery:
        if not data.startswith(b"gallery:"):
            raise real.GalleryUnreadable("not a gallery (simulated); enroll again to write one")
        return cls(tuple(filter(None, data[8:].decode().split(","))))

    def to_bytes(self) -> bytes:
        return gallery_bytes(self.people)

    def without(self, person_id: str) -> _Gallery:
        return _Gallery(tuple(one for one in self.people if one != person_id))

    def embeddings_of(self, person_id: str) -> list[str]:
        return [one for one in self.people if one == person_id]

    def __len__(self) -> int:
        return len(self.people)

    def __contains__(self, person_id: str) -> bool:
        return person_id in self.people

    def person_ids(self) -> list[str]:
        return list(self.people)


def gallery_bytes(people: Any) -> bytes:
    return b"gallery:" + ",".join(people).encode()


def clip_bytes(person_id: str, size: int) -> bytes:
    head = MAGIC + person_id.encode() + b"\n"
    return head + b"." * max(0, size - len(head))


def person_in(clip: bytes) -> str:
    return clip[len(MAGIC) : clip.index(b"\n")].decode()


class _Recognizer:
    """As `recognition.Recognizer`: deterministic, takes some simulated time."""

    def recognize(self, clip: bytes, gallery: _Gallery, custom: Any, *_: Any, **__: Any) -> Any:
        world = current().world
        wait(world.cloud.recognize_s())
        if not clip.startswith(MAGIC):
            raise real.ClipRejected("not h264 (simulated)")
        person = person_in(clip)
        known = person if person in gallery.people else None
        # Words, not members: the realm has enumerations of its own.
        status = "recognized" if known else "unknown"
        verdict = Verdict(status, known, 0.9, 0.2, person)
        face = _made(
            real.RecognizedFace,
            best=None,  # the answer does not ask
            box=Box(0, 10, 10, 0),
            detection_score=0.9,
            size_px=10,
            blur=1.0,
            frames_used=1,
            status=status,
            person_id=known,
            online=verdict,
            custom=verdict,
            agree=True,
        )
        return _made(
            real.Recognition,
            frames_decoded=3,
            frames_seen=3,
            faces=(face,),
            stages_ms={"decode": 1.0},
        )


def _made(kind: Any, **values: Any) -> Any:
    """The dataclass with those of the values that it has fields for."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def _load_recognizer(*_: Any, **__: Any) -> _Recognizer:
    step()
    return _Recognizer()


module = ModuleType("recognition")
module.__dict__.update({name: getattr(real, name) for name in real.__all__})
module.__dict__.update(
    Gallery=_Gallery, load_recognizer=_load_recognizer, CustomModel=_Gallery, __path__=[]
)


class SimulatedSource:
    """A camera whose clips the history chose. Its module is `device.sources`."""

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def __enter__(self) -> SimulatedSource:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __str__(self) -> str:
        return self.spec

    def close(self) -> None:
        pass

    def clips(self, stop: Any) -> Iterator[Any]:
        process = current().process
        for person, seconds, size in process.host.film():
            started = current().world.now_ns + SECOND
            if stop.wait(seconds):
                return
            ended = current().world.now_ns + SECOND
            yield _footage()(clip_bytes(person, size), 15, started, ended)


@functools.cache
def _footage() -> Any:
    from device.sources.base import Footage

    return Footage


def _open_source(spec: str, *_: Any, **__: Any) -> SimulatedSource:
    return SimulatedSource(spec)


def _sources() -> ModuleType:
    from device.sources.base import Source, SourceError, SourceOptions

    made = ModuleType("device.sources")
    made.__dict__.update(
        open_source=_open_source,
        Source=Source,
        SourceError=SourceError,
        SourceOptions=SourceOptions,
        __path__=[],
    )
    return made


sources = _sources()
