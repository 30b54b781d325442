"""The plugin alone in containers, started by the words of its README."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest

from scripts.paths import ROOT
from tests.conftest import free_port, wait_until
from tests.integration.docker.emulator import LAB_LABEL, forget_images
from tests.integration.docker.functions import HOST_ARCHITECTURE, ROLE

README = (ROOT / "localstack" / "README.md").read_text()
READY_S = 60


def commands(lab: str, port: int, registry_port: int) -> str:
    """The README's block; its fixed ports and names would meet those of a lab."""
    (text,) = re.findall(r"```sh\n(docker build --tag mine-localstack.*?)```", README, re.DOTALL)
    text = text.replace("127.0.0.1:4566:", f"127.0.0.1:{port}:")
    text = text.replace("127.0.0.1:4510:", f"127.0.0.1:{registry_port}:")
    text = text.replace("localhost:4566", f"localhost:{port}")
    text = text.replace("localhost:4510", f"localhost:{registry_port}")
    return re.sub(r"\bmine\b", lab, text)


def run_docker(*arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["docker", *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Started:
    """LocalStack as the README starts it."""

    def __init__(self, lab: str, port: int, registry: str) -> None:
        self.lab, self.port, self.registry = lab, port, registry

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/_localstack/init/ready"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(json.load(answer)["completed"])
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@pytest.fixture(scope="module")
def started(lab_images: tuple[str, str]) -> Iterator[Started]:
    port, registry_port = free_port(), free_port()
    lab = f"readme-{port}"
    try:
        done = subprocess.run(
            ["bash", "-euc", commands(lab, port, registry_port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        emulator = Started(lab, port, f"localhost:{registry_port}")
        wait_until(emulator.is_ready, READY_S, "LocalStack")
        yield emulator
    finally:
        take_down(lab, f"localhost:{registry_port}")


def take_down(lab: str, registry: str) -> None:
    engine = docker.from_env(timeout=300)
    for name in (f"{lab}-localstack", f"{lab}-registry"):
        for container in engine.containers.list(all=True, filters={"name": f"^{name}$"}):
            container.stop(timeout=15)
            container.remove(v=True)
    labeled = {"label": f"{LAB_LABEL}={lab}"}
    for container in engine.containers.list(all=True, filters=labeled, ignore_removed=True):
        container.remove(force=True, v=True)
    for network in [
        *engine.networks.list(names=[f"^{lab}$"]),
        *engine.networks.list(filters=labeled),
    ]:
        network.remove()
    forget_images(engine, registry)
    for name in (f"{lab}-localstack", f"{lab}-registry"):
        if engine.images.list(name=name):
            engine.images.remove(name, noprune=True)


def test_a_pushed_image_runs_as_a_function(
    started: Started, probe_image: str, tmp_path: Path
) -> None:
    ecr, functions = started.client("ecr"), started.client("lambda")
    uri = ecr.create_repository(repositoryName="hello")["repository"]["repositoryUri"]
    assert uri.startswith(f"{started.registry}/")
    settings = ("--config", str(tmp_path))
    password = ecr_password(ecr)
    run_docker(
        *settings, "login", "--username", "AWS", "--password-stdin", started.registry,
        given=password,
    )  # fmt: skip
    run_docker("tag", probe_image, f"{uri}:v1")
    run_docker(*settings, "push", "--quiet", f"{uri}:v1")
    functions.create_function(
        FunctionName="hello",
        PackageType="Image",
        Role=ROLE,
        Code={"ImageUri": f"{uri}:v1"},
        Architectures=[HOST_ARCHITECTURE],
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="hello")
    answer = functions.invoke(FunctionName="hello", Payload=b'{"do": "echo", "name": "Ada"}')
    assert json.load(answer["Payload"])["name"] == "Ada"


def ecr_password(ecr: Any) -> str:
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode().partition(":")[2]
