"""What AWS documents holds where functions are containers, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from scripts.paths import ROOT

SUITE = ROOT / "localstack" / "tests"
LIMIT_S = 400


def test_every_behavior_is_as_aws_documents_or_a_known_difference(emulator, tmp_path):
    result = tmp_path / "conformance.json"
    ran = subprocess.run(
        (
            *(sys.executable, "-m", "conformance", "--endpoint", emulator.endpoint),
            *("--runtime", "python3.13", "--variant", "docker", "--strict"),
            *("--output", str(result)),
        ),
        cwd=SUITE,
        env={"PATH": os.environ["PATH"]},  # no keys of whoever runs this
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert [line for line in ran.stderr.splitlines() if line.startswith("unexpected")] == []
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(result.read_text())["by_service"]) == {
        *("cloudwatch", "dynamodb", "ecr", "lambda", "logs", "s3", "sqs")
    }
    assert "left behind" not in ran.stderr
