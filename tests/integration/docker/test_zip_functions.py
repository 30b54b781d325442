"""Zip functions as containers: code and layers over an image that has runtimes."""

from __future__ import annotations

import pytest
from botocore.exceptions import WaiterError

from localstack_image_functions.container.engine import LAB_LABEL
from localstack_image_functions.container.zip_images import ZipImages
from tests.conftest import wait_until
from tests.integration.docker.conftest import ZIP_RUNTIMES
from tests.integration.docker.functions import deployed_zip, zip_of

LIMIT = 1_000_000


def images_of(emulator):
    return emulator.engine.images.list(filters={"label": f"{LAB_LABEL}={emulator.lab}"})


def test_python_finds_its_files_what_aws_brings_and_lambdas_user(emulator):
    code = """
import os, boto3
def handler(event, context):
    return {
        "file": __file__, "folder": os.getcwd(), "uid": os.getuid(), "event": event,
        "root": os.environ["LAMBDA_TASK_ROOT"], "runtime": os.environ["AWS_EXECUTION_ENV"],
        "services": len(boto3.Session().get_available_services()),
    }
"""
    files = {"src/deep/main.py": code}
    with deployed_zip(emulator, "zip-python", files, Handler="src.deep.main.handler") as function:
        seen = function.invoke(x=1).payload
    assert seen["event"]["x"] == 1
    assert (seen["file"], seen["folder"]) == ("/var/task/src/deep/main.py", "/var/task")
    assert (seen["root"], seen["uid"]) == ("/var/task", 993)
    assert seen["runtime"] == "AWS_Lambda_python3.13"
    assert seen["services"] > 300


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("app.js", "exports.handler = async (event) => ({got: event.x})"),
        ("app.mjs", "export const handler = async (event) => ({got: event.x})"),
    ],
)
def test_node(emulator, file, code):
    with deployed_zip(emulator, "zip-node", {file: code}, Runtime="nodejs20.x") as function:
        assert function.invoke(x=1).payload == {"got": 1}


def test_a_function_brings_its_own_runtime(emulator):
    bootstrap = """#!/usr/bin/python3
import http.client, os
while True:
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    answer, request = event.read(), event.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", answer)
    api.getresponse().read()
"""
    files = {"bootstrap": bootstrap}
    with deployed_zip(emulator, "zip-own", files, Runtime="provided.al2023") as function:
        assert [function.invoke(x=count).payload["x"] for count in (1, 2)] == [1, 2]


def test_layers_lie_over_each_other_and_a_wrapper_stands_before_the_runtime(emulator):
    contents = (
        {"python/known.py": "value = 'first'", "python/first.py": ""},
        {
            "python/known.py": "value = 'second'",
            "bin/tool": "#!/bin/sh\necho ran",
            "wrapper": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n',
        },
    )
    lambda_ = emulator.client("lambda")
    layers = [
        lambda_.publish_layer_version(
            LayerName=f"zip-layer-{number}", Content={"ZipFile": zip_of(files)}
        )["LayerVersionArn"]
        for number, files in enumerate(contents)
    ]
    code = """
import os, subprocess, known, first
def handler(event, context):
    said = subprocess.run(["tool"], capture_output=True, text=True, check=True).stdout
    return [known.value, said, os.environ["WRAPPED"]]
"""
    with deployed_zip(
        emulator,
        "zip-layers",
        {"app.py": code},
        Layers=layers,
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
    ) as function:
        assert function.invoke().payload == ["second", "ran\n", "yes"]


def test_new_code_is_what_runs_and_a_lost_image_is_made_again(emulator, tmp_path):
    code = "def handler(event, context):\n    return {}\n"
    with deployed_zip(emulator, "zip-new", {"app.py": code.format(1)}) as function:
        assert function.invoke().payload == 1
        function.lambda_.update_function_code(
            FunctionName=function.name, ZipFile=zip_of({"app.py": code.format(2)})
        )
        function.lambda_.get_waiter("function_updated_v2").wait(
            FunctionName=function.name, WaiterConfig={"Delay": 1}
        )
        assert images_of(emulator)
        assert wait_until(lambda: not function.containers(), 60, "the old code to end")
        # As at the next start, which forgets what it finds.
        ZipImages(ZIP_RUNTIMES, emulator.lab, tmp_path, LIMIT).forget()
        assert images_of(emulator) == []
        assert function.invoke().payload == 2


def test_what_is_not_here_is_said(emulator):
    files = {"app.py": "def handler(event, context):\n    return 1\n"}
    with deployed_zip(emulator, "zip-other", files, Runtime="python3.12") as function:
        answer = function.invoke()
    assert answer.payload == 1
    assert "python3.12 is not here: python3.13 runs this function, the nearest" in answer.log
    with (
        pytest.raises(WaiterError) as raised,
        deployed_zip(emulator, "zip-java", files, Runtime="java21"),
    ):
        pass
    assert "java21 can't be run here" in raised.value.last_response["Configuration"]["StateReason"]
