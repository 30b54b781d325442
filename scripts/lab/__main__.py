"""Bring the lab up and down, and look into it: `python -m scripts.lab up`."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from dataclasses import astuple
from typing import Any

from contract.switch import Switch, read_switch
from scripts.aws.__main__ import status as aws_status
from scripts.console import LabError, Progress, print_json, run_command
from scripts.lab.backends import Backend, choose_backend
from scripts.lab.state import LabState
from scripts.provision.function_image import function_files
from scripts.provision.people import SHIPPED
from scripts.setup import ROOT


def fingerprint() -> str:
    """Digest of everything that a deployment puts into the cloud."""
    digest = hashlib.sha256()
    files = [*function_files().values(), *astuple(SHIPPED)]
    files += (ROOT / "scripts" / "provision").glob("*.yaml")
    files += [ROOT / "lambda" / name for name in ("Dockerfile", "entrypoint", "requirements.txt")]
    for path in sorted(files):
        digest.update(f"{path}\0{path.stat().st_size}\0".encode())
        # Models are large and content-addressed by the build; their size and time will do.
        digest.update(
            str(path.stat().st_mtime_ns).encode() if path.suffix == ".onnx" else path.read_bytes()
        )
    return digest.hexdigest()


def up(switch: Switch, state: LabState, backend: Backend, progress: Progress) -> None:
    """Bring the lab up, or what changed up to date; a quick no-op when nothing did."""
    state.folder.mkdir(parents=True, exist_ok=True)
    current = fingerprint()
    if backend.is_up():
        if state.deployed.exists() and state.deployed.read_text() == current:
            progress(f"the lab is up ({backend.name}, {switch.endpoint_url})")
            return
        progress("something changed since the last deployment: deploying it")
        deploy_now(backend)
    else:
        backend.start()
    state.deployed.write_text(current)
    progress(f"the lab is up ({backend.name}, {switch.endpoint_url})")


def deploy(switch: Switch, state: LabState, backend: Backend, progress: Progress) -> None:
    """Deploy what is here now; a lab that is down comes up with it."""
    if not backend.is_up():
        up(switch, state, backend, progress)
        return
    current = fingerprint()
    deploy_now(backend)
    state.deployed.write_text(current)


def deploy_now(backend: Backend) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.provision", "deploy"],
        env={**os.environ, "FACELAB_BACKEND": backend.name},
        check=False,
    )
    if done.returncode:
        raise LabError("deployment failed", "the reason stands above")


def status(switch: Switch, backend: Backend) -> dict[str, Any]:
    facts: dict[str, Any] = {"backend": backend.name, **backend.describe()}
    if facts["emulator"] != "up":
        return facts
    names = switch.names
    function = switch.client("lambda").get_function(FunctionName=names.function)
    sqs = switch.client("sqs")

    def depth(queue: str) -> int:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        waiting = "ApproximateNumberOfMessages"
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting])
        return int(answer["Attributes"][waiting])

    bucket = switch.client("s3").list_objects_v2(Bucket=switch.bucket, Prefix="clips/")
    people = switch.client("dynamodb").scan(TableName=names.people_table, Select="COUNT")
    return facts | {
        "function": function["Configuration"]["State"],
        "image": function["Code"]["ImageUri"],
        "bucket": switch.bucket,
        "clips": bucket["KeyCount"],
        "people": people["Count"],
        "device": switch.device_id,
        "results_waiting": depth(names.result_queue(switch.device_id)),
        "dead_letters": depth(names.dead_letters),
    }


def function_log(switch: Switch, follow: bool, since_s: float) -> None:
    """Print the function's output from CloudWatch Logs."""
    logs = switch.client("logs")
    start = int((time.time() - since_s) * 1000)
    seen: set[str] = set()
    while True:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=switch.names.log_group, startTime=start
        )
        for event in (event for page in pages for event in page["events"]):
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                print(event["message"].rstrip("\n"), flush=True)
        if not follow:
            return
        time.sleep(1)  # CloudWatch Logs has no call that waits for the next line


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.lab", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="start the emulator and deploy what changed")
    actions.add_parser("down", help="stop the emulator and everything it started")
    actions.add_parser("deploy", help="build, push and deploy the function, changed or not")
    shown = actions.add_parser("status", help="what is up, and what waits where")
    shown.add_argument("--json", action="store_true")
    logs = actions.add_parser("logs", help="the function's output")
    logs.add_argument("--follow", "-f", action="store_true")
    logs.add_argument("--since", type=float, default=3600, metavar="SECONDS")
    logs.add_argument("--emulator", action="store_true", help="LocalStack's own log instead")
    logs.add_argument("--lines", type=int, default=100, help="of LocalStack's log")
    options = parser.parse_args()

    switch, state, progress = read_switch(), LabState(), Progress()
    if switch.is_aws and options.action == "status":
        return aws_status(switch, options.json)
    if options.action == "logs" and not options.emulator:
        function_log(switch, options.follow, options.since)
        return 0
    backend = choose_backend(switch, state, progress)
    if options.action == "up":
        up(switch, state, backend, progress)
    elif options.action == "deploy":
        deploy(switch, state, backend, progress)
    elif options.action == "down":
        backend.stop()
        progress("the lab is down")
    elif options.action == "status":
        facts = status(switch, backend)
        if options.json:
            print_json(facts)
        else:
            for name, value in facts.items():
                print(f"{name:>16}  {value}")
        return 0 if facts["emulator"] == "up" else 3
    else:
        print(backend.emulator_log(options.lines))
    return 0


if __name__ == "__main__":
    run_command(main)
