"""Production modules, loaded unchanged over the simulated standard library.

An import statement of a production module gets ours for what touches threads, time, disk,
network or chance, another production module for what is one, and the real thing for the rest.
"""

from __future__ import annotations

import builtins
import functools
import gc
import logging as real_logging
import sys as real_sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.simulation import clients, files, futures, recognizer, standard
from tests.simulation.scheduler import current, step

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contract", "cloud", "device", "scripts")
PREFIX = "simulated."


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(members)
    return module


class _Stream:
    """A standard stream of the calling process: whole lines go to `on_line`."""

    encoding = "utf-8"

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> int:
        process = step().process
        process.printing = getattr(process, "printing", "") + text
        *lines, process.printing = process.printing.split("\n")
        for line in lines:
            process.on_line(process, self._name, line)
        return len(text)

    def flush(self) -> None:
        current()

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **_: Any) -> None:
        pass


class _Logger:
    """Takes what the function logs; a history's trace shows it."""

    level = 0

    def _log(self, message: Any, *arguments: Any, **_: Any) -> None:
        world = current().world
        if world.trace is not None:
            world.note(f"log: {str(message) % arguments if arguments else message}")

    debug = info = warning = error = exception = critical = _log

    def log(self, _level: int, *arguments: Any, **more: Any) -> None:
        self._log(*arguments, **more)

    def setLevel(self, _level: Any) -> None:
        pass

    def addFilter(self, *_: Any) -> None:
        pass

    addHandler = removeHandler = addFilter  # noqa: N815  logging's names
    handlers: tuple = ()
    filters: tuple = ()

    def isEnabledFor(self, _level: Any) -> bool:
        return True


class _Chance:
    """`random` and `secrets`, from the history's own seed."""

    def __getattr__(self, name: str) -> Any:
        # Found when it is called: production code keeps `random.random` as a default.
        return lambda *arguments: getattr(current().world.chance, name)(*arguments)

    def token_hex(self, size: int = 32) -> str:
        return f"{current().world.chance.getrandbits(8 * size):0{2 * size}x}"


def _print(*values: Any, sep: str = " ", end: str = "\n", file: Any = None, flush: bool = False):
    (file or _sys.stdout).write(sep.join(map(str, values)) + end)


def _tell_of_signals(numbers: Iterable[int], told: Callable[[int], None]) -> None:
    current().process.handlers.update(dict.fromkeys(numbers, told))


_sys = _module(
    "sys",
    stdout=_Stream("out"),
    stderr=_Stream("err"),
    argv=["simulated"],
    path=[],
    platform="linux",
    version_info=real_sys.version_info,
    executable="python3",
    exit=real_sys.exit,
    exc_info=real_sys.exc_info,
    modules=real_sys.modules,
    maxsize=real_sys.maxsize,
    flags=real_sys.flags,
)
_chance = _Chance()
_logger = _Logger()
_signal = _module("signal", SIGINT=2, SIGTERM=15)
_logging = _module(
    "logging",
    getLogger=lambda *_: _logger,
    Logger=_Logger,
    Filter=real_logging.Filter,
    Formatter=real_logging.Formatter,
    LogRecord=real_logging.LogRecord,
    DEBUG=10,
    INFO=20,
    WARNING=30,
    ERROR=40,
)


def _substitutes() -> dict[str, ModuleType]:
    return {
        "threading": standard.threading,
        "queue": standard.queue,
        "concurrent.futures": futures.module,
        "time": standard.time,
        "os": files.os,
        "pathlib": files.pathlib,
        "fcntl": files.fcntl,
        "shutil": files.shutil,
        "sys": _sys,
        "signal": _signal,
        "logging": _logging,
        "random": _chance,
        "secrets": _chance,
        "boto3": clients.boto3,
        "boto3.session": clients.boto3.session,
        "botocore.session": clients.botocore_session,
        "dotenv": _module("dotenv", dotenv_values=lambda *_, **__: {}),
        "recognition": recognizer.module,
        "device.sources": recognizer.sources,
        "device.signals": _module("device.signals", tell_of_signals=_tell_of_signals),
    }


