"""`python -m weights build --out build/models`"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from weights.digests import Digests
from weights.errors import WeightsError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m weights",
        description="Make the function's model files from the face_recognition_models package.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="write the model files (no-op when they are there)")
    make.add_argument("--out", type=Path, required=True, help="folder for the model files")
    make.add_argument("--force", action="store_true", help="build even if they are there")
    make.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    commands.add_parser("digests", help="print the digests of what this code builds now")
    options = parser.parse_args(arguments)
    try:
        if options.command == "digests":
            return _digests()
        return _build(options)
    except WeightsError as error:
        print(f"weights: {error}", file=sys.stderr)
        return 1


def _digests() -> int:
    from weights.build import current_digests, source_dir

    print(current_digests(source_dir()).to_json())
    return 0


def _build(options: argparse.Namespace) -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        if not options.json:
            print(f"weights: {line}", flush=True)

    digests = Digests.committed()
    fresh = options.force or not digests.are_met_by(options.out)
    if fresh:
        from weights.build import build  # onnx takes most of a second to import

        say("converting the reference weights; about ten seconds")
        build(options.out, digests, say=say)
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps({"out": str(options.out), "built": fresh, "seconds": round(seconds, 3)}))
    elif fresh:
        say(f"{options.out} built in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
