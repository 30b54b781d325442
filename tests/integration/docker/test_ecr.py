"""What was pushed is what ECR shows, and what ECR deletes is gone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import time

import pytest
import requests
from botocore.exceptions import ClientError

from tests.integration.docker.functions import HOST_ARCHITECTURE

OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def ecr(emulator):
    return emulator.client("ecr")


@pytest.fixture
def repository(emulator, ecr, request):
    """A repository with one pushed image under `latest`; yields (name, digest)."""
    name = f"ecr/{request.node.name.replace('_', '-')}"[:60].rstrip("-").lower()
    uri = emulator.push(request.getfixturevalue("probe_image"), name)
    yield name, uri.partition("@")[2]
    ecr.delete_repository(repositoryName=name, force=True)


def tags_in_registry(emulator, repository):
    url = f"http://{emulator.registry_host}/v2/{repository}/tags/list"
    return requests.get(url, auth=emulator.basic(), timeout=10).json().get("tags")


def code_of(error):
    return error.value.response["Error"]["Code"]


def test_pushed_image_is_described_with_the_engines_digest(emulator, ecr, repository, probe_image):
    name, digest = repository
    (shown,) = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert shown["imageDigest"] == digest
    assert shown["imageTags"] == ["latest"]
    assert shown["imageSizeInBytes"] > 10_000_000  # compressed layers, not the config's size
    local = emulator.engine.images.get(probe_image)
    assert f"{emulator.registry_host}/{name}@{digest}" in local.attrs["RepoDigests"]


def test_an_image_was_pushed_when_it_was(emulator, ecr, repository):
    """And not when somebody first asks: a course looks at times of uploads."""
    name, _ = repository
    pushed_by = time.time()
    time.sleep(2.1)  # ECR's times are whole seconds
    (shown,) = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert shown["imagePushedAt"].timestamp() <= pushed_by


def test_the_reports_command_sequence(emulator, probe_image, lab_images):
    """create-repository, get-login-password | docker login, tag, push: as pasted."""
    ecr = emulator.client("ecr")
    made = ecr.create_repository(
        repositoryName="pasted",
        imageScanningConfiguration={"scanOnPush": True},
        imageTagMutability="MUTABLE",
    )["repository"]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    token = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    host = made["repositoryUri"].partition("/")[0]
    assert token["proxyEndpoint"] == f"http://{host}"
    for command, given in (
        (["docker", "login", "--username", user, "--password-stdin", host], password),
        (["docker", "tag", probe_image, f"{made['repositoryUri']}:latest"], None),
        (["docker", "push", f"{made['repositoryUri']}:latest"], None),
        (["docker", "logout", host], None),
    ):
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert ecr.list_images(repositoryName="pasted")["imageIds"][0]["imageTag"] == "latest"
    ecr.delete_repository(repositoryName="pasted", force=True)
    assert not tags_in_registry(emulator, "pasted")


def test_list_and_get_by_tag_and_digest(ecr, repository):
    name, digest = repository
    assert ecr.list_images(repositoryName=name)["imageIds"] == [
        {"imageDigest": digest, "imageTag": "latest"}
    ]
    answer = ecr.batch_get_image(
        repositoryName=name,
        imageIds=[{"imageTag": "latest"}, {"imageDigest": digest}, {"imageTag": "absent"}],
    )
    assert [image["imageId"]["imageDigest"] for image in answer["images"]] == [digest, digest]
    manifest = json.loads(answer["images"][0]["imageManifest"])
    assert manifest["layers"]
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"


def test_put_image_gives_a_second_tag(ecr, emulator, repository):
    name, digest = repository
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    put = ecr.put_image(
        repositoryName=name, imageManifest=image["imageManifest"], imageTag="stable"
    )["image"]
    assert put["imageId"] == {"imageDigest": digest, "imageTag": "stable"}
    assert tags_in_registry(emulator, name) == ["latest", "stable"]
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName=name, imageManifest=image["imageManifest"], imageTag="stable")
    assert code_of(error) == "ImageAlreadyExistsException"


def test_put_image_with_layers_that_were_never_pushed_is_refused(ecr, repository):
    name, _ = repository
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    manifest = json.loads(image["imageManifest"])
    manifest["layers"][0]["digest"] = "sha256:" + "0" * 64
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag="broken")
    assert code_of(error) == "LayersNotFoundException"


def test_deleting_one_of_two_tags_keeps_the_image(ecr, emulator, repository):
    name, digest = repository
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    ecr.put_image(repositoryName=name, imageManifest=image["imageManifest"], imageTag="stable")
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])
    assert tags_in_registry(emulator, name) == ["stable"]
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest}])
    assert ecr.describe_images(repositoryName=name)["imageDetails"] == []
    assert not tags_in_registry(emulator, name)


def test_image_whose_tag_moved_stays_without_a_tag(ecr, emulator, repository, other_probe_image):
    name, digest = repository
    ecr.describe_images(repositoryName=name)
    newer = emulator.push(other_probe_image, name).partition("@")[2]
    shown = {
        image["imageDigest"]: image.get("imageTags")
        for image in ecr.describe_images(repositoryName=name)["imageDetails"]
    }
    assert shown == {digest: None, newer: ["latest"]}
    untagged = ecr.list_images(repositoryName=name, filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert untagged == [{"imageDigest": digest}]


def test_immutable_tags_are_not_overwritten_by_put_image(ecr, repository):
    name, _ = repository
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    other = json.dumps(json.loads(image["imageManifest"]))  # the same layers, another digest
    assert other != image["imageManifest"]
    with pytest.raises(ClientError) as error:
        ecr.put_image(
            repositoryName=name,
            imageManifest=other,
            imageTag="latest",
            imageManifestMediaType=json.loads(other)["mediaType"],
        )
    assert code_of(error) == "ImageTagAlreadyExistsException"


def test_scanning_configuration(ecr, repository):
    name, _ = repository
    ecr.put_image_scanning_configuration(
        repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
    )
    (shown,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert shown["imageScanningConfiguration"] == {"scanOnPush": True}


def test_layers_are_available_or_not(ecr, repository):
    name, _ = repository
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    layer = json.loads(image["imageManifest"])["layers"][0]["digest"]
    answer = ecr.batch_check_layer_availability(
        repositoryName=name, layerDigests=[layer, "sha256:" + "0" * 64]
    )["layers"]
    assert [one["layerAvailability"] for one in answer] == ["AVAILABLE", "UNAVAILABLE"]


def test_repository_with_images_needs_force(ecr, repository):
    with pytest.raises(ClientError) as error:
        ecr.delete_repository(repositoryName=repository[0])
    assert code_of(error) == "RepositoryNotEmptyException"


def test_unknown_repository(ecr):
    for call in (ecr.describe_images, ecr.list_images):
        with pytest.raises(ClientError) as error:
            call(repositoryName="nowhere")
        assert code_of(error) == "RepositoryNotFoundException"


@pytest.mark.parametrize("selector", [":absent", "@sha256:" + "0" * 64])
def test_function_of_an_image_that_was_never_pushed_is_refused(emulator, selector):
    with pytest.raises(ClientError) as error:
        emulator.client("lambda").create_function(
            FunctionName="no-image",
            PackageType="Image",
            Code={"ImageUri": f"{emulator.registry_host}/never-pushed{selector}"},
            Role="arn:aws:iam::000000000000:role/test",
        )
    assert code_of(error) == "InvalidParameterValueException"
    assert "does not exist" in str(error.value)


def test_function_of_an_index_of_images_is_refused(emulator, ecr, repository):
    """As on AWS: what buildx pushes with provenance can't be a function."""
    name, digest = repository
    image = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "latest"}])["images"][0]
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": image["imageManifestMediaType"],
                "digest": digest,
                "size": len(image["imageManifest"].encode()),
                "platform": {"architecture": "amd64", "os": "linux"},
            }
        ],
    }
    requests.put(
        f"http://{emulator.registry_host}/v2/{name}/manifests/index",
        data=json.dumps(index).encode(),
        headers={"Content-Type": OCI_INDEX},
        auth=emulator.basic(),
        timeout=10,
    ).raise_for_status()
    with pytest.raises(ClientError) as error:
        emulator.client("lambda").create_function(
            FunctionName="index",
            PackageType="Image",
            Code={"ImageUri": f"{emulator.registry_host}/{name}:index"},
            Role="arn:aws:iam::000000000000:role/test",
        )
    assert code_of(error) == "InvalidParameterValueException"
    assert "not supported" in str(error.value)


