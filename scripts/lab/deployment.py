"""Bring the lab up, and what changed up to date."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import astuple

from cloud.switch import Switch
from cloud.traces import traces_are_on
from scripts.console import Progress
from scripts.errors import LabError
from scripts.lab.backends import Backend
from scripts.lab.event_path import event_path
from scripts.lab.kept import KeptState
from scripts.lab.limits import concurrency
from scripts.lab.services import SERVICES_SETTING, services
from scripts.lab.state import LabState
from scripts.paths import ROOT
from scripts.provision.function_image import function_files
from scripts.provision.people import SHIPPED, seed
from scripts.provision.warmth import begin_to_warm_up, warm_up


def fingerprint(switch: Switch, backend: str) -> str:
    """Digest of everything that a deployment puts into the cloud."""
    # Another region is another bucket and other queues: nothing of the lab is there yet.
    place = (backend, switch.region_name, switch.names.prefix)
    facts = (*place, switch.device_id, traces_are_on(), concurrency(), event_path())
    digest = hashlib.sha256("".join(f"{one}\0" for one in facts).encode())
    files = [*function_files().values(), *filter(None, astuple(SHIPPED))]
    files += (ROOT / "scripts" / "provision").glob("*.yaml")
    files += [ROOT / "lambda" / name for name in ("Dockerfile", "entrypoint", "requirements.txt")]
    for path in sorted(files):
        digest.update(f"{path}\0{path.stat().st_size}\0".encode())
        # Models are large and content-addressed by the build; their size and time will do.
        digest.update(
            str(path.stat().st_mtime_ns).encode() if path.suffix == ".onnx" else path.read_bytes()
        )
    return digest.hexdigest()


def start_settings(switch: Switch) -> dict[str, str]:
    """What an emulator is told when it starts and never again, by the setting's name."""
    return {
        SERVICES_SETTING: ",".join(services()),
        "FACELAB_CONCURRENCY": str(concurrency()),
        "FACELAB_KEYS": str(switch.keys or ""),
    }


def up(
    switch: Switch,
    state: LabState,
    backend: Backend,
    progress: Progress,
    wait_until_warm: bool = True,
) -> None:
    """Bring the lab up, or what changed up to date; a quick no-op when nothing did.

    Whoever measures what comes next waits for the function to be warm; a person need not.
    """
    state.make_folder()
    current = fingerprint(switch, backend.name)
    was_up = backend.is_up()
    settings = start_settings(switch)
    if was_up:
        for name in state.changed_settings(settings):
            what = "is another than this lab was started with; `make down` first"
            progress(f"warning: {name} {what}")
    else:
        backend.start()
        state.remember_settings(settings)
    kept = KeptState.of(switch)
    for warning in kept.warnings if not was_up else ():
        progress(f"warning: {warning}")
    # A lab that came up empty was deployed by its init hook.
    if was_up or kept.restored:
        if not state.deployed.exists() or state.deployed.read_text() != current:
            progress("something changed since the last deployment: deploying it")
            deploy_now(backend, progress)
        elif not was_up:
            progress("everything is as it was")
    if backend.name == "docker" and not was_up and state.tombstones.exists():
        # Where LocalStack's container seeds, nothing can take somebody out of a gallery.
        seed(switch, SHIPPED, progress)
    state.deployed.write_text(current)
    if wait_until_warm:
        warm_up(switch, progress)
    else:
        begin_to_warm_up(switch)
    progress(f"the lab is up ({backend.name}, {switch.endpoint_url})")


def deploy(switch: Switch, state: LabState, backend: Backend, progress: Progress) -> None:
    """Deploy what is here now; a lab that is down comes up with it."""
    if not backend.is_up():
        up(switch, state, backend, progress)
        return
    current = fingerprint(switch, backend.name)
    deploy_now(backend, progress)
    state.deployed.write_text(current)


def deploy_now(backend: Backend, progress: Progress) -> None:
    """In a process of its own, as the emulator's hook does; what it says is said here.

    Raises
    ------
    LabError
    """
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.cli.provision", "deploy"],
        env={**os.environ, "FACELAB_BACKEND": backend.name},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            progress(line.rstrip("\n").partition("] ")[2] or line.rstrip("\n"))
    if process.returncode:
        raise LabError("deployment failed", "the reason stands above")
