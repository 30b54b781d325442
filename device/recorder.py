"""From a camera source into the outbox: name each clip, stamp it, hand it over."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from contract.clips import ClipKey, ClipMetadata
from device.clip_record import ClipRecord
from device.clock import Clock
from device.sources import Source


def record(
    source: Source,
    accept: Callable[[ClipRecord, bytes], None],
    device_id: str,
    stop: Event,
    *,
    clock: Clock,
    count: int | None = None,
    on_clip: Callable[[ClipRecord, int], None] = lambda record, frames: None,
) -> int:
    """Record until the source ends, `stop` is set or `count` clips are made; return how many.

    `accept` must not wait: the source goes on meanwhile. `on_clip` is told each clip and its
    number of frames.
    """
    boot_id = clock.boot_id()
    recorded = 0
    for footage in source.clips(stop):
        start_ms, end_ms = clock.unix_ms(footage.start_ns, footage.end_ns)
        clip = ClipRecord.of(
            ClipKey.new(device_id, start_ms, recorded),
            ClipMetadata(start_ms, end_ms, recorded),
            footage.data,
            boot_id,
            footage.end_ns,
        )
        accept(clip, footage.data)
        on_clip(clip, footage.frames)
        recorded += 1
        if count is not None and recorded >= count:
            break
    return recorded
