"""What the documents name is there: files, links, make targets, modules, tasks."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.cli.facelab import TASKS
from scripts.paths import ROOT
from tests.documents import Block, blocks, documents, fault_of, hidden_commands


def ours(*patterns: str) -> list[Path]:
    """The checkout's files of these forms, those too that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(ROOT / name for name in listed.stdout.split())


DOCUMENTS = documents()
# Where a document may name a file from: the checkout, its own folder, import roots and rooms.
ROOMS = [
    "",
    "lambda",
    "localstack",
    "device",
    "training",
    "fixtures",
    "fixtures/studio",
    "scripts",
    "scripts/provision",
    "tests",
    "lambda/recognition",
    "localstack/localstack_image_functions",
]
# Made at run time, or somebody else's: what a person has, or what a command writes.
NOT_OURS = re.compile(
    r"^(out|build|photos|dir|\.venv|~|/|https?:|\*|clips|\$|state|[A-Z]+)(/|$|:)"
    r"|^(sent|refused|originals|crops)/$|^(embedding|detector)\.onnx$"
)
FILE = re.compile(r"^[\w.-]+(/[\w.*-]+)*\.(py|md|yaml|yml|toml|sh|h264|json|in|txt|onnx)$")
FOLDER = re.compile(r"^[\w.-]+(/[\w.-]+)*/$")
MADE_BY_COMMANDS = re.compile(
    r"^(event|eval|bench|soak|e2e|custom|roster|labels|report|faults|simulation|loop|lab)\.(json|html|onnx)$"
)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_there(name: str, document: Path) -> bool:
    places = [document.parent, *(ROOT / room for room in ROOMS)]
    return any(any(place.glob(name.rstrip("/"))) for place in places)


def missing_names(text: str, document: Path) -> list[str]:
    """Names of files and folders in backticks, and targets of links, that are not there."""
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    quoted = re.findall(r"`([^`\s]+)`", prose)
    named = [name for name in quoted if FILE.match(name) or FOLDER.match(name)]
    named = [n for n in named if not NOT_OURS.match(n) and not MADE_BY_COMMANDS.match(n)]
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]
    named += [link for link in links if link and not re.match(r"^(https?|mailto):", link)]
    return [name for name in named if not is_there(name, document)]


def missing_in_comments(text: str, file: Path) -> list[str]:
    """Files by path, in backticks in Python, in plain words in comments of what else has them."""
    if file.suffix == ".py":
        words = re.findall(r"`([^`\s]+)`", text)
    else:
        comments = " ".join(line.partition("#")[2] for line in text.splitlines())
        words = [word.strip("`.,;:()\"'") for word in comments.split()]
    paths = [
        word for word in words if "/" in word and FILE.match(word) and not NOT_OURS.match(word)
    ]
    return [path for path in paths if not is_there(path, file)]


