"""The embedded backend: LocalStack as a background process, functions as processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from cloud.lab_keys import ensure_keys
from cloud.switch import Switch
from device.private_files import private_opener, write_private
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.runtimes import make_runtimes
from scripts.lab.ending import running_after
from scripts.lab.event_path import EVENTS_SETTING, event_path
from scripts.lab.limits import POLL_INTERVAL_S, account_limit, concurrency
from scripts.lab.memory import ProcessFacts, emulator_processes
from scripts.lab.readiness import hook_states, patience_s, text_of, why_the_hook_failed
from scripts.lab.services import SERVICES_SETTING, services
from scripts.lab.state import EmulatorProcess, LabState
from scripts.paths import BUILD, ROOT, import_roots
from scripts.setup import EMULATOR, LAB

QUIET_SECONDS = 120
STOP_SECONDS = 15
CACHE = BUILD / "emulator-cache"
INDEX = "service-catalog-*.dill"
HOOK = ROOT / "scripts" / "lab" / "ready.d" / "provision.py"
# What of the host's environment the emulator may see: enough to find programs and to write
# text, and nothing that could carry a credential.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR")
# Settings of the plugin's that whoever starts the lab may give (localstack/README.md).
GIVEN = (
    "IMAGE_FUNCTIONS_STATE_MB",
    "IMAGE_FUNCTIONS_DAY_S",
    "IMAGE_FUNCTIONS_ISOLATION",
    "IMAGE_FUNCTIONS_SHOW",
    "IMAGE_FUNCTIONS_INTERNET",
    "IMAGE_FUNCTIONS_OPEN",
    "IMAGE_FUNCTIONS_URLS",
)


class PortTaken(LabError):
    """Something else listens on the emulator's port."""


class EmulatorFailed(LabError):
    """LocalStack did not come up."""


