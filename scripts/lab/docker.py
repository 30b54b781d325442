"""The docker backend: LocalStack and a registry in containers, functions beside them."""

from __future__ import annotations

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from cloud.switch import Switch, environment
from scripts.console import Progress
from scripts.docker import base_image
from scripts.docker.engine import (
    engine_answers,
    engine_host,
    is_elsewhere,
    socket_for_containers,
)
from scripts.errors import LabError
from scripts.lab.event_path import EVENTS_SETTING, event_path
from scripts.lab.limits import account_limit, concurrency
from scripts.lab.memory import ProcessFacts, container_processes
from scripts.lab.readiness import hook_states, patience_s, why_the_hook_failed
from scripts.lab.services import SERVICES_SETTING, more_services
from scripts.lab.state import LabState
from scripts.paths import ROOT
from scripts.provision.container_image import build_environment, name_by_content

QUIET_SECONDS = 300
END_WITHIN_S = 15
LAB_LABEL = "localstack-image-functions.lab"


class DockerFailed(LabError):
    """The engine or Compose did not do what the lab needs."""


class Heard:
    """What LocalStack's container said, and since when nothing that means progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = time.monotonic()
        self.said: list[str] = []

    def line(self, line: str) -> None:
        """Take a line of its log: the hook's are shown, answered calls count as progress."""
        hook = line.startswith("facelab: ")
        if hook:
            self.said.append(line)
            self._progress(line.partition("] ")[2] or line)
        if hook or "localstack.request.aws" in line:
            self._last = time.monotonic()

    def silent_s(self) -> float:
        return time.monotonic() - self._last


