"""The function's image has one digest for one content, whenever it is built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import docker
import pytest

from scripts.docker.reproducible import make_reproducible
from scripts.paths import ROOT
from scripts.provision.container_image import FUNCTION_IMAGE, build_function_image, ca_file
from tests.integration.docker.conftest import run

AGAIN = "facelab-test-again"
ALL = "FACELAB_ALL_IMAGES"
CONTEXT = ("lambda", "contract", "build/models", "localstack/localstack_image_functions")


def test_a_build_without_cache_of_another_copy_has_the_same_digest(lab_images, tmp_path: Path):
    """Neither the times of files nor that of the build, nor Compose, which built it before."""
    images = docker.from_env().images
    run("docker", "compose", "build", "--quiet", "function")
    build_function_image(lambda _: None)
    for folder in CONTEXT:
        # Without the times of the files.
        shutil.copytree(ROOT / folder, tmp_path / folder, copy_function=shutil.copyfile)
    command = ("docker", "build", "--quiet", "--no-cache", "--tag", f"{AGAIN}:local")
    secret = ("--secret", f"id=ca,src={ca_file()}")
    run(*command, *secret, "--file", str(tmp_path / "lambda/Dockerfile"), str(tmp_path))
    try:
        built = images.get(f"{AGAIN}:local").id
        make_reproducible(f"{AGAIN}:local")
        again = images.get(f"{AGAIN}:local").id
        assert again != built
        assert again == images.get(FUNCTION_IMAGE).id
    finally:
        for tag in {tag for image in images.list(AGAIN) for tag in image.tags}:
            if tag.startswith(AGAIN):
                images.remove(tag)


@pytest.mark.parametrize(
    ("image", "context"),
    [
        ("facelab-registry:local", "localstack/registry"),
        ("facelab-zip-runtimes:local", "localstack/zip_runtimes"),  # 90 s
        ("facelab-localstack:local", "localstack"),  # some minutes
    ],
)
def test_the_other_images_have_one_digest_for_one_content_too(
    lab_images, tmp_path: Path, image: str, context: str
):
    """As whoever passes on an image would make it: `facelab reproducible TAG`."""
    if image != "facelab-registry:local" and not os.environ.get(ALL):
        pytest.skip(f"{ALL}=1 builds the larger images again, too")
    images, tags = docker.from_env().images, [f"{AGAIN}-{which}:local" for which in ("a", "b")]
    images.get(image).tag(*tags[0].split(":"))
    shutil.copytree(
        ROOT / context, tmp_path / "context", copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )  # fmt: skip
    run(
        *("docker", "build", "--quiet", "--no-cache", "--tag", tags[1]),
        *("--secret", f"id=ca,src={ca_file()}", str(tmp_path / "context")),
    )
    try:
        make_reproducible(*tags)
        first, second = (images.get(tag) for tag in tags)
        assert first.id == second.id
    finally:
        for tag in tags:
            for found in images.list(tag.partition(":")[0]):
                for own in found.tags:
                    if own.startswith(AGAIN):
                        images.remove(own)
