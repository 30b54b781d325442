"""Whoever lists asks for all pages: a single call ends at 50 to 1,000 elements and does not say so
to who does not look for the token."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ("cloud", "device", "lambda", "scripts", "training")
SERVICES = ("cloudformation", "dynamodb", "ecr", "events", "iam", "lambda", "logs", "s3", "sqs")
BOUNDED = {"MaxKeys", "repositoryNames", "StackName", "imageIds", "limit"}
"""Arguments that ask for one thing by its name, or for no more than so many."""
ONE_PAGE = {
    "scripts/aws/inventory.py: list_objects_v2": "says `at least` where there is more",
    "scripts/bench/endpoint_probes.py: filter_log_events": "other emulators know no token",
    "scripts/bench/endpoint_probes.py: list_objects_v2": "other emulators know no token",
}


@pytest.fixture(scope="module")
def paged() -> set[str]:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    clients = [boto3.client(name, region_name="us-east-1", **keys) for name in SERVICES]
    return {
        method
        for client in clients
        for method in client.meta.method_to_api_mapping
        if client.can_paginate(method)
    }


def single_calls(source: str, paged: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = {keyword.arg for keyword in node.keywords}
            if node.func.attr in paged and not asked & BOUNDED:
                yield node.func.attr


def test_no_program_takes_a_first_page_for_all(paged: set[str]) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {method}"
        for room in PROGRAMS
        for path in (ROOT / room).rglob("*.py")
        for method in single_calls(path.read_text(), paged)
    }
    assert found == set(ONE_PAGE)


def test_a_single_call_is_seen(paged: set[str]) -> None:
    assert list(single_calls("client.list_functions()", paged)) == ["list_functions"]
    assert not list(single_calls("every(client, 'list_functions', 'Functions')", paged))
    assert not list(single_calls("client.describe_stacks(StackName='one')", paged))