class DockerBackend:
    """LocalStack as a container, brought up by Compose."""

    name = "docker"

    def __init__(self, switch: Switch, state: LabState, progress: Progress):
        self._switch = switch
        self._state = state
        self._progress = progress

    @property
    def lab(self) -> str:
        """The Compose project, and the label of the function containers."""
        return self._switch.names.prefix

    def is_up(self) -> bool:
        """Whether LocalStack runs and its init hook has provisioned it."""
        return self._container_state() == "running" and self._is_provisioned()

    def start(self) -> None:
        """Build what changed, start the containers, wait until the stack is deployed.

        Raises
        ------
        DockerFailed
        """
        if not engine_answers():
            raise DockerFailed(
                "no Docker engine with Compose answers",
                "start Docker, or `make docker-engine` on Debian as root, "
                "or FACELAB_BACKEND=embedded, which needs none",
            )
        if self._switch.keys:
            raise DockerFailed(
                "FACELAB_KEYS: the docker backend does not demand signatures",
                "FACELAB_BACKEND=embedded does; or leave FACELAB_KEYS out",
            )
        if is_elsewhere(host := self._engine_host):
            raise DockerFailed(
                f"the Docker engine ({host}) is on another machine and can't mount this checkout",
                "`docker context use` one of this machine, or FACELAB_BACKEND=embedded",
            )
        if base_image.origin() is base_image.Origin.ABSENT:
            self._progress(f"getting {base_image.IMAGE}")
            try:
                self._progress(f"{base_image.IMAGE}: {base_image.ensure(self._progress)}")
            except base_image.BaseImageError as error:
                raise DockerFailed(
                    str(error), "FACELAB_BACKEND=embedded runs the lab without Docker"
                ) from error
        self._progress("building images (minutes the first time, seconds later)")
        self._compose("build", "--quiet")
        name_by_content()
        self._progress(f"starting LocalStack on 127.0.0.1:{self._switch.port}")
        self._state.tombstones.parent.mkdir(parents=True, exist_ok=True)  # or Docker makes it
        # A container that failed or was killed is made anew: nothing in it is worth keeping.
        stale = [] if self._container_state() == "none" or self.is_up() else ["--force-recreate"]
        self._compose("up", "--detach", "--no-build", *stale)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop and remove every container and network of the lab. Pushed images are kept."""
        listed = self._list_containers()
        if listed.returncode:
            return  # no engine, so nothing that it runs
        self._progress("stopping LocalStack")
        # By labels and all at once: `docker compose down` takes one step after the other, and
        # would stop the registry only once LocalStack, which ends without it, has gone.
        ours = listed.stdout.split()
        if ours:
            self._end(ours)
        with ThreadPoolExecutor() as pool:
            removing = (
                pool.submit(self._remove_what_functions_had),
                pool.submit(_remove_containers, ours),
                pool.submit(_remove_networks, *self._labels()),
            )
        for one in removing:
            one.result()
        self._state.forget_process()

    def forget(self) -> None:
        """Remove the state of a lab that is down, and the images that were pushed to it."""
        if engine_answers():
            self._compose("down", "--volumes", "--remove-orphans")
            self._remove_zip_images()
        self._state.forget_everything()

    def describe(self) -> dict[str, Any]:
        state = self._container_state()
        if state == "running":
            state = "up" if self._is_provisioned() else "starting"
        facts: dict[str, Any] = {"emulator": "down" if state == "none" else state}
        if state == "up":
            facts |= {
                "endpoint": self._switch.endpoint_url,
                "base_image": str(base_image.origin()),
                "function_containers": len(self._function_containers()),
            }
        return facts

    def processes(self) -> list[ProcessFacts]:
        """Each container of the lab, oldest function first."""
        return container_processes(self._container(), self._function_containers()[::-1])

    def emulator_log(self, lines: int) -> str:
        """The last lines of LocalStack's own log."""
        return self._compose("logs", "--no-log-prefix", "--tail", str(lines), "localstack")

    def _end(self, containers: list[str]) -> None:
        began = time.monotonic()
        _docker("stop", "-t", str(END_WITHIN_S), *containers)
        if time.monotonic() - began > END_WITHIN_S:
            log = self._state.emulator_log
            log.write_text(self.emulator_log(1000))
            self._progress(f"LocalStack had to be killed; {log} has its last words")

    def _wait_until_ready(self) -> None:
        """Wait as long as the init hook gets on: a busy machine takes its time.

        Not for the container's health, which is looked at every few seconds, and counts failed
        looks while the hook still deploys.
        """
        heard = Heard(self._progress)
        followed = self._follow_provisioning(heard)
        try:
            while (states := hook_states(self._switch.port)) != ["SUCCESSFUL"]:
                state = self._container_state()
                if state in ("exited", "dead", "none"):
                    raise DockerFailed(
                        f"LocalStack's container is {state}:\n{self.emulator_log(15)}",
                        "`make logs ARGS=--emulator` shows more",
                    )
                if "ERROR" in states:
                    why = why_the_hook_failed("\n".join(heard.said), self.emulator_log(200))
                    raise DockerFailed(
                        f"provisioning failed:\n{why}", "`make logs ARGS=--emulator` shows more"
                    )
                if heard.silent_s() > patience_s(states, QUIET_SECONDS):
                    doing = f"its init hook is {', '.join(states) or 'not begun'}"
                    raise DockerFailed(
                        f"LocalStack made no progress for {heard.silent_s():.0f} s ({doing})",
                        "`make logs ARGS=--emulator` shows what it did last",
                    )
                time.sleep(0.3)  # between polls of a condition, with a deadline
        finally:
            followed.terminate()
            followed.wait()

    def _follow_provisioning(self, heard: Heard) -> subprocess.Popen[str]:
        follow = subprocess.Popen(
            ["docker", "logs", "--follow", self._container() or ""],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

        def show() -> None:
            for line in follow.stdout or ():
                heard.line(line.rstrip())

        threading.Thread(target=show, daemon=True).start()
        return follow

    def _container(self) -> str | None:
        """The id of LocalStack's container, also when it has stopped."""
        return next(iter(self._list_containers("localstack").stdout.split()), None)

    def _list_containers(self, service: str | None = None) -> subprocess.CompletedProcess[str]:
        return _docker("ps", "--all", "--quiet", *_labeled(*self._labels(service)))

    def _labels(self, service: str | None = None) -> list[str]:
        project = f"com.docker.compose.project={self.lab}"
        return [project, f"com.docker.compose.service={service}"] if service else [project]

    def _container_state(self) -> str:
        """Docker's word for LocalStack's container; `none` when there is none."""
        listed = _docker(
            *("ps", "--all", "--format", "{{.State}}"), *_labeled(*self._labels("localstack"))
        )
        return next(iter(listed.stdout.split()), "none")

    def _is_provisioned(self) -> bool:
        return hook_states(self._switch.port) == ["SUCCESSFUL"]

    def _function_containers(self) -> list[str]:
        listed = _docker("ps", "--all", "--quiet", *_labeled(f"{LAB_LABEL}={self.lab}"))
        return listed.stdout.split()

    def _remove_what_functions_had(self) -> None:
        """The containers and the network that a killed LocalStack left."""
        _remove_containers(self._function_containers())
        _remove_networks(f"{LAB_LABEL}={self.lab}")

    def _remove_zip_images(self) -> None:
        """What LocalStack made for zip functions, which outlives it."""
        label = _labeled(f"{LAB_LABEL}={self.lab}")
        if images := _docker("image", "ls", "--quiet", *label).stdout.split():
            _must("image", "rm", "--force", *dict.fromkeys(images))

    @cached_property
    def _engine_host(self) -> str | None:
        return engine_host()

    def _command(self) -> list[str]:
        files = ["compose.yaml"]
        if environment().get("LOCALSTACK_IMAGE"):
            files.append("compose.licensed.yaml")
        return ["docker", "compose", *(word for file in files for word in ("--file", file))]

    def _environment(self) -> dict[str, str]:
        switch = self._switch
        settings = build_environment() | {
            "FACELAB_PREFIX": self.lab,
            "FACELAB_PORT": str(switch.port),
            "FACELAB_DEVICE_ID": switch.device_id,
            "FACELAB_FORGOTTEN": str(self._state.tombstones.parent),
            "AWS_REGION": switch.region or "",
            "FACELAB_CONCURRENCY": str(concurrency()),
            "FACELAB_ACCOUNT_LIMIT": str(account_limit()),
            EVENTS_SETTING: event_path(),
            SERVICES_SETTING: ",".join(more_services()),
            "COMPOSE_PROGRESS": "quiet",
            "FACELAB_KEPT_STATE": "/state" if self._state.is_kept else "",
        }
        if "FACELAB_DOCKER_SOCKET" not in settings:
            settings["FACELAB_DOCKER_SOCKET"] = socket_for_containers(self._engine_host)
        return settings

    def _compose(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command(), *arguments],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = (done.stderr + done.stdout).strip().splitlines()
            if any("address already in use" in one or "already allocated" in one for one in lines):
                raise DockerFailed(
                    f"a port is taken: {lines[-1]}",
                    "choose others: FACELAB_PORT=4567 FACELAB_REGISTRY_PORT=4511 make up",
                )
            raise DockerFailed(
                f"docker compose {arguments[0]} failed:\n" + "\n".join(lines[-20:]),
            )
        return done.stdout


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _remove_containers(containers: list[str]) -> None:
    if containers:
        _must("rm", "--force", "--volumes", *containers)


def _remove_networks(*labels: str) -> None:
    # Not `network prune`: the engine refuses a second one at the same time, whosever it is.
    listed = _docker("network", "ls", "--quiet", *_labeled(*labels)).stdout.split()
    if listed:
        _must("network", "rm", *listed)


def _must(*arguments: str) -> None:
    done = _docker(*arguments)
    if done.returncode and not ("No such" in done.stderr or "not found" in done.stderr):
        raise DockerFailed(f"docker {arguments[0]} failed:\n{done.stderr.strip()}")


def _labeled(*labels: str) -> list[str]:
    return [word for label in labels for word in ("--filter", f"label={label}")]
