"""The registry on the gateway's port, where no registry stands behind ECR."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import boto3
import pytest
import requests

LAYER = b"a layer" * 1000
CONFIG = b"{}"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def manifest_of(*layers: bytes, comment: str = "") -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "c", "digest": digest_of(CONFIG), "size": len(CONFIG)},
            "layers": [{"mediaType": "l", "digest": digest_of(x), "size": len(x)} for x in layers],
            "annotations": {"comment": comment},
        }
    ).encode()


class Registry:
    """A client that has logged in."""

    def __init__(
        self, emulator: Any, account: str = "000000000000", region: str = "us-east-1"
    ) -> None:
        self.url = f"http://127.0.0.1:{emulator.port}/v2"
        self.ecr = boto3.client(
            "ecr", region, endpoint_url=f"http://127.0.0.1:{emulator.port}",
            aws_access_key_id=account, aws_secret_access_key="test",  # noqa: S106
        )  # fmt: skip
        token = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        self.auth = tuple(base64.b64decode(token).decode().split(":", 1))

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"auth": self.auth} | options
        return requests.request(method, f"{self.url}/{path}", timeout=10, **options)

    def layer(self, repository: str, data: bytes) -> requests.Response:
        query = {"digest": digest_of(data)}
        return self.ask("POST", f"{repository}/blobs/uploads/", params=query, data=data)

    def push(self, repository: str, tag: str, content: bytes) -> requests.Response:
        headers = {"Content-Type": MANIFEST_TYPE}
        return self.ask("PUT", f"{repository}/manifests/{tag}", data=content, headers=headers)


def code_of(answer: requests.Response) -> str:
    return answer.json()["errors"][0]["code"]


@pytest.fixture
def registry(emulator: Any) -> Registry:
    return Registry(emulator)


@pytest.fixture
def repository(registry: Registry, request: pytest.FixtureRequest) -> str:
    name = f"pushes/{digest_of(request.node.name.encode())[7:19]}"
    registry.ecr.create_repository(repositoryName=name)
    return name


def test_what_is_pushed_is_what_ecr_shows_and_what_is_pulled(
    registry: Registry, repository: str
) -> None:
    begun = registry.ask("POST", f"{repository}/blobs/uploads/")
    where = begun.headers["Location"].removeprefix("/v2/")
    for piece in (LAYER[:3000], LAYER[3000:]):
        taken = registry.ask("PATCH", where, data=iter([piece]))
        assert taken.status_code == 202
    assert taken.headers["Range"] == f"0-{len(LAYER) - 1}"
    kept = registry.ask("PUT", where, params={"digest": digest_of(LAYER)})
    assert (begun.status_code, kept.status_code) == (202, 201)
    assert registry.layer(repository, CONFIG).status_code == 201
    content = manifest_of(LAYER)
    assert registry.push(repository, "v1", content).status_code == 201
    assert registry.push(repository, "v1", content).status_code == 201  # again, as clients do

    pulled = registry.ask("GET", f"{repository}/manifests/v1")
    assert (pulled.content, pulled.headers["Content-Type"]) == (content, MANIFEST_TYPE)
    head = registry.ask("HEAD", f"{repository}/manifests/{digest_of(content)}")
    assert head.headers["Content-Length"] == str(len(content))
    layer = registry.ask("GET", f"{repository}/blobs/{digest_of(LAYER)}")
    assert layer.content == LAYER
    url = registry.ecr.get_download_url_for_layer(
        repositoryName=repository, layerDigest=digest_of(LAYER)
    )["downloadUrl"]
    assert requests.get(url, timeout=10).content == LAYER
    shown = registry.ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert [(one["imageDigest"], one["imageTags"]) for one in shown] == [
        (digest_of(content), ["v1"])
    ]
    assert registry.ask("GET", f"{repository}/tags/list").json()["tags"] == ["v1"]
    assert repository in registry.ask("GET", "_catalog").json()["repositories"]


@pytest.mark.parametrize("auth", [None, ("AWS", "emulated"), ("AWS", "e30=.0"), ("me", "x")])
def test_registry_on_the_gateway_takes_nothing_from_strangers(
    registry: Registry, repository: str, auth: Any
) -> None:
    for method, path in (
        ("GET", ""), ("GET", "_catalog"), ("POST", f"{repository}/blobs/uploads/"),
        ("PUT", f"{repository}/manifests/v1"), ("GET", f"{repository}/tags/list"),
    ):  # fmt: skip
        answer = registry.ask(method, path, auth=auth)
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
        assert answer.headers["Www-Authenticate"].startswith("Basic realm=")


def test_a_web_page_reaches_no_registry(registry: Registry) -> None:
    answer = registry.ask("GET", "_catalog", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    rebound = registry.ask("GET", "_catalog", headers={"Host": "evil.example"})
    assert rebound.status_code == 403


def test_a_password_opens_one_account_in_one_region(
    emulator: Any, registry: Registry, repository: str
) -> None:
    registry.layer(repository, LAYER)
    for other in (Registry(emulator, "111111111111"), Registry(emulator, region="eu-west-1")):
        seen = other.ask("GET", f"{repository}/blobs/{digest_of(LAYER)}")
        assert (seen.status_code, code_of(seen)) == (404, "NAME_UNKNOWN")
        other.ecr.create_repository(repositoryName=repository)
        seen = other.ask("GET", f"{repository}/blobs/{digest_of(LAYER)}")
        assert (seen.status_code, code_of(seen)) == (404, "BLOB_UNKNOWN")
    host = {"Host": "000000000000.dkr.ecr.eu-west-1.amazonaws.com"}
    assert registry.ask("GET", "_catalog", headers=host).status_code == 403


def test_what_does_not_fit_is_refused(registry: Registry, repository: str) -> None:
    wrong = registry.ask(
        "POST", f"{repository}/blobs/uploads/", params={"digest": digest_of(CONFIG)}, data=LAYER
    )
    assert (wrong.status_code, code_of(wrong)) == (400, "DIGEST_INVALID")
    lacking = registry.push(repository, "v1", manifest_of(LAYER))
    assert (lacking.status_code, code_of(lacking)) == (404, "BLOB_UNKNOWN")
    for content in (b"no JSON", b"[]", b'{"layers": [{}]}', b'{"layers": 1}'):
        nonsense = registry.push(repository, "v1", content)
        assert (nonsense.status_code, code_of(nonsense)) == (400, "MANIFEST_INVALID")
    gone = registry.ask("PATCH", f"{repository}/blobs/uploads/12345", data=b"x")
    assert (gone.status_code, code_of(gone)) == (404, "BLOB_UPLOAD_UNKNOWN")
    for path in ("../../../../etc/passwd", "sha256:" + "0" * 64, "sha256:..%2f..%2f"):
        unknown = registry.ask("GET", f"{repository}/blobs/{path}")
        assert unknown.status_code in (403, 404)


def test_an_immutable_tag_does_not_move(registry: Registry, repository: str) -> None:
    registry.ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")
    registry.layer(repository, CONFIG)
    assert registry.push(repository, "v1", manifest_of()).status_code == 201
    moved = registry.push(repository, "v1", manifest_of(comment="another"))
    assert (moved.status_code, code_of(moved)) == (400, "TAG_INVALID")


def test_a_layer_is_mounted_from_ones_own_repository_only(
    registry: Registry, repository: str
) -> None:
    registry.layer(repository, LAYER)
    registry.ecr.create_repository(repositoryName=f"{repository}-b")
    query = {"mount": digest_of(LAYER), "from": repository}
    uploads = f"{repository}-b/blobs/uploads/"
    assert registry.ask("POST", uploads, params=query).status_code == 201
    query["from"] = f"{repository}-none"
    assert registry.ask("POST", uploads, params=query).status_code == 202


def test_a_repository_that_is_made_again_is_empty(registry: Registry, repository: str) -> None:
    registry.layer(repository, LAYER)
    registry.ecr.delete_repository(repositoryName=repository, force=True)
    registry.ecr.create_repository(repositoryName=repository)
    assert registry.ask("HEAD", f"{repository}/blobs/{digest_of(LAYER)}").status_code == 404
