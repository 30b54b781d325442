"""Tables of `docs/scale.md`: the plan for ever more devices, and the camera's gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.develop.figures import PLANS, Figures, values

_BILL = {
    "Lambda": ("lambda_compute", "lambda_requests"),
    "S3": ("s3_requests", "s3_storage"),
    "DynamoDB": ("dynamodb",),
    "SQS": ("sqs",),
    "logs and traces": ("logs", "xray"),
}


def scale(figures: Figures) -> str:
    """A column a plan, a row a figure."""
    runs = {name: values(figures, f"plan_{name}") for name in PLANS}
    titles = ["100 devices", "10,000", "1,000,000", "1,000,000, gated"]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        (
            "environments needed (default quota)",
            lambda run: f"{run['needed']:,} ({run['quota']:,})",
        ),
        ("queues needed, with S3 → SQS → Lambda", lambda run: f"{run['queues']:,}"),
        *((f"{what} a second, of its limit", _of_limit(at)) for at, what in enumerate(_REQUESTS)),
        ("clip end to result, all running: direct", _latency("direct_steady")),
        ("the same, through queues", _latency("through_queue_steady")),
        ("all begin at once: direct", _latency("direct_start")),
        ("… events throttled, each tried again", lambda run: f"{run['throttled']:,}"),
        ("all begin at once: through queues", _latency("through_queue_start")),
        ("… clips that wait at most", lambda run: f"{run['waiting']:,}"),
        ("USD a month", lambda run: f"{run['usd']['total']:,.0f}"),
        *((f"… of it {name}", _share(names)) for name, names in _BILL.items()),
    ]
    lines = [f"| | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(titles)]
    lines += [f"| {what} | {' | '.join(map(says, runs.values()))} |" for what, says in rows]
    told = [f"`{figures[f'plan_{name}']['command']}`" for name in PLANS]
    work, origin = runs["100"]["work_ms"], figures["plan_100"]
    return "\n".join(
        (
            *lines,
            "",
            f"Made {origin['when']} by",
            ",\n".join(told),
            f"from limits and prices of {runs['100']['as_of']} and the lab's own times: "
            f"{work['compute']['p50']:.0f} ms of compute a clip,",
            f"{work['waiting']['p50']:.0f} ms of waiting, {work['init'] / 1000:.1f} s of init.",
        )
    )


_REQUESTS = ("PUTs of one device", "PUTs of all, unless S3 has split", "writes of the ledger")


def _of_limit(at: int) -> Callable[[dict[str, Any]], str]:
    def says(run: dict[str, Any]) -> str:
        one = run["requests"][at]
        return f"{one['per_s']:,.10g} of {one['limit_per_s']:,.0f}"

    return says


def _latency(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda run: (
        f"p50 {run[f'{name}_p50_ms'] / 1000:.1f}, p95 {run[f'{name}_p95_ms'] / 1000:.1f} s"
    )


def _share(names: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
    return lambda run: f"{sum(run['usd'][name] for name in names) / run['usd']['total']:.0%}"


def gate(figures: Figures) -> str:
    """What each gate holds back of the film."""
    run, origin = values(figures, "gate"), figures["gate"]
    nobody, somebody = run["nobody"], run["clips"] - run["nobody"]
    rows = [
        f"| gate | held back of {nobody} with nobody | missed of {somebody} with somebody "
        "| … if nobody moved | CPU a clip |",
        "| --- |" + " ---: |" * 4,
    ]
    for name, one in run["gates"].items():
        whom = ", ".join(f"clip {clip['clip']}: {clip['scene']}" for clip in one["whom"])
        rows.append(
            f"| `{name}` | {one['saved']} | {one['missed']}{whom and f' ({whom})'} | "
            f"{one['missed_still']} | {one['cpu_ms_per_clip']:.0f} ms |"
        )
    told = f"Measured {origin['when']} on {origin['machine']}: `{origin['command']}`."
    return "\n".join((*rows, "", told))


def plan_check(figures: Figures) -> str:
    """How far the simulation was off, for the middle of a sentence."""
    run, origin = values(figures, "plan_check"), figures["plan_check"]
    p50, p95 = (run["ratios"][name] for name in ("p50", "p95"))
    holds = "within" if run["holds"] else "off by more than"
    return (
        f"{p50:g} of the p50 and {p95:g} of the p95 of {run['devices']} devices with "
        f"{run['clips_per_s']:.1f} clips a second together, {holds} the 25 % that are asked "
        f"({origin['when']}, {origin['machine']})"
    )


SCALE_TABLES: dict[str, Callable[[Figures], str]] = {
    "scale": scale,
    "gate": gate,
    "plan_check": plan_check,
}
