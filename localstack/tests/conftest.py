"""A real LocalStack with this plugin, once for all tests that ask for it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from localstack_image_functions.process.bundle import Bundle, ImageConfig, build_bundle
from localstack_image_functions.process.leftovers import MARKER

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(
    os.environ.get("LOCALSTACK_PYTHON", ROOT / "build" / "env" / "emulator" / "bin" / "python")
)
ACCOUNT = "000000000000"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"
START_LIMIT_S = 90.0
STOP_LIMIT_S = 30.0


@dataclass
class Emulator:
    """LocalStack as a process, its state below one folder, on a free port of loopback."""

    folder: Path
    lab: str
    cache: Path
    port: int = 0
    process: subprocess.Popen | None = None
    extra: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """What starts it as somebody else."""
    owner: int | None = None
    """Whose its files are, if not ours."""

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def log(self) -> str:
        return (self.folder / "localstack.log").read_text(errors="replace")

    def client(self, service: str, timeout_s: float = 60.0) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  the emulator accepts anything
            config=Config(
                retries={"max_attempts": 0},
                read_timeout=timeout_s,
                s3={"addressing_style": "path"},
            ),
        )

    def start(self) -> None:
        self.port = self.port or _free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        cache = self.folder / "filesystem" / "var" / "lib" / "localstack" / "cache"
        if not cache.exists():
            cache.parent.mkdir(parents=True)
            cache.symlink_to(self.cache)
        if self.owner is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.owner, self.owner, follow_symlinks=False)
        with (self.folder / "localstack.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.prefix, str(PYTHON), "-m", "localstack.runtime.main"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self._ready():
            assert self.process.poll() is None, f"LocalStack ended:\n{self.log}"
            assert time.monotonic() < deadline, f"LocalStack is not ready:\n{self.log}"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _ready(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/_localstack/init/ready"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return b'"completed": true' in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    def _environment(self) -> dict[str, str]:
        """README.md explains each of these."""
        return {
            "HOME": str(self.folder),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "localstack"),  # the sources, not what is installed
            "FILESYSTEM_ROOT": str(self.folder / "filesystem"),
            "OVERRIDE_IN_DOCKER": "0",
            "GATEWAY_SERVER": "threads",
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{self.port}",
            "SQS_ENDPOINT_STRATEGY": "path",
            "IN_MEMORY_CLIENT": "1",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "LAMBDA_RETRY_BASE_DELAY": "1",
            "PROVIDER_OVERRIDE_DYNAMODB": "moto",
            "LAMBDA_RUNTIME_EXECUTOR": "image",
            "IMAGE_FUNCTIONS_SANDBOX": "process",
            "IMAGE_FUNCTIONS_STORE": str(self.store),
            "IMAGE_FUNCTIONS_TMP": str(self.folder / "functions"),
            "IMAGE_FUNCTIONS_LAB": self.lab,
            # A secret of the host that no function may ever see.
            "AWS_SECRET_OF_THE_HOST": "not for functions",
            **self.extra,
        }


@dataclass(frozen=True)
class Invoked:
    """What Invoke returned."""

    payload: Any
    error: str | None
    log: str


@dataclass
class Deployer:
    """Deploys functions under one repository of an emulator."""

    emulator: Emulator
    folder: Path
    repository: str
    entrypoint: tuple[str, ...] = (sys.executable, "-m", "awslambdaric")

    def push(self, code: str, tag: str = "latest", **config: Any) -> Bundle:
        """Build the handler into an image and put it into ECR."""
        source = self.folder / "handler.py"
        source.write_text(textwrap.dedent(code))
        fields = {
            "entrypoint": self.entrypoint,
            "command": ("handler.handler",),
        }
        bundle = build_bundle(
            self.emulator.store, {"/var/task/handler.py": source}, ImageConfig(**fields | config)
        )
        ecr = self.emulator.client("ecr")
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=self.repository)
        ecr.put_image(repositoryName=self.repository, imageManifest=bundle.manifest, imageTag=tag)
        return bundle

    def uri(self, bundle: Bundle) -> str:
        return f"{REGISTRY}/{self.repository}@{bundle.digest}"

    def create(self, name: str, code: str, **settings: Any) -> Bundle:
        """Create a function of this handler and wait until it is active."""
        bundle = self.push(code)
        client = self.emulator.client("lambda")
        client.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": self.uri(bundle)},
            Role=ROLE,
            **{"Timeout": 20, "MemorySize": 256, "Architectures": [bundle.architecture]} | settings,
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return bundle

    def processes(self, name: str) -> list[int]:
        """A function's processes by their numbers on the host; inside they know others."""
        found = []
        for process in psutil.process_iter():
            try:
                variables = process.environ()
            except psutil.Error:
                continue
            of_this_lab = variables.get(MARKER, "").startswith(f"{self.emulator.lab}/")
            if of_this_lab and variables.get("AWS_LAMBDA_FUNCTION_NAME") == name:
                found.append(process.pid)
        return found

    def invoke(self, name: str, **event: Any) -> Invoked:
        response = self.emulator.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps(event), LogType="Tail"
        )
        log = base64.b64decode(response.get("LogResult", "")).decode()
        return Invoked(json.load(response["Payload"]), response.get("FunctionError"), log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _need_localstack() -> None:
    if not PYTHON.exists():
        pytest.skip(f"no LocalStack at {PYTHON}: `make test` installs it, or set LOCALSTACK_PYTHON")


@pytest.fixture(scope="session")
def asked_of_emulators_python() -> Callable[..., str]:
    """Runs a program in the Python that LocalStack and this plugin are installed in, the plugin's
    sources first; what it prints."""
    _need_localstack()

    def ask(program: str, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [str(PYTHON), "-c", program, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_LIMIT_S,
            env={**os.environ, "PYTHONPATH": str(ROOT / "localstack")},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


@pytest.fixture(scope="session")
def own_runtimes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runtimes with one in it: the Python that runs these tests."""
    folder = tmp_path_factory.mktemp("runtimes")
    (folder / f"python3.{sys.version_info.minor}").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="session")
def localstack_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LocalStack's index of all services, which takes it seconds to make, made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def emulator(
    tmp_path_factory: pytest.TempPathFactory, localstack_cache: Path
) -> Iterator[Emulator]:
    """The emulator that most tests share."""
    _need_localstack()
    lab = f"pytest-{os.getpid()}-shared"
    emulator = Emulator(tmp_path_factory.mktemp("emulator"), lab, localstack_cache)
    emulator.start()
    yield emulator
    emulator.stop()
    shutil.rmtree(emulator.folder, ignore_errors=True)


@pytest.fixture
def own_emulator(tmp_path: Path, localstack_cache: Path) -> Iterator[Emulator]:
    """An emulator of the test's own, not started yet, to kill and start again."""
    _need_localstack()
    emulator = Emulator(tmp_path / "emulator", f"pytest-{os.getpid()}-own", localstack_cache)
    yield emulator
    emulator.kill()
    subprocess.run(
        [sys.executable, "-m", "localstack_image_functions.process.sweep", "--lab", emulator.lab],
        check=True,
        env={"PYTHONPATH": str(ROOT / "localstack")},
    )


@pytest.fixture(scope="session")
def make_emulator() -> Callable[..., Emulator]:
    _need_localstack()
    return Emulator


@pytest.fixture(scope="session")
def deploy_into() -> Callable[..., Deployer]:
    return Deployer


@pytest.fixture
def make_deployer(tmp_path: Path) -> Callable[[Emulator], Deployer]:
    return lambda emulator: Deployer(emulator, tmp_path, "functions")


@pytest.fixture
def deployer(emulator: Emulator, tmp_path: Path, request: pytest.FixtureRequest) -> Deployer:
    """Deploys into the shared emulator, in a repository of the test's own."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return Deployer(emulator, tmp_path, name[:60])


def wait_until(condition: Callable[[], Any], limit_s: float = 20.0) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return value


@pytest.fixture(name="wait_until", scope="session")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process has ended. One that nobody has collected yet has."""

    def gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return gone
