"""The registry behind ECR, as far as it goes without one. tests/integration/docker has the rest."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

from localstack_image_functions.container.registry import (
    Manifest,
    Registry,
    registry_from_environment,
)

DIGEST = "sha256:" + "a" * 64


def test_image_is_pinned_by_digest_where_the_engine_reaches_the_registry():
    registry = Registry("http://registry:5000/", "localhost:4510")
    assert registry.pinned("team/app", DIGEST) == f"localhost:4510/team/app@{DIGEST}"
    assert registry.uri("team/app") == "localhost:4510/team/app"


def test_size_is_that_of_the_compressed_layers_and_the_configuration():
    manifest = {"config": {"size": 10}, "layers": [{"size": 100}, {"size": 1000}]}
    assert Manifest(DIGEST, "application/json", json.dumps(manifest)).size_bytes == 1110


def test_index_of_images_is_told_from_an_image():
    index = Manifest(DIGEST, "application/vnd.oci.image.index.v1+json", "{}")
    image = Manifest(DIGEST, "application/vnd.oci.image.manifest.v1+json", "{}")
    assert index.is_index
    assert not image.is_index


def test_no_registry_unless_one_is_named():
    assert registry_from_environment({}) is None
    near = registry_from_environment({"IMAGE_FUNCTIONS_REGISTRY": "localhost:4510"})
    assert near is not None
    assert near.url == "http://localhost:4510"
    far = registry_from_environment(
        {
            "IMAGE_FUNCTIONS_REGISTRY": "localhost:4510",
            "IMAGE_FUNCTIONS_REGISTRY_URL": "http://registry:5000",
        }
    )
    assert far is not None
    assert (far.url, far.public_host) == ("http://registry:5000", "localhost:4510")


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_registry_that_starts_after_us_is_waited_for():
    """After a reboot the engine starts containers in any order."""
    with HTTPServer(("127.0.0.1", 0), _Answers, bind_and_activate=False) as late:
        late.server_bind()  # the port is ours, and refuses until it listens
        url = f"http://127.0.0.1:{late.server_address[1]}"
        registry = Registry(url, "localhost:4510")
        assert not registry.answers_within(0)
        waiting = ThreadPoolExecutor().submit(registry.answers_within, 20)
        late.server_activate()
        late.handle_request()
        assert waiting.result(20)
