"""Zip functions as processes, in a real LocalStack: runtimes, layers, limits."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from localstack_image_functions.errors import RuntimeNotFound
from localstack_image_functions.process.union import Union
from localstack_image_functions.runtime.zips import find_runtime

HERE = f"python3.{sys.version_info.minor}"
LIMIT = 5_000_000


def archive(files: Mapping[str, bytes | str], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            target.writestr(entry, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def zips(
    make_emulator: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    localstack_cache: Path,
    own_runtimes: Path,
) -> Iterator[Any]:
    """An emulator with one runtime, that of the tests' own Python."""
    folder = tmp_path_factory.mktemp("zips")
    emulator = make_emulator(folder, f"pytest-{os.getpid()}-zips", localstack_cache)
    emulator.extra = {
        "IMAGE_FUNCTIONS_RUNTIMES": str(own_runtimes),
        "LAMBDA_LIMITS_CODE_SIZE_UNZIPPED": str(LIMIT),
    }
    emulator.start()
    yield emulator
    emulator.stop()


def create(emulator: Any, name: str, code: bytes, **settings: Any) -> dict[str, Any]:
    """Create the function and wait until it is ready, or has failed."""
    client = emulator.client("lambda")
    client.create_function(
        FunctionName=name,
        Role="arn:aws:iam::000000000000:role/function",
        Code={"ZipFile": code},
        **{"Runtime": HERE, "Handler": "app.handler", "Timeout": 20, **settings},
    )
    while (now := client.get_function_configuration(FunctionName=name))["State"] == "Pending":
        pass
    return now


def invoke(emulator: Any, name: str, **event: Any) -> Any:
    answer = emulator.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.load(answer["Payload"])
    assert "FunctionError" not in answer, payload
    return payload


def test_handler_in_a_package_with_what_aws_sets(zips: Any) -> None:
    code = """
import os, boto3
def handler(event, context):
    names = ("LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "_HANDLER", "AWS_LAMBDA_FUNCTION_NAME")
    return {**{name: os.environ[name] for name in names}, "file": __file__, "event": event}
"""
    create(zips, "packaged", archive({"src/deep/main.py": code}), Handler="src.deep.main.handler")
    seen = invoke(zips, "packaged", x=1)
    assert seen["event"] == {"x": 1}
    assert seen["file"].endswith("/var/task/src/deep/main.py")
    assert seen["LAMBDA_TASK_ROOT"].endswith("/var/task")
    assert seen["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{HERE}"
    assert seen["_HANDLER"] == "src.deep.main.handler"


def test_layers_lie_over_each_other_and_bring_modules_and_programs(zips: Any) -> None:
    client = zips.client("lambda")
    contents = [
        {
            "python/known.py": "value = 'first'",
            "python/first.py": "",
            "bin/tool": "#!/bin/sh\necho 1",
        },
        {
            "python/known.py": "value = 'second'",
            f"python/lib/{HERE}/site-packages/deep.py": "value = 'deep'",
            "bin/tool": "#!/bin/sh\necho ran",
        },
    ]
    arns = [
        client.publish_layer_version(
            LayerName=f"layer-{number}", Content={"ZipFile": archive(files, 0o755)}
        )["LayerVersionArn"]
        for number, files in enumerate(contents)
    ]
    code = """
import subprocess, known, first, deep
def handler(event, context):
    said = subprocess.run(["tool"], capture_output=True, text=True, check=True).stdout
    return [known.value, deep.value, said]
"""
    create(zips, "layered", archive({"app.py": code}), Layers=arns)
    assert invoke(zips, "layered") == ["second", "deep", "ran\n"]


def test_packages_in_a_layer_are_laid_as_an_installer_does(zips: Any) -> None:
    """Below the runtime that was asked for, though a nearer one runs; *.pth files are read."""
    other = "python3.9" if HERE != "python3.9" else "python3.10"
    folder = f"python/lib/{other}/site-packages"
    files = {
        f"{folder}/flat.py": "value = 1",
        f"{folder}/more.pth": "vendored\n",
        f"{folder}/vendored/deep.py": "value = 2",
    }
    layer = zips.client("lambda").publish_layer_version(
        LayerName="installed", Content={"ZipFile": archive(files)}
    )
    code = "import deep, flat\ndef handler(event, context):\n    return [flat.value, deep.value]\n"
    layers = [layer["LayerVersionArn"]]
    create(zips, "installed", archive({"app.py": code}), Runtime=other, Layers=layers)
    assert invoke(zips, "installed") == [1, 2]


def test_script_before_the_runtime(zips: Any) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'
    code = "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n"
    create(
        zips,
        "wrapped",
        archive({"app.py": code, "wrapper": wrapper}, 0o755),
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}},
    )
    assert invoke(zips, "wrapped") == "yes"


