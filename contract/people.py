"""Who a name means: one id for a person's folder of pictures, label in models and row.

Two spellings of one name (composed or decomposed letters, capitals, extra spaces) are one
person; two names are two ids, whatever an alphabet of a-z loses of them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from contract.clips import ContractError

PERSON_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
MAX_NAME_CHARS = 200
_SLUG_CHARS = 48
_DIGEST_CHARS = 8
# Letters that do not come apart into a Latin one and a mark.
_LATIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
# Windows takes no folder of such a name.
_DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]")
# Overrides of the writing direction show a name as another one.
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class InvalidName(ContractError):
    """A name that no person could be told by."""


class InvalidPersonId(ContractError):
    """A person id that could not name a folder, a label and a row."""


def clean_name(name: str) -> str:
    """The name as it was entered, without surrounding and repeated spaces.

    Raises
    ------
    InvalidName
        Without a letter or digit, over 200 characters, or with characters that nobody sees
        and a terminal may obey.
    """
    clean = " ".join(name.split())
    if not any(letter.isalnum() for letter in clean):
        raise InvalidName(f"a name has at least one letter or digit, {clean!a} has none")
    if len(clean) > MAX_NAME_CHARS:
        raise InvalidName(f"a name of {len(clean)} characters, at most {MAX_NAME_CHARS}")
    for letter in clean:
        if (
            unicodedata.category(letter) in ("Cc", "Cs")
            or unicodedata.bidirectional(letter) in _DIRECTIONS
        ):
            raise InvalidName(f"a name can't have the character {letter!a}")
    return clean


def name_key(name: str) -> str:
    """What all spellings of one name share; never shown.

    Raises
    ------
    InvalidName
        When `clean_name` refuses the name.
    """
    apart = unicodedata.normalize("NFD", clean_name(name)).casefold()
    # Invisible marks (joiners, a byte order mark) come along when names are pasted.
    seen = "".join(letter for letter in apart if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def person_id_of(name: str) -> str:
    """The id of a person called `name`: `Ada Lovelace` is `ada-lovelace`, an id is itself.

    Always a-z, 0-9 and hyphens, so that it is safe as a folder's name and as a key. Where
    these can't say the whole name (`José`, `Alex!`, `王小明`), a digest of it follows, so that
    two names never share an id unless they differ by spaces, hyphens and underscores only.

    Raises
    ------
    InvalidName
        When `clean_name` refuses the name.
    """
    key = name_key(name)
    itself = re.sub("[ _]", "-", key)
    if PERSON_ID.fullmatch(itself) and not _DEVICE.fullmatch(itself):
        return itself
    latin = unicodedata.normalize("NFKD", key.translate(_LATIN)).encode("ascii", "ignore").decode()
    slug = "-".join(re.findall(r"[a-z0-9]+", latin.lower()))[:_SLUG_CHARS].strip("-")
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{slug or 'person'}-{digest}"


def check_person_id(person_id: str) -> str:
    """Return `person_id` if it may be one: 1-64 of a-z, 0-9 and inner hyphens.

    Raises
    ------
    InvalidPersonId
        Otherwise. The id becomes a folder's name, a table's key and a model's label.
    """
    if not PERSON_ID.fullmatch(person_id) or _DEVICE.fullmatch(person_id):
        raise InvalidPersonId(
            f"person id {person_id!a} is not usable: take 1-64 of a-z, 0-9 and '-', "
            "beginning and ending with a letter or digit; `make roster` lists everybody's"
        )
    return person_id
