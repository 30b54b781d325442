"""What an exercise's check may look at, as a test says it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.results import Person
from contract.spans import Span
from scripts.traces.clip_line import ClipLine


@dataclass
class FakeLab:
    """In place of a `LabView`: what a test says of the lab."""

    folk: list[Person] = field(default_factory=list)
    gallery: dict[str, int] = field(default_factory=dict)
    lines: list[ClipLine] = field(default_factory=list)
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    brought: list[Any] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    answering: Callable[[str, bytes], tuple[str, bytes] | None] = lambda key, data: None
    invocations_ended: int = 0
    device_spans: dict[str, list[Span]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    planned: dict[str, Any] | None = None

    def people(self):
        return self.folk

    def looks(self):
        return self.gallery

    def clips(self):
        return self.lines

    def named(self, lines):
        return self.rows

    def functions(self):
        return self.brought

    def ended(self, function, since_ms):
        return self.invocations_ended

    def put(self, bucket, key, data):
        self.objects[key] = data
        if made := self.answering(key, data):
            self.objects[made[0]] = made[1]

    def get(self, bucket, key):
        return self.objects.get(key)

    def remove(self, bucket, keys):
        for key in keys:
            self.objects.pop(key, None)

    def spans(self, device_id):
        return self.device_spans

    def spooled(self, device_id):
        return self.waiting

    def answer_file(self, number):
        return Path("out/exercises") / f"{number}.yaml"

    def answer(self, number):
        return self.answers.get(number)

    def plan(self):
        return self.planned