def test_python_that_is_not_here_is_said_in_the_log(zips: Any) -> None:
    other = "python3.9" if HERE != "python3.9" else "python3.10"
    code = "def handler(event, context):\n    return 1\n"
    create(zips, "elsewhere", archive({"app.py": code}), Runtime=other)
    answer = zips.client("lambda").invoke(FunctionName="elsewhere", LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert f"{other} is not here: {HERE} runs this function, the nearest" in log


needs_node = pytest.mark.skipif(not shutil.which("node"), reason="no Node.js here")


@needs_node
@pytest.mark.parametrize(
    ("name", "code", "answer"),
    [
        ("promise", "exports.handler = async (event) => ({got: event.x})", {"got": 1}),
        (
            "callback",
            "exports.handler = (event, context, callback) =>"
            " setTimeout(() => callback(null, context.functionName), 10)",
            "node-callback",
        ),
        ("nothing", "exports.handler = async () => {}", None),
        ("layer", "exports.handler = async () => require('told')", "by a layer"),
    ],
)
def test_handlers_in_node(zips: Any, name: str, code: str, answer: Any) -> None:
    layer = zips.client("lambda").publish_layer_version(
        LayerName="node",
        Content={
            "ZipFile": archive({"nodejs/node_modules/told/index.js": "module.exports='by a layer'"})
        },
    )
    create(
        zips,
        f"node-{name}",
        archive({"app.js": code}),
        Runtime="nodejs20.x",
        Layers=[layer["LayerVersionArn"]],
    )
    assert invoke(zips, f"node-{name}", x=1) == answer


@needs_node
def test_a_module_of_node_imports_what_layers_have(zips: Any) -> None:
    packages = {
        "nodejs/node_modules/told/index.js": "module.exports = {told: 'by a layer'}",
        "nodejs/node_modules/scoped/package.json": '{"type": "module", "exports": "./main.js"}',
        "nodejs/node_modules/scoped/main.js": "import told from 'told'; export default told.told",
    }
    layer = zips.client("lambda").publish_layer_version(
        LayerName="node-modules", Content={"ZipFile": archive(packages)}
    )
    code = """
import scoped from "scoped";
import path from "node:path";
import own from "./own.mjs";
export const handler = async () => {
  const missing = await import("nowhere").catch((error) => error.code);
  return [scoped, own, path.basename("/a/b"), missing];
};
"""
    files = {"app.mjs": code, "own.mjs": "export default 'own'"}
    layers = [layer["LayerVersionArn"]]
    create(zips, "node-imports", archive(files), Runtime="nodejs20.x", Layers=layers)
    answer = ["by a layer", "own", "b", "ERR_MODULE_NOT_FOUND"]
    assert invoke(zips, "node-imports") == answer


@needs_node
@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("app.js", "require('@aws-sdk/client-s3')"),
        ("app.mjs", "import '@aws-sdk/client-s3'"),
        ("app.cjs", "exports.handler = () => require('aws-sdk/clients/s3')"),
    ],
)
def test_a_function_that_counts_on_awss_sdk_for_node_is_told_to_bring_it(
    zips: Any, file: str, code: str
) -> None:
    name = f"node-sdk-{file.rpartition('.')[2]}"
    create(zips, name, archive({file: code}), Runtime="nodejs20.x")
    answer = zips.client("lambda").invoke(FunctionName=name)
    said = json.load(answer["Payload"])["errorMessage"]
    package = "aws-sdk" if file == "app.cjs" else "@aws-sdk/client-s3"
    assert f"npm install {package} into the code or a layer" in said


