"""Provide `debian:trixie-slim`: pulled where a registry answers, else made from Debian's packages.

The Dockerfiles start from that name either way, so the Dockerfile that is tested without a
registry is the Dockerfile that ships. Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from scripts.docker.apt_get import apt_get
from scripts.errors import LabError

IMAGE = "debian:trixie-slim"
RELEASE = "trixie"
ORIGIN_LABEL = "facelab.base-image"
PULL_TIMEOUT_S = 180
REACH_TIMEOUT_S = 8
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# What the official slim image leaves out too: documentation, manual pages, translations.
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/groff/*",
    "/usr/share/lintian/*",
    "/usr/share/linda/*",
)
KEPT = ("/usr/share/doc/*/copyright",)


class BaseImageError(LabError):
    """The base image could not be pulled nor made; the message says what is missing."""


class Origin(StrEnum):
    """Where the base image on this engine came from."""

    PULLED = "pulled"
    MADE = "made from Debian's packages"
    ABSENT = "absent"


@dataclass(frozen=True)
class Mirrors:
    """The Debian mirrors that this machine's own apt uses."""

    main: str
    security: str | None


def origin() -> Origin:
    """Where the present base image came from."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return Origin.ABSENT
    return Origin.MADE if ORIGIN_LABEL in (json.loads(done.stdout) or {}) else Origin.PULLED


def registry_answers() -> bool:
    """Whether the image can be pulled, asked quickly.

    Only for the manifest: behind a firewall that swallows packets a pull would keep a
    newcomer waiting for minutes.
    """
    try:
        reach = subprocess.run(
            ["docker", "manifest", "inspect", IMAGE],
            capture_output=True,
            check=False,
            timeout=REACH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return reach.returncode == 0


def can_make() -> bool:
    """Whether this machine can make the image from packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def pull() -> bool:
    """Try to pull the image; False where no registry answers."""
    if not registry_answers():
        return False
    try:
        done = subprocess.run(["docker", "pull", IMAGE], check=False, timeout=PULL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def mirrors(index_targets: str) -> Mirrors:
    """Read the mirrors from the lines `URI CODENAME COMPONENT` that apt prints.

    Raises
    ------
    BaseImageError
        When this machine's apt knows no Debian mirror.
    """
    uris = [line.split()[0] for line in index_targets.splitlines() if line.endswith(" main")]
    main = next((uri for uri in uris if uri.rstrip("/").endswith("/debian")), None)
    security = next((uri for uri in uris if uri.rstrip("/").endswith("-security")), None)
    if main is None:
        raise BaseImageError("apt on this machine names no Debian mirror to take packages from")
    return Mirrors(main, security)


def make() -> None:
    """Make the image from Debian's packages and import it under the official name.

    Raises
    ------
    BaseImageError
        When this is not a Debian (or Ubuntu) machine or we are not root.
    """
    if not can_make():
        raise BaseImageError(
            f"{IMAGE} can't be pulled, and making it takes root on a Debian machine: "
            "let the Docker engine reach a registry, or `docker load` the image from a file"
        )
    if not shutil.which("mmdebstrap"):
        for words in (("update",), ("install", "--no-install-recommends", "mmdebstrap")):
            status, said = apt_get(words)
            if status:
                raise BaseImageError(f"apt-get {' '.join(words)} failed:\n{said[-2000:]}")
    targets = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = mirrors(targets)
    with tempfile.TemporaryDirectory(prefix="facelab-base-") as folder:
        archive = Path(folder) / "root.tar"
        _install_packages(archive, found)
        _run(
            [
                "docker",
                "import",
                '--change=CMD ["bash"]',
                f"--change=LABEL {ORIGIN_LABEL}=made-from-debian-packages",
                str(archive),
                IMAGE,
            ]
        )


def _install_packages(archive: Path, found: Mirrors) -> None:
    """A root file system of the packages that every Debian has, as one archive."""
    sources = [
        f"deb {found.main} {RELEASE} main",
        f"deb {found.main} {RELEASE}-updates main",
        *([f"deb {found.security} {RELEASE}-security main"] if found.security else []),
    ]
    _run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--keyring={KEYRING}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            *(f"--dpkgopt=path-include={pattern}" for pattern in KEPT),
            "--customize-hook=rm -rf $1/var/lib/apt/lists $1/var/cache/apt $1/var/log/apt",
            RELEASE,
            str(archive),
            *sources,
        ]
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BaseImageError(f"{command[0]} failed:\n{done.stdout[-2000:]}")


def ensure(say: Callable[[str], None]) -> Origin:
    """Make the base image be there; how it came. `say` gets a line where that takes long."""
    found = origin()
    if found is not Origin.ABSENT:
        return found
    if pull():
        return Origin.PULLED
    say(f"no registry answers: making {IMAGE} from Debian's packages (about a minute)")
    make()
    return Origin.MADE
