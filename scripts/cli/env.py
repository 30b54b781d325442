"""Print what lets `awslocal` and other AWS programs find this lab: `eval "$(facelab env)"`."""

from __future__ import annotations

import os
import shlex

from cloud.switch import read_switch
from scripts.cli.parsing import task_parser
from scripts.console import print_json, run_command
from scripts.lab.surroundings import variables


def main(arguments: list[str] | None = None) -> int:
    options = task_parser("env", __doc__).parse_args(arguments)
    found = variables(read_switch(), os.environ)
    if options.json:
        print_json(found)
    else:
        for name, value in found.items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    run_command(main)