def unknown_commands(text: str) -> list[str]:
    """make targets, modules and tasks in a document's commands that do not exist."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    tasks = {task.name for task in TASKS}
    commands = [line for block in blocks(text) for line in block.commands]
    spoken = [*commands, *re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))]
    unknown = []
    for line in spoken:
        for target in re.findall(r"(?:^|[;&|=\w]\s)make ([a-z][a-z0-9-]*)", line):
            if target not in targets:
                unknown.append(f"make {target}")
        for module in re.findall(r"python3? -m ([\w.]+)", line):
            name = module.rstrip(".")
            if not _exists(name):
                unknown.append(f"python -m {name}")
        for task in re.findall(r"^(?:\.venv/bin/)?facelab ([a-z][\w-]*)", line):
            if task not in tasks:
                unknown.append(f"facelab {task}")
        for script in re.findall(r"python3? ([\w./-]+\.py)", line):
            if not (ROOT / script).exists():
                unknown.append(script)
    return unknown


def _exists(module: str) -> bool:
    if module.startswith(("localstack.", "venv", "pip")):
        return True  # of another environment, or Python's own
    if (ROOT / "localstack" / "tests" / module).is_dir():
        return True  # the plugin's, run in that folder
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_file_that_a_document_names_is_there(document):
    assert missing_names(document.read_text(), document) == []


def test_every_file_that_a_comment_names_is_there():
    kinds = ("*.py", "*.in", "*.toml", "*.yaml", "*.yml", "*Dockerfile", "Makefile", ".ci/run")
    files = [file for file in ours(*kinds) if file != Path(__file__)]
    named = {ids(file): missing_in_comments(file.read_text(), file) for file in files}
    assert {file: missing for file, missing in named.items() if missing} == {}
    gone = "# Read by lambda/models/build.py.\nnumpy  # see `lambda/weights/build.py`\n"
    assert missing_in_comments(gone, ROOT / "requirements.in") == ["lambda/models/build.py"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_command_that_a_document_names_is_there(document):
    assert unknown_commands(document.read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_block_of_commands_is_tried_by_somebody_or_says_what_it_needs(document):
    text = document.read_text()
    told = {block.commands[0]: fault_of(block, document.name) for block in blocks(text)}
    assert {first: fault for first, fault in told.items() if fault} == {}
    assert list(hidden_commands(text)) == []


@pytest.mark.parametrize(
    ("mark", "fault"),
    [
        ("run", ""),
        ("", "no mark"),
        ("needs: an AWS account", ""),
        ("needs: some time", "takes one of"),
        ("tested: tests/unit/house/no_such_test.py", "is not there"),
        ("tested: tests/unit/house/test_imports.py", "['make plan'] is not in"),
        ("tested: tests/unit/scripts/test_plan.py", ""),
        ("tested: tests/unit/house/test_imports.py, tests/unit/scripts/test_plan.py", ""),
    ],
)
def test_a_block_that_nobody_tries_fails(mark, fault):
    found = fault_of(Block(mark, "make plan DEVICES=3\n"))
    assert found.startswith(fault) or fault in found
    assert bool(found) == bool(fault)


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nmake e2e\n```\n",
        "```console\n$ make e2e\n```\n",
        "```\nmake e2e\n```\n",
        "~~~sh\nmake e2e\n~~~\n",
        "````sh\nmake e2e\n````\n",
        "```sh title=x\nmake e2e\n```\n",
        "Then:\n\n    make e2e\n",
        "1. Then\n\n   ```\n   .venv/bin/facelab e2e\n   ```\n",
    ],
)
def test_commands_that_hide_from_the_search_for_blocks_are_found(text):
    """Only fences that say `sh` were looked at: any other had no mark, and nobody knew."""
    assert list(blocks(text)) == []
    assert len(list(hidden_commands(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nmake e2e\n```\n",
        "```\n110 of 110 clips answered\n```\n",
        "```yaml\nrun: make e2e\n```\n",
        "- a point that\n    goes on\n",
    ],
)
def test_what_is_no_hidden_command_is_let_through(text):
    assert list(hidden_commands(text)) == []


def test_a_block_of_others_commands_needs_a_test_that_reads_it():
    """None of ours was in it, so that any test's name would do."""
    others = "docker build --tag mine localstack\n"
    named = "tested: localstack/tests/test_readme.py"
    assert fault_of(Block(named, others), "README.md") == ""
    assert "is not in" in fault_of(Block(named, others), "docker.md")
    assert "is not in" in fault_of(Block("tested: tests/unit/scripts/test_plan.py", others))


def test_blocks_are_found_with_their_marks_also_in_a_list():
    text = (
        "<!-- run -->\n```sh\na \\\n  b\n```\n"
        "1. x\n\n   <!-- needs: Docker -->\n   ```sh\n   c\n   ```\n"
    )
    first, second = blocks(text)
    assert (first.mark, first.commands) == ("run", ["a    b"])
    assert (second.mark, second.text) == ("needs: Docker", "c\n")


