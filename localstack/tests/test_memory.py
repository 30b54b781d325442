"""What the emulator keeps out of its memory, asked of its own Python."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

PROGRAM = """
import json, sys
from localstack_image_functions import memory
memory.share_service_models()
memory.put_off_imports()
import localstack.services.cloudformation.v2.provider
from localstack.aws import spec
from botocore.session import Session
told = {"modules": [name for name in sys.modules if name.startswith("samtranslator.")
                    and "localstack_image_functions" not in type(sys.modules[name]).__module__]}
first, second = (Session().get_component("data_loader") for _ in range(2))
told["shared"] = first.load_service_model("iam", "service-2")["shapes"] is (
    second.load_service_model("iam", "service-2")["shapes"])
told["nowhere"] = first.file_loader.load_file("/nowhere/at-all")
told["patched"] = list(spec.load_service("s3").shape_for("NoSuchBucket").members)
of_clients = first.load_service_model("s3", "service-2")["shapes"]["NoSuchBucket"]
told["unpatched"] = list(of_clients["members"])
from localstack.aws.api.ec2 import AvailabilityZoneList, Ec2Api
told["ec2"] = [AvailabilityZoneList.__name__, Ec2Api.__module__, Ec2Api.service]
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
told["loader"] = type(ManagedPolicyLoader(iam_client=None)).__name__
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(asked_of_emulators_python: Callable[..., str]) -> dict:
    return json.loads(asked_of_emulators_python(PROGRAM).splitlines()[-1])


def test_an_engine_for_templates_comes_without_the_serverless_transform(told):
    assert told["modules"] == []


def test_all_loaders_share_a_services_model(told):
    assert told["shared"] is True
    assert told["nowhere"] is None


def test_what_localstack_patches_for_itself_stays_unpatched_for_clients(told):
    assert told["patched"] == ["BucketName"]
    assert told["unpatched"] == []


def test_what_was_put_off_is_there_when_it_is_asked_for(told):
    assert told["ec2"] == ["list", "localstack.aws.api.ec2", "ec2"]
    assert told["loader"] == "ManagedPolicyLoader"
