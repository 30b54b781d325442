"""The function's image: what goes in, and how it reaches ECR."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

from contract.switch import Switch
from localstack_image_functions.bundle import ImageConfig, build_bundle
from scripts.console import LabError, Progress
from scripts.setup import BUILD, FUNCTION, ROOT

TASK_ROOT = Path("var/task")
MODEL_FILES = ("embedding.onnx", "detector.onnx", "landmarks.npz")


class ModelsMissing(LabError):
    """The model files that the image carries have not been built."""


def function_files() -> dict[str, Path]:
    """Every file of the function: path in the image -> path here."""
    sources = [
        *(ROOT / "lambda").glob("*.py"),
        *(ROOT / "lambda" / "recognition").rglob("*.py"),
    ]
    files = {str(TASK_ROOT / path.relative_to(ROOT / "lambda")): path for path in sources}
    for path in (ROOT / "contract").rglob("*.py"):
        files[str(TASK_ROOT / path.relative_to(ROOT))] = path
    for name in MODEL_FILES:
        path = BUILD / "models" / name
        if not path.exists():
            raise ModelsMissing(f"{path.relative_to(ROOT)} is missing", "run `make setup`")
        files[str(TASK_ROOT / "models" / name)] = path
    return files


def architecture() -> str:
    """This machine's architecture as Lambda names it."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def ensure_repository(switch: Switch) -> str:
    """The repository's URI; made when it is not there."""
    ecr = switch.client("ecr")
    name = switch.names.repository
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(
            repositoryName=name,
            imageTagMutability="MUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
        )
    return ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]


def publish_bundle(switch: Switch, store: Path, progress: Progress) -> str:
    """Build the function as a process bundle in `store`, register it in ECR, return its URI."""
    config = ImageConfig(
        entrypoint=(str(FUNCTION.python), "-m", "awslambdaric"),
        command=("handler.handler",),
        working_directory="/" + str(TASK_ROOT),
    )
    bundle = build_bundle(store, function_files(), config)
    uri = ensure_repository(switch)
    ecr = switch.client("ecr")
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(
            repositoryName=switch.names.repository,
            imageManifest=bundle.manifest,
            imageTag="latest",
        )
    progress(f"image {bundle.digest[:19]}… is in ECR ({bundle.size_bytes / 1e6:.0f} MB)")
    return f"{uri}@{bundle.digest}"
