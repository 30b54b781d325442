"""A Dockerfile's traps, one by one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.functions.dockerfile.bases import base_of
from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.ignore import IgnoreRules
from scripts.functions.dockerfile.image import labs_packages
from scripts.functions.dockerfile.lines import logical_lines
from scripts.functions.dockerfile.reading import Recipe, read_dockerfile
from scripts.functions.dockerfile.variables import Expansion

LAMBDA = "FROM public.ecr.aws/lambda/python:3.12\n"
CMD = 'CMD ["app.handler"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    context.mkdir()
    (context / "app.py").write_text("")
    return context


def read(folder: Path, text: str, *host_programs: str, **arguments: str) -> Recipe:
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(text)
    scratch = folder.parent / "scratch"
    count = len(list(folder.parent.glob("scratch*")))
    return read_dockerfile(
        folder, dockerfile, Path(f"{scratch}{count}"), arguments, host_programs.__contains__
    )


def line_of_refusal(folder: Path, text: str) -> int | None:
    try:
        read(folder, text)
    except DockerfileRefused as refused:
        return refused.line
    return None


def refusal(folder: Path, text: str) -> DockerfileRefused:
    with pytest.raises(DockerfileRefused) as refused:
        read(folder, text)
    return refused.value


def test_lines_know_where_they_begin():
    text = "# syntax=docker/dockerfile:1\n\nFROM a\nRUN one \\\n\n  # said\n  && two\nCMD x\n"
    assert [(line.number, line.text) for line in logical_lines(text)] == [
        (3, "FROM a"),
        (4, "RUN one   && two"),
        (8, "CMD x"),
    ]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("$A/b", "1/b"),
        ("${A}b", "1b"),
        ("${NONE:-else}", "else"),
        ("${NONE:-$A}", "1"),
        ("${EMPTY:-else}", "else"),
        ("${EMPTY-else}", ""),
        ("${A:+then}", "then"),
        ("${EMPTY:+then}", ""),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        (r"\$A", "$A"),
        ("$", "$"),
        ("$NONE", ""),
    ],
)
def test_variables_in_words(word, value):
    assert Expansion({"A": "1", "EMPTY": ""}, "\\", 1).word(word) == value


def test_variable_that_must_be_set_refuses_with_its_message():
    with pytest.raises(DockerfileRefused, match="Dockerfile:7: WHAT: say what"):
        Expansion({}, "\\", 7).word("${WHAT:?say what}")


@pytest.mark.parametrize(
    ("image", "python", "is_lambda"),
    [
        ("public.ecr.aws/lambda/python:3.12", "3.12", True),
        ("public.ecr.aws/lambda/python:3.11.2024.05.07.12-x86_64", "3.11", True),
        ("amazon/aws-lambda-python:3.9", "3.9", True),
        ("python:3.11-slim-bookworm", "3.11", False),
        ("python:3.10.14-alpine3.20", "3.10", False),
        ("python:3", "3", False),
        ("python", None, False),
        ("docker.io/library/python:3.8@sha256:" + "0" * 64, "3.8", False),
        ("ghcr.io/astral-sh/uv:python3.13-bookworm-slim", "3.13", False),
        ("registry.example.org:5000/team/python:3.9", "3.9", False),
    ],
)
def test_version_that_a_base_image_names(image, python, is_lambda):
    base = base_of(image, 1)
    assert (base.python, base.is_lambda) == (python, is_lambda)


def test_image_whose_content_nobody_can_see_is_refused(folder):
    assert refusal(folder, "FROM mycompany/base:1\n").line == 1


def test_ignored_and_taken_in_again():
    rules = IgnoreRules("# said\n*.log\n**/cache\n/data/*\n!data/kept.txt\n[ab].txt\n")
    left_out = ("x.log", "deep/cache/file", "cache", "data/one", "a.txt")
    taken = ("deep/x.log", "data/kept.txt", "data2/one", "c.txt", "cachet")
    assert all(rules.leaves_out(path) for path in left_out)
    assert not any(rules.leaves_out(path) for path in taken)


def test_file_that_is_left_out_is_named_so(folder):
    (folder / ".dockerignore").write_text("*.py\n")
    said = refusal(folder, LAMBDA + "COPY app.py ./\n" + CMD)
    assert "app.py is left out by .dockerignore" in str(said)


def test_folder_is_copied_by_its_content_file_by_its_name(folder):
    (folder / "src").mkdir()
    (folder / "src" / "one.py").write_text("")
    recipe = read(folder, LAMBDA + "COPY src lib\nCOPY app.py main.py\nCOPY src app.py /a/\n" + CMD)
    assert set(recipe.files) == {
        "/var/task/lib/one.py",
        "/var/task/main.py",
        "/a/one.py",
        "/a/app.py",
    }


def test_file_into_a_folder_that_is_there_without_a_slash(folder):
    """`COPY app.py ${LAMBDA_TASK_ROOT}`, as AWS's documentation writes it."""
    recipe = read(folder, LAMBDA + "COPY app.py ${LAMBDA_TASK_ROOT}\n" + CMD)
    assert set(recipe.files) == {"/var/task/app.py"}


