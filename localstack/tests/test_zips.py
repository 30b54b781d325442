"""Zip functions on disk: which runtime is taken, what lies where, what starts it and sees what."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from localstack_image_functions.errors import CodeTooLarge, RuntimeNotFound
from localstack_image_functions.runtime import zips
from localstack_image_functions.runtime.zips import (
    LambdaRuntime,
    find_runtime,
    nearest_runtime,
    start_of,
    unpack,
)

PYTHON = LambdaRuntime("python3.12", Path("/runtimes/python3.12/bin/python"))
NODE = LambdaRuntime("nodejs20.x", Path("/runtimes/nodejs20.x/bin/node"))
OWN = LambdaRuntime("provided.al2023", Path("/var/task/bootstrap"))


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho v22.3.0\n")
    path.chmod(0o755)
    return path


@dataclass
class Archive:
    """Code as LocalStack holds it: unpacked when it is asked to."""

    folder: Path
    id: str
    prepared: int = 0

    def prepare_for_execution(self) -> None:
        self.prepared += 1

    def get_unzipped_code_location(self) -> Path:
        assert self.prepared
        return self.folder


@dataclass
class Version:
    """What the parts of a function version are that are looked at."""

    code: Archive
    layers: list[Archive] = field(default_factory=list)
    runtime: str = "python3.12"
    handler: str = "app.handle"

    @property
    def config(self) -> SimpleNamespace:
        layers = [SimpleNamespace(code=one) for one in self.layers]
        return SimpleNamespace(
            code=self.code, layers=layers, runtime=self.runtime, handler=self.handler
        )


def archive(folder: Path, **files: str) -> Archive:
    folder.mkdir()
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Archive(folder, folder.name)


@pytest.mark.parametrize(
    ("wanted", "here", "taken"),
    [
        ("python3.12", ["python3.11", "python3.12", "python3.13"], "python3.12"),
        ("python3.12", ["python3.13", "python3.11"], "python3.13"),  # as near: the newer
        ("python3.12", ["python3.8", "python3.11", "nodejs12.x"], "python3.11"),
        ("nodejs20.x", ["nodejs18.x", "nodejs24.x", "python3.20"], "nodejs18.x"),
    ],
)
def test_the_nearest_runtime_of_the_language_runs_it_and_the_log_says_so(wanted, here, taken):
    found = nearest_runtime(wanted, {name: Path("/r") / name for name in here})
    assert (found.name, found.program) == (taken, Path("/r") / taken)
    assert found.is_custom is False
    assert found.is_node is wanted.startswith("node")
    assert found.programs == (f"/r/{taken}",)
    said = "" if taken == wanted else f"{wanted} is not here: {taken} runs this function, "
    assert found.note.startswith(said)
    assert bool(found.note) == bool(said)


@pytest.mark.parametrize(
    ("wanted", "here", "said"),
    [
        ("python3.12", ["nodejs20.x"], "no runtime for python3.12 is here: IMAGE_FUNCTIONS_RUNT"),
        ("nodejs20.x", ["python3.12", "nodejs"], "no runtime for nodejs20.x"),
        ("ruby3.3", ["python3.12"], "the runtime ruby3.3 can't be run here"),
        ("xpython3.12x", ["python3.12"], "can't be run here"),
    ],
)
def test_a_runtime_that_nothing_here_runs_says_what_to_do(wanted, here, said):
    with pytest.raises(RuntimeNotFound, match=said):
        nearest_runtime(wanted, {name: Path("/r") / name for name in here})


def test_a_function_s_own_runtime_needs_nothing_of_this_machine():
    for name in ("provided", "provided.al2", "provided.al2023"):
        found = nearest_runtime(name, {})
        assert (found.name, found.is_custom, found.is_node, found.programs) == (
            name, True, False, (),
        )  # fmt: skip


def test_runtimes_are_found_by_the_names_of_their_folders_and_links_are_followed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    zips._of_this_machine.cache_clear()
    folder = tmp_path / "runtimes"
    elsewhere = tmp_path / "elsewhere" / "3.12"
    program(elsewhere, "bin/python")
    folder.mkdir()
    (folder / "python3.12").symlink_to(elsewhere)
    node = program(folder, "nodejs20.x/bin/node")
    (folder / "python3.13" / "bin").mkdir(parents=True)  # without a program
    program(folder, "nodejs18.x/bin/python")
    program(folder, "other/bin/python")
    assert find_runtime(folder, "python3.13").program == elsewhere.resolve() / "bin" / "python"
    assert find_runtime(folder, "nodejs18.x").program == node
    for nothing in (None, tmp_path / "missing"):
        with pytest.raises(RuntimeNotFound):
            find_runtime(nothing, "python3.12")
    zips._of_this_machine.cache_clear()


def test_node_of_this_machine_counts_by_the_version_that_it_says(tmp_path, monkeypatch):
    node = program(tmp_path, "node")
    monkeypatch.setattr(shutil, "which", lambda name: str(node) if name == "node" else None)
    zips._of_this_machine.cache_clear()
    assert find_runtime(None, "nodejs20.x").name == "nodejs22.x"
    own = program(tmp_path, "runtimes/nodejs22.x/bin/node")
    assert find_runtime(tmp_path / "runtimes", "nodejs22.x").program == own
    for broken in ("echo unknown", "exit 1"):
        node.write_text(f"#!/bin/sh\n{broken}\n")
        zips._of_this_machine.cache_clear()
        with pytest.raises(RuntimeNotFound):
            find_runtime(None, "nodejs20.x")
    zips._of_this_machine.cache_clear()


def tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_code_and_layers_lie_below_one_root_later_ones_over_earlier_ones(tmp_path):
    code = archive(tmp_path / "code", app="code", lib__a="a")
    first = archive(tmp_path / "first", both="first", python__one="1")
    second = archive(tmp_path / "second", both="second")
    (tmp_path / "second" / "link").symlink_to("both")
    (tmp_path / "second" / "folder").symlink_to("python")
    (tmp_path / "code" / "lib").chmod(0o750)
    store = tmp_path / "store" / "deep"
    root = unpack(Version(code, [first, second]), store, 1000)
    assert tree(root) == {
        "opt/both": "second", "opt/link": "second", "opt/python/one": "1",
        "var/task/app": "code", "var/task/lib/a": "a",
    }  # fmt: skip
    assert (root / "opt" / "link").readlink() == Path("both")
    assert (root / "opt" / "folder").readlink() == Path("python")
    assert (root / "var/task/app").stat().st_ino == (tmp_path / "code" / "app").stat().st_ino
    assert (tmp_path / "first" / "both").read_text() == "first", "nobody writes to an archive"
    assert root.stat().st_mode & 0o777 == 0o755
    assert (root / "var/task/lib").stat().st_mode & 0o777 == 0o750
    assert [one.name for one in store.iterdir()] == [root.name], "no draft is left"
    assert [one.prepared for one in (code, first, second)] == [1, 1, 1]


def test_one_content_is_unpacked_once_and_another_order_of_layers_is_another(tmp_path):
    code, one, two = (archive(tmp_path / name, **{name: name}) for name in ("code", "one", "two"))
    store = tmp_path / "store"
    root = unpack(Version(code, [one, two]), store, 1000)
    (root / "mark").touch()
    assert unpack(Version(code, [one, two]), store, 1000) == root
    assert (root / "mark").exists()
    assert unpack(Version(code, [two, one]), store, 1000) != root
    assert unpack(Version(code, [one, two], "nodejs20.x"), store, 1000) != root
    assert unpack(Version(code, [one, two], "python3.13"), store, 1000) == root


def test_what_node_needs_lies_beside_the_code(tmp_path):
    code = archive(tmp_path / "code", app="code")
    root = unpack(Version(code, runtime="nodejs20.x"), tmp_path / "store", 1000)
    client = root / "var" / "runtime" / "node_runtime.mjs"
    assert client.read_text() == zips.NODE_CLIENT.read_text()
    python = unpack(Version(code), tmp_path / "store", 1000)
    assert not (python / "var" / "runtime").exists()


def test_a_link_across_file_systems_becomes_a_copy(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    code = archive(tmp_path / "code", app="code")
    (tmp_path / "code" / "link").symlink_to("app")
    root = unpack(Version(code), tmp_path / "store", 1000)
    assert tree(root) == {"var/task/app": "code", "var/task/link": "code"}
    assert (root / "var/task/link").is_symlink()


def test_who_unpacks_the_same_at_once_takes_what_the_other_made(tmp_path, monkeypatch):
    code = archive(tmp_path / "code", app="code")
    rename = Path.rename

    def be_late(draft: Path, root: Path) -> Path:
        (root / "var").mkdir(parents=True)  # of the other, who was faster
        return rename(draft, root)

    monkeypatch.setattr(Path, "rename", be_late)
    root = unpack(Version(code), tmp_path / "store", 1000)
    assert [one.name for one in (tmp_path / "store").iterdir()] == [root.name]

    def fail(draft: Path, root: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no space left"):
        unpack(Version(code, runtime="nodejs20.x"), tmp_path / "store", 1000)
    assert len(list((tmp_path / "store").iterdir())) == 1


def test_code_and_layers_count_together_without_what_links_point_to(tmp_path):
    code, layer = archive(tmp_path / "code", a="x" * 60), archive(tmp_path / "layer", b="x" * 40)
    (tmp_path / "code" / "c").symlink_to("a")
    assert unpack(Version(code, [layer]), tmp_path / "store", 100).is_dir()
    with pytest.raises(CodeTooLarge, match=r"size of 99 bytes. The actual size is 100 bytes\."):
        unpack(Version(code, [layer], "nodejs20.x"), tmp_path / "store", 99)


def start(
    tmp_path: Path, runtime: LambdaRuntime, wanted: str | None = None, **variables: str
) -> zips.Start:
    version = Version(Archive(tmp_path, "code"), runtime=wanted or runtime.name)
    return start_of(runtime, tmp_path, "/seen", version.config, variables)


def test_python_is_started_by_its_client_and_finds_layers(tmp_path):
    started = start(tmp_path, PYTHON, "python3.11", PYTHONPATH="/mine", A="1")
    assert started.runtime is PYTHON
    assert started.arguments == (str(PYTHON.program), "-m", "awslambdaric", "app.handle")
    assert started.environment == {
        "LAMBDA_TASK_ROOT": "/seen/var/task", "_HANDLER": "app.handle",
        "PYTHONDONTWRITEBYTECODE": "1", "A": "1", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/seen/opt/bin",
        "LD_LIBRARY_PATH": "/seen/var/task:/seen/var/task/lib:/seen/opt/lib",
        "PYTHONPATH": "/seen/opt/python/lib/python3.11/site-packages:"
        "/seen/opt/python/lib/python3.12/site-packages:/seen/opt/python:/mine",
    }  # fmt: skip


def test_packages_of_a_layer_are_added_with_their_pth_files_where_they_are(tmp_path):
    site = "opt/python/lib/python3.12/site-packages"
    (tmp_path / site).mkdir(parents=True)
    (tmp_path / "opt/python/lib/python3.11").mkdir()
    name, option, code, folders, handler = start(tmp_path, PYTHON, "python3.11").arguments
    assert (name, option, code) == (str(PYTHON.program), "-c", zips.WITH_SITES)
    assert (folders, handler) == (f"/seen/{site}", "app.handle")
    (tmp_path / "opt/python/lib/python3.11/site-packages").mkdir()
    both = start(tmp_path, PYTHON, "python3.11").arguments[3]
    assert both == f"/seen/opt/python/lib/python3.11/site-packages:/seen/{site}"


def test_node_is_started_by_our_client_and_finds_modules(tmp_path):
    started = start(tmp_path, NODE, "nodejs22.x")
    assert started.arguments == (str(NODE.program), "/seen/var/runtime/node_runtime.mjs")
    assert started.environment["NODE_PATH"] == (
        "/seen/opt/nodejs/node20/node_modules:/seen/opt/nodejs/node_modules:"
        "/seen/var/runtime/node_modules"
    )
    assert "PYTHONPATH" not in started.environment


def test_a_script_before_the_runtime_gets_its_command_line(tmp_path):
    started = start(tmp_path, NODE, AWS_LAMBDA_EXEC_WRAPPER="/opt/wrap")
    assert started.arguments[:2] == ("/opt/wrap", str(NODE.program))


def test_a_function_s_own_program_is_in_its_code_else_in_a_layer(tmp_path):
    assert start(tmp_path, OWN).arguments == ("/seen/var/task/bootstrap",)
    program(tmp_path, "opt/bootstrap")
    started = start(tmp_path, OWN)
    assert started.arguments == ("/seen/opt/bootstrap",)
    assert (started.runtime.name, started.runtime.program) == (
        OWN.name, Path("/opt/bootstrap"),
    )  # fmt: skip
    program(tmp_path, "var/task/bootstrap")
    (tmp_path / "opt/python/lib/provided.al2023/site-packages").mkdir(parents=True)
    assert start(tmp_path, OWN).arguments == ("/seen/var/task/bootstrap",)
    assert zips.site_folders(NODE, "nodejs20.x") == zips.site_folders(OWN, "provided") == []
    assert not {"PYTHONPATH", "NODE_PATH"} & {*started.environment}


def test_a_folder_of_a_later_layer_does_not_go_through_a_link_to_this_machine(tmp_path):
    """Files of the second layer were written to where the link of the first leads."""
    host = tmp_path / "host"
    host.mkdir()
    below = archive(tmp_path / "below", other="")
    (tmp_path / "below" / "python").symlink_to(host)
    above = archive(tmp_path / "above", python__module="mine")
    root = unpack(Version(archive(tmp_path / "code"), [below, above]), tmp_path / "store", 1000)
    assert list(host.iterdir()) == []
    assert tree(root) == {"opt/other": "", "opt/python/module": "mine"}


def test_a_file_or_a_link_of_a_later_layer_takes_the_place_of_a_folder(tmp_path):
    below = archive(tmp_path / "below", one__file="", two__file="")
    above = archive(tmp_path / "above", one="1")
    (tmp_path / "above" / "two").symlink_to("one")
    root = unpack(Version(archive(tmp_path / "code"), [below, above]), tmp_path / "store", 1000)
    assert tree(root) == {"opt/one": "1", "opt/two": "1"}


@pytest.mark.parametrize(("below", "above"), [("link", "link"), ("file", "link"), ("link", "file")])
def test_a_link_of_a_later_layer_lies_over_what_an_earlier_one_has_there(tmp_path, below, above):
    layers = []
    for name, kind in (("below", below), ("above", above)):
        layers.append(archive(tmp_path / name, **{f"of_{name}": name}))
        if kind == "link":
            (tmp_path / name / "tool").symlink_to(f"of_{name}")
        else:
            (tmp_path / name / "tool").write_text(name)
    code = archive(tmp_path / "code", app="code")
    root = unpack(Version(code, layers), tmp_path / "store", 1000)
    assert (root / "opt/tool").read_text() == "above"
    assert (root / "opt/tool").is_symlink() is (above == "link")
    assert (root / "opt/of_below").read_text() == "below"
