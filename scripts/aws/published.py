"""AWS's published limits and prices: one dated file for everything that plans or estimates."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("published.json")


@functools.cache
def published() -> dict[str, Any]:
    """`as_of`, `limits`, `prices_usd`, `region_factor`, `transit_ms`."""
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return data


def limit(name: str) -> float:
    """A limit in the unit that the file names beside it."""
    return float(published()["limits"][name]["value"])


def price(name: str) -> float:
    """A price in US dollars."""
    return float(published()["prices_usd"][name])


def price_of_gb_second(architecture: str) -> float:
    """Of Lambda on `x86_64` or `arm64`, in US dollars."""
    return float(published()["prices_usd"]["lambda_gb_second"][architecture])