@needs_node
def test_a_module_of_node_whose_log_has_the_request(zips: Any) -> None:
    code = "export const handler = async (event) => { console.log('said', event); }"
    create(zips, "node-module", archive({"app.mjs": code}), Runtime="nodejs20.x")
    answer = zips.client("lambda").invoke(FunctionName="node-module", LogType="Tail")
    request = answer["ResponseMetadata"]["RequestId"]
    assert f"\t{request}\tINFO\tsaid {{}}" in base64.b64decode(answer["LogResult"]).decode()


@needs_node
@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [
        ("thrown", "handler = async () => { throw new TypeError('no') }", "TypeError"),
        ("rejected", "handler = (e, c, callback) => callback(new RangeError())", "RangeError"),
        ("missing", "other = 1", "Runtime.HandlerNotFound"),
        (
            "outside",
            "handler = () => new Promise(() => setImmediate(() => { throw new Error() }))",
            "Error",
        ),
    ],
)
def test_errors_in_node(zips: Any, name: str, code: str, kind: str) -> None:
    create(zips, f"node-{name}", archive({"app.js": f"exports.{code}"}), Runtime="nodejs20.x")
    answer = zips.client("lambda").invoke(FunctionName=f"node-{name}")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == kind


def test_code_is_where_its_address_says(zips: Any) -> None:
    client, code = zips.client("lambda"), archive({"app.py": "value = 1"})
    layer = client.publish_layer_version(LayerName="told", Content={"ZipFile": code})
    create(zips, "told", code)
    for told in (layer["Content"], client.get_function(FunctionName="told")["Code"]):
        with urllib.request.urlopen(told["Location"], timeout=20) as answer:  # noqa: S310
            assert answer.read() == code


def test_new_code_is_what_runs_next(zips: Any) -> None:
    create(zips, "renewed", archive({"app.py": "def handler(e, c):\n    return 'old'\n"}))
    assert invoke(zips, "renewed") == "old"
    client = zips.client("lambda")
    code = archive({"app.py": "def handler(e, c):\n    return 'new'\n"})
    client.update_function_code(FunctionName="renewed", ZipFile=code)
    client.get_waiter("function_updated_v2").wait(FunctionName="renewed")
    assert invoke(zips, "renewed") == "new"


@pytest.mark.parametrize("place", ["code", "layer"])
def test_a_function_brings_its_own_runtime(zips: Any, place: str) -> None:
    """The Runtime API in a shell script: what Rust, Go and others do."""
    bootstrap = """#!/bin/bash
api="${AWS_LAMBDA_RUNTIME_API%:*}" port="${AWS_LAMBDA_RUNTIME_API#*:}"
ask() {
  exec 3<>"/dev/tcp/$api/$port"
  printf '%s /2018-06-01/runtime/invocation/%s HTTP/1.1\\r\\n' "$1" "$2" >&3
  printf 'Host: %s\\r\\n' "$AWS_LAMBDA_RUNTIME_API" >&3
  printf 'Content-Length: %s\\r\\nConnection: close\\r\\n\\r\\n%s' "${#3}" "$3" >&3
  while IFS= read -r line <&3; do
    line="${line%$'\\r'}"
    case "$line" in
      [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d:*) id="${line#*: }" ;;
      [Cc]ontent-[Ll]ength:*) length="${line#*: }" ;;
      "") break ;;
    esac
  done
  IFS= read -r -N "$length" body <&3
}
while :; do
  ask GET next ""
  ask POST "$id/response" "{\\"handler\\": \\"$_HANDLER\\", \\"event\\": $body}"
done
"""
    program = archive({"bootstrap": bootstrap}, 0o755)
    settings: dict[str, Any] = {"Runtime": "provided.al2023", "Handler": "any.name"}
    if place == "layer":
        layer = zips.client("lambda").publish_layer_version(
            LayerName="own-runtime", Content={"ZipFile": program}
        )
        program = archive({"data": ""})
        settings["Layers"] = [layer["LayerVersionArn"]]
    create(zips, f"own-{place}", program, **settings)
    for count in (1, 2):
        told = {"handler": "any.name", "event": {"x": count}}
        assert invoke(zips, f"own-{place}", x=count) == told


