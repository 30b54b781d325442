"""Where a running lab keeps its state, and the emulator process that belongs to it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from cloud.switch import environment
from device.private_files import write_private
from scripts.errors import LabError
from scripts.paths import BUILD


class StateUnusable(LabError):
    """The lab's files can't be where they are to be."""


@dataclass(frozen=True)
class EmulatorProcess:
    """A process, told from a later one with the same id by its creation time."""

    pid: int
    created: float
    port: int

    def process(self) -> psutil.Process | None:
        """The live process, or None when it is gone (killed, or before a reboot)."""
        try:
            process = psutil.Process(self.pid)
            # Creation time is computed from the boot time, which may be adjusted by some ms.
            if abs(process.create_time() - self.created) > 1:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


IN_MEMORY = "memory"
IN_MEMORY_BELOW = "memory:"


class LabState:
    """Files of one lab below one folder: `FACELAB_STATE`, by default `build/lab`.

    The word `memory` stands for that folder too, `memory:FOLDER` for another; both say that the
    lab forgets everything when its emulator ends (`is_kept` is false).
    """

    def __init__(self, folder: Path | None = None):
        named = environment().get("FACELAB_STATE") or ""
        forgets = named == IN_MEMORY or named.startswith(IN_MEMORY_BELOW)
        self.is_kept = folder is not None or not forgets
        below = named.removeprefix(IN_MEMORY_BELOW) if named != IN_MEMORY else ""
        chosen = Path(below) if below else BUILD / "lab"
        self.folder = (folder or chosen).resolve()

    def make_folder(self) -> None:
        """Make it where it is missing.

        Raises
        ------
        StateUnusable
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateUnusable(
                f"the lab's files can't be in {self.folder}: {error.strerror}",
                "another folder: FACELAB_STATE in the environment or in .env",
            ) from error

    @property
    def lab_id(self) -> str:
        """Tells this lab's processes from those of other labs on this machine."""
        return "facelab-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def kept(self) -> Path:
        """What outlives the emulator: its services' state and the contents of S3."""
        return self.folder / "state"

    @property
    def filesystem(self) -> Path:
        """LocalStack's own files."""
        return self.folder / "filesystem"

    @property
    def emulator_log(self) -> Path:
        return self.folder / "emulator.log"

    @property
    def provision_log(self) -> Path:
        return self.folder / "provision.log"

    @property
    def deployed(self) -> Path:
        """Fingerprint of what was deployed last."""
        return self.folder / "deployed"

    @property
    def tombstones(self) -> Path:
        """Who was forgotten; it outlives the emulator, which keeps nothing."""
        return self.folder / "forgotten" / "tombstones.json"

    @property
    def _process_file(self) -> Path:
        return self.folder / "emulator.json"

    def emulator(self) -> EmulatorProcess | None:
        """What was started last; it may be dead."""
        try:
            return EmulatorProcess(**json.loads(self._process_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, emulator: EmulatorProcess) -> None:
        write_private(self._process_file, json.dumps(asdict(emulator)).encode())

    @property
    def _settings_file(self) -> Path:
        return self.folder / "started-with.json"

    def remember_settings(self, settings: dict[str, str]) -> None:
        """Keep what the emulator was started with."""
        write_private(self._settings_file, json.dumps(settings).encode())

    def changed_settings(self, settings: dict[str, str]) -> list[str]:
        """The names of those that the emulator was started with another value of."""
        try:
            before = json.loads(self._settings_file.read_text())
        except (OSError, ValueError):
            return []
        return [name for name, value in settings.items() if before.get(name, value) != value]

    def forget_process(self) -> None:
        self._process_file.unlink(missing_ok=True)
        if not self.is_kept:
            self.deployed.unlink(missing_ok=True)

    def forget_everything(self) -> None:
        """The next start begins with an empty lab."""
        self.deployed.unlink(missing_ok=True)
        shutil.rmtree(self.kept, ignore_errors=True)
