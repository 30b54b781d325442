"""A person's id: the folder of their pictures, their label in every model, their row's key."""

from __future__ import annotations

import hashlib
import re
import unicodedata


def person_id_of(name: str) -> str:
    """The id of a person called `name`: `Zoë O'Neil` is `zoe-o-neil`, an id is itself.

    Always a-z, 0-9 and hyphens, so that it is safe as a folder's name. A name without a
    Latin letter or digit gets an id made of its digest, always the same one; "" for a name
    without any letter or digit.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))
    if slug or not any(letter.isalnum() for letter in name):
        return slug
    return f"person-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
