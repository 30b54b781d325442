"""A page that follows the running lab: clips, people, cloud, functions. On loopback only.

Serves until it is told to end; with --json one line says first where.
"""

from __future__ import annotations

from cloud.switch import read_switch
from device.settings import port
from scripts.cli.parsing import print_json_line, task_parser
from scripts.console import run_command
from scripts.dashboard.server import HOST, PORT, listen, serve


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("dashboard", __doc__)
    parser.add_argument(
        "--port", type=port, help=f"on loopback (default: {PORT}, or a free one where it is taken)"
    )
    options = parser.parse_args(arguments)
    switch = read_switch()
    with listen(options.port) as one:
        url = f"http://{HOST}:{one.getsockname()[1]}"
        if options.json:
            print_json_line({"url": url})
        else:
            print(f"{url}  (Ctrl-C ends it)", flush=True)
        serve(switch, one)
    return 0


if __name__ == "__main__":
    run_command(main)
