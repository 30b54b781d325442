"""From the package's `.dat` files, and what was trained here, to the function's artifacts, each
checked by its digest."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weights import detector, embedding, landmarks
from weights.digests import Digests, sha256
from weights.errors import ArtifactChanged, SourceChanged, SourceMissing

PACKAGE = "face_recognition_models"


@dataclass(frozen=True)
class WeightsFile:
    """One file of the function, made from one file of the package."""

    name: str
    source: str
    convert: Callable[[bytes, str], bytes]


ARTIFACTS = (
    WeightsFile("embedding.onnx", "dlib_face_recognition_resnet_model_v1.dat", embedding.convert),
    WeightsFile("detector.onnx", "mmod_human_face_detector.dat", detector.convert),
    WeightsFile("landmarks.npz", "shape_predictor_5_face_landmarks.dat", landmarks.convert),
)
# Trained by `training/distill_proposals.py`, committed beside this file.
TRAINED = ("proposals.onnx",)


def source_dir() -> Path:
    """Where the package keeps its files. It is not imported: that needs pkg_resources.

    Raises
    ------
    SourceMissing
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(f"package {PACKAGE} is not installed; install requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "models"


def build(
    out: Path,
    digests: Digests,
    sources: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write every artifact to `out`; half-written files never appear there.

    Raises
    ------
    SourceMissing, SourceChanged, MalformedSource, ArtifactChanged
    """
    sources = sources or source_dir()
    out.mkdir(parents=True, exist_ok=True)
    converted = [_build_one(artifact, out, digests, sources, say) for artifact in ARTIFACTS]
    return [*converted, *(_copy_one(name, out, digests, say) for name in TRAINED)]


def _copy_one(name: str, out: Path, digests: Digests, say: Callable[[str], None]) -> Path:
    data = Path(__file__).with_name(name).read_bytes()
    if sha256(data) != digests.artifacts[name]:
        raise ArtifactChanged(
            f"{name} has digest {sha256(data)[:12]}…, committed is "
            f"{digests.artifacts[name][:12]}…; `python -m weights digests` if it was trained anew"
        )
    _write_atomically(out / name, data)
    say(f"{name}: {len(data) / 1e6:.1f} MB, digest as committed")
    return out / name


def _build_one(
    artifact: WeightsFile,
    out: Path,
    digests: Digests,
    sources: Path,
    say: Callable[[str], None],
) -> Path:
    say(f"{artifact.name}: reading {artifact.source}")
    source = sources / artifact.source
    try:
        data = source.read_bytes()
    except FileNotFoundError as error:
        raise SourceMissing(f"{source.name} is not in {PACKAGE}; reinstall it") from error
    if sha256(data) != digests.sources[artifact.source]:
        raise SourceChanged(
            f"{source.name} has digest {sha256(data)[:12]}…, committed is "
            f"{digests.sources[artifact.source][:12]}…; reinstall {PACKAGE} as locked"
        )
    made = artifact.convert(data, source.name)
    if sha256(made) != digests.artifacts[artifact.name]:
        raise ArtifactChanged(
            f"{artifact.name} came out with digest {sha256(made)[:12]}…, committed is "
            f"{digests.artifacts[artifact.name][:12]}…; run the parity tests, then "
            "`python -m weights digests` if the change was meant"
        )
    path = out / artifact.name
    _write_atomically(path, made)
    say(f"{artifact.name}: {len(made) / 1e6:.1f} MB, digest as committed")
    return path


def current_digests(sources: Path) -> Digests:
    """Digests of the sources as they are, and of what is made from them now."""
    read, made = {}, {}
    for artifact in ARTIFACTS:
        data = (sources / artifact.source).read_bytes()
        read[artifact.source] = sha256(data)
        made[artifact.name] = sha256(artifact.convert(data, artifact.source))
    for name in TRAINED:
        made[name] = sha256(Path(__file__).with_name(name).read_bytes())
    return Digests(read, made)


def _write_atomically(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp gives 0600; the function runs as another user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