class EmbeddedBackend:
    """LocalStack on loopback, without Docker."""

    name = "embedded"

    def __init__(self, switch: Switch, state: LabState, progress: Progress):
        self._switch = switch
        self._state = state
        self._progress = progress

    def is_up(self) -> bool:
        """Whether the emulator runs and has been provisioned. What answers at another port than
        this lab's is somebody else's."""
        live = self._live()
        if live is None or live.port != self._switch.port:
            return False
        return hook_states(live.port) == ["SUCCESSFUL"]

    def start(self) -> None:
        """Start LocalStack and wait until its init hook has provisioned the lab.

        Raises
        ------
        PortTaken, EmulatorFailed
        """
        running = self._live()
        if running and running.port != self._switch.port:
            raise PortTaken(
                f"this lab already runs on port {running.port}",
                f"FACELAB_PORT={running.port} uses it; `make down` stops it",
            )
        if not running:
            self.stop()  # what a killed emulator or a reboot left behind
            self._check_port()
            self._spawn()
        self._wait_until_ready()
        self._share_cache()

    def stop(self) -> None:
        """Stop the emulator and everything it started; quiet when nothing runs."""
        recorded = self._state.emulator()
        process = recorded.process() if recorded else None
        if not (process and self._end(process)):
            self._sweep_function_processes()
        self._state.forget_process()
        shutil.rmtree(self._state.filesystem, ignore_errors=True)

    def forget(self) -> None:
        """Remove the state of a lab that is down."""
        self._state.forget_everything()

    def _end(self, process: psutil.Process) -> bool:
        """End the emulator and its children; whether it could still clear up after itself."""
        self._progress("stopping LocalStack")
        family = [process, *process.children(recursive=True)]
        process.terminate()
        alive = running_after([process], STOP_SECONDS)
        if alive:
            log = self._state.emulator_log
            self._progress(f"LocalStack has to be killed; {log} has its last words")
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        running_after(family, STOP_SECONDS)
        return not alive

    def describe(self) -> dict[str, Any]:
        live = self._live()
        if not live:
            return {"emulator": "down"}
        if live.port != self._switch.port:
            return {"emulator": "down", "runs_on_port": live.port}
        return {
            "emulator": "up" if self.is_up() else "starting",
            "pid": live.pid,
            "endpoint": self._switch.endpoint_url,
            "uptime_s": round(time.time() - live.created),
        }

    def processes(self) -> list[ProcessFacts]:
        """The emulator and its function environments, oldest first."""
        live = self._live()
        process = live.process() if live else None
        return emulator_processes(process) if process else []

    def emulator_log(self, lines: int) -> str:
        """The last lines of LocalStack's own log."""
        path = self._state.emulator_log
        if not path.exists():
            raise LabError(f"there is no {path.name} yet", "`make up` starts the lab")
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

    def _live(self) -> EmulatorProcess | None:
        recorded = self._state.emulator()
        return recorded if recorded and recorded.process() else None

    def _check_port(self) -> None:
        port = self._switch.port
        with socket.socket() as probe:
            # A port that a closed connection still lingers on is free to listen on.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError:
                pass
        raise PortTaken(
            f"port {port} is taken{_owner_of(port)}",
            f"stop that program, or choose another port: FACELAB_PORT={port + 1} make up",
        )

    def _spawn(self) -> None:
        state = self._state
        hooks = state.filesystem / "etc" / "localstack" / "init" / "ready.d"
        hooks.mkdir(parents=True)
        self._fill_cache()
        shutil.copy2(HOOK, hooks / HOOK.name)
        write_private(state.provision_log, b"")
        self._progress(f"starting LocalStack on 127.0.0.1:{self._switch.port}")
        # It names people, when the function's log level is raised.
        with open(state.emulator_log, "wb", opener=private_opener) as log:
            process = subprocess.Popen(
                [EMULATOR.python, "-m", "localstack.runtime.main"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=state.folder,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C at the terminal is not for the emulator
            )
        created = psutil.Process(process.pid).create_time()
        state.remember(EmulatorProcess(process.pid, created, self._switch.port))

    @property
    def _cache(self) -> Path:
        return self._state.filesystem / "var" / "lib" / "localstack" / "cache"

    def _fill_cache(self) -> None:
        """Give LocalStack the index of AWS services that another start has made in seconds.

        A copy: two labs that start at once would write into each other's.
        """
        self._cache.mkdir(parents=True)
        for index in CACHE.glob(INDEX):
            shutil.copyfile(index, self._cache / index.name)

    def _share_cache(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        for index in self._cache.glob(INDEX):
            if not (CACHE / index.name).exists():
                draft = CACHE / f".{index.name}.{os.getpid()}"
                shutil.copyfile(index, draft)
                draft.replace(CACHE / index.name)

    def _environment(self) -> dict[str, str]:
        state, switch = self._state, self._switch
        inherited = {name: os.environ[name] for name in (*INHERITED, *GIVEN) if name in os.environ}
        if switch.keys:
            keys = ensure_keys(switch.keys)
            inherited |= {
                "IMAGE_FUNCTIONS_ACCESS_KEY_ID": keys.access_key,
                "IMAGE_FUNCTIONS_SECRET_ACCESS_KEY": keys.secret_key,
                "FACELAB_KEYS": str(switch.keys),  # for the init hook
            }
        return inherited | {
            "HOME": str(state.folder),
            "NO_PROXY": "*",  # the system's settings may name a proxy, too
            "FILESYSTEM_ROOT": str(state.filesystem),
            # Or LocalStack, inside any container, takes the machine's /etc and /var for its own.
            "OVERRIDE_IN_DOCKER": "0",
            # A heap for each thread keeps 15 MB that none of them needs.
            "MALLOC_ARENA_MAX": "2",
            # The default server ignores the address and listens everywhere.
            "GATEWAY_SERVER": "threads",
            "GATEWAY_LISTEN": f"127.0.0.1:{switch.port}",
            "LOCALSTACK_HOST": f"localhost:{switch.port}",
            # Queue URLs that every resolver knows.
            "SQS_ENDPOINT_STRATEGY": "path",
            "DNS_ADDRESS": "0",
            # Each starts with the first call to it; calls between them stay in memory.
            "SERVICES": ",".join(services()),
            "IMAGE_FUNCTIONS_SERVICES_SETTING": SERVICES_SETTING,
            "IN_MEMORY_CLIENT": "1",
            # The pause after a batch; a queue that is empty is waited for.
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": POLL_INTERVAL_S,
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "PROVIDER_OVERRIDE_DYNAMODB": "moto",
            "LAMBDA_RUNTIME_EXECUTOR": "image",
            "IMAGE_FUNCTIONS_SANDBOX": "process",
            "IMAGE_FUNCTIONS_STORE": str(state.images),
            "IMAGE_FUNCTIONS_RUNTIMES": str(make_runtimes(self._progress)),
            "IMAGE_FUNCTIONS_TMP": str(state.filesystem / "function-tmp"),
            "IMAGE_FUNCTIONS_STATE": str(state.kept) if state.is_kept else "",
            "IMAGE_FUNCTIONS_LAB": state.lab_id,
            # AWS repeats a failed event after one minute, then two; nobody wants to wait.
            "LAMBDA_RETRY_BASE_DELAY": "2",
            # Each concurrent invocation is a process of its own; further events wait their turn.
            "LAMBDA_LIMITS_CONCURRENT_EXECUTIONS": str(account_limit()),
            "LAMBDA_LIMITS_MINIMUM_UNRESERVED_CONCURRENCY": "0",
            "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "60",  # cold starts take turns
            # For the init hook.
            "FACELAB_CONCURRENCY": str(concurrency()),
            EVENTS_SETTING: event_path(),
            "FACELAB_PYTHON": str(LAB.python),
            "FACELAB_ROOT": str(ROOT),
            "FACELAB_IMPORT_ROOTS": os.pathsep.join(import_roots()),
            "FACELAB_PROVISION_LOG": str(state.provision_log),
            "FACELAB_STATE": str(state.folder),
            "FACELAB_BACKEND": self.name,
            "FACELAB_PORT": str(switch.port),
            "FACELAB_PREFIX": switch.names.prefix,
            "FACELAB_DEVICE_ID": switch.device_id,
        }

    def _wait_until_ready(self) -> None:
        """Wait as long as there is progress: a busy machine takes its time."""
        heard, shown = time.monotonic(), 0
        states: list[str] = []
        while time.monotonic() - heard < patience_s(states, QUIET_SECONDS):
            before, shown = shown, self._show_provisioning(shown)
            if shown > before:
                heard = time.monotonic()
            states = hook_states(self._switch.port)
            if states == ["SUCCESSFUL"]:
                self._show_provisioning(shown)
                return
            log, said = self._state.emulator_log, self._state.provision_log
            if states == ["ERROR"]:
                self._show_provisioning(shown)
                why = why_the_hook_failed(text_of(said), text_of(log))
                raise EmulatorFailed(
                    f"provisioning failed:\n{why}", f"more of it: {said} and {log}"
                )
            if not self._live():
                tail = "\n".join(text_of(log).splitlines()[-15:])
                raise EmulatorFailed(f"LocalStack ended:\n{tail}", f"the whole log: {log}")
            time.sleep(0.1)  # between polls of a condition, with a deadline
        raise EmulatorFailed(
            f"LocalStack made no progress for {time.monotonic() - heard:.0f} s",
            f"see {self._state.emulator_log} and {self._state.provision_log}",
        )

    def _show_provisioning(self, shown: int) -> int:
        lines = text_of(self._state.provision_log).splitlines()
        for line in lines[shown:]:
            self._progress(line.partition("] ")[2] or line)
        return len(lines)

    def _sweep_function_processes(self) -> None:
        if EMULATOR.python.exists():
            subprocess.run(
                [
                    EMULATOR.python,
                    "-m",
                    "localstack_image_functions.process.sweep",
                    "--lab",
                    self._state.lab_id,
                ],
                check=False,
                capture_output=True,
            )


def _owner_of(port: int) -> str:
    """ " by NAME (process N)", where the system tells."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN
            where = connection.laddr
            if listening and where and where.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
