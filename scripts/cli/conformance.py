"""Ask the running lab, another endpoint or AWS for the behaviors that AWS documents.

    make conformance                                    # the lab that is up
    make conformance ENDPOINT=http://127.0.0.1:5000     # another emulator
    make conformance ARGS="--aws --role arn:aws:iam::123456789012:role/lambda-basic"

The suite is the plugin's, in `localstack/tests/conformance`; what it makes it deletes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryFile

from cloud.switch import read_switch
from scripts.cli.parsing import address, task_parser
from scripts.console import Progress, run_command
from scripts.errors import LabError
from scripts.functions.backends import running
from scripts.lab.backends import choose_backend
from scripts.lab.state import LabState
from scripts.paths import ROOT

SUITE = ROOT / "localstack" / "tests"
RESULT = ROOT / "out" / "conformance.json"


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("conformance", __doc__)
    parser.add_argument(
        "endpoint", nargs="?", type=address, metavar="URL", help="default: the lab that is up"
    )
    parser.add_argument("--aws", action="store_true", help="AWS, with the keys of the environment")
    parser.add_argument("--role", metavar="ARN", help="the functions' role; AWS needs one")
    parser.add_argument("--service", action="append", metavar="NAME", help="only this service")
    parser.add_argument("--only", metavar="TEXT", help="only behaviors with this in their names")
    options = parser.parse_args(arguments)
    if options.aws and not options.role:
        raise LabError("--aws needs --role ARN", "functions are made with a role that exists")
    command = [sys.executable, "-m", "conformance", "--output", str(RESULT)]
    variant = "" if options.aws or options.endpoint else _variant()
    if options.aws:
        command.append("--aws")
    elif options.endpoint:
        command += ["--endpoint", options.endpoint]
    else:
        endpoint = read_switch().endpoint_url or ""
        command += ["--endpoint", endpoint, "--variant", variant, "--strict"]
    for name in ("role", "only"):
        if getattr(options, name):
            command += [f"--{name}", getattr(options, name)]
    for service in options.service or ():
        command += ["--service", service]
    if options.json:
        command.append("--json")
    progress = Progress(quiet=options.json)
    with progress.usual("asking", f"conformance {variant or 'elsewhere'}"):
        code, said = asked(command)
    print(said, end="")
    if variant and code == 0 and not (options.service or options.only):
        # The table of docs/fidelity.md.
        keep = [sys.executable, "-m", "scripts.cli.figures", f"conformance_{variant}"]
        code = subprocess.run(keep, cwd=ROOT, check=False).returncode
    return code


def asked(command: list[str]) -> tuple[int, str]:
    """The suite's exit code, and what it printed. Of differences it tells at once, on stderr, line
    by line above a bar."""
    environment = {**os.environ, "PYTHONPATH": str(SUITE)}
    with (
        TemporaryFile("w+", encoding="utf-8") as kept,
        subprocess.Popen(
            command, cwd=SUITE, env=environment, stdout=kept, stderr=subprocess.PIPE, text=True
        ) as suite,
    ):
        for line in suite.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
        code = suite.wait()
        kept.seek(0)
        return code, kept.read()


def _variant() -> str:
    """Which backend the lab that is up has, or is brought up with."""
    progress = Progress()
    switch = running(read_switch(), progress)
    if switch.is_aws:
        raise LabError("the lab is on AWS", "say so: make conformance ARGS='--aws --role …'")
    return choose_backend(switch, LabState(), progress).name


if __name__ == "__main__":
    run_command(main)
