"""Command blocks of the documents, and who executes them.

Above each block of commands stands who tries it, unseen by a reader:

    <!-- run -->                                tests/integration/test_documents.py, as it stands
    <!-- tested: tests/integration/test_x.py --> that test (or `.ci/run`) runs the same commands
    <!-- needs: an AWS account -->              nobody can here

Commands stand in fences that say `sh`, and nowhere else: what no fence of that name holds, nobody
would look for.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.cli.facelab import TASKS
from scripts.paths import ROOT

RUN = "run"
NEEDS = {
    "an AWS account",
    "Docker",  # tests/integration/docker does the same through the engine's API
    "a Raspberry Pi",
    "a camera",
    "a quiet machine for minutes",
    "the internet",
}
NOT_OURS = ("pip", "pytest", "venv")
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*) -->\n)?^(?P<indent> *)```sh\n(?P<text>.*?)^ *```", re.M | re.S
)
# Fences that hold no commands: what programs print or read. Nothing is a picture made of text.
NO_COMMANDS = ("", "json", "python", "yaml")
_FENCE = re.compile(r" *(`{3,}|~{3,}) *([^`]*)")
_LIKE_A_COMMAND = re.compile(
    r"\s*(\$ |\./\S"
    r"|(\S*/)?(make|python3?|pip|uv|git|docker|aws|awslocal|bash|curl|export|facelab) \S"
    r"|\S+\.(py|sh) [\w./-])"
)


@dataclass(frozen=True)
class Block:
    """Commands as they stand in a document, and the mark above them."""

    mark: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines, continued ones joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip()]


def blocks(text: str) -> list[Block]:
    """Every block of commands of a document."""
    return [
        Block(found["mark"] or "", re.sub(rf"^{found['indent']}", "", found["text"], flags=re.M))
        for found in _BLOCK.finditer(text)
    ]


def documents() -> list[Path]:
    """The checkout's, those too that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(ROOT / name for name in listed.stdout.split())


def hidden_commands(text: str) -> Iterator[str]:
    """Lines that look like commands, and stand where `blocks` does not see them."""
    mark = language = ""
    for line in text.splitlines():
        fence = _FENCE.fullmatch(line)
        if fence and not mark:
            mark, language = fence[1], fence[2].strip()
            if language not in ("sh", *NO_COMMANDS) or (language == "sh" and mark != "```"):
                yield line.strip()
        elif fence and fence[1].startswith(mark) and not fence[2]:
            mark = ""
        elif _LIKE_A_COMMAND.match(line):
            is_code = language == "" if mark else line.startswith(("    ", "\t"))
            if is_code:
                yield line.strip()


def fault_of(block: Block, document: str = "") -> str:
    """What is wrong with a block's mark; nothing when somebody tries its commands. A test that
    reads `document` itself tries what stands there."""
    kind, _, named = block.mark.partition(": ")
    if block.mark == RUN:
        return ""
    if kind == "needs":
        return "" if named in NEEDS else f"needs: takes one of {sorted(NEEDS)}"
    if kind != "tested":
        return "no mark above it says who tries it"
    paths = [ROOT / one.strip() for one in named.split(",")]
    missing = [str(path.relative_to(ROOT)) for path in paths if not path.is_file()]
    if missing:
        return f"{missing} is not there"
    tests = "\n".join(path.read_text("utf-8") for path in paths)
    if not _names(block) and not any(_in(one, tests) for one in (document, *block.commands)):
        return f"{block.commands[0]} is not in {named}"
    untried = [names[0] for names in _names(block) if not any(_in(one, tests) for one in names)]
    return f"{untried} is not in {named}" if untried else ""


def _in(name: str, tests: str) -> bool:
    """Whether tests name a command; of a module also by `from room import module`."""
    if not name:
        return False
    room, _, module = name.rpartition(".")
    imported = rf"|from {re.escape(room)} import {module}\b" if room else ""
    return bool(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w){imported}", tests))


def _names(block: Block) -> list[list[str]]:
    """For each command of ours in the block, how a test may write it."""
    found = []
    for command in block.commands:
        line = command.partition(" #")[0]
        for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", line):
            found.append([f"make {target}", *_of_target(target)])
        for module in re.findall(r"-m ([a-z][\w.]+)", line):
            if module not in NOT_OURS:
                found.append([module])
        for script in re.findall(r"(?:^|python3? )([\w/]+/\w+)\.py\b", line):
            found.append([f"{script}.py", script.replace("/", ".")])
        for folder in re.findall(r"\bpytest ([\w-]+/\S*)", line):
            whole = folder.rpartition("/")[0]  # who runs that runs this
            found.append([folder, *([whole] if "/" in whole else [])])
        for task in re.findall(r"\bfacelab ([a-z][\w-]*)", line):
            found.append([f"facelab {task}", *_task(task)])
    return found


def _of_target(target: str) -> list[str]:
    """What a target's recipe runs: subcommands, and modules of our own."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(rf"^{target}:[^\n]*\n((?:\t[^\n]*\n)*)", makefile, re.M)
    if recipe is None:
        return []
    tasks = re.findall(r"\$\((?:FACELAB|BARE)\) (?:\$\(if [^,]*,)?([a-z0-9-]+)", recipe[1])
    modules = re.findall(r"-m ((?:tests|scripts)\.\w+)", recipe[1])
    return [name for task in tasks for name in _task(task)] + modules


def _task(name: str) -> list[str]:
    task = next((one for one in TASKS if one.name == name), None)
    has_module_of_its_own = task and not task.given and ":" not in task.place
    return [f'"{name}"', *([task.module] if task and has_module_of_its_own else [])]


def run_of(document: Path) -> str:
    """The commands that a test runs as they stand, one script for the document."""
    return "\n".join(one.text for one in blocks(document.read_text("utf-8")) if one.mark == RUN)
