"""Install the device part on a Raspberry Pi: `sudo python3 device/install.py --device pi-01`.

Copies the programs to /opt/facelab, makes a virtual environment that sees the system's
picamera2, writes the settings to /etc/facelab and starts two services. Run it again to
update: settings and clips that wait are kept. `--dry-run` shows every step and does none.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SERVICES = ("facelab-camera.service", "facelab-messages.service")
PACKAGES = ("python3-venv", "python3-picamera2")
PROGRAMS = ("cloud", "contract", "device")
USER = "facelab"
ENVIRONMENT_FILE = "/etc/facelab/device.env"
CONFIG_FILE = "/etc/facelab/config"
SITE = "/opt/facelab/.venv/lib/python{}.{}/site-packages".format(*sys.version_info)


class InstallError(Exception):
    """A step failed; the message says which and what to do."""


@dataclass
class Steps:
    """Does each step, or only tells it. `root` stands in for `/` in tests."""

    root: Path = Path("/")
    dry_run: bool = False
    run_command: Callable[..., subprocess.CompletedProcess] = subprocess.run
    told: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.told.append(text)
        print(("would " if self.dry_run else "") + text)

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def run(self, *command: str, may_fail: bool = False) -> None:
        """Run a command, its output as it comes.

        Raises
        ------
        InstallError
            When it ends with another exit status than 0 and may not fail.
        """
        self.tell(f"run {' '.join(command)}")
        if self.dry_run:
            return
        done = self.run_command(list(command), check=False)
        if done.returncode and not may_fail:
            raise InstallError(
                f"`{' '.join(command)}` failed with exit status {done.returncode}; "
                "what it said stands above, and a second run goes on from there"
            )

    def write(self, absolute: str, text: str, mode: int, *, keep: bool = False) -> None:
        path = self.path(absolute)
        if keep and path.exists():
            self.tell(f"keep {absolute} as it is")
            return
        self.tell(f"write {absolute}")
        if not self.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)

    def copy_tree(self, source: Path, absolute: str) -> None:
        self.tell(f"copy {source.name}/ to {absolute}")
        if not self.dry_run:
            target = self.path(absolute)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))

    def remove(self, absolute: str) -> None:
        self.tell(f"remove {absolute}")
        path = self.path(absolute)
        if self.dry_run or not path.exists():
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def settings(options: argparse.Namespace) -> str:
    """The environment of both services."""
    lines = [
        f"FACELAB_DEVICE_ID={options.device}",
        f"FACELAB_SOURCE={options.source}",
        f"FACELAB_CAMERA_OPTIONS={options.camera_options}",
        f"FACELAB_BACKEND={options.backend}",
        "FACELAB_SPOOL=/var/lib/facelab",
    ]
    if options.endpoint:
        lines.append(f"AWS_ENDPOINT_URL={options.endpoint}")
    if options.region:
        lines.append(f"AWS_REGION={options.region}")
    if options.backend == "aws":
        lines += [
            "AWS_SHARED_CREDENTIALS_FILE=/etc/facelab/credentials",
            f"AWS_CONFIG_FILE={CONFIG_FILE}",
        ]
    return "\n".join(lines) + "\n"


def install(steps: Steps, options: argparse.Namespace) -> None:
    """The programs with their environment, settings and services; a second run mends the first."""
    if not options.no_apt:
        steps.run("apt-get", "update")
        steps.run("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
    steps.run(
        *("useradd", "--system", "--home-dir", "/var/lib/facelab", "--no-create-home"),
        *("--shell", "/usr/sbin/nologin", USER),
        may_fail=True,  # it is there from an earlier run
    )
    for program in PROGRAMS:
        steps.copy_tree(REPOSITORY / program, f"/opt/facelab/{program}")
    environment = steps.path("/opt/facelab/.venv")
    steps.run("python3", "-m", "venv", "--system-site-packages", str(environment))
    steps.run(
        *(str(environment / "bin/python"), "-m", "pip", "install", "--quiet"),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *("-r", str(steps.path("/opt/facelab/device/requirements.txt"))),
    )
    # So that `.venv/bin/python device/camera.py` finds contract/ and cloud/ from anywhere.
    steps.write(f"{SITE}/facelab.pth", f"{steps.path('/opt/facelab')}\n", 0o644)
    # The services see a read-only system: they could not keep what they compile.
    programs = [str(steps.path(f"/opt/facelab/{program}")) for program in PROGRAMS]
    steps.run(str(environment / "bin/python"), "-m", "compileall", "-q", *programs)
    steps.write(ENVIRONMENT_FILE, settings(options), 0o640, keep=not options.reset)
    steps.run("chown", "-R", f"root:{USER}", str(steps.path("/etc/facelab")))
    steps.run("chmod", "0750", str(steps.path("/etc/facelab")))
    _write_units(steps)
    steps.run("systemctl", "daemon-reload")
    steps.run("systemctl", "enable", "systemd-time-wait-sync.service", may_fail=True)
    steps.run("systemctl", "enable", *SERVICES)
    steps.run("systemctl", "restart", *SERVICES)


def uninstall(steps: Steps, keep_data: bool) -> None:
    """Services and programs off this machine; settings and the spool too, unless they are kept."""
    steps.run("systemctl", "disable", "--now", *SERVICES, may_fail=True)
    for absolute, _ in _units():
        steps.remove(absolute)
    steps.run("systemctl", "daemon-reload")
    steps.remove("/opt/facelab")
    if not keep_data:
        steps.remove("/etc/facelab")
        steps.remove("/var/lib/facelab")
        steps.run("userdel", USER, may_fail=True)


def _units() -> list[tuple[str, Path]]:
    folder = HERE / "systemd"
    waits = "/etc/systemd/system/systemd-time-wait-sync.service.d/facelab.conf"
    return [
        *((f"/etc/systemd/system/{name}", folder / name) for name in SERVICES),
        ("/etc/systemd/journald@facelab.conf", folder / "journald@facelab.conf"),
        (waits, folder / "wait-for-time.conf"),
    ]


def _write_units(steps: Steps) -> None:
    for absolute, source in _units():
        steps.write(absolute, source.read_text(), 0o644)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    steps = Steps(dry_run=options.dry_run)
    try:
        if not options.dry_run and os.geteuid() != 0:
            raise InstallError("this needs root: run it with sudo, or look first with --dry-run")
        if options.uninstall:
            uninstall(steps, options.keep_data)
            return 0
        check(steps, options)
        install(steps, options)
    except (InstallError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("Look at them:  journalctl --namespace=facelab --follow")
    return 0


def check(steps: Steps, options: argparse.Namespace) -> None:
    """Refuse before the first step what would only fail on the device.

    Raises
    ------
    InstallError
        When the device id can't name a queue, or nothing says which AWS region is meant.
    """
    # Run by the system's Python, which knows no package of ours.
    clips = runpy.run_path(str(REPOSITORY / "contract" / "clips.py"))
    try:
        clips["check_device_id"](options.device or "")
    except clips["InvalidDeviceId"] as error:
        raise InstallError(f"--device: {error}") from error
    if options.backend == "aws" and not options.region and not _has_region(steps, options):
        raise InstallError(
            "--region is needed: the region of the stack, e.g. --region eu-central-1; without "
            "one the programs can't tell which bucket and queue are theirs"
        )


def _has_region(steps: Steps, options: argparse.Namespace) -> bool:
    """Whether settings that an earlier run left, and that stay, name a region."""
    settled = [(ENVIRONMENT_FILE, r"^AWS_(DEFAULT_)?REGION=\S"), (CONFIG_FILE, r"^region\s*=\s*\S")]
    for absolute, pattern in settled[1:] if options.reset else settled:
        path = steps.path(absolute)
        if path.exists() and re.search(pattern, path.read_text(), re.MULTILINE):
            return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="install.py", description=__doc__)
    parser.add_argument("--device", metavar="ID", help="this Pi's device id, e.g. pi-01")
    parser.add_argument("--source", default="picamera", help="default: %(default)s")
    parser.add_argument(
        "--camera-options", default="", metavar="TEXT", help='more for the camera: "--rotation 180"'
    )
    parser.add_argument(
        "--backend", choices=("embedded", "docker", "aws"), default="aws", help="default: aws"
    )
    parser.add_argument("--endpoint", metavar="URL", help="of an emulator: http://127.0.0.1:4566")
    parser.add_argument("--region", help="AWS region, e.g. eu-central-1")
    parser.add_argument("--reset", action="store_true", help="write the settings anew")
    parser.add_argument("--no-apt", action="store_true", help="the packages are there already")
    parser.add_argument("--dry-run", action="store_true", help="only show the steps")
    parser.add_argument("--uninstall", action="store_true", help="remove all of it")
    parser.add_argument("--keep-data", action="store_true", help="with --uninstall: keep clips")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
