"""Everybody who is enrolled, beside new pictures of somebody."""

from __future__ import annotations

import numpy as np

from contract.results import Person
from recognition import Gallery
from scripts.gallery.enrollment import Known
from scripts.gallery.store import PeopleStore


def known_people(embeddings: np.ndarray, store: PeopleStore) -> list[Known]:
    """Everybody with a row or a place in the gallery, and how far new pictures, float32
    [n, 128], are from them."""
    gallery = store.gallery()
    distances = _distances(embeddings, gallery)
    rows = {one.person_id: one for one in store.people()}
    nameless = {one: Person(one, "", "", "") for one in gallery.people}
    return [
        Known(person, distances.get(person_id))
        for person_id, person in sorted((nameless | rows).items())
    ]


def _distances(embeddings: np.ndarray, gallery: Gallery) -> dict[str, float]:
    """To each person, by id: the median over the new pictures of that to the nearest of theirs."""
    if not len(gallery):
        return {}
    nearest = np.median([gallery.nearest_distances(one) for one in embeddings], axis=0)
    return dict(zip(gallery.people, nearest.tolist(), strict=True))
