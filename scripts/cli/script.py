"""Run a program of yours with the lab as its cloud and a film as its camera.

It ends as your program does. With --json what your program prints goes to stderr, and the result
says how it ended.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from cloud.switch import read_switch
from device.stand_ins.film_camera import FILM
from scripts.cli.parsing import task_parser
from scripts.console import print_json, run_command
from scripts.errors import LabError
from scripts.lab.surroundings import variables
from scripts.paths import ROOT

STAND_INS = ROOT / "device" / "stand_ins"


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("script", __doc__)
    parser.add_argument("--film", type=Path, help="a .h264 file instead of fixtures/lab.h264")
    parser.add_argument(
        "--account", metavar="ID", help="twelve digits: the account of queue URLs in the program"
    )
    parser.add_argument("file", type=Path, metavar="FILE.py", help="the program")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…", help="its own arguments")
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        raise LabError(f"{options.file} is no file", "FILE=… names the program")
    environment = {**os.environ, **variables(read_switch(), os.environ)}
    if options.account:
        if not (options.account.isdecimal() and len(options.account) == 12):
            raise LabError(f"--account {options.account} is no account", "it has twelve digits")
        # The emulator takes an access key of twelve digits for the account.
        environment["AWS_ACCESS_KEY_ID"] = options.account
    if options.film:
        environment[FILM] = str(options.film.resolve())
    before = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
    environment["PYTHONPATH"] = os.pathsep.join([str(STAND_INS), *before])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, options.file.name, *options.rest],
        cwd=options.file.resolve().parent,
        env=environment,
        check=False,
        stdout=sys.stderr if options.json else None,
    )
    if options.json:
        seconds = round(time.monotonic() - began, 1)
        print_json({"file": str(options.file), "exit_code": done.returncode, "seconds": seconds})
    return done.returncode


if __name__ == "__main__":
    run_command(main)
