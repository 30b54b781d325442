"""What the lab's commands print can neither move the cursor nor fail on a name."""

from __future__ import annotations

import json
import os
import sys

import pytest

from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError


def test_file_name_with_an_escape_sequence_is_printed_as_such(capsys):
    Progress()("not taken: \x1b[2Jphoto.jpg\nfacelab: Ada is enrolled")
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert said.count("\n") == 1


def test_refusal_is_printed_line_by_line_and_escaped(capsys):
    def fail() -> int:
        raise LabError("broken \x1b]0;x\x07\nand more", "try \x1b[1m")

    with pytest.raises(SystemExit):
        run_command(fail)
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert said.splitlines()[1] == "and more"


def test_file_name_of_no_encoding_ends_as_json_all_the_same(capsys):
    name = os.fsdecode(b"photo-\xff.jpg")
    print_json({"source": name})
    assert json.loads(capsys.readouterr().out)["source"] == name
    assert sys.getfilesystemencoding() == "utf-8"
