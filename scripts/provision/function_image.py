"""The function's image: what goes in, and how it reaches ECR."""

from __future__ import annotations

import contextlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

from cloud.switch import Switch
from localstack_image_functions.process.bundle import ImageConfig, build_bundle
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT
from scripts.setup import FUNCTION

TASK_ROOT = Path("var/task")
KEPT_UNTAGGED_IMAGES = 5
MODEL_FILES = ("embedding.onnx", "detector.onnx", "landmarks.npz", "proposals.onnx")


class ModelFilesMissing(LabError):
    """The model files that the image carries have not been built."""


@dataclass(frozen=True)
class PublishedImage:
    """The function's image in ECR: its URI by digest, and the architecture it was built for."""

    uri: str
    architecture: str


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
            raise ModelFilesMissing(f"{path.relative_to(ROOT)} is missing", "run `make setup`")
        files[str(TASK_ROOT / "models" / name)] = path
    return files


def lambda_architecture(machine: str) -> str:
    """An architecture as Lambda names it, from the kernel's or Docker's name of it."""
    return "arm64" if machine.lower() in ("arm64", "aarch64") else "x86_64"


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
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=_lifecycle())
    return ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]


def _lifecycle() -> str:
    """What ECR stores costs money: images that a newer one replaced go, but for some."""
    rule = {
        "rulePriority": 1,
        "description": "replaced images, but for the latest few",
        "selection": {
            "tagStatus": "untagged",
            "countType": "imageCountMoreThan",
            "countNumber": KEPT_UNTAGGED_IMAGES,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def publish_bundle(switch: Switch, store: Path, progress: Progress) -> PublishedImage:
    """Build the function as a process bundle in `store` and register it in ECR."""
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
    return PublishedImage(f"{uri}@{bundle.digest}", lambda_architecture(platform.machine()))
