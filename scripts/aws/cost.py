"""What the lab would cost on AWS: an estimate from list prices.

The prices are AWS's list prices for us-east-1 (aws.amazon.com: lambda/pricing, s3/pricing,
sqs/pricing, dynamodb/pricing/on-demand, ecr/pricing, cloudwatch/pricing), written down in
early 2026 and not looked up by this program. Those of Lambda, SQS and DynamoDB were compared
with articles of 2025 and 2026. Other regions cost up to a third more, prices change, and free
tiers are left out of the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.aws.published import price, price_of_gb_second

PRICES_AS_OF = "early 2026, us-east-1"
HOURS_A_MONTH = 730.0
LONG_POLL_S = 20


TRACES_OF_A_CLIP = 2  # of one that is sampled: Lambda's invocation, and the clip's own


@dataclass(frozen=True)
class Usage:
    """What is assumed of a clip and of the lab. Change it and the estimate follows."""

    clip_mb: float = 0.33  # half a second of 640×480 at 4 Mb/s
    billed_s: float = 0.2  # warm, on the one vCPU that 1769 MB buy
    memory_mb: int = 1769
    log_kb: float = 0.6  # START, one line, END, REPORT
    image_gb: float = 0.22  # compressed, as ECR stores it
    images: int = 2
    clip_days: float = 1.0  # the template's expiry
    traced_share: float = 0.525  # X-Ray samples one a second and 5 % of the rest; two come a second


@dataclass(frozen=True)
class Cost:
    """One line of the estimate, in US dollars."""

    what: str
    usd: float


def per_clips(clips: int, architecture: str, usage: Usage = Usage()) -> list[Cost]:
    """What `clips` clips cost, each from the upload to the deleted result."""
    gb_s = usage.billed_s * usage.memory_mb / 1024
    month_share = usage.clip_days / 30
    per_clip = [
        Cost("Lambda compute", gb_s * price_of_gb_second(architecture)),
        Cost("Lambda requests", price("lambda_request")),
        # One GET for the clip; the checks for a new gallery and model come every 2 s at most.
        Cost(
            "S3",
            price("s3_put")
            + 3 * price("s3_get")
            + usage.clip_mb / 1024 * price("s3_gb_month") * month_share,
        ),
        # Send, receive, delete.
        Cost("SQS", 3 * price("sqs_call")),
        # The ledger's claim and close; a look-up of one person in each of two models.
        Cost("DynamoDB", 2 * price("dynamodb_write") + price("dynamodb_read")),
        Cost("CloudWatch Logs", usage.log_kb / 1024**2 * price("logs_gb")),
        Cost("X-Ray", usage.traced_share * TRACES_OF_A_CLIP * price("xray_trace")),
    ]
    return [Cost(line.what, line.usd * clips) for line in per_clip]


def per_idle_month(usage: Usage = Usage()) -> list[Cost]:
    """What a lab costs that stands unused for a month, with one device waiting for results."""
    polls = HOURS_A_MONTH * 3600 / LONG_POLL_S
    return [
        Cost("ECR storage", usage.images * usage.image_gb * price("ecr_gb_month")),
        Cost("SQS long polls while messages.py runs", polls * price("sqs_call")),
        Cost("S3: gallery and model", 0.03 * price("s3_gb_month")),
    ]


def total(lines: list[Cost]) -> float:
    return sum(line.usd for line in lines)


def estimate_text(architecture: str, usage: Usage = Usage()) -> list[str]:
    """The estimate for a person."""
    clips = 10_000
    used, idle = per_clips(clips, architecture, usage), per_idle_month(usage)
    return [
        f"Estimated cost (list prices of {PRICES_AS_OF}; not an offer, no free tier counted):",
        *(f"  {line.what:<40} {line.usd:8.4f} USD per {clips:,} clips" for line in used),
        f"  {'together':<40} {total(used):8.4f} USD per {clips:,} clips",
        *(f"  {line.what:<40} {line.usd:8.4f} USD a month" for line in idle),
        f"  {'together, when nothing is recorded':<40} {total(idle):8.4f} USD a month",
        f"  A clip every half second costs {total(per_clips(7200, architecture, usage)):.2f} USD "
        "an hour. AWS's free tier (1 M Lambda requests and",
        "  400,000 GB-s, 1 M SQS requests a month) covers a class's use of Lambda and SQS.",
    ]
