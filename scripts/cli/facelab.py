"""`facelab`: the lab's one command. `facelab TASK --help` tells about each task.

Exit codes, of all programs here, those of the device and of training too:

    0    done, all of it
    1    it could not be done, or not all of it: one line says why, a second what to do
    2    a wrong command line; on a device also a setting or a camera that does not work
    3    `status`: there is no lab
    70   a program of the device ended because a thread of it failed by a fault of ours
    130  interrupted
    141  whoever read its output has gone

A traceback is a fault of ours, and code 1. `script` and `grade --official` end as the program does
that they run. Results go to stdout, what happens meanwhile to stderr. Every task takes
`--json`: stdout is one JSON document then, or one a line from what goes on, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import resolve_name

from scripts.console import run_command
from scripts.errors import LabError
from scripts.paths import BUILD, import_roots

TRAINING_PYTHON = BUILD / "env" / "training" / "bin" / "python"
_MADE_BY = "`make training-env` makes the environment that it needs; then --help tells more"


@dataclass(frozen=True)
class Task:
    """A subcommand, and the function that does it: `module`'s `main`, or `module:function`, where
    `.module` lies in `scripts.cli`. It takes a list of arguments."""

    name: str
    group: str
    help: str
    place: str
    given: tuple[str, ...] = ()  # arguments that stand before the person's own
    with_torch: bool = False  # its module runs in the training environment

    @property
    def module(self) -> str:
        return resolve_name(self.place.partition(":")[0], "scripts.cli")

    def load(self) -> Callable[[list[str]], int]:
        """That function; its module is loaded when it is asked for."""
        function = self.place.partition(":")[2] or "main"
        loaded: Callable[[list[str]], int] = getattr(import_module(self.module), function)
        return loaded


TASKS = (
    Task("setup", "run", "make the environments and the model files", ".setup"),
    Task("up", "run", "start the emulator, deploy what changed", ".lab", ("up",)),
    Task("down", "run", "stop the emulator and all it started", ".lab", ("down",)),
    Task("status", "run", "what is up, and what waits where", ".lab", ("status",)),
    Task("logs", "run", "the function's output", ".lab", ("logs",)),
    Task("deploy", "run", "build, push and deploy the function", ".lab", ("deploy",)),
    Task("provision", "run", "the cloud side alone: deploy or delete it", ".provision"),
    Task("reconcile", "run", "send clips again that ended in nothing", ".reconcile"),
    Task("env", "run", "what awslocal needs to find this lab", ".env"),
    Task("snapshot", "run", "the lab's contents into one file", ".lab", ("snapshot",)),
    Task("restore", "run", "the lab's contents from such a file", ".lab", ("restore",)),
    Task("reset", "run", "the lab as it was at first", ".lab", ("reset",)),
    Task("e2e", "run", "the fixture through the whole loop", ".e2e"),
    Task("dashboard", "run", "a page that follows the lab", ".dashboard"),
    Task("trace", "run", "one clip from shutter to screen", ".trace"),
    Task("check", "run", "is an exercise of the class guide solved", ".check"),
    Task("doctor", "run", "what this machine can do", ".doctor"),
    Task("docker-engine", "run", "install and start it, on Debian", ".docker:engine"),
    Task("base-image", "run", "what images are built on", ".docker:image"),
    Task("reproducible", "run", "images without times", ".docker:reproducible"),
    Task("functions", "functions", "deploy, watch, invoke what you bring", ".functions"),
    Task("grade", "functions", "a course's rubric and workload", ".grade"),
    Task("script", "functions", "your program, a film for its camera", ".script"),
    Task("enroll", "people", "add a person", ".people", ("enroll",)),
    Task("forget", "people", "remove every trace of one", ".people", ("forget",)),
    Task("roster", "people", "who is enrolled", ".people", ("roster",)),
    Task("camera", "devices", "record clips and upload them", "device.camera"),
    Task("messages", "devices", "print results as they come", "device.messages"),
    Task("pictures", "devices", "collect pictures of one person", "device.pictures"),
    Task("spool", "devices", "what waits on this device; send it by hand", "device.spooled"),
    Task("device", "devices", "add, remove or list devices; their policy", ".devices"),
    Task(
        "train",
        "models",
        "train the custom model",
        "training.train_face_recognition",
        with_torch=True,
    ),
    Task("evaluate", "models", "measure both models", "training.evaluate", with_torch=True),
    Task("stress", "models", "faces under hard conditions", "training.stress", with_torch=True),
    Task("model", "models", "take a custom model into service, or back", ".model"),
    Task("aws", "AWS", "up, down, status: the lab on real AWS", ".aws:run"),
    Task("soak", "measure", "several devices at once", ".soak"),
    Task("plan", "measure", "thousands of devices on AWS", ".plan"),
    Task("bench", "measure", "the emulator's share of an invocation", ".bench_lab:overhead"),
    Task("bench-loop", "measure", "the report's whole loop and ours", ".bench_loop:loop"),
    Task("throughput", "measure", "most clips a second, by devices", ".throughput"),
    Task("bench-lab", "measure", "up, down, reset, snapshot, restore", ".bench_lab:lab"),
    Task("bench-state", "measure", "what keeping state costs a clip", ".bench_lab:state"),
    Task("bench-reload", "measure", "from a saved file to its answer", ".bench_lab:reload"),
    Task("bench-queue", "measure", "a queue and its function", ".bench_lab:queue"),
    Task("bench-device", "measure", "a clip's cost here and on a Pi", ".bench_loop:device"),
    Task("bench-gate", "measure", "what the camera's gates miss", ".bench_loop:gate"),
    Task("bench-dashboard", "measure", "the dashboard in a browser", ".bench_lab:dashboard"),
    Task("bench-endpoint", "measure", "the loop on another emulator", ".bench_lab:endpoint"),
    Task("conformance", "measure", "what AWS documents, asked", ".conformance"),
    Task("bench-handler", "measure", "the report's pipeline and ours", ".bench_faces:handler"),
    Task("bench-gallery", "measure", "search in large galleries", ".bench_faces:gallery"),
    Task("bench-detection", "measure", "which faces are found", ".bench_faces:detection"),
    Task(
        "calibrate-distances", "measure", "what distances and scores mean", ".bench_faces:calibrate"
    ),
    Task("calibrate-groups", "measure", "the same within groups of people", ".bench_faces:groups"),
    Task("bench-sharpest", "measure", "the sharpest frames, or even ones", ".bench_faces:sharpest"),
    Task("bench-against", "measure", "this code and an earlier commit's", ".bench_faces:against"),
    Task("bench-sustained", "measure", "clips a second, an earlier one's", ".bench_loop:sustained"),
    Task("bench-against-loop", "measure", "its loop and an earlier one's", ".bench_loop:against"),
    Task("bench-replays", "measure", "can a photo be told from a person", ".bench_faces:replays"),
    Task("figures", "develop", "the documents' tables of figures", ".figures"),
    Task("mutate", "develop", "do the tests notice faults", ".mutate"),
    Task("lint", "develop", "style, types, imports, templates", ".lint"),
    Task("browser", "develop", "Chromium for the tests that need one", ".browser"),
    Task("check-imports", "develop", "who may import whom", ".check_imports"),
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
        if not TRAINING_PYTHON.exists() and {"-h", "--help"} & {*rest}:
            print(f"usage: facelab {name} …\n\n{task.help[0].upper()}{task.help[1:]}. {_MADE_BY}.")
            return 0
        _in_training_environment(task.module, rest)
    return task.load()([*task.given, *rest])


def _in_training_environment(module: str, arguments: list[str]) -> None:
    """Become that environment's Python; returns only by an error."""
    if not TRAINING_PYTHON.exists():
        raise LabError("this task needs the training environment", _MADE_BY)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())}
    command = [str(TRAINING_PYTHON), "-m", module, *arguments]
    os.execve(TRAINING_PYTHON, command, environment)  # noqa: S606  no shell, a fixed program


def main() -> None:
    """The console script."""
    run_command(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    main()
