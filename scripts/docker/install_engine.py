"""Install and start a Docker engine, Compose v2 and buildx from Debian's packages.

For machines that have none and where we are root: CI, a fresh virtual machine. Does nothing
where an engine, Compose and buildx already answer. Standard library only, because it runs
before the lab's environment exists.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.docker.apt_get import apt_get
from scripts.errors import LabError

NEWER_RELEASE = "trixie"  # the first Debian whose Compose is version 2
NEWER_SOURCE = Path("/etc/apt/sources.list.d/facelab-trixie.sources")
NEWER_PIN = Path("/etc/apt/preferences.d/facelab-trixie")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ADDED = Path("/var/lib/facelab-engine.json")
"""The packages that `install` installed, for `remove`. It outlives a reboot, as they do."""
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class EngineError(LabError):
    """The engine can't be installed or started here; the message says what to do instead."""


@dataclass(frozen=True)
class Engine:
    """Where an engine of ours listens and keeps its data.

    The default is Docker's own place. Another folder gives a second, separate engine that
    `docker` finds only with `DOCKER_HOST` set to `host`.
    """

    folder: Path | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock" if self.folder else "unix:///var/run/docker.sock"

    @property
    def pid_file(self) -> Path:
        return self.folder / "docker.pid" if self.folder else Path("/var/run/docker.pid")

    @property
    def started_file(self) -> Path:
        """Holds the process id of an engine that this command started; no other is stopped."""
        return (self.folder or Path("/var/run")) / "facelab-dockerd.pid"

    @property
    def log_file(self) -> Path:
        return self.folder / "dockerd.log" if self.folder else Path("/var/log/dockerd.log")

    @property
    def arguments(self) -> list[str]:
        if self.folder is None:
            return []
        return [
            f"--host={self.host}",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.pid_file}",
        ]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.host} if self.folder else dict(os.environ)

    def answers(self) -> bool:
        return _succeeds(["docker", "version", "--format", "{{.Server.Version}}"], self.environment)


def _succeeds(command: list[str], environment: dict[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=30,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _apt(*arguments: str) -> None:
    status, said = apt_get(arguments)
    if status:
        raise EngineError(f"apt-get {' '.join(arguments)} failed:\n{said[-2000:]}")


def _debian_release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip().strip('"')
    return ""


def _debian_mirror() -> str:
    """The mirror that this machine already uses for its own release."""
    targets = _output(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        ]
    )
    for line in targets.splitlines():
        uri, codename, component = line.split()
        if codename == _debian_release() and component == "main" and "security" not in uri:
            return uri
    raise EngineError("no Debian mirror is configured in /etc/apt: install Docker by hand")


def _add_newer_release() -> None:
    """Make Compose v2 installable on an older Debian without upgrading anything else."""
    NEWER_SOURCE.write_text(
        f"Types: deb\nURIs: {_debian_mirror()}\nSuites: {NEWER_RELEASE}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )
    NEWER_PIN.write_text(f"Package: *\nPin: release n={NEWER_RELEASE}\nPin-Priority: 100\n")


def install(say: Callable[[str], None]) -> None:
    """Install engine, Compose v2 and buildx, each only where it is missing.

    Raises
    ------
    EngineError
        When this is not Debian or we are not root.
    """
    missing = []
    if not shutil.which("dockerd"):
        missing.append("docker.io")
    if not shutil.which("docker"):
        missing.append("docker-cli" if _debian_release() == NEWER_RELEASE else "docker.io")
    plugins = []
    if not _succeeds(["docker", "compose", "version"]):
        plugins.append("docker-compose")
    if not _succeeds(["docker", "buildx", "version"]):
        plugins.append("docker-buildx")
    if not missing and not plugins:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise EngineError(
            "no Docker engine with Compose v2 here, and this is not Debian as root: install "
            "Docker Desktop or Docker Engine, or use FACELAB_BACKEND=embedded, which needs none"
        )
    if plugins and _debian_release() != NEWER_RELEASE:
        _add_newer_release()
        plugins = [f"{package}/{NEWER_RELEASE}" for package in plugins]
    wanted = sorted({*missing, *plugins})
    say(f"installing {', '.join(wanted)}")
    before = _installed()
    _apt("update")
    try:
        _apt("install", "--no-install-recommends", *wanted)
    finally:
        ADDED.write_text(json.dumps(sorted({*_added(), *(_installed() - before)})))


def remove() -> None:
    """Remove the packages and the package source that `install` added; the engine must have ended.

    Images and volumes stay, in /var/lib/docker, for the next engine.

    Raises
    ------
    EngineError
        When the packages can't be removed.
    """
    packages = sorted(_installed() & set(_added()))
    if packages:
        print(f"removing {', '.join(packages)}", flush=True)
        _apt("remove", *packages)
    for path in (NEWER_SOURCE, NEWER_PIN, ADDED):
        path.unlink(missing_ok=True)


def _installed() -> set[str]:
    told = _output(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n"])
    return {line.split()[1] for line in told.splitlines() if line.startswith("ii")}


def _added() -> list[str]:
    try:
        return [str(name) for name in json.loads(ADDED.read_text())]
    except FileNotFoundError:
        return []


def start(engine: Engine) -> None:
    """Start the engine and return when it answers. No-op where it already does.

    Raises
    ------
    EngineError
        When it does not answer in time; the message ends with its last log lines.
    """
    if engine.answers():
        return
    if os.geteuid() != 0:
        raise EngineError("the Docker engine does not answer, and only root can start it")
    if engine.folder is None and Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=True)
    else:
        if engine.folder:
            engine.folder.mkdir(parents=True, exist_ok=True)
        with engine.log_file.open("ab") as log:
            process = subprocess.Popen(
                ["dockerd", *engine.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        engine.started_file.write_text(str(process.pid))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not engine.answers():
        if time.monotonic() > deadline:
            lines = engine.log_file.read_text(errors="replace").splitlines()[-15:]
            raise EngineError("the Docker engine did not start:\n" + "\n".join(lines))
        time.sleep(0.2)


def stop(engine: Engine) -> None:
    """Stop the engine if `start` started it, and wait until it has gone.

    An engine that was there before is not ours to stop.
    """
    try:
        pid = int(engine.started_file.read_text())
        running = int(engine.pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    engine.started_file.unlink()
    if pid != running:  # of an earlier boot
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            raise EngineError(f"dockerd (process {pid}) ignores SIGTERM")
        time.sleep(0.1)


def provide(engine: Engine, say: Callable[[str], None]) -> None:
    """Install what is missing and start the engine; nothing where all of it answers.

    Raises
    ------
    EngineError
        When it can't be installed or does not start here.
    """
    if not (
        engine.answers()
        and _succeeds(["docker", "compose", "version"])
        and _succeeds(["docker", "buildx", "version"])
    ):
        install(say)
        start(engine)


def take_away(engine: Engine) -> None:
    """Stop what `provide` started, and remove what it installed.

    Raises
    ------
    EngineError
        When the engine does not end.
    """
    stop(engine)
    if engine.folder is None and ADDED.exists() and not engine.answers():
        remove()
