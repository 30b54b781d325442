"""`facelab setup`: runs on a bare Python, before any environment stands."""

from __future__ import annotations

from scripts import setup
from scripts.cli.parsing import task_parser
from scripts.console import print_json


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("setup", setup.__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(setup.PARTS)} (default: all)"
    )
    options = parser.parse_args(arguments)
    parts = options.parts or list(setup.PARTS)
    if unknown := set(parts) - set(setup.PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    setup.make(parts)
    if options.json:
        print_json({part: str(setup.PARTS[part]) for part in parts})
    return 0