def test_several_sources_need_a_folder(folder):
    (folder / "b.py").write_text("")
    said = refusal(folder, LAMBDA + "COPY *.py /code/one\n" + CMD)
    assert "must end with /" in str(said)


def test_source_outside_of_the_folder_is_not_reached(folder):
    (folder.parent / "secret").write_text("")
    assert refusal(folder, LAMBDA + "COPY ../secret ./\n" + CMD).line == 2


def test_link_out_of_the_folder_is_refused(folder):
    (folder.parent / "secret").write_text("")
    (folder / "link").symlink_to(folder.parent / "secret")
    said = refusal(folder, LAMBDA + "COPY . ./\n" + CMD)
    assert "link is a link out of the folder" in str(said)


def test_archive_that_climbs_out_is_refused(folder):
    content = io.BytesIO(b"x")
    with tarfile.open(folder / "bad.tar", "w") as archive:
        entry = tarfile.TarInfo("../../outside")
        entry.size = 1
        archive.addfile(entry, content)
    said = refusal(folder, LAMBDA + "ADD bad.tar /x/\n" + CMD)
    assert "bad.tar can't be unpacked" in str(said)
    assert not (folder.parent.parent / "outside").exists()


def test_removed_files_are_gone(folder):
    (folder / "b.txt").write_text("")
    recipe = read(folder, LAMBDA + "COPY . ./\nRUN rm -rf *.txt Dockerfile\n" + CMD)
    assert set(recipe.files) == {"/var/task/app.py"}


@pytest.mark.parametrize(
    "command",
    [
        "python3 train.py",
        "curl -o model.bin https://example.org/model.bin",
        "if true; then pip install x; fi",
        "cat list | xargs pip install",
        "pip install $(cat list)",
        "pip install .",
        "pip install -e ./package",
        "pip install --unheard-of x",
        "pip uninstall -y x",
        "make",
    ],
)
def test_command_that_reading_cannot_do_is_refused_at_its_line(folder, command):
    said = refusal(folder, LAMBDA + "COPY app.py ./\nRUN mkdir x && \\\n  " + command + "\n" + CMD)
    assert said.line == 3


def test_program_of_a_package_is_the_machines_where_it_has_it(folder):
    text = LAMBDA + "RUN dnf install -y tesseract-ocr ffmpeg\n" + CMD
    recipe = read(folder, text, "tesseract-ocr", "ffmpeg")
    assert not recipe.programs
    assert [str(note) for note in recipe.notes] == [
        "Dockerfile:2: the package tesseract-ocr: this machine's is used",
        "Dockerfile:2: the package ffmpeg: this machine's is used",
    ]
    assert read(folder, text.replace("tesseract-ocr ", "")).programs == {"ffmpeg"}


