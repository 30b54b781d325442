"""Print what lets `awslocal` and other AWS programs find this lab: `eval "$(facelab env)"`."""

from __future__ import annotations

import argparse
import os
import shlex

from cloud.switch import read_switch
from scripts.console import run_command
from scripts.lab.surroundings import variables


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab env", description=__doc__)
    parser.parse_args(arguments)
    for name, value in variables(read_switch(), os.environ).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    run_command(main)
