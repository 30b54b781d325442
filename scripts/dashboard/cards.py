"""What the pages and `/api` show of clips: names put in, places as numbers."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from contract.results import Person
from scripts.dashboard.history import Kept
from scripts.traces.clip_line import Opinion, SeenFace

FORGOTTEN = "somebody who was forgotten"
LOOKED_UP = "being looked up"


def card(clip: Kept, people: Mapping[str, Person]) -> dict[str, Any]:
    """One clip with its faces, as JSON takes it."""
    line = clip.line()
    return {
        "clip_id": clip.clip_id,
        "device_id": clip.device_id,
        "status": clip.status,
        "reason": line.reason,
        "ended_ms": round(clip.ended_ms),
        "ago_s": max(0, round(time.time() - clip.ended_ms / 1000)),
        "latency_ms": None if clip.latency_ms is None else round(clip.latency_ms),
        "is_shown": clip.shown_ms is not None,
        "function_ms": round(line.duration_ms),
        "cold_start": line.cold_start,
        "size_bytes": line.size_bytes,
        "key": line.key,
        "faces": [_face(face, clip, people) for face in line.faces],
    }


def mark(shown: Mapping[str, Any]) -> str:
    """Another one for a card with another content; its age is none."""
    content = {name: value for name, value in shown.items() if name != "ago_s"}
    return f"{zlib.crc32(json.dumps(content).encode()):x}"


def opinions(clip: Kept, face: SeenFace, people: Mapping[str, Person]) -> tuple[str, str]:
    """The names that the custom and the online model gave to a face of a clip."""
    custom, online = (
        _name(one.status, one.person, _person(one.person, clip, people), clip)
        for one in (face.custom, face.online)
    )
    return custom, online


def _face(face: SeenFace, clip: Kept, people: Mapping[str, Person]) -> dict[str, Any]:
    decided = _person(face.person, clip, people)
    return {
        "box": asdict(face.box),
        "size_px": face.size_px,
        "status": face.status,
        "agree": face.agree,
        "person_id": decided.person_id if decided else None,
        "name": _name(face.status, face.person, decided, clip),
        "online": _opinion(face.online, clip, people),
        "custom": _opinion(face.custom, clip, people),
    }


def _opinion(opinion: Opinion, clip: Kept, people: Mapping[str, Person]) -> dict[str, Any]:
    person = _person(opinion.person, clip, people)
    return {
        "status": opinion.status,
        "person_id": person.person_id if person else None,
        "name": _name(opinion.status, opinion.person, person, clip),
        "score": opinion.score,
        "distance": opinion.distance,
    }


def _person(ordinal: int | None, clip: Kept, people: Mapping[str, Person]) -> Person | None:
    named = clip.named
    if ordinal is None or named is None or ordinal >= len(named):
        return None
    return people.get(named[ordinal])


def _name(status: str, ordinal: int | None, person: Person | None, clip: Kept) -> str:
    if person is not None:
        return person.name or person.person_id
    if ordinal is not None:  # the log names nobody; the ledger is asked a moment later
        return LOOKED_UP if clip.person_ids is None else FORGOTTEN
    return "too poor to tell" if status == "low_quality" else "unknown"