def test_a_runtime_that_nobody_brought_is_told(zips: Any) -> None:
    create(zips, "own-none", archive({"data": ""}), Runtime="provided.al2023")
    answer = zips.client("lambda").invoke(FunctionName="own-none")
    assert json.load(answer["Payload"])["errorType"] == "Runtime.InvalidEntrypoint"


def test_another_language_fails_with_the_reason_and_is_deleted_without_an_error(zips: Any) -> None:
    state = create(zips, "scripted", archive({"app.rb": ""}), Runtime="ruby3.3")
    assert state["State"] == "Failed"
    assert "ruby3.3 can't be run here" in state["StateReason"]
    client = zips.client("lambda")
    client.delete_function(FunctionName="scripted")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="scripted")


def test_code_and_layers_together_have_a_limit(zips: Any) -> None:
    half = os.urandom(LIMIT * 2 // 3)
    layer = zips.client("lambda").publish_layer_version(
        LayerName="large", Content={"ZipFile": archive({"data": half})}
    )
    code = archive({"app.py": "", "data": half})
    layers, client = [layer["LayerVersionArn"]], zips.client("lambda")
    told = f"exceeds the maximum allowed size of {LIMIT} bytes"
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=told):
        create(zips, "large", code, Layers=layers)
    create(zips, "large", code)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=told):
        client.update_function_configuration(FunctionName="large", Layers=layers)
    create(zips, "large-later", archive({"app.py": ""}), Layers=layers)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=told):
        client.update_function_code(FunctionName="large-later", ZipFile=code)


def test_link_of_an_archive_does_not_show_the_host(tmp_path: Path) -> None:
    """Followed outside, a link to a folder of the host would be mounted for the function."""
    image, secret = tmp_path / "image", tmp_path / "secret"
    (image / "opt").mkdir(parents=True)
    secret.mkdir()
    (image / "opt" / "link").symlink_to(secret)
    (image / "opt" / "file").write_text("")
    union = Union({"/opt": str(secret)}, {})
    union.lay_over(image)
    assert union.links["/opt/link"] == str(secret)
    assert set(union.places) == {"/opt/file"}


def test_image_lies_over_the_host_entry_by_entry(tmp_path: Path) -> None:
    image, host = tmp_path / "image", tmp_path / "usr"
    (image / "usr" / "local" / "bin").mkdir(parents=True)
    (image / "usr" / "local" / "bin" / "python").write_text("image's")
    (image / "var" / "task").mkdir(parents=True)
    (host / "local" / "bin").mkdir(parents=True)
    (host / "local" / "bin" / "python").write_text("host's")
    (host / "local" / "bin" / "other").write_text("host's")
    (host / "bin").mkdir()
    union = Union({"/usr": str(host)}, {"/bin": "usr/bin"})
    union.lay_over(image)
    assert union.places == {
        "/usr/bin": str(host / "bin"),
        "/usr/local/bin/other": str(host / "local" / "bin" / "other"),
        "/usr/local/bin/python": str(image / "usr" / "local" / "bin" / "python"),
        "/var": str(image / "var"),
    }


def test_nearest_runtime_is_the_newer_of_two(tmp_path: Path) -> None:
    for name in ("python3.9", "python3.13", "python3.11", "other"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "python").write_text("")
    assert find_runtime(tmp_path, "python3.11").note == ""
    assert find_runtime(tmp_path, "python3.12").name == "python3.13"
    assert find_runtime(tmp_path, "python3.8").name == "python3.9"
    (tmp_path / "nodejs4.x" / "bin").mkdir(parents=True)
    (tmp_path / "nodejs4.x" / "bin" / "node").write_text("")
    assert find_runtime(tmp_path, "nodejs4.x").program == tmp_path / "nodejs4.x" / "bin" / "node"
    with pytest.raises(RuntimeNotFound, match=r"no runtime for python3\.12"):
        find_runtime(tmp_path / "other", "python3.12")
