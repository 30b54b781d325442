"""Make what the lab needs, once: Python environments and model files.

Runs on a bare Python 3.11+ (standard library only); every `make` target calls it first, and
it is a quick no-op when nothing changed. Each environment is rebuilt when its lock file, or
the interpreter, changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.errors import LabError
from scripts.paths import BUILD, ROOT, import_roots
from scripts.progress_bar import is_watched, usual

MIN_PYTHON = (3, 11)
# Counts up when what set-up puts into an environment changes, beside its lock file.
LAYOUT = "2"


class SetupError(LabError):
    """Set-up can't go on."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the lock that it serves."""

    name: str
    path: Path
    lock: Path
    purpose: str
    takes_s: float  # about so long at first; what it takes here is kept
    plugin: Path | None = None  # a local package, installed after the lock
    compiled: bool = False  # byte code is made here: whoever runs in it may not write any

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.path / ".facelab-stamp"

    @property
    def plugin_stamp(self) -> Path:
        return self.path / ".facelab-plugin-stamp"

    def fingerprint(self) -> str:
        compiled = ["compiled"] if self.compiled else []
        return _digest(LAYOUT, sys.version, str(self.path), self.lock.read_text(), *compiled)

    def plugin_fingerprint(self) -> str:
        """Of the plugin's sources: an edit must reach the environment at the next command."""
        assert self.plugin  # noqa: S101  only asked of environments that have one
        kinds = ("*.py", "*.mjs")
        found = [one for kind in kinds for one in self.plugin.glob(f"localstack_*/**/{kind}")]
        sources = [self.plugin / "pyproject.toml", *found]
        return _digest(*(f"{path.name}\0{path.read_text()}" for path in sorted(sources)))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


LAB = Environment("lab", ROOT / ".venv", ROOT / "requirements.txt", "scripts, device, tests", 30)
EMULATOR = Environment(
    "emulator",
    BUILD / "env" / "emulator",
    ROOT / "localstack" / "requirements.txt",
    "LocalStack and our plugin",
    20,
    plugin=ROOT / "localstack",
)
FUNCTION = Environment(
    "function",
    BUILD / "env" / "function",
    ROOT / "lambda" / "requirements.txt",
    "what the Lambda function may import",
    10,
    compiled=True,
)
ENVIRONMENTS = {env.name: env for env in (LAB, EMULATOR, FUNCTION)}
MODELS = BUILD / "models"
PARTS = {**{name: env.path for name, env in ENVIRONMENTS.items()}, "models": MODELS}
"""What set-up makes, and where that lies."""
TOOLS = Environment(
    "tools", BUILD / "env" / "tools", ROOT / "scripts" / "tools.txt", "the installer", 5
)


def say(text: str) -> None:
    """Beside the results: whoever asks for JSON asks for nothing else on standard output."""
    print(f"facelab: {text}", file=sys.stderr, flush=True)


def run(*command: str | Path) -> None:
    """Run a command; its output is shown only when it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SetupError(f"{Path(str(command[0])).name} failed:\n{tail}")


def make_tools() -> Path:
    """The installer (uv), pinned, in an environment of its own."""
    uv = TOOLS.path / "bin" / "uv"
    if uv.exists() and _current(TOOLS):
        return uv
    say("getting the installer")
    shutil.rmtree(TOOLS.path, ignore_errors=True)
    try:
        run(sys.executable, "-m", "venv", TOOLS.path)
    except SetupError as error:
        raise SetupError(
            f"this Python can't make virtual environments: {error}",
            "on Debian and Ubuntu: apt install python3-venv",
        ) from error
    run(TOOLS.python, "-m", "pip", "install", "-q", "--require-hashes", "-r", TOOLS.lock)
    TOOLS.stamp.write_text(TOOLS.fingerprint())
    return uv


def make_environment(env: Environment) -> None:
    if not _current(env):
        start = time.monotonic()
        say(f"making the {env.name} environment ({env.purpose}) ...")
        uv = make_tools()
        with waiting(env):
            shutil.rmtree(env.path, ignore_errors=True)
            run(uv, "venv", "-q", "--python", sys.executable, env.path)
            # --no-deps: the lock is complete, and it leaves out what must not be installed (the
            # dlib source distribution, 13 minutes of compiling; dlib-bin stands in for it).
            install(env, "--require-hashes", "-r", env.lock)
            if env is LAB:
                add_command(env)
            env.stamp.write_text(env.fingerprint())
        say(f"{env.name} environment ready after {time.monotonic() - start:.0f} s")
    if env.plugin and not _plugin_current(env):
        install(env, "--no-build-isolation", "--reinstall", env.plugin)
        env.plugin_stamp.write_text(env.plugin_fingerprint())


def waiting(env: Environment) -> contextlib.AbstractContextManager[None]:
    """How long it still takes, for whoever looks on."""
    what, name = f"installing {env.name}", f"setup {env.name}"
    return usual(what, name, is_shown=is_watched(), at_first_s=env.takes_s)


def add_command(env: Environment) -> None:
    """The console script `facelab`, and the checkout's own packages on the import path."""
    site = next(env.path.glob("lib/python3*/site-packages"))
    (site / "facelab.pth").write_text("\n".join(import_roots()) + "\n")
    command = env.path / "bin" / "facelab"
    command.write_text(f"#!{env.python}\nfrom scripts.cli.facelab import main\n\nmain()\n")
    command.chmod(0o755)


def install(env: Environment, *what: str | Path) -> None:
    compiled = ["--compile-bytecode"] if env.compiled else []
    run(make_tools(), "pip", "install", "-q", "--python", env.python, "--no-deps", *compiled, *what)


def _plugin_current(env: Environment) -> bool:
    stamp = env.plugin_stamp
    return stamp.exists() and stamp.read_text() == env.plugin_fingerprint()


def _current(env: Environment) -> bool:
    return env.stamp.exists() and env.stamp.read_text() == env.fingerprint()


def make_models() -> None:
    """Convert the reference weights into what the function runs; embed the fixture's people."""
    run_visible(LAB.python, "-m", "weights", "build", "--out", MODELS)
    run_visible(LAB.python, "-m", "scripts.gallery.seed")


def run_visible(*command: str | Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())}
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise SetupError("the step above failed")


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Two `make` at once must not build the same environment."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make(parts: Iterable[str]) -> None:
    """Make each of these `PARTS`, where it is not made or not as it should be.

    Raises
    ------
    SetupError
        When this Python is too old, or a package can't be had.
    """
    if sys.version_info < MIN_PYTHON:
        raise SetupError(
            f"Python {sys.version.split()[0]} is too old; facelab needs 3.11 or newer",
            "make PYTHON=python3.12 …",
        )
    with only_one():
        for part in parts:
            if part in ENVIRONMENTS:
                make_environment(ENVIRONMENTS[part])
            else:
                make_models()
