"""The people we know by their embeddings: what the online model compares a face with."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recognition.embedder import EMBEDDING_SIZE, unit_length
from recognition.errors import GalleryUnreadable

FORMAT = "facelab.gallery/1"
_MAX_ID_CHARS = 100
_MAX_BYTES = 256 * 2**20
# How far, squared and at unit length, a photo strays from the mean of its person's: within the
# people of the development faces, whose photos are of one day. Photos of many days stray more,
# and are not to be punished for it.
_STRAYING = 0.026


def is_label(text: str) -> bool:
    """Whether this can be somebody's id: what can't be written can't be looked up, and each
    clip that shows a face near it would fail."""
    return 0 < len(text) <= _MAX_ID_CHARS and text.isprintable()


@dataclass(frozen=True, eq=False)
class Gallery:
    """Embeddings with the person each belongs to. Immutable: changes give a new gallery.

    `people` are the distinct person ids, sorted; `embeddings` float32 [n, 128], those of one
    person side by side, and `starts` [people] says where each person's begin.
    """

    people: tuple[str, ...]
    embeddings: np.ndarray
    starts: np.ndarray

    @classmethod
    def empty(cls) -> Gallery:
        return cls.of([], np.zeros((0, EMBEDDING_SIZE), np.float32))

    @classmethod
    def of(cls, person_ids: Iterable[str], embeddings: np.ndarray) -> Gallery:
        """A gallery of embeddings, float32 [n, 128], and the person id of each.

        Raises
        ------
        GalleryUnreadable
            When shapes, ids or values are not usable.
        """
        labels = np.array(list(person_ids), dtype=np.str_)
        with np.errstate(over="ignore"):  # what overflows is not finite, and refused below
            embeddings = np.asarray(embeddings, np.float32)
        if embeddings.shape != (len(labels), EMBEDDING_SIZE):
            raise GalleryUnreadable(
                f"embeddings of shape {embeddings.shape} for {len(labels)} ids, "
                f"expected ({len(labels)}, {EMBEDDING_SIZE})"
            )
        if not np.isfinite(embeddings).all():
            raise GalleryUnreadable("an embedding is not finite; enroll that person again")
        if not all(map(is_label, set(labels.tolist()))):
            raise GalleryUnreadable(f"person ids have 1 to {_MAX_ID_CHARS} printable characters")
        order = np.argsort(labels, kind="stable")
        people, starts = np.unique(labels[order], return_index=True)
        return cls(tuple(people.tolist()), np.ascontiguousarray(embeddings[order]), starts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Gallery:
        """Read what `to_bytes` wrote.

        Raises
        ------
        GalleryUnreadable
            When they are no gallery, one of another format, or too many.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                    raise GalleryUnreadable(f"a gallery of more than {_MAX_BYTES} bytes")
                version = str(_array(archive, "format", "U", 0))
                if version != FORMAT:
                    raise GalleryUnreadable(f"gallery format {version!r}, this reads {FORMAT!r}")
                person_ids = _array(archive, "person_ids", "U", 1)
                return cls.of(person_ids.tolist(), _array(archive, "embeddings", "f", 2))
        except GalleryUnreadable:
            raise
        except Exception as error:
            # zipfile, zlib and numpy have a dozen errors for bytes that are not theirs.
            why = f"{type(error).__name__}: {error}"
            raise GalleryUnreadable(f"not a gallery ({why}); enroll again to write one") from error

    def to_bytes(self) -> bytes:
        """As an uncompressed npz without pickles; the same gallery gives the same bytes."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            format=np.array(FORMAT),
            person_ids=np.repeat(np.array(self.people, np.str_), self._counts()),
            embeddings=self.embeddings,
        )
        return buffer.getvalue()

    def __len__(self) -> int:
        """How many embeddings."""
        return len(self.embeddings)

    def __contains__(self, person_id: str) -> bool:
        return person_id in self.people

    def embeddings_of(self, person_id: str) -> np.ndarray:
        """float32 [n, 128]; n is 0 for somebody who is not enrolled."""
        if person_id not in self.people:
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        index = self.people.index(person_id)
        return self.embeddings[self.starts[index] :][: self._counts()[index]]

    def with_person(self, person_id: str, embeddings: np.ndarray) -> Gallery:
        """This gallery with exactly these embeddings for that person (old ones replaced)."""
        others = self.without(person_id)
        return Gallery.of(
            [*others.person_ids(), *[person_id] * len(embeddings)],
            np.vstack([others.embeddings, np.asarray(embeddings, np.float32)]),
        )

    def without(self, person_id: str) -> Gallery:
        """This gallery without any trace of that person."""
        labels = self.person_ids()
        keep = [index for index, label in enumerate(labels) if label != person_id]
        return Gallery.of([labels[index] for index in keep], self.embeddings[keep])

    def person_ids(self) -> list[str]:
        """The person id of every embedding, in the order of `embeddings`."""
        return np.repeat(np.array(self.people, np.str_), self._counts()).tolist()

    def distances(self, embedding: np.ndarray) -> np.ndarray:
        """How far each person is: float32 [people], in the order of `people`: the L2 distance of
        embeddings scaled to unit length, to the mean of all of a person's.

        A mean shows the person without the chance of a single photo, and so everybody lies nearer
        to it, strangers too. What the photos stray is added again, so that a distance means the
        same for one photo and for ten.
        """
        probe = unit_length(np.asarray(embedding, np.float32))
        means, own = self._means
        squared = probe @ probe - 2.0 * (means @ probe) + own
        return np.sqrt(np.maximum(squared, 0.0), dtype=np.float32)

    def nearest_distances(self, embedding: np.ndarray) -> np.ndarray:
        """The same, to the nearest of each person's photos."""
        probe = unit_length(np.asarray(embedding, np.float32))
        return self._nearest(2.0 - 2.0 * (self._units @ probe))

    def raw_distances(self, embedding: np.ndarray) -> np.ndarray:
        """Of embeddings as they are, to the nearest: `face_recognition.face_distance`."""
        apart = self.embeddings - np.asarray(embedding, np.float32)
        return self._nearest(np.einsum("ij,ij->i", apart, apart))

    def _nearest(self, squared: np.ndarray) -> np.ndarray:
        """Each person's nearest, from squared distances to all embeddings."""
        if not self.people:
            return np.zeros(0, np.float32)
        distances = np.sqrt(np.maximum(squared, 0.0))
        return np.minimum.reduceat(distances, self.starts).astype(np.float32)

    @cached_property
    def _means(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean of each person's embeddings at unit length [people, 128], and its own part in
        each squared distance [people]."""
        if not self.people:
            return np.zeros((0, EMBEDDING_SIZE), np.float32), np.zeros(0, np.float32)
        counts = self._counts()
        means = np.add.reduceat(self._units, self.starts) / counts[:, None].astype(np.float32)
        length = np.einsum("ij,ij->i", means, means)
        straying = np.minimum(1.0 - length, _STRAYING * (1.0 - 1.0 / counts))
        return means, (length + straying).astype(np.float32)

    @cached_property
    def _units(self) -> np.ndarray:
        return unit_length(self.embeddings)

    def _counts(self) -> np.ndarray:
        return np.diff(np.append(self.starts, len(self.embeddings)))


def _array(archive: zipfile.ZipFile, name: str, kind: str, dimensions: int) -> np.ndarray:
    """One array of an npz, with its size checked before anything is unpacked or allocated."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise GalleryUnreadable(f"{name} is packed in a way that numpy does not write")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise GalleryUnreadable(f"{name} has a header that numpy would not write for it")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind != kind or len(shape) != dimensions or is_fortran:
            raise GalleryUnreadable(f"{name} is {dtype}{list(shape)}")
        if size > member.file_size:
            raise GalleryUnreadable(f"{name} says {size} bytes and has fewer")
        return np.frombuffer(file.read(size), dtype).reshape(shape)
