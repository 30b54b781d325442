"""What the outbox reports, in words and as events; and what a run came to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from device.clock import Clock
from device.console import Console
from device.metrics import Metric
from device.outbox import Counts
from device.spans import NO_SPANS, SpanFile

# Events that end a span: its name, and the field that says how long it took.
_SPANS = {"stored": ("spool", "write_ms"), "uploaded": ("upload", "upload_ms")}


class OutboxReport:
    """Tells a console what the outbox reports, and the spans. Called from any thread."""

    def __init__(self, console: Console, spans: SpanFile = NO_SPANS) -> None:
        self._console = console
        self._spans = spans
        self._clock = Clock()

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        if event in _SPANS:
            name, duration = _SPANS[event]
            began_ms = self._clock.now_ms() - fields[duration]
            self._spans.add(fields["clip_id"], name, began_ms, fields[duration])
        self._console.event(event, **fields)
        if line := _line(event, fields):
            self._console.say(line)

    def summary(self, counts: Counts, spool: Path) -> int:
        """Say what a run came to; return the exit status: 1 when clips were not delivered."""
        self._console.say(*_summary(counts, spool))
        self._console.event("summary", **asdict(counts))
        return 0 if counts.dropped + counts.refused + counts.waiting == 0 else 1


def progress(counts: Counts) -> str:
    """The counts as the one line that is shown while recording."""
    line = f"{counts.recorded} recorded, {counts.uploaded} uploaded, {counts.waiting} waiting"
    if counts.held_back:
        line += f", {counts.held_back} held back"
    if counts.dropped:
        line += f", {counts.dropped} dropped"
    return line


def still_underway(counts: Counts, shown: bool) -> str:
    """What is waited for after the last clip; with a viewer, `shown`, for results too."""
    waits = [f"{counts.waiting} for S3"] if counts.waiting else []
    if shown and counts.awaiting_answer:
        waits.append(f"{counts.awaiting_answer} for messages to show the result")
    return f"{counts.waiting + shown * counts.awaiting_answer} clips wait: {', '.join(waits)}"


def outbox_metrics(counts: Counts, device_id: str) -> list[Metric]:
    """A run's counts as Prometheus takes them."""
    device = {"device": device_id}
    told = {
        "recorded": "Clips recorded.",
        "recovered": "Clips that an earlier run had left.",
        "uploaded": "Clips that S3 confirmed.",
        "answered": "Clips whose result was shown.",
        "resent": "Clips sent again because no result came.",
        "dropped": "Clips lost for want of room.",
        "refused": "Clips that S3 refused.",
        "held_back": "Clips that the gate kept from being sent.",
    }
    waits = {
        "waiting": "Clips that wait for S3.",
        "awaiting_answer": "Clips that wait for a result.",
    }
    return [
        *(
            Metric(f"facelab_clips_{name}_total", "counter", text, getattr(counts, name), device)
            for name, text in told.items()
        ),
        *(
            Metric(f"facelab_clips_{name}", "gauge", text, getattr(counts, name), device)
            for name, text in waits.items()
        ),
        Metric("facelab_spool_bytes", "gauge", "Size of the spool.", counts.spool_bytes, device),
    ]


def _line(event: str, fields: dict[str, Any]) -> str | None:
    clip_id, reason = fields.get("clip_id"), fields.get("reason")
    if event == "link":
        if fields["state"] == "open":
            return "The cloud answers again; sending what waits."
        return f"Not sending: {fields['message']}. Clips wait in the spool."
    if event == "spool":
        problem = fields["problem"]
        return f"Spool: {problem}." if problem else "Spool: writing again."
    if event == "gate":
        problem = fields["problem"]
        if problem:
            return f"Gate: can't judge, so clips are sent: {problem}."
        return "Gate: judging again."
    lines = {
        "recovered": f"{fields.get('clips')} clips of an earlier run wait in the spool.",
        "retrying": f"Trying {fields.get('clips')} clips again that S3 had refused.",
        "dropped": f"Dropped clip {clip_id}: {reason}.",
        "refused": f"Set aside clip {clip_id}: {reason}. The next start tries it again.",
        "resent": f"No result for clip {clip_id} yet; sending it again.",
        "unanswered": f"No result for clip {clip_id}, though sent several times; it is kept "
        "and sent again at the next start.",
    }
    return lines.get(event)


def _summary(counts: Counts, spool: Path) -> list[str]:
    lines = [
        f"Recorded {counts.recorded} clips"
        + (f" (and took over {counts.recovered})" if counts.recovered else "")
        + f", uploaded {counts.uploaded}, waiting {counts.waiting}, dropped {counts.dropped}."
    ]
    if counts.held_back:
        lines.append(f"{counts.held_back} clips showed nobody to the gate and were held back.")
    if counts.waiting:
        lines.append(f"What waits lies in {spool} and goes out at the next start.")
    if counts.awaiting_answer:
        lines.append(
            f"{counts.awaiting_answer} uploaded clips have no result shown yet; they are kept."
        )
    if counts.refused:
        lines.append(
            f"{counts.refused} clips could not be sent; they lie in refused/ (or damaged/) there."
        )
    return lines
