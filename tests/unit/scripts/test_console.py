"""What the lab's commands print can neither move the cursor nor fail on a name."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys

import pytest
from docker.errors import ImageNotFound

from scripts import progress_bar
from scripts.cli import conformance
from scripts.console import Progress, print_json, run_command
from scripts.e2e import throughput
from scripts.errors import LabError
from scripts.paths import ROOT
from tests.conftest import wait_until


def test_an_error_of_dockers_engine_is_one_line_and_a_hint(capsys):
    """`facelab reproducible nosuch:tag` ended in a traceback."""

    def fail() -> int:
        raise ImageNotFound("404 Client Error", explanation="No such image: nosuch:tag")

    with pytest.raises(SystemExit) as ended:
        run_command(fail)
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "facelab: Docker's engine: No such image: nosuch:tag"
    assert said[1].startswith("  hint: ")
    assert len(said) == 2


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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a", None, "/full/b"), "device: /full/b"),
        (OSError(errno.EROFS, "Read-only file system", "/ro/b"), "FACELAB_STATE"),
        (PermissionError(errno.EACCES, "Permission denied", "/b"), "denied: /b"),
        (OSError(errno.ENOSPC, "No space left on device"), "make room"),
    ],
)
def test_a_disk_in_trouble_is_a_line_and_a_hint(capsys, error, said):
    """`make up` with a full disk was thirty lines of a traceback."""

    def fail() -> int:
        raise error

    with pytest.raises(SystemExit):
        run_command(fail)
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert told.count("\n") == 2


def test_an_error_of_the_program_stays_one():
    def fail() -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "models/x.onnx")

    with pytest.raises(FileNotFoundError):
        run_command(fail)


def test_file_name_of_no_encoding_ends_as_json_all_the_same(capsys):
    name = os.fsdecode(b"photo-\xff.jpg")
    print_json({"source": name})
    assert json.loads(capsys.readouterr().out)["source"] == name
    assert sys.getfilesystemencoding() == "utf-8"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(monkeypatch) -> Terminal:
    """Somebody looks at standard error. In the test itself: pytest sets its own before."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(sys, "argv", ["facelab"])
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown


def counted() -> list[int]:
    return list(Progress().each(range(3), "photos", 3))


def test_what_takes_long_has_a_bar_on_a_terminal(monkeypatch):
    terminal = watched(monkeypatch)
    assert counted() == [0, 1, 2]
    assert "photos" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert "left" in terminal.getvalue()


def test_no_color_keeps_colors_out_of_it(monkeypatch):
    terminal = watched(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    counted()
    assert "3/3" in terminal.getvalue()
    assert not re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", terminal.getvalue())


@pytest.mark.parametrize("why", ["no terminal", "json", "dumb", "quiet"])
def test_nobody_who_looks_gets_no_bar(monkeypatch, why):
    terminal = watched(monkeypatch)
    if why == "no terminal":
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    elif why == "json":
        monkeypatch.setattr(sys, "argv", ["facelab", "soak", "--json"])
    elif why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress_bar, "_keep", lambda *_: None)
    progress = Progress(quiet=why == "quiet")
    assert list(progress.each(range(3), "photos", 3)) == [0, 1, 2]
    with progress.usual("working", "work"):
        pass
    assert terminal.getvalue() == ""


def test_what_is_said_meanwhile_stands_in_its_own_line(monkeypatch):
    terminal = watched(monkeypatch)
    progress = Progress()
    with progress.bar("photos", 2) as step:
        progress("not taken: blurred")
        step(1)
    lines = terminal.getvalue().split("\n")
    assert any(line.strip().endswith("not taken: blurred") for line in lines)


def test_a_search_that_ends_early_fills_its_bar(monkeypatch):
    """Of six trials a search may need two: what was left out would stand there as still to come."""
    tried = iter([True, False, False, True])  # of two devices, then of four

    def trial(switch, devices, rate, *_):
        latency = 1.0 if next(tried) else throughput.GOAL_MS + 1
        return throughput.Trial(
            devices, rate, rate, latency, latency, 0, {"all": 0.5, "x": 0.5}, {}
        )

    terminal = watched(monkeypatch)
    monkeypatch.setattr(throughput, "trial", trial)
    monkeypatch.setattr(throughput, "chosen_clips", lambda count: [b""])
    throughput.measure((2, 4), 1.0, 6, 1.0, Progress())
    assert "12/12" in terminal.getvalue()


def test_what_a_suite_says_on_the_way_is_said_and_what_it_answers_comes_last(capfd):
    code = "import sys; print('table'); print('failed: x', file=sys.stderr); sys.exit(1)"
    assert conformance.asked([sys.executable, "-c", code]) == (1, "table\n")
    assert capfd.readouterr() == ("", "failed: x\n")


@pytest.mark.parametrize("kept", [None, "[]", '{"up": "long"}', "{"])
def test_what_was_never_timed_has_no_estimate_and_is_timed_now(monkeypatch, tmp_path, kept):
    terminal = watched(monkeypatch)
    file = tmp_path / "took.json"
    if kept is not None:
        file.write_text(kept)
    with progress_bar.usual("bringing it up", "up", is_shown=True, file=file):
        pass
    assert "of about" not in terminal.getvalue()


def test_the_last_time_is_the_estimate(monkeypatch, tmp_path):
    terminal = watched(monkeypatch)
    file = tmp_path / "took.json"
    file.write_text('{"up": 12.4, "down": 1.0}')
    with progress_bar.usual("bringing it up", "up", is_shown=True, file=file):
        pass
    assert "of about 12 s" in terminal.getvalue()
    told = json.loads(file.read_text())
    assert told["up"] < 12.4  # what it took this time
    assert told["down"] == 1.0


def test_set_up_which_makes_the_environment_has_an_estimate_without_rich(monkeypatch, tmp_path):
    """The first run, which takes longest, said nothing for half a minute."""
    terminal = watched(monkeypatch)
    monkeypatch.setattr(progress_bar, "find_spec", lambda name: None)
    with progress_bar.usual(
        "installing lab", "lab", is_shown=True, at_first_s=30, file=tmp_path / "took.json"
    ):
        wait_until(lambda: "installing lab " in terminal.getvalue(), 20, "a tick")
    assert "of about 30 s" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")  # nothing of it stays


def test_a_command_that_failed_is_no_estimate(tmp_path):
    file = tmp_path / "took.json"
    with (
        pytest.raises(LabError),
        progress_bar.usual("bringing it up", "up", is_shown=False, file=file),
    ):
        raise LabError("no")
    assert not file.exists()


def test_a_reader_who_has_seen_enough_gets_no_traceback():
    """`make trace ARGS=--json | head`"""
    say = "from scripts.console import print_json, run_command\n"
    run = "run_command(lambda: print_json(list(range(200_000))) or 0)"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{say}{run}' | head -c 10; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 141
