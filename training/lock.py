"""Lock the training environment, in three files.

`requirements.txt` is everything but torch, which exists twice: as a CPU build, version
2.13.0+cpu (`requirements-torch-cpu.txt`), and as PyPI's, which on Linux wants gigabytes of
CUDA libraries (`requirements-torch.txt`). `setup_environment.py` takes the first where it
can be had. They are two files because pip, asked for 2.13.0 by digest, always prefers the
index's wheel, whose digest it can see before the download.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TORCH = re.compile(r"(torch|nvidia|cuda|triton)\b")
CPU_DIGESTS = {
    "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl": (
        "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
    ),
}
HEADER = "# Made by `python -m training.lock` from training/requirements.in; do not edit.\n"


def compile_requirements() -> str:
    """Everything resolved, one requirement after another, with digests."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]
    command += ["-c", "requirements.txt", "training/requirements.in"]
    made = subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True, text=True)
    return made.stdout


def split(lock: str) -> tuple[str, str]:
    """`lock` as (everything but torch, torch and what only it needs)."""
    requirements = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)
    ours = [requirement for requirement in requirements if not TORCH.match(requirement)]
    torch = [requirement for requirement in requirements if TORCH.match(requirement)]
    return HEADER + "".join(ours), HEADER + "".join(torch)


def cpu_lock() -> str:
    version = {wheel.split("-")[1] for wheel in CPU_DIGESTS}
    lines = [f"torch=={version.pop()}"]
    lines += [f"    --hash=sha256:{digest}" for digest in CPU_DIGESTS.values()]
    return HEADER + " \\\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.lock",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    ours, torch = split(compile_requirements())
    (HERE / "requirements.txt").write_text(ours)
    (HERE / "requirements-torch.txt").write_text(torch)
    (HERE / "requirements-torch-cpu.txt").write_text(cpu_lock())
    return 0


if __name__ == "__main__":
    sys.exit(main())
