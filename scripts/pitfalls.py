"""What of a machine commonly breaks a lab: proxies, contexts, line ends, clock, ports, identity."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch, environment
from scripts.cloud_errors import explain
from scripts.dashboard.server import PORT as DASHBOARD
from scripts.docker.engine import DEFAULT_SOCKET, asked_for, engine_answers, engine_host
from scripts.finding import Finding, FindingLevel
from scripts.functions.pythons import pythons_here
from scripts.paths import ROOT

LOOPBACK = "127.0.0.1"
OURS = "FACELAB_"
ALIKE = 0.7  # of two names; 1 is the same
CRLF = b"\r\n"
# What a shell, a container or `make` runs: with CR LF none of it does.
RUN_AS_TEXT = ("Makefile", ".ci/run", "lambda/entrypoint", "lambda/Dockerfile", "requirements.txt")
# AWS refuses signatures of a clock that is off by more.
MOST_SKEW_S = 300


def proxies(proxied: Callable[[], Mapping[str, str]] = urllib.request.getproxies) -> Finding:
    """facelab passes proxies by on loopback; other tools that are pointed at the lab may not."""
    found = {kind: one for kind, one in proxied().items() if kind in ("http", "https", "all")}
    if not found:
        return Finding("proxies", FindingLevel.GOOD, "none")
    named = ", ".join(f"{kind} {_without_password(one)}" for kind, one in sorted(found.items()))
    if urllib.request.proxy_bypass(LOOPBACK) and urllib.request.proxy_bypass("localhost"):
        return Finding("proxies", FindingLevel.GOOD, f"{named}; not for this machine")
    return Finding(
        "proxies",
        FindingLevel.NOTE,
        f"{named}; also for {LOOPBACK}: facelab passes it by, curl and other tools don't",
        f"export NO_PROXY=localhost,{LOOPBACK}",
    )


def _without_password(url: str) -> str:
    head, _, host = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{host}" if head else url


def context(environment: Mapping[str, str] = os.environ) -> Finding:
    """Which engine Docker's command talks to, and whether that is the one that was meant."""
    host, chosen = asked_for(environment)
    used = engine_host()
    if used is None:
        return Finding("context", FindingLevel.GOOD, "no docker command, none needed")
    if host and chosen:
        return Finding(
            "context",
            FindingLevel.NOTE,
            f"DOCKER_HOST ({host}) overrides DOCKER_CONTEXT ({chosen})",
            "unset the one that is not meant",
        )
    if engine_answers():
        return Finding("context", FindingLevel.GOOD, used)
    is_other = used != f"unix://{DEFAULT_SOCKET}" and Path(DEFAULT_SOCKET).exists()
    hint = "docker context use default" if is_other else "start the engine, or do without"
    return Finding("context", FindingLevel.NOTE, f"{used} does not answer", hint)


def settings(given: Callable[[], Mapping[str, str]] = environment, root: Path = ROOT) -> Finding:
    """Settings that nobody reads since their names are nearly those of others."""
    text = (root / ".env.example").read_text("utf-8")
    known = set(re.findall(r"\bFACELAB_(\w+)", text))
    mine = sorted(one.removeprefix(OURS) for one in given() if one.startswith(OURS))
    meant = {
        name: near[0]
        for name in mine
        if name not in known and (near := get_close_matches(name, known, 1, ALIKE))
    }
    if not meant:
        named = ", ".join(OURS + name for name in mine) or "none of FACELAB_…"
        return Finding("settings", FindingLevel.GOOD, named)
    told = ", ".join(f"{OURS}{one} is none: {OURS}{other}?" for one, other in meant.items())
    return Finding("settings", FindingLevel.BAD, told, "`.env.example` explains each")


def line_ends(root: Path = ROOT) -> Finding:
    """A checkout made with `core.autocrlf=true`, or copied from one."""
    spoiled = [
        name
        for name in RUN_AS_TEXT
        if (root / name).is_file() and CRLF in (root / name).read_bytes()
    ]
    if not spoiled:
        return Finding("line ends", FindingLevel.GOOD, "LF")
    return Finding(
        "line ends",
        FindingLevel.BAD,
        f"CR LF in {', '.join(spoiled)}: no shell and no container runs that",
        "git config core.autocrlf input && git rm -rq --cached . && git reset --hard",
    )


def clock(root: Path = ROOT, now_s: Callable[[], float] = time.time) -> Finding:
    """A clock that is behind the checkout's own last commit is wrong; is it kept by anybody?"""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=False
    )
    committed_s = int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0
    shown = datetime.fromtimestamp(now_s(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    hint = "timedatectl set-ntp true (as root)"
    if now_s() < committed_s - MOST_SKEW_S:
        return Finding("clock", FindingLevel.BAD, f"{shown}, before the newest commit here", hint)
    if _is_synchronized() is False:
        return Finding("clock", FindingLevel.NOTE, f"{shown}; nothing keeps it right", hint)
    return Finding("clock", FindingLevel.GOOD, shown)


def _is_synchronized() -> bool | None:
    """None where the system does not tell."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip()) if not done.returncode else None


def ports(switch: Switch, is_up: bool) -> Finding:
    """The lab's port and the dashboard's: free, or the lab's own."""
    taken = [port for port in (switch.port, DASHBOARD) if _is_taken(port)]
    if switch.port in taken and not is_up and not switch.is_aws:
        return Finding(
            "ports",
            FindingLevel.BAD,
            f"{switch.port} is taken, and not by this lab",
            "FACELAB_PORT=4567 in .env, or stop what has it",
        )
    lab = "the lab's" if switch.port in taken else "free"
    other = "in use: the dashboard takes another" if DASHBOARD in taken else "free"
    return Finding("ports", FindingLevel.GOOD, f"{switch.port} {lab}, {DASHBOARD} {other}")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def pythons() -> Finding:
    """Those that functions of other people may ask for."""
    versions = [".".join(map(str, one.version)) for one in pythons_here()]
    return Finding("Pythons", FindingLevel.GOOD, f"{', '.join(versions)} for functions of your own")


def aws_caller(switch: Switch, now_s: Callable[[], float] = time.time) -> Finding:
    """Who AWS says that we are, and whether it takes our clock."""
    if not switch.is_aws:
        return Finding("AWS", FindingLevel.GOOD, "not asked: FACELAB_BACKEND=aws make doctor does")
    try:
        region = switch.region_name
        caller = switch.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        told = explain(error)
        return Finding("AWS", FindingLevel.BAD, str(told), told.hint)
    skew_s = _skew_s(caller, now_s())
    fact = f"account {caller['Account']}, {region}, as {caller['Arn']}"
    if abs(skew_s) > MOST_SKEW_S:
        hint = "timedatectl set-ntp true (as root): AWS refuses signatures of such a clock"
        return Finding("AWS", FindingLevel.BAD, f"{fact}; our clock is off by {skew_s:.0f} s", hint)
    return Finding("AWS", FindingLevel.GOOD, fact)


def _skew_s(answer: Mapping[str, Any], now_s: float) -> float:
    """By how much our clock is ahead of the one that answered."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return now_s - parsedate_to_datetime(said).timestamp() if said else 0.0