def test_function_of_an_image_of_another_architecture_or_region_is_refused(
    emulator, ecr, repository
):
    name, _ = repository
    other = {"x86_64": "arm64", "arm64": "x86_64"}[HOST_ARCHITECTURE]
    here, elsewhere = (
        f"000000000000.dkr.ecr.{region}.amazonaws.com/{name}:latest"
        for region in ("us-east-1", "eu-west-1")
    )
    for uri, architecture, says in (
        (here, other, f"was built for {HOST_ARCHITECTURE}"),
        (f"{emulator.registry_host}/{name}:latest", other, f"was built for {HOST_ARCHITECTURE}"),
        (elsewhere, HOST_ARCHITECTURE, "is not valid"),
    ):
        with pytest.raises(ClientError, match=says) as error:
            emulator.client("lambda").create_function(
                FunctionName="misplaced",
                PackageType="Image",
                Code={"ImageUri": uri},
                Architectures=[architecture],
                Role="arn:aws:iam::000000000000:role/test",
            )
        assert code_of(error) == "InvalidParameterValueException"


def test_uri_of_aws_names_the_same_image(emulator, ecr, repository):
    """A template that spells out `<account>.dkr.ecr.<region>.amazonaws.com` works as it is."""
    name, digest = repository
    lambda_ = emulator.client("lambda")
    made = lambda_.create_function(
        FunctionName="aws-uri",
        PackageType="Image",
        Code={"ImageUri": f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{name}:latest"},
        Architectures=[HOST_ARCHITECTURE],
        Role="arn:aws:iam::000000000000:role/test",
    )
    assert made["CodeSha256"] == digest.removeprefix("sha256:")
    lambda_.get_waiter("function_active_v2").wait(FunctionName="aws-uri")
    lambda_.delete_function(FunctionName="aws-uri")


def test_a_layer_goes_up_in_parts_and_comes_down_again(ecr, repository):
    name, _ = repository
    layer = os.urandom(6 * 2**20)
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    begun = ecr.initiate_layer_upload(repositoryName=name)
    of_upload = {"repositoryName": name, "uploadId": begun["uploadId"]}
    assert begun["partSize"] == 10 * 2**20
    with pytest.raises(ClientError) as error:
        ecr.complete_layer_upload(**of_upload, layerDigests=[digest])
    assert code_of(error) == "EmptyUploadException"
    cut = 5 * 2**20
    told = ecr.upload_layer_part(
        **of_upload, partFirstByte=0, partLastByte=cut - 1, layerPartBlob=layer[:cut]
    )
    assert told["lastByteReceived"] == cut - 1
    with pytest.raises(ClientError) as error:
        ecr.upload_layer_part(
            **of_upload, partFirstByte=0, partLastByte=9, layerPartBlob=layer[:10]
        )
    assert code_of(error) == "InvalidLayerPartException"
    ecr.upload_layer_part(
        **of_upload, partFirstByte=cut, partLastByte=len(layer) - 1, layerPartBlob=layer[cut:]
    )
    assert ecr.complete_layer_upload(**of_upload, layerDigests=[digest])["layerDigest"] == digest
    (layers,) = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[digest])[
        "layers"
    ]
    assert (layers["layerAvailability"], layers["layerSize"]) == ("AVAILABLE", len(layer))
    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest)["downloadUrl"]
    assert requests.get(url, timeout=30).content == layer
    with pytest.raises(ClientError) as error:
        ecr.complete_layer_upload(**of_upload, layerDigests=[digest])
    assert code_of(error) == "UploadNotFoundException"


