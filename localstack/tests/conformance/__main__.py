"""Ask an endpoint for the behaviors that AWS documents, and compare.

    python -m conformance --endpoint http://127.0.0.1:4566
    python -m conformance --aws --role arn:aws:iam::123456789012:role/lambda-basic

What it makes has names that begin with `conf-` and six hexadecimal digits, and is deleted at the
end. Exit codes: 0 every behavior is as expected; 1 some are not.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import threading
import time
from pathlib import Path

from conformance.reading import Group, read_groups
from conformance.running import FAILED, KNOWN_DIFFERENCE, UNSUPPORTED, Endpoint, Outcome, run_groups
from conformance.sweeping import sweep
from conformance.telling import summary, table, unexpected


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--endpoint", metavar="URL", help="an emulator, with the keys test/test")
    where.add_argument("--aws", action="store_true", help="AWS, with the keys of the environment")
    where.add_argument("--list", action="store_true", help="print the behaviors, ask nobody")
    parser.add_argument("--region", default=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    parser.add_argument("--role", metavar="ARN", help="the functions' role; on AWS it must exist")
    parser.add_argument("--runtime", default="python3.11", help="the functions' runtime")
    parser.add_argument("--service", action="append", help="only this service (several times)")
    parser.add_argument("--only", metavar="TEXT", help="only behaviors with this in their names")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the summary as JSON")
    parser.add_argument(
        "--strict", action="store_true", help="a known difference that passes fails, too"
    )
    parser.add_argument("--variant", metavar="NAME", help="whose known differences: embedded")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    if options.aws and not options.role:
        parser.error("--aws needs --role: functions are made with it")
    return options


def chosen(groups: list[Group], services: list[str] | None, text: str | None) -> list[Group]:
    """Those of the groups, and of their behaviors, that were asked for."""
    found = []
    for group in groups:
        behaviors = tuple(one for one in group.behaviors if not text or text in one.name)
        if behaviors and (not services or group.service in services):
            found.append(Group(group.name, group.service, group.setup, behaviors))
    return found


class _Told:
    """Tells of outcomes as they come: differences in full, the rest as a count."""

    def __init__(self, of: int) -> None:
        self._of, self._count = of, 0
        self._telling = threading.Lock()

    def __call__(self, outcome: Outcome) -> None:
        with self._telling:
            self._count += 1
            if outcome.result in (FAILED, KNOWN_DIFFERENCE, UNSUPPORTED):
                print(
                    f"{outcome.result}: {outcome.behavior.service}: {outcome.behavior.name}: "
                    f"{outcome.said}",
                    file=sys.stderr,
                )
            if self._count % 100 == 0:
                print(f"{self._count} of {self._of} behaviors", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    groups = chosen(read_groups(options.variant), options.service, options.only)
    behaviors = [behavior for group in groups for behavior in group.behaviors]
    if options.list:
        for one in behaviors:
            print(f"{one.service}\t{one.name}\t{one.source}")
        return 0
    started = time.monotonic()
    endpoint = Endpoint(
        options.endpoint,
        options.region,
        f"conf-{secrets.token_hex(3)}",
        options.role,
        options.runtime,
    )
    try:
        outcomes = run_groups(endpoint, groups, _Told(len(behaviors)))
    finally:
        for left in sweep(endpoint):
            print(f"left behind: {left}", file=sys.stderr)
    result = summary(outcomes, options.endpoint or "AWS")
    if options.variant:
        result["backend"] = options.variant
    result["took_s"] = round(time.monotonic() - started, 1)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n")
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print(table(result))
    if not options.strict:
        return 1 if result["failed"] else 0
    wrong = unexpected(outcomes)
    for one in wrong:
        print(f"unexpected: {one}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
