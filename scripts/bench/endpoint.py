"""The loop's calls against another endpoint and against the lab that is up, clip by clip in turn.

`make bench-endpoint ENDPOINT=http://127.0.0.1:5000`.

First what the loop needs of an endpoint, one probe each; then, where a function can run at all, how
long it takes from PUT to the received result with one small zip function that makes the calls
of the lab's function and recognizes nobody: what is measured is the emulator.
"""

from __future__ import annotations

import functools
import os
import secrets
from dataclasses import asdict, replace
from typing import Any

import boto3
from botocore.config import Config

from cloud.switch import Switch, read_switch
from scripts.bench.endpoint_probes import LabImage, ProbeResult, Probes
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.backends import running
from scripts.percentiles import percentiles

OURS, THEIRS = "facelab", "other"
CLIP_BYTES = 60_000
WARM_UP = 5
# Without these nothing can be timed.
NEEDED = ("a zip function answers", "S3's event invokes it, its result is in the queue")


def measure(endpoint: str, clips: int, progress: Progress) -> dict[str, Any]:
    """Both sides' findings, and milliseconds of `clips` clips where both can.

    Raises
    ------
    LabError
        When either of them is not on this machine, or the lab is down.
    """
    if not endpoint.startswith(("http://127.0.0.1:", "http://localhost:")):
        raise LabError(
            f"ENDPOINT={endpoint} is no address of this machine",
            "start the other emulator here (http://127.0.0.1:PORT): buckets and functions are made "
            "and deleted there",
        )
    switch = running(read_switch(), progress)
    if switch.is_aws:
        raise LabError("the lab is on AWS", "FACELAB_BACKEND=embedded make up")
    image, prefix = lab_image(switch), f"facelab-bench-{secrets.token_hex(4)}"
    ours = switch.endpoint_url or ""
    sides = {
        OURS: Probes(functools.partial(_client, ours), ours, prefix, image),
        THEIRS: Probes(
            functools.partial(_client, endpoint), endpoint, prefix, replace(image, uri=None)
        ),
    }
    findings: dict[str, list[ProbeResult]] = {}
    try:
        for name, probes in sides.items():
            progress(f"probing {name}")
            with progress.usual(f"probing {name}", f"probes of {name}"):
                findings[name] = probes.all()
        took = _in_turn(sides, findings, clips, progress)
    finally:
        for probes in sides.values():
            probes.clear()
    return {
        "endpoint": endpoint,
        "probes": {name: [asdict(one) for one in found] for name, found in findings.items()},
        "put_to_result_ms": {name: percentiles(values) for name, values in took.items()},
        "load_average": round(os.getloadavg()[0], 1),
    }


def lab_image(switch: Switch) -> LabImage:
    """The image that the lab's function runs from."""
    functions, ecr = switch.client("lambda"), switch.client("ecr")
    found = functions.get_function(FunctionName=switch.names.function)
    uri = found["Code"]["ImageUri"]
    name, _, digest = uri.partition("/")[2].partition("@")
    images = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageDigest": digest}])["images"]
    if not images:
        raise LabError(f"ECR does not have {uri}", "`make up` puts it there")
    variables = found["Configuration"].get("Environment", {}).get("Variables", {})
    return LabImage(images[0]["imageManifest"], variables, uri)


def _in_turn(
    sides: dict[str, Probes], findings: dict[str, list[ProbeResult]], clips: int, progress: Progress
) -> dict[str, list[float]]:
    able = [
        name
        for name, found in findings.items()
        if {one.name for one in found if one.works}.issuperset(NEEDED)
    ]
    took: dict[str, list[float]] = {name: [] for name in able}
    body = os.urandom(CLIP_BYTES)
    many = WARM_UP + clips
    for number in progress.each(range(1, many + 1), "clips", many):
        for name in able if number % 2 else reversed(able):
            elapsed_ms = sides[name].clip(number, body)
            if number > WARM_UP:
                took[name].append(elapsed_ms)
        if number % 10 == 0:
            progress(f"{number} of {many} clips")
    return took


def _client(endpoint: str, service: str) -> Any:
    return _made(endpoint, service)


@functools.cache
def _made(endpoint: str, service: str) -> Any:
    """Never with keys of whoever runs this: the other endpoint is somebody else's program."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=70, s3={"addressing_style": "path"}
        ),
    )


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = []
    for name, found in facts["probes"].items():
        lines.append(f"{name}:")
        for one in found:
            lines.append(f"  {'yes' if one['works'] else 'no '}  {one['name']}")
            if one["said"]:
                lines.append(f"       {one['said']}")
    lines += [
        f"PUT to result, {name}: p50 {figures['p50']} ms, p95 {figures['p95']} ms"
        for name, figures in facts["put_to_result_ms"].items()
        if figures
    ]
    return "\n".join(lines)
