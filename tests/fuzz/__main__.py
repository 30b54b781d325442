"""`make fuzz SECONDS=n`: every target for its share of n seconds, and out/fuzz.json.

Coverage guides the inputs (atheris). What breaks a promise is kept in out/fuzz/TARGET; move it
to tests/fuzz/corpus/TARGET once it is mended, and it is tried for ever.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.console import Progress
from scripts.develop.side_packages import install_beside
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT, import_roots
from scripts.setup import SetupError
from tests.fuzz.seeds import inputs
from tests.fuzz.targets import TARGETS

LOCK = Path(__file__).parent / "requirements.txt"
PACKAGES = BUILD / "env" / "fuzz"
OUT = ROOT / "out" / "fuzz"
# A single input that takes longer is a find; generous, for machines that do other things too.
SLOW_INPUT_S = 20
MEMORY_MB = 4096


class NoFuzzer(LabError):
    """Atheris can't be installed here."""


def main() -> int:
    options = _parser().parse_args()
    chosen = options.target or sorted(TARGETS)
    try:
        _install()
    except LabError as error:
        print(f"facelab: {error}", file=sys.stderr)
        return 1
    seconds = max(2, round(options.seconds * options.jobs / len(chosen)))
    with Progress().bar("targets", len(chosen)) as step, ThreadPoolExecutor(options.jobs) as pool:
        rows = []
        for row in pool.map(lambda name: _fuzz(name, seconds), chosen):
            rows.append(row)
            step(1)
    (ROOT / "out" / "fuzz.json").write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        finds = f", BROKE: {', '.join(row['finds'])}" if row["finds"] else ""
        print(
            f"{row['target']:14} {row['executions']:>9} executions in {row['wall_s']:.0f} s, "
            f"{row['covered']} branches{finds}"
        )
    return 1 if any(row["finds"] for row in rows) else 0


def _fuzz(name: str, seconds: int) -> dict:
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    corpus, finds = folder / "corpus", folder / "finds"
    for one in (corpus, finds):
        one.mkdir(parents=True)
    most_bytes = TARGETS[name].most_bytes
    for label, data in inputs(name).items():
        if len(data) <= most_bytes:
            (corpus / label).write_bytes(data)
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.guided", name),
            *(
                f"-max_total_time={seconds}",
                f"-artifact_prefix={finds}/",
                f"-timeout={SLOW_INPUT_S}",
            ),
            *(f"-max_len={most_bytes}", f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1"),
            str(corpus),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*import_roots(), str(PACKAGES)])},
        capture_output=True,
        text=True,
        errors="replace",
    )
    said = done.stdout + done.stderr
    (folder / "log").write_text(said)
    broke = sorted(path.name for path in finds.iterdir())
    if done.returncode and not broke:
        broke = [f"ended with {done.returncode}, see {folder.relative_to(ROOT)}/log"]
    return {
        "target": name,
        "executions": int(_last(r"stat::number_of_executed_units:\s*(\d+)", said)),
        "covered": int(_last(r"cov: (\d+)", said)),
        "corpus": len(list(corpus.iterdir())),
        "finds": broke,
        "wall_s": round(time.monotonic() - began, 1),
    }


def _last(pattern: str, text: str) -> str:
    return (re.findall(pattern, text) or ["0"])[-1]


def _install() -> None:
    """Atheris beside the lab's environment, from its own lock.

    Raises
    ------
    NoFuzzer
    """
    try:
        install_beside(LOCK, PACKAGES)
    except SetupError as error:
        raise NoFuzzer(
            f"atheris can't be installed: {error}",
            "`make test` fuzzes too, without coverage; atheris has wheels for Linux on x86-64",
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="for all together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
