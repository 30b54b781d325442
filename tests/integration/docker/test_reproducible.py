"""The function's image has one digest for one content, whenever it is built."""

from __future__ import annotations

import shutil
from pathlib import Path

import docker

from scripts.docker.reproducible import make_reproducible
from scripts.paths import ROOT
from scripts.provision.container_image import FUNCTION_IMAGE, build_function_image, ca_file
from tests.integration.docker.conftest import run

AGAIN = "facelab-test-again"
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
