"""dlib's serialization format: the few primitives that its `.dat` files are made of."""

from __future__ import annotations

import math

import numpy as np

from weights.errors import MalformedSource

_POSITIVE_INFINITY, _NEGATIVE_INFINITY, _NAN = 32000, 32001, 32002
_SIGN_BIT, _RESERVED_BITS, _COUNT_BITS = 0x80, 0x70, 0x0F
_TENSOR_VERSION = 2


class DlibStream:
    """Reads one value after the other from the bytes of a `.dat` file.

    Every method raises `MalformedSource` where the bytes are not what it reads.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._position = 0

    def fail(self, why: str) -> MalformedSource:
        return MalformedSource(
            f"{self._name}, byte {self._position}: {why}; "
            "reinstall the face_recognition_models package"
        )

    def _take(self, count: int) -> bytes:
        taken = self._data[self._position : self._position + count]
        if count < 0 or len(taken) != count:
            raise self.fail("the file ends too early")
        self._position += count
        return taken

    def integer(self) -> int:
        """A control byte (sign, byte count), then the magnitude, little-endian."""
        control = self._take(1)[0]
        count = control & _COUNT_BITS
        if not 1 <= count <= 8 or control & _RESERVED_BITS:
            raise self.fail(f"{control:#04x} does not begin an integer")
        magnitude = int.from_bytes(self._take(count), "little")
        return -magnitude if control & _SIGN_BIT else magnitude

    def integers(self, count: int) -> list[int]:
        return [self.integer() for _ in range(count)]

    def floating(self) -> float:
        """Mantissa, then binary exponent, both integers."""
        mantissa, exponent = self.integer(), self.integer()
        if exponent < _POSITIVE_INFINITY:
            return math.ldexp(mantissa, exponent)
        special = {_POSITIVE_INFINITY: math.inf, _NEGATIVE_INFINITY: -math.inf, _NAN: math.nan}
        if exponent not in special:
            raise self.fail(f"exponent {exponent} of a float")
        return special[exponent]

    def floatings(self, count: int) -> list[float]:
        return [self.floating() for _ in range(count)]

    def boolean(self) -> bool:
        taken = self._take(1)
        if taken not in (b"0", b"1"):
            raise self.fail(f"{taken!r} is not a boolean")
        return taken == b"1"

    def text(self) -> str:
        length = self.integer()
        try:
            return self._take(length).decode("ascii")
        except UnicodeDecodeError as error:
            raise self.fail("a name that is not ASCII") from error

    def expect(self, value: int, what: str) -> None:
        found = self.integer()
        if found != value:
            raise self.fail(f"{what} {found}, expected {value}")

    def tensor(self) -> np.ndarray:
        """A 4-d float32 tensor: version, dimensions, raw little-endian values."""
        self.expect(_TENSOR_VERSION, "tensor version")
        shape = self.integers(4)
        if any(size < 0 for size in shape):
            raise self.fail(f"tensor shape {shape}")
        raw = self._take(4 * math.prod(shape))
        return np.frombuffer(raw, "<f4").reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """The shape of a view into another tensor."""
        self.expect(1, "alias version")
        return tuple(self.integers(4))

    def matrix(self) -> np.ndarray:
        """A dense matrix of floats; dlib writes the sizes negated."""
        rows, columns = abs(self.integer()), abs(self.integer())
        return np.array(self.floatings(rows * columns), np.float64).reshape(rows, columns)

    def finish(self) -> None:
        if self._position != len(self._data):
            raise self.fail(f"{len(self._data) - self._position} bytes are left over")