def test_a_layer_that_is_not_what_it_says_is_refused(ecr, repository):
    name, _ = repository

    def uploaded(parts, digest):
        number = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
        begin = 0
        for part in parts:
            ecr.upload_layer_part(
                repositoryName=name, uploadId=number, partFirstByte=begin,
                partLastByte=begin + len(part) - 1, layerPartBlob=part,
            )  # fmt: skip
            begin += len(part)
        ecr.complete_layer_upload(repositoryName=name, uploadId=number, layerDigests=[digest])

    small = "sha256:" + hashlib.sha256(b"small").hexdigest()
    for parts, digest, code in [
        ([b"other"], small, "InvalidLayerException"),
        ([b"sma", b"ll"], small, "LayerPartTooSmallException"),
    ]:
        with pytest.raises(ClientError) as error:
            uploaded(parts, digest)
        assert code_of(error) == code
    uploaded([b"small"], small)
    with pytest.raises(ClientError) as error:
        uploaded([b"small"], small)
    assert code_of(error) == "LayerAlreadyExistsException"
    with pytest.raises(ClientError) as error:
        ecr.get_download_url_for_layer(repositoryName=name, layerDigest="sha256:" + "0" * 64)
    assert code_of(error) == "LayersNotFoundException"
    with pytest.raises(ClientError) as error:
        ecr.initiate_layer_upload(repositoryName="nobody/has-it")
    assert code_of(error) == "RepositoryNotFoundException"
