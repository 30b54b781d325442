"""The People page: who is known, how alike they are, and faces that nobody has named yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from itertools import islice
from typing import Any

from scripts.dashboard.cards import card, opinions
from scripts.dashboard.feed import Feed
from scripts.dashboard.frames import Frames
from scripts.dashboard.history import LOOKED_THROUGH, Kept
from scripts.dashboard.nearest import Facts, NearestPeople
from scripts.errors import LabError
from scripts.gallery import evidence
from scripts.gallery.quality import ENOUGH_PICTURES
from scripts.paths import ROOT, import_roots

SHOWN_FACES = 12
MOST_PAIRS = 10
SMALLEST_FACE_PX = 60
PATIENCE_S = 60


class EnrollmentRefused(LabError):
    """The worker says why somebody can't be enrolled."""


class PeopleView:
    """`feed` has the clips, `frames` the bytes, `nearest` what the gallery tells."""

    def __init__(self, feed: Feed, frames: Frames, nearest: NearestPeople) -> None:
        self._nearest = nearest
        self._feed = feed
        self._frames = frames

    def all(self) -> dict[str, Any]:
        """What the page shows, of what is known: what the gallery tells may come a moment later."""
        if self._known():
            self._nearest.ask_soon()
        return {
            "people": self.roster(self._nearest.known or {}),
            "problem": self._nearest.problem,
            "confusion": self.confusion(),
            "faces": self.unknown_faces(),
            "looked_through": min(LOOKED_THROUGH, len(self._feed.history)),
        }

    def roster(self, facts: Facts) -> list[dict[str, Any]]:
        """Everybody, with the person they are most like and how far that is. Who is not among
        `facts` has no number of embeddings."""
        people = self._known()
        empty = {"embeddings": None, "nearest": None, "distance": None}
        rows = []
        for person in people.values():
            row = asdict(person) | facts.get(person.person_id, empty)
            nearest = people.get(row["nearest"] or "")
            row["nearest_name"] = nearest.name if nearest else row["nearest"]
            rows.append(row | self._photos(person.person_id, row["embeddings"]))
        return rows

    def _photos(self, person_id: str, embeddings: int | None) -> dict[str, Any]:
        """How good the enrollment pictures were; nothing for who was there from the start."""
        known = self._feed.people
        quality = known.photos.get(person_id) if known is not None else None
        if quality is None:
            is_few = embeddings is not None and embeddings < ENOUGH_PICTURES
            return {"photos": None, "remarks": ["three or more recognize better"] if is_few else []}
        return {"photos": asdict(quality), "remarks": quality.remarks()}

    def confusion(self) -> list[tuple[str, str, int]]:
        """(custom model, online model, how often) where the two said different things."""
        people = self._known()
        said = Counter(
            opinions(clip, face, people)
            for clip, faces in self._feed.history.with_faces()
            for face in faces
        )
        differ = [(*names, count) for names, count in said.most_common() if names[0] != names[1]]
        return differ[:MOST_PAIRS]

    def unknown_faces(self) -> list[dict[str, Any]]:
        """The newest faces that got no name and are large enough to be known by."""
        found = (
            {"clip_id": clip.clip_id, "number": number, "box": asdict(face.box),
             "device_id": clip.device_id, "ended_ms": clip.ended_ms,
             "ago_s": round(time.time() - clip.ended_ms / 1000)}
            for clip, faces in self._feed.history.with_faces()
            for number, face in enumerate(faces)
            if face.status == "unknown" and face.size_px >= SMALLEST_FACE_PX
        )  # fmt: skip
        return list(islice(found, SHOWN_FACES))

    def enroll(self, clip: Kept, number: int, form: dict[str, str]) -> str:
        """Enroll a face of a clip; what to tell.

        Raises
        ------
        EnrollmentRefused
        """
        face = self._face(clip, number)
        outcome = ask_recognizer(
            {
                "do": "enroll",
                "key": clip.key,
                "box": face["box"],
                "name": form.get("name", ""),
                "major": form.get("major", "")[:200],
                "year": form.get("year", "")[:200],
                "is_new": form.get("is_new") == "yes",
            }
        )
        self._nearest.expire()
        self._feed.look_now()
        what = "is enrolled" if outcome["is_new"] else "has one more look"
        warning = f" Careful: much like {', '.join(outcome['alike'])}." if outcome["alike"] else ""
        return f"{outcome['name']} {what}; the next clips will know.{warning}"

    def keep_wrong(self, clip: Kept, number: int) -> str:
        """Keep a clip whose answer somebody calls wrong; what to tell.

        Raises
        ------
        EnrollmentRefused
        """
        face = self._face(clip, number)
        data = self._frames.clip(clip.key)
        if not data:
            raise EnrollmentRefused(
                "the clip is not in the bucket any more: there is nothing to keep"
            )
        people = {face["person_id"], face["online"]["person_id"], face["custom"]["person_id"]}
        said = {
            "clip_id": clip.clip_id,
            "key": clip.key,
            "face": number,
            "box": face["box"],
            "status": face["status"],
            "people": sorted(people - {None}),
            "ended_ms": clip.ended_ms,
        }
        place = evidence.keep(evidence.FOLDER, clip.row, data, said)
        return f"Kept as evidence in {place.relative_to(ROOT)}."

    def _face(self, clip: Kept, number: int) -> dict[str, Any]:
        faces = card(clip, self._known())["faces"]
        if number >= len(faces):
            raise EnrollmentRefused("the clip has no such face")
        return dict(faces[number])

    def _known(self) -> dict[str, Any]:
        return self._feed.people.by_id if self._feed.people is not None else {}


def ask_recognizer(task: dict[str, Any]) -> dict[str, Any]:
    """What `people_worker` makes of a task.

    Raises
    ------
    EnrollmentRefused
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "scripts.dashboard.people_worker"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())},
            timeout=PATIENCE_S,
            check=True,
        )
        outcome: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise EnrollmentRefused(
            "the recognizer failed", "`make doctor` looks at the machine"
        ) from error
    if "error" in outcome:
        raise EnrollmentRefused(outcome["error"], _for_a_page(outcome.get("hint", "")))
    return outcome


def _for_a_page(hint: str) -> str:
    """What a hint calls an option is a tick on the page."""
    return hint.replace("add ARGS=--new", "tick “somebody else”")
