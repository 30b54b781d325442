"""dlib's 5-point shape predictor (cascaded regression trees) as arrays."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from weights.dlib_stream import DlibStream


def convert(data: bytes, name: str) -> bytes:
    """The `.dat` file's bytes as an uncompressed npz (compressors differ between machines).

    With C cascades of T trees of S splits and L leaves, and P probed pixels:
    `initial_shape` f4 [5, 2] in units of the face box; `first`, `second` i4 [C, T, S]:
    which two probed pixels a split compares; `threshold` f4 [C, T, S]; `leaves`
    f4 [C, T, L, 5, 2]: what a leaf adds to the shape; `anchor` i4 [C, P] and `delta`
    f4 [C, P, 2]: each probed pixel as an offset from a landmark.

    Raises
    ------
    MalformedSource
    """
    stream = DlibStream(data, name)
    stream.expect(1, "shape predictor version")
    initial_shape = stream.matrix().reshape(5, 2)
    first, second, threshold, leaves = [], [], [], []
    for _ in range(stream.integer()):
        trees = [_read_tree(stream) for _ in range(stream.integer())]
        first.append([[split[0] for split in splits] for splits, _ in trees])
        second.append([[split[1] for split in splits] for splits, _ in trees])
        threshold.append([[split[2] for split in splits] for splits, _ in trees])
        leaves.append([values for _, values in trees])
    anchor = [stream.integers(stream.integer()) for _ in range(stream.integer())]
    delta = [
        [stream.floatings(2) for _ in range(stream.integer())] for _ in range(stream.integer())
    ]
    stream.finish()
    leaf_values = np.array(leaves, np.float32)
    return _npz(
        {
            "initial_shape": initial_shape.astype(np.float32),
            "first": np.array(first, np.int32),
            "second": np.array(second, np.int32),
            "threshold": np.array(threshold, np.float32),
            "leaves": leaf_values.reshape(*leaf_values.shape[:3], 5, 2),
            "anchor": np.array(anchor, np.int32),
            "delta": np.array(delta, np.float32),
        }
    )


def _read_tree(stream: DlibStream) -> tuple[list[tuple[int, int, float]], list[np.ndarray]]:
    splits = [
        (stream.integer(), stream.integer(), stream.floating()) for _ in range(stream.integer())
    ]
    return splits, [stream.matrix().ravel() for _ in range(stream.integer())]


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, values, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()
