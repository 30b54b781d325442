"""Plan for thousands of devices on AWS: latencies, limits, quotas and the monthly bill."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scripts.aws.published import published
from scripts.cli.parsing import positive, task_parser
from scripts.console import Progress, print_json, run_command
from scripts.json_file import write_json
from scripts.paths import ROOT
from scripts.plan.check import check
from scripts.plan.figures import MB_PER_CPU, measured_work
from scripts.plan.page import page
from scripts.plan.planning import Asked, plan


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = task_parser("plan", __doc__)
    parser.add_argument(
        "--devices", type=int, default=10_000, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--rate", type=positive, default=2.0, help="clips/s of each device")
    parser.add_argument(
        "--region",
        default="us-east-1",
        choices=sorted(published()["region_factor"]),
        help="where on AWS (default: %(default)s)",
    )
    parser.add_argument(
        "--memory",
        type=int,
        default=MB_PER_CPU,
        metavar="MB",
        help="of the function (default: %(default)s)",
    )
    parser.add_argument(
        "--architecture",
        choices=("x86_64", "arm64"),
        default="x86_64",
        help="the function's processor (default: %(default)s)",
    )
    parser.add_argument(
        "--clip-kb", type=positive, default=330.0, help="size of a clip (default: %(default)g)"
    )
    parser.add_argument("--clip-days", type=positive, default=1.0, help="the bucket's expiry")
    parser.add_argument(
        "--active-share", type=_share, default=1.0, help="share of the month with recording"
    )
    parser.add_argument(
        "--sent-share", type=_share, default=1.0, help="share of clips that a device sends"
    )
    parser.add_argument("--seed", type=int, default=0, help="of its random numbers")
    parser.add_argument(
        "--stages", type=Path, default=ROOT / "out" / "e2e.json", help="the measured run"
    )
    parser.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=ROOT / "out" / "soak.json",
        metavar="SOAK",
        help="plan nothing; foretell a soak of this lab from the measured run, and compare",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "out" / "plan.json",
        metavar="FILE",
        help="default: out/plan.json",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.devices < 1 or not 128 <= options.memory <= 10_240:
        parser.error("at least one device, and 128 to 10240 MB of memory")
    progress = Progress(quiet=options.json)
    if options.check:
        found = check(options.stages, options.check)
        write_json(options.out.with_name("plan-check.json"), found)
        return _print_check(found, options.json)
    work = measured_work(options.stages)
    asked = Asked(
        options.devices,
        options.rate,
        options.region,
        options.memory,
        options.architecture,
        options.clip_kb,
        options.clip_days,
        options.active_share,
        options.sent_share,
    )
    progress(f"simulating {asked.clips_per_s:,.0f} clips a second; under a minute")
    with progress.usual("simulating", "plan"):
        made = plan(asked, work, options.seed)
    write_json(options.out, made)
    picture = options.out.with_suffix(".html")
    picture.write_text(page(made), encoding="utf-8")
    if options.json:
        print_json(made)
        return 0
    for name, run in made["runs"].items():
        latency = run["clip_end_ms"]
        print(
            f"{name:22} p50 {latency['p50'] / 1000:6.2f} s  p95 {latency['p95'] / 1000:6.2f} s  "
            f"cold {run['cold_share']:6.1%}  throttled {run['throttled_tries']:,}"
        )
    concurrency = made["concurrency"]
    print(
        f"needs {concurrency['needed']:,} environments (default quota "
        f"{concurrency['default_quota']:,}), {made['month_usd']['total']:,.0f} USD a month"
    )
    progress(f"wrote {options.out} and {picture}")
    return 0


def _print_check(found: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(found)
    else:
        print(f"{found['devices']} devices, {found['clips_per_s']} clips a second together")
        for name, ratio in found["ratios"].items():
            foretold, measured = found["foretold_ms"][name], found["measured_ms"][name]
            print(f"{name}: foretold {foretold:.0f} ms, measured {measured:.0f} ms ({ratio:.2f})")
        print("holds within 25 %" if found["holds"] else "is off by more than 25 %")
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    run_command(main)