STAGES = ROOT / "lambda" / "recognition" / "stages.py"


class Realm:
    """All production modules of this process of ours, loaded once."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        self.substitutes = _substitutes()
        self._builtins = {
            **vars(builtins),
            "__import__": self._import,
            "open": files.open_file,
            "print": _print,
        }
        # What measures the stand-in for recognition must not look at a real clock.
        stages = self._execute("recognition.stages", STAGES, keep=False)
        self.substitutes["recognition"].Stopwatch = stages.Stopwatch

    def load(self, name: str) -> ModuleType:
        """A production module by the name that production code imports it by."""
        if name not in self.modules:
            path = _source(name)
            if path is None:
                raise ModuleNotFoundError(f"no module {name!r} in the simulated realm")
            if "." in name:
                self.load(name.rpartition(".")[0])
            self._execute(name, path)
            if "." in name:
                parent, _, child = name.rpartition(".")
                setattr(self.modules[parent], child, self.modules[name])
        return self.modules[name]

    def has(self, name: str) -> bool:
        """Whether there is such a production module."""
        return _source(name) is not None

    def fresh(self, name: str) -> ModuleType:
        """The module executed anew, as when a process starts; what it imports stays loaded."""
        path = _source(name)
        assert path is not None
        return self._execute(name, path, keep=False)

    def _execute(self, name: str, path: Path, keep: bool = True) -> ModuleType:
        module = ModuleType(PREFIX + name)
        is_package = path.name == "__init__.py"
        module.__file__ = str(path)
        module.__package__ = name if is_package else name.rpartition(".")[0] or "lambda"
        module.__dict__["__builtins__"] = self._builtins
        if keep:
            self.modules[name] = module
        real_sys.modules[PREFIX + name] = module  # dataclasses look their annotations up there
        exec(_code(path), module.__dict__)  # noqa: S102  our own sources
        return module

    def _import(
        self,
        name: str,
        variables: dict | None = None,
        local: dict | None = None,
        chosen: tuple | None = (),
        level: int = 0,
    ) -> Any:
        if level:
            base = (variables or {})["__package__"].split(".")
            base = base[: len(base) - level + 1]
            name = ".".join([*base, name] if name else base)
        if name in self.substitutes:
            if "." in name and not chosen:
                return self._top(name)
            return self.substitutes[name]
        if _source(name) is None:
            if name.startswith("botocore") and not chosen:
                return _module("botocore", session=clients.botocore_session)
            return builtins.__import__(name, variables, local, chosen or (), 0)
        module = self.load(name)
        for child in chosen or ():
            if not hasattr(module, child) and _source(f"{name}.{child}") is not None:
                self.load(f"{name}.{child}")
        return module if chosen else self.load(name.partition(".")[0])

    def _top(self, name: str) -> Any:
        top = name.partition(".")[0]
        if top == "boto3":
            return clients.boto3
        if top == "botocore":
            return _module("botocore", session=clients.botocore_session)
        return self.load(top)


@functools.cache
def _source(name: str) -> Path | None:
    """The file of a production module; None for anything else."""
    top = name.partition(".")[0]
    if top in PACKAGES:
        base = ROOT / Path(*name.split("."))
    elif top == "recognition":
        return None
    else:
        base = ROOT / "lambda" / Path(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@functools.cache
def _code(path: Path) -> CodeType:
    return compile(path.read_text("utf-8"), str(path), "exec")


def loaded() -> Realm:
    """A realm with both of the device's programs and the function."""
    realm = Realm()
    for name in ("device.camera", "device.messages", "answering"):
        realm.load(name)
    for program in ("device.camera", "device.messages"):
        module = realm.modules[program]
        module._parser = functools.cache(module._parser)  # dear to make, and keeps nothing
    # What is loaded stays: collecting a history's garbage need not look at it.
    gc.collect()
    gc.freeze()
    return realm
