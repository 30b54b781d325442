"""One spelling over the whole tree: American, as in the names of the libraries beneath."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.paths import ROOT

_BRITISH = re.compile(
    r"artefact|enrolment|enrols?\b|flavour|neighbour|colour|centre|\bgrey|labell(ed|ing)|licence"
    r"|behaviour|honour|(recogn|normal|optim|serial|initial|organ|summar|minim|author)is(e|ed|es|er|ing|ation)\b",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    "enrolment_pictures"  # a field of out/eval.json, which programs read
    "|behaviours"  # a field of out/conformance.json, as its issue names it
    "|colour_space"  # picamera2's own
)


def british_words(text: str) -> list[str]:
    return [found.group(0) for found in _BRITISH.finditer(_ALLOWED.sub("", text))]


@pytest.mark.parametrize("text", ["Recognised", "the ENROLMENTS", "neighbouring", "grey level"])
def test_a_british_word_is_seen(text: str) -> None:
    assert british_words(text)


def test_the_tree_is_spelled_one_way() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "*.py", "*.md", "*.yaml", "*.yml", "*.toml", "Makefile"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    assert len(names) > 300, "git lists the tree"
    here = Path(__file__).resolve().relative_to(ROOT)
    wrong = {
        name: words
        for name in names
        if Path(name) != here
        and (ROOT / name).exists()
        and (words := british_words((ROOT / name).read_text("utf-8")))
    }
    assert not wrong