def test_runtime_client_that_nobody_installs_is_missed(folder):
    text = 'FROM python:3.12\nENTRYPOINT ["python", "-m", "awslambdaric"]\n' + CMD
    said = refusal(folder, text)
    assert said.line == 2
    assert "no line installs it" in str(said)


def test_handler_as_a_program_is_refused(folder):
    said = refusal(folder, "FROM python:3.12\nRUN pip install awslambdaric\n" + CMD)
    assert said.line == 3
    assert "'app.handler' is started as a program" in str(said)


def test_lambda_image_without_a_handler_is_refused(folder):
    assert "no CMD names the handler" in str(refusal(folder, LAMBDA + "COPY app.py ./\n"))


@pytest.mark.parametrize(
    "text",
    ["", "# only said\n", "RUN x\nFROM a\n", LAMBDA + "COPPY a b\n", LAMBDA + "RUN <<EOF\nx\n"],
)
def test_what_is_no_dockerfile_is_refused_by_line(folder, text):
    assert refusal(folder, text).line >= 1


def test_text_that_is_not_utf_8_is_refused_at_its_line(folder):
    (folder / "Dockerfile").write_bytes(LAMBDA.encode() + b"# caf\xe9\n")
    with pytest.raises(DockerfileRefused, match="Dockerfile:2"):
        read_dockerfile(folder, folder / "Dockerfile", folder.parent / "scratch")


WORDS = [
    *("FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "CMD", "WORKDIR", "ENTRYPOINT", "AS", "#", "<<E"),
    *("python:3.12", "pip", "install", "-r", "app.py", ".", "/", "..", "*", "[", "]", '["', '"]'),
    *(
        '"',
        "'",
        "$",
        "${",
        "}",
        "${A:-",
        "A=1",
        "\\",
        "\n",
        "\\\n",
        "E\n",
        " ",
        "--from=0",
        "--chmod=9",
    ),
    *("&&", ";", "|", "chmod", "+x", "rm", "mkdir", "apt-get", "`", "\t", "é", "\0", "=", ","),
]


@given(st.lists(st.sampled_from(WORDS), max_size=40), st.booleans())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_there_is_read_or_refused_by_line(folder, words, begins_well):
    text = (LAMBDA if begins_well else "") + " ".join(words).replace(" \n ", "\n")
    line = line_of_refusal(folder, text)
    assert line is None or 1 <= line <= max(1, len(text.splitlines()))


def test_packages_come_along_with_a_copied_stage_only(folder):
    text = (
        "FROM python:3.12 AS tests\nRUN pip install pytest\n"
        "FROM python:3.12 AS build\nRUN pip install awslambdaric -t /out\n"
        "FROM python:3.12\nCOPY --from=build /out /out\n"
        'ENTRYPOINT ["python", "-m", "awslambdaric"]\n'
    )
    recipe = read(folder, text + CMD)
    assert [one.names for one in recipe.installs] == [("awslambdaric",)]


def test_labs_own_image_brings_recognition_its_models_and_its_packages(folder):
    recipe = read(folder, "FROM facelab-recognize:local\nCOPY app.py ./\n" + CMD)
    assert {"/var/task/app.py", "/var/task/recognition/recognizer.py"} <= recipe.files.keys()
    assert "/var/task/models/embedding.onnx" in recipe.files
    assert recipe.entrypoint == (None, "-m", "awslambdaric")
    assert recipe.command == ("app.handler",)
    assert recipe.installs == (labs_packages(),)


def test_a_heredoc_may_be_called_like_the_file_it_becomes(folder):
    text = "COPY <<robots.txt <<run-it.sh /srv/\nnone\nrobots.txt\nexec python\nrun-it.sh\n"
    recipe = read(folder, LAMBDA + text + CMD)
    assert recipe.files["/srv/robots.txt"].read_text() == "none\n"
    assert recipe.files["/srv/run-it.sh"].read_text() == "exec python\n"