def test_a_readme_line_that_names_a_missing_file_fails():
    readme = ROOT / "README.md"
    text = "`device/no_such_file.py`, `nowhere/`, [this](docs/none.md); `README.md` is there."
    assert missing_names(text, readme) == ["device/no_such_file.py", "nowhere/", "docs/none.md"]


def test_a_command_that_is_not_there_fails():
    text = "```sh\nmake no-such-target\npython -m device.nothing\nfacelab nothing\n```"
    assert unknown_commands(text) == [
        "make no-such-target",
        "python -m device.nothing",
        "facelab nothing",
    ]


def test_the_glossary_is_short_and_the_map_is_long():
    text = (ROOT / "docs" / "architecture.md").read_text()
    glossary = text.partition("## Glossary")[2]
    assert sum(line.startswith("|") for line in glossary.splitlines()) - 2 <= 40
    where = text.partition("## Where do I change")[2].partition("\n## ")[0]
    assert sum(line.startswith("|") for line in where.splitlines()) - 2 >= 15


def test_the_workflow_calls_targets_that_exist():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert {command.split()[1] for command in commands} <= targets
    assert all(command.startswith("make ") for command in commands)
    # It looks at itself, by one version of that program.
    checks = [step["uses"] for step in steps if "actionlint" in step.get("uses", "")]
    assert len(checks) == 1
    assert re.fullmatch(r"docker://rhysd/actionlint:\d+\.\d+\.\d+", checks[0])


def test_the_workflow_runs_the_plugins_tests_on_every_python():
    """They ran in the docker job alone, on 3.11."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["embedded"]["steps"]
    assert not [step for step in steps if "ignore=localstack" in step.get("run", "")]


@pytest.mark.parametrize("name", ["CHANGELOG.md", "localstack/CHANGELOG.md"])
def test_a_version_has_each_kind_of_change_once_and_no_line_twice(name):
    for version in re.split(r"^## ", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)[1:]:
        lines = [line for line in version.splitlines() if line.startswith(("- ", "### "))]
        assert sorted({*lines}) == sorted(lines)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "localstack/CHANGELOG.md"])
def test_a_changelog_has_the_form_that_it_names(name):
    assert slips_of_changelog((ROOT / name).read_text("utf-8")) == []


def test_a_planted_slip_of_a_changelog_is_found():
    """A version without brackets, one without its date, lines under no kind of change."""
    text = "# C\n## [Unreleased]\n- a\n## 0.2.0 – 2026-11-22\n### News\n- b\n## [0.1.0]\n"
    assert slips_of_changelog(text) == ["- a", "## 0.2.0 – 2026-11-22", "### News", "## [0.1.0]"]


def slips_of_changelog(text: str) -> list[str]:
    """Lines that are not of Keep a Changelog's form."""
    version = re.compile(r"## \[(Unreleased\]|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)")
    kind = re.compile(r"### (Added|Changed|Deprecated|Removed|Fixed|Security)")
    slips, under = [], ""
    for line in text.splitlines():
        if line.startswith(("## ", "### ")):
            under = line
            if not (version.fullmatch(line) or kind.fullmatch(line)):
                slips.append(line)
        elif line.startswith("- ") and not under.startswith("### "):
            slips.append(line)
    return slips


TOP = """.ci .dockerignore .env.example .gitattributes .github .gitignore .pre-commit-config.yaml
CHANGELOG.md CONTRIBUTING.md LICENSE Makefile README.md SECURITY.md compose.licensed.yaml
compose.yaml pyproject.toml requirements.in requirements.overrides.txt requirements.txt
cloud contract courses device docs fixtures lambda localstack pictures scripts tests training"""


def test_nothing_lies_at_the_top_that_is_not_meant_to():
    """A package that somebody fetched was committed with everything else once."""
    assert {path.relative_to(ROOT).parts[0] for path in ours()} <= {*TOP.split()}
