"""Dockerfiles as people write them for Python image functions: read as docker build takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.reading import Recipe, read_dockerfile
from scripts.paths import ROOT

FORMS = ROOT / "tests" / "functions"


def read(form: str, scratch: Path, **arguments: str) -> Recipe:
    folder = FORMS / form
    return read_dockerfile(
        folder, folder / "Dockerfile", scratch, arguments, host_has=lambda name: False
    )


def installed(recipe: Recipe) -> list[str]:
    names = []
    for one in recipe.installs:
        names += one.names
        names += [line for text in one.requirements for line in text.splitlines() if line]
    return names


def test_aws_base_image(tmp_path):
    recipe = read("aws-base-image", tmp_path)
    assert recipe.is_lambda_base
    assert recipe.python == "3.12"
    assert recipe.entrypoint == (None, "-m", "awslambdaric")
    assert recipe.command == ("lambda_function.handler",)
    assert recipe.working_directory == "/var/task"
    assert set(recipe.files) == {"/var/task/requirements.txt", "/var/task/lambda_function.py"}
    assert installed(recipe) == ["iniconfig==2.1.0"]


def test_aws_alternative_base_image_in_two_stages(tmp_path):
    recipe = read("aws-alternative-base", tmp_path)
    assert not recipe.is_lambda_base
    assert recipe.entrypoint == (None, "-m", "awslambdaric")
    assert recipe.working_directory == "/function"
    assert "/function/lambda_function.py" in recipe.files
    assert installed(recipe) == ["awslambdaric"]  # came along with COPY --from


def test_course_entry_script(tmp_path):
    recipe = read("course-entry-script", tmp_path)
    assert recipe.python == "3.8"
    assert recipe.entrypoint == ("/entry.sh",)
    assert recipe.command == ("handler.face_recognition_handler",)
    assert set(recipe.files) == {"/entry.sh", "/home/app/encoding", "/home/app/handler.py"}
    assert recipe.files["/entry.sh"].stat().st_mode & 0o100  # chmod 777
    said = [str(note) for note in recipe.notes]
    assert any(
        one.startswith("Dockerfile:12: the packages cmake, ca-certificates, libgl1-mesa-glx")
        for one in said
    )
    assert any("aws-lambda-rie" in one and one.startswith("Dockerfile:24:") for one in said)


def test_emulator_inside_and_a_pattern_of_sources(tmp_path):
    recipe = read("runtime-emulator-inside", tmp_path)
    assert recipe.entrypoint == ("/entry_script.sh",)
    assert set(recipe.files) == {"/entry_script.sh", "/function/app.py"}
    assert recipe.files["/entry_script.sh"].stat().st_mode & 0o100


def test_heredocs_expand_unless_their_name_is_quoted(tmp_path):
    recipe = read("heredocs", tmp_path)
    assert installed(recipe) == ["iniconfig>=2"]
    assert recipe.files["/var/task/greeting.txt"].read_text() == "hello, world\n"
    assert '"$HOME"' in recipe.files["/var/task/app.py"].read_text()
    other = read("heredocs", tmp_path / "other", GREETING="good morning")
    assert other.files["/var/task/greeting.txt"].read_text() == "good morning, world\n"


def test_shell_form_environment_and_a_system_as_base(tmp_path):
    recipe = read("shell-form", tmp_path)
    assert recipe.entrypoint == ("/bin/sh", "-c", "exec python -m awslambdaric handler.handler")
    assert recipe.environment["PATH"].startswith("/opt/venv/bin:/usr/local/bin")
    assert recipe.environment["WHO"] == 'somebody\'s "own"'
    assert recipe.environment["EMPTY"] == ""
    assert recipe.files.keys() == {"/srv/function/handler.py"}


def test_archive_patterns_modes_and_what_is_left_out(tmp_path):
    recipe = read("archive-and-globs", tmp_path)
    assert recipe.files["/app/data/inner/value.txt"].read_text() == "42\n"
    assert recipe.files["/usr/local/bin/start"].stat().st_mode & 0o100
    everything = {
        name.removeprefix("/everything/") for name in recipe.files if "everything" in name
    }
    assert "notes/kept.txt" in everything
    assert not everything & {".env", "notes/dropped.txt", "notes/run.log", "data.tar.gz"}
    assert {"/app/app.py", "/app/requirements-base.txt"} <= recipe.files.keys()
    assert installed(recipe) == ["awslambdaric"]  # by a requirements file that another names


def test_stages_on_stages_and_arguments(tmp_path):
    recipe = read("stages-and-arguments", tmp_path)
    assert recipe.is_lambda_base
    assert recipe.python == "3.11"
    assert recipe.environment["SAID"] == "python 3.11"
    assert recipe.environment["ROOT"] == "/var/task"
    assert installed(recipe) == ["iniconfig==2.1.0"]
    given = read("stages-and-arguments", tmp_path / "2", VERSION="3.9", SUFFIX="more")
    assert given.python == "3.9"
    assert given.environment["SAID"] == "python 3.9 and more"


def test_another_escape_character_and_comments_in_a_continued_line(tmp_path):
    recipe = read("escaped-by-backtick", tmp_path)
    assert installed(recipe) == ["iniconfig==2.1.0"]
    assert recipe.files.keys() == {"/var/task/app.py"}


def test_uv_from_its_own_image(tmp_path):
    recipe = read("installer-uv", tmp_path)
    assert recipe.working_directory == "/usr/src/app"
    assert recipe.entrypoint == (None, "-m", "awslambdaric")
    assert installed(recipe) == ["awslambdaric"]


@pytest.mark.parametrize(
    ("form", "line", "why"),
    [
        ("refused-program", 6, "tesseract-ocr"),
        ("refused-command", 5, "python download_models.py --all"),
        ("refused-base", 3, "nodejs:20"),
        ("refused-missing-source", 2, "requirements.txt"),
    ],
)
def test_refusal_names_the_line_and_what_to_do(tmp_path, form, line, why):
    with pytest.raises(DockerfileRefused) as refused:
        read(form, tmp_path)
    assert refused.value.line == line
    assert f"Dockerfile:{line}: " in str(refused.value)
    assert why in str(refused.value)
    assert refused.value.hint
