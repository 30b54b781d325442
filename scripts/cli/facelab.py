"""`facelab`: the lab's one command. `facelab TASK --help` tells about each task.

Exit codes: 0 done; 1 it could not be done (one line says why, a second what to do); 2 a wrong
command line; 3 `status`: the lab is down; 130 interrupted. What the devices' programs end with
stands in device/README.md. Results go to stdout, what happens meanwhile to stderr; with `--json`
stdout is JSON and nothing else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from scripts.console import run_command
from scripts.errors import LabError
from scripts.paths import BUILD, import_roots

TRAINING_PYTHON = BUILD / "env" / "training" / "bin" / "python"


@dataclass(frozen=True)
class Task:
    """A subcommand: the module whose `main(arguments)` does it, loaded when it is asked for."""

    name: str
    group: str
    help: str
    module: str
    given: tuple[str, ...] = ()  # arguments that stand before the person's own
    main: str = "main"
    with_torch: bool = False  # its module runs in the training environment


TASKS = (
    Task("setup", "run", "make the environments and the model files", "scripts.cli.setup"),
    Task("up", "run", "start the emulator, deploy what changed", "scripts.cli.lab", ("up",)),
    Task("down", "run", "stop the emulator and all it started", "scripts.cli.lab", ("down",)),
    Task("status", "run", "what is up, and what waits where", "scripts.cli.lab", ("status",)),
    Task("logs", "run", "the function's output", "scripts.cli.lab", ("logs",)),
    Task("deploy", "run", "build, push and deploy the function", "scripts.cli.lab", ("deploy",)),
    Task("reconcile", "run", "send clips again that ended in nothing", "scripts.cli.reconcile"),
    Task("env", "run", "what awslocal needs to find this lab", "scripts.cli.env"),
    Task("snapshot", "run", "the lab's contents into one file", "scripts.cli.lab", ("snapshot",)),
    Task("restore", "run", "the lab's contents from such a file", "scripts.cli.lab", ("restore",)),
    Task("reset", "run", "the lab as it was at first", "scripts.cli.lab", ("reset",)),
    Task("e2e", "run", "the fixture through the whole loop", "scripts.cli.e2e"),
    Task("dashboard", "run", "a page that follows the lab", "scripts.cli.dashboard"),
    Task("trace", "run", "one clip from shutter to screen", "scripts.cli.trace"),
    Task("check", "run", "is an exercise of the class guide solved", "scripts.cli.check"),
    Task("doctor", "run", "what this machine can do", "scripts.cli.doctor"),
    Task("docker-engine", "run", "install it (Debian)", "scripts.cli.docker", main="engine"),
    Task("base-image", "run", "what images are built on", "scripts.cli.docker", main="image"),
    Task("reproducible", "run", "images without times", "scripts.cli.docker", main="reproducible"),
    Task("functions", "functions", "deploy, watch, invoke what you bring", "scripts.cli.functions"),
    Task("grade", "functions", "a course's rubric and workload", "scripts.cli.grade"),
    Task("script", "functions", "your program, a film for its camera", "scripts.cli.script"),
    Task("enroll", "people", "add a person", "scripts.cli.people", ("enroll",)),
    Task("forget", "people", "remove every trace of one", "scripts.cli.people", ("forget",)),
    Task("roster", "people", "who is enrolled", "scripts.cli.people", ("roster",)),
    Task("camera", "devices", "record clips and upload them", "device.camera"),
    Task("messages", "devices", "print results as they come", "device.messages"),
    Task("pictures", "devices", "collect pictures of one person", "device.pictures"),
    Task("spool", "devices", "what waits on this device; send it by hand", "device.spooled"),
    Task("device", "devices", "add, remove or list devices; their policy", "scripts.cli.devices"),
    Task(
        "train",
        "models",
        "train the custom model",
        "training.train_face_recognition",
        with_torch=True,
    ),
    Task("evaluate", "models", "measure both models", "training.evaluate", with_torch=True),
    Task("stress", "models", "faces under hard conditions", "training.stress", with_torch=True),
    Task("model", "models", "take a custom model into service, or back", "scripts.cli.model"),
    Task("aws", "AWS", "up, down, status: the lab on real AWS", "scripts.cli.aws", main="run"),
    Task("soak", "measure", "several devices at once", "scripts.e2e.soak"),
    Task("plan", "measure", "thousands of devices on AWS", "scripts.cli.plan"),
    Task("bench", "measure", "the emulator's share of an invocation", "scripts.bench.overhead"),
    Task("bench-loop", "measure", "the report's whole loop and ours", "scripts.bench.loop"),
    Task("throughput", "measure", "most clips a second, by devices", "scripts.e2e.throughput"),
    Task("bench-lab", "measure", "up, down, reset, snapshot, restore", "scripts.bench.lab"),
    Task("bench-state", "measure", "what keeping state costs a clip", "scripts.bench.state_cost"),
    Task("bench-reload", "measure", "from a saved file to its answer", "scripts.bench.reload"),
    Task("bench-queue", "measure", "a queue and its function", "scripts.bench.queue_latency"),
    Task("bench-device", "measure", "a clip's cost here and on a Pi", "scripts.bench.device_cost"),
    Task("bench-gate", "measure", "what the camera's gates miss", "scripts.bench.gate"),
    Task("bench-dashboard", "measure", "the dashboard in a browser", "scripts.bench.dashboard"),
    Task("bench-endpoint", "measure", "the loop on another emulator", "scripts.bench.endpoint"),
    Task("conformance", "measure", "what AWS documents, asked", "scripts.cli.conformance"),
    Task("bench-handler", "measure", "the report's pipeline and ours", "scripts.bench.handler"),
    Task("bench-gallery", "measure", "search in large galleries", "scripts.bench.gallery"),
    Task("bench-detection", "measure", "which faces are found", "scripts.bench.detection"),
    Task(
        "calibrate-distances",
        "measure",
        "what distances and scores mean",
        "scripts.bench.calibrate_distances",
    ),
    Task("figures", "develop", "the documents' tables of figures", "scripts.cli.figures"),
    Task("mutate", "develop", "do the tests notice faults", "scripts.cli.mutate"),
    Task("lint", "develop", "style, types, imports, templates", "scripts.cli.lint"),
    Task("browser", "develop", "Chromium for the tests that need one", "scripts.cli.browser"),
    Task("check-imports", "develop", "who may import whom", "scripts.cli.check_imports"),
)


def usage() -> str:
    """The list of tasks, by group."""
    lines = ["usage: facelab TASK [--help] …", "", __doc__.strip(), ""]
    for group in dict.fromkeys(task.group for task in TASKS):
        lines.append(f"{group}:")
        lines += [f"  {task.name:20} {task.help}" for task in TASKS if task.group == group]
    return "\n".join(lines)


def run(arguments: list[str]) -> int:
    """Do the task that `arguments` name.

    Raises
    ------
    LabError
        When a task needs an environment that is not there.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    task = next((task for task in TASKS if task.name == name), None)
    if task is None:
        print(f"facelab: there is no task {name!r}; `facelab --help` lists them", file=sys.stderr)
        return 2
    if task.with_torch:
        _in_training_environment(task.module, rest)
    main: Callable[[list[str]], int] = getattr(importlib.import_module(task.module), task.main)
    return main([*task.given, *rest])


def _in_training_environment(module: str, arguments: list[str]) -> None:
    """Become that environment's Python; returns only by an error."""
    if not TRAINING_PYTHON.exists():
        raise LabError("this task needs the training environment", "`make training-env` makes it")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())}
    command = [str(TRAINING_PYTHON), "-m", module, *arguments]
    os.execve(TRAINING_PYTHON, command, environment)  # noqa: S606  no shell, a fixed program


def main() -> None:
    """The console script."""
    run_command(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    main()
