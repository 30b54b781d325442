"""The plan: scenarios simulated side by side, requests against limits, and the monthly bill."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from scripts.aws.cost import TRACES_OF_A_CLIP
from scripts.aws.published import limit, price, price_of_gb_second, published
from scripts.percentiles import percentiles
from scripts.plan.figures import MB_PER_CPU, Work
from scripts.plan.simulation import Scenario, Simulation, SimulationResult

MEMORY_SIZES_MB = (512, 1024, 1536, 1769, 2048, 3008)
SECONDS_A_MONTH = 730 * 3600
# So many clips show the distribution; more only take longer. They are of some seconds at least:
# of a fleet too large for that, a part.
CLIPS_SIMULATED = 40_000
LEAST_SECONDS = 2.0
# Between writes of one clip: the ledger's claim and close; one look-up of a person per model.
_WRITES, _READS, _SQS_CALLS = 2, 1, 3
_LOG_KB = 0.6
_TRACED_SHARE = 0.05  # X-Ray's default beyond one a second, which is nothing to a fleet


@dataclass(frozen=True)
class Asked:
    """What the plan is for. `clip_kb` and `clip_days` decide storage."""

    devices: int
    rate: float
    region: str
    memory_mb: int = MB_PER_CPU
    architecture: str = "x86_64"
    clip_kb: float = 330.0
    clip_days: float = 1.0
    active_share: float = 1.0  # of the month in which devices record
    sent_share: float = 1.0  # of clips that a gate on the device lets through

    @property
    def clips_per_s(self) -> float:
        return self.devices * self.rate * self.sent_share


def plan(asked: Asked, work: Work, seed: int = 0) -> dict[str, Any]:
    """Everything `out/plan.json` holds."""
    quota = round(limit("lambda_concurrency_default"))
    needed = _needed_concurrency(asked, work)
    seconds = min(60.0, max(LEAST_SECONDS, 1 / asked.rate, CLIPS_SIMULATED / asked.clips_per_s))
    queues = math.ceil(needed / limit("sqs_poller_most"))
    base = Scenario(
        asked.devices,
        asked.rate * asked.sent_share,
        seconds,
        asked.memory_mb,
        max(quota, needed),
        through_queue=False,
        queues=queues,
        seed=seed,
        part=min(1.0, CLIPS_SIMULATED / (asked.clips_per_s * seconds)),
    )
    # All devices begin at once, and later on, when everything that is needed runs.
    runs = {
        "direct_start": base,
        "direct_steady": replace(base, warm=True),
        "through_queue_start": replace(base, through_queue=True),
        "through_queue_steady": replace(base, through_queue=True, warm=True),
    }
    if needed > quota:
        runs["direct_default_quota"] = replace(base, concurrency=quota, warm=True)
    return {
        "asked": {**asdict(asked), "clips_per_s": asked.clips_per_s},
        "as_of": published()["as_of"],
        "work_ms": asdict(work),
        "concurrency": {"default_quota": quota, "needed": needed, "ask_aws": needed > quota},
        "queues_needed": queues,
        "runs": {name: _run(one, work) for name, one in runs.items()},
        "requests": _requests(asked),
        "month_usd": month_usd(asked, work),
        "memory_sizes": _sizes(asked, work),
    }


def _needed_concurrency(asked: Asked, work: Work) -> int:
    """Environments busy at once, with a third to spare for spread and cold starts."""
    return round(asked.clips_per_s * billed_ms(asked, work) / 1000 * 4 / 3) + 1


def billed_ms(asked: Asked, work: Work) -> float:
    """One warm clip's billed time (mean of its spread)."""
    share = min(1.0, asked.memory_mb / MB_PER_CPU)
    return work.compute.mean / share + work.waiting.mean


def _run(scenario: Scenario, work: Work) -> dict[str, Any]:
    outcome = Simulation(scenario, work).run()
    return {**asdict(scenario), **_facts(outcome, scenario.part)}


def _facts(outcome: SimulationResult, part: float) -> dict[str, Any]:
    return {
        "clips": round(outcome.clips / part),
        "clip_end_ms": percentiles(outcome.latencies),
        "cold_share": round(outcome.cold / max(1, outcome.clips), 4),
        "throttled_tries": round(outcome.throttled / part),
        "most_environments": round(outcome.most_environments / part),
        "most_waiting": round(outcome.most_waiting / part),
    }


def _requests(asked: Asked) -> list[dict[str, Any]]:
    """Requests a second against AWS's limits. A device is a prefix of its own, so S3's are per
    device."""
    per_device = asked.rate * asked.sent_share
    rows = [
        ("S3 PUT, each device's prefix", per_device, limit("s3_put_per_s_per_prefix")),
        (
            "S3 PUT, all devices before S3 has split the prefix",
            asked.clips_per_s,
            limit("s3_put_per_s_per_prefix"),
        ),
        (
            "DynamoDB writes, ledger table",
            asked.clips_per_s * _WRITES,
            limit("dynamodb_writes_per_s_per_table"),
        ),
    ]
    return [
        {"what": what, "per_s": round(rate, 2), "limit_per_s": most, "fits": rate <= most}
        for what, rate, most in rows
    ]


def month_usd(asked: Asked, work: Work) -> dict[str, float]:
    """The month's bill by service, USD, list prices without free tier."""
    factor = published()["region_factor"][asked.region]
    clips = asked.clips_per_s * SECONDS_A_MONTH * asked.active_share
    gb_s = billed_ms(asked, work) / 1000 * asked.memory_mb / 1024
    stored_gb = clips * asked.clip_kb / 1024**2 * asked.clip_days / 30
    lines = {
        "lambda_compute": clips * gb_s * price_of_gb_second(asked.architecture),
        "lambda_requests": clips * price("lambda_request"),
        "s3_requests": clips * (price("s3_put") + price("s3_get")),
        "s3_storage": stored_gb * price("s3_gb_month"),
        "sqs": clips * _SQS_CALLS * price("sqs_call"),
        "dynamodb": clips * (_WRITES * price("dynamodb_write") + _READS * price("dynamodb_read")),
        "xray": clips * _TRACED_SHARE * TRACES_OF_A_CLIP * price("xray_trace"),
        "logs": clips * _LOG_KB / 1024**2 * price("logs_gb"),
    }
    bill = {name: round(usd * factor, 2) for name, usd in lines.items()}
    return {**bill, "total": round(sum(bill.values()), 2)}


def _sizes(asked: Asked, work: Work) -> list[dict[str, Any]]:
    """Each memory size and architecture: billed time and Lambda's share of the bill."""
    rows = []
    for architecture in ("x86_64", "arm64"):
        for memory_mb in MEMORY_SIZES_MB:
            one = replace(asked, memory_mb=memory_mb, architecture=architecture)
            bill = month_usd(one, work)
            rows.append(
                {
                    "memory_mb": memory_mb,
                    "architecture": architecture,
                    "billed_ms": round(billed_ms(one, work), 1),
                    "lambda_usd": round(bill["lambda_compute"] + bill["lambda_requests"], 2),
                }
            )
    cheapest = min(rows, key=lambda row: (row["lambda_usd"], row["billed_ms"]))
    return [{**row, "cheapest": row is cheapest} for row in rows]
