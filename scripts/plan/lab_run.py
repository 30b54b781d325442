"""What a run of one device in this lab tells about many: durations of its clips, and their CPU."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from scripts.plan.cores import Shares
from scripts.plan.figures import Measured, MeasuredWork, NotMeasured, Transit

_OF_FUNCTION, _OF_OTHERS = "function", ("emulator", "device")


@dataclass(frozen=True)
class LabRun:
    """Of each warm clip, in ms: its way outside the function, its recognition and what the
    function waited for; and CPU time a clip by process."""

    outside: tuple[float, ...]
    recognize: tuple[float, ...]
    waiting: tuple[float, ...]
    cpu_ms: dict[str, float]

    @classmethod
    def of(cls, e2e: Path) -> LabRun:
        """From an end-to-end run's figures.

        Raises
        ------
        NotMeasured
            When there was no such run, or it was one of another backend, whose processes' CPU time
            nobody could see.
        """
        try:
            facts = json.loads(e2e.read_text(encoding="utf-8"))
            clips = [one for one in facts["warm_clips_ms"] if one["recognize"] > 0]
            outside = (one["clip_end"] - one["recognize"] - one["waiting"] for one in clips)
            run = cls(
                tuple(max(0.0, float(ms)) for ms in outside),
                tuple(float(one["recognize"]) for one in clips),
                tuple(float(one["waiting"]) for one in clips),
                {
                    name: float(facts["cpu_ms_per_clip"][name])
                    for name in (_OF_FUNCTION, *_OF_OTHERS)
                },
            )
            if not run.recognize:
                raise ValueError("without a warm clip")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotMeasured(
                f"{e2e} holds no end-to-end run of the embedded lab ({error})",
                "`FACELAB_BACKEND=embedded make e2e` measures one",
            ) from error
        return run

    def work(self) -> MeasuredWork:
        return MeasuredWork(Measured(self.recognize), Measured(self.waiting))

    def transit(self) -> Transit:
        return Transit((Measured(self.outside),), Measured((0.0,)))

    def shares(self, cores: float) -> Shares:
        """How much of `cores` each part of a clip's way keeps busy.

        What does not fit into a part is spent after the result: closing the claim, log lines,
        metrics, deleting.
        """
        recognize_ms = statistics.mean(self.recognize)
        rest_ms = statistics.mean(self.outside) + statistics.mean(self.waiting)
        of_function = self.cpu_ms[_OF_FUNCTION]
        of_others = sum(self.cpu_ms[name] for name in _OF_OTHERS)
        computing = min(of_function / recognize_ms, cores)
        serving = min(of_others / max(rest_ms, 1.0), 1.0)
        afterwards = of_function - computing * recognize_ms + of_others - serving * rest_ms
        return Shares(cores, computing, serving, max(0.0, afterwards))
