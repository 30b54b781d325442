"""out/faults.json is of one commit, whether its faults were tried at once or in parts."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.report import Report, Row


def rows(folder: Path) -> dict[str, int]:
    return {row["fault"]: row["sent"] for row in json.loads((folder / "faults.json").read_text())}


def test_parts_of_a_run_add_up_and_a_later_one_counts(tmp_path: Path):
    Report([Row("kill", sent=1), Row("cut", sent=2)]).write(tmp_path, "abc")
    Report([Row("storm", sent=600), Row("cut", sent=3)]).write(tmp_path, "abc")
    assert rows(tmp_path) == {"kill": 1, "cut": 3, "storm": 600}
    assert "3 faults, all of them harmless" in (tmp_path / "faults.html").read_text()


def test_rows_of_another_commit_go(tmp_path: Path):
    Report([Row("kill", sent=1)]).write(tmp_path, "abc")
    Report([Row("cut", sent=2)]).write(tmp_path, "def")
    assert rows(tmp_path) == {"cut": 2}


def test_a_report_of_another_form_is_written_over(tmp_path: Path):
    (tmp_path / "faults.json").write_text('[{"fault": "kill", "unknown": 1}]')
    Report([Row("cut", sent=2)]).write(tmp_path, "abc")
    assert rows(tmp_path) == {"cut": 2}
