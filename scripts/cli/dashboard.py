"""A page that follows the running lab: clips, people, cloud, functions. On loopback only."""

from __future__ import annotations

import argparse

from cloud.switch import read_switch
from scripts.console import run_command
from scripts.dashboard.server import HOST, PORT, listen, serve


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab dashboard", description=__doc__)
    parser.add_argument(
        "--port", type=int, help=f"on loopback (default: {PORT}, or a free one where it is taken)"
    )
    options = parser.parse_args(arguments)
    switch = read_switch()
    with listen(options.port) as one:
        print(f"http://{HOST}:{one.getsockname()[1]}  (Ctrl-C ends it)", flush=True)
        serve(switch, one)
    return 0


if __name__ == "__main__":
    run_command(main)
