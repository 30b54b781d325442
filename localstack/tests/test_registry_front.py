"""ECR's rules before the registry, with a registry that takes anything behind."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from localstack_image_functions.container.front import MAX_MANIFEST_BYTES, RegistryFront
from localstack_image_functions.container.tokens import LIFE_S, Identity, RegistryTokens

OWNER = Identity("000000000000", "us-east-1")


@dataclass
class Repositories:
    """One repository, `app`, in which the tag `fixed` may not move."""

    digest: str = "sha256:" + hashlib.sha256(b"old").hexdigest()
    pushes: list[tuple[Identity, str]] = field(default_factory=list)

    def exists(self, identity: Identity, repository: str) -> bool:
        return identity == OWNER and repository == "app"

    def names(self, identity: Identity) -> list[str]:
        return ["app"] if identity == OWNER else []

    def kept_digest(self, identity: Identity, repository: str, tag: str) -> str | None:
        return self.digest if tag == "fixed" else None

    def pushed(self, identity: Identity, repository: str) -> None:
        self.pushes.append((identity, repository))


@dataclass
class Behind:
    """What reached the registry."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def tokens() -> RegistryTokens:
    return RegistryTokens()


@pytest.fixture
def repositories() -> Repositories:
    return Repositories()


@pytest.fixture
def host(behind: Behind, tokens: RegistryTokens, repositories: Repositories) -> Iterator[str]:
    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self) -> None:
            body = self.body()
            behind.requests.append((self.command, self.path, body))
            behind.headers.append(dict(self.headers))
            refuses = b"no layers" in body
            self.send_response(404 if refuses else 202 if self.command == "POST" else 200)
            self.send_header("Location", f"http://registry:5000{self.path}next")
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"layer")

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    registry = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    front = RegistryFront(
        ("127.0.0.1", 0), f"127.0.0.1:{registry.server_address[1]}", tokens, repositories
    )
    yield f"http://127.0.0.1:{front.port}"
    front.close()
    registry.shutdown()
    registry.server_close()


@pytest.fixture
def owner(tokens: RegistryTokens) -> tuple[str, str]:
    return "AWS", tokens.issue(OWNER)[0]


def code_of(answer: requests.Response) -> str:
    return answer.json()["errors"][0]["code"]


def forged(password: str) -> str:
    payload, _, signature = password.partition(".")
    facts = base64.urlsafe_b64decode(payload).replace(b"000000000000", b"111111111111")
    return f"{base64.urlsafe_b64encode(facts).decode()}.{signature}"


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/app/manifests/latest"])
def test_without_a_password_there_is_nothing(host: str, behind: Behind, path: str) -> None:
    answer = requests.get(host + path, timeout=5)
    assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
    assert answer.headers["Www-Authenticate"].startswith('Basic realm="http://127.0.0.1:')
    assert behind.requests == []


@pytest.mark.parametrize(
    ("asked", "passed_on"),
    [({}, "image.manifest.v1+json"), ({"Accept": "*/*"}, "*/*"), ({"Accept": "a/b"}, "a/b")],
)
def test_who_takes_any_manifest_gets_what_was_pushed(
    host: str, behind: Behind, owner: tuple[str, str], asked: dict[str, str], passed_on: str
) -> None:
    """Older registries make another one of it for who does not say what he takes."""
    requests.get(f"{host}/v2/app/manifests/v1", headers=asked, auth=owner, timeout=5)
    accept = behind.headers[-1]["Accept"]
    assert passed_on in accept
    assert ("image.manifest.v1+json" in accept) == (asked != {"Accept": "a/b"})


def test_a_layer_at_once_is_begun_and_ended(
    host: str, behind: Behind, owner: tuple[str, str]
) -> None:
    """The registry behind takes none so, and answers as if it had begun one."""
    query = {"digest": "sha256:1"}
    answer = requests.post(
        f"{host}/v2/app/blobs/uploads/", params=query, data=b"layer", auth=owner, timeout=5
    )
    assert answer.status_code == 200
    begun, ended = behind.requests
    assert begun == ("POST", "/v2/app/blobs/uploads/", b"")
    assert ended[0] == "PUT"
    assert "digest=sha256%3A1" in ended[1]
    assert ended[2] == b"layer"


@pytest.mark.parametrize(
    "password", ["", "emulated", ".", "e30=.00", "\x00", "ümlaut.ü"], ids=lambda value: repr(value)
)
def test_made_up_passwords_are_refused(host: str, password: str) -> None:
    encoded = base64.b64encode(f"AWS:{password}".encode()).decode()
    answer = requests.get(f"{host}/v2/", headers={"Authorization": f"Basic {encoded}"}, timeout=5)
    assert answer.status_code == 401


def test_forged_and_expired_passwords_are_refused() -> None:
    now = [1_000_000.0]
    tokens = RegistryTokens(lambda: now[0])
    password, expires = tokens.issue(OWNER)

    def header(text: str) -> str:
        return "Basic " + base64.b64encode(f"AWS:{text}".encode()).decode()

    assert tokens.identity(header(password)) == OWNER
    assert expires.timestamp() == now[0] + LIFE_S
    assert tokens.identity(header(forged(password))) is None
    assert RegistryTokens().identity(header(password)) is None  # another emulator's
    now[0] += LIFE_S
    assert tokens.identity(header(password)) is None


def test_push_and_pull_pass_byte_for_byte(
    host: str, behind: Behind, owner: tuple[str, str]
) -> None:
    pieces = [b"a" * 300_000, b"b" * 7]
    answer = requests.patch(
        f"{host}/v2/app/blobs/uploads/1?state=x", data=iter(pieces), auth=owner, timeout=5
    )
    assert answer.status_code == 200
    assert behind.requests == [("PATCH", "/v2/app/blobs/uploads/1?state=x", b"".join(pieces))]
    assert "Authorization" not in behind.headers[0]
    assert requests.get(f"{host}/v2/app/blobs/sha256:1", auth=owner, timeout=5).content == b"layer"


def test_ecr_hears_of_an_image_when_it_comes(
    host: str, owner: tuple[str, str], repositories: Repositories
) -> None:
    """It took the time at which somebody first looked for that of the push."""
    url = f"{host}/v2/app"
    requests.put(f"{url}/blobs/uploads/1?digest=sha256:1", data=b"layer", auth=owner, timeout=5)
    requests.put(f"{url}/manifests/latest", data=b"no layers", auth=owner, timeout=5)
    requests.put(f"{url}/manifests/fixed", data=b"new", auth=owner, timeout=5)
    requests.get(f"{url}/manifests/latest", auth=owner, timeout=5)
    assert repositories.pushes == []
    requests.put(f"{url}/manifests/latest", data=b"image", auth=owner, timeout=5)
    assert repositories.pushes == [(OWNER, "app")]


def test_client_goes_on_here_and_not_at_the_registry(host: str, owner: tuple[str, str]) -> None:
    answer = requests.post(f"{host}/v2/app/blobs/uploads/", auth=owner, timeout=5)
    assert answer.headers["Location"] == "/v2/app/blobs/uploads/next"


def test_repository_that_does_not_exist_takes_nothing(
    host: str, behind: Behind, owner: tuple[str, str]
) -> None:
    with requests.Session() as session:
        answer = session.post(f"{host}/v2/other/blobs/uploads/", auth=owner, timeout=5)
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")
        assert "'other' does not exist in the registry with id '000000000000'" in answer.text
        assert session.get(f"{host}/v2/", auth=owner, timeout=5).status_code == 200
    assert [path for _, path, _ in behind.requests] == ["/v2/"]


def test_other_accounts_repositories_are_not_ones_own(host: str, tokens: RegistryTokens) -> None:
    stranger = ("AWS", tokens.issue(Identity("111111111111", "us-east-1"))[0])
    answer = requests.put(f"{host}/v2/app/manifests/x", data=b"{}", auth=stranger, timeout=5)
    assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")


def test_immutable_tag_takes_the_same_image_and_no_other(
    host: str, behind: Behind, owner: tuple[str, str]
) -> None:
    url = f"{host}/v2/app/manifests/fixed"
    assert requests.put(url, data=b"old", auth=owner, timeout=5).status_code == 200
    answer = requests.put(url, data=b"new", auth=owner, timeout=5)
    assert (answer.status_code, code_of(answer)) == (400, "TAG_INVALID")
    assert [body for _, _, body in behind.requests] == [b"old"]


def test_layer_of_a_strangers_repository_is_not_mounted(
    host: str, behind: Behind, owner: tuple[str, str]
) -> None:
    requests.post(f"{host}/v2/app/blobs/uploads/?mount=sha256:1&from=secret", auth=owner, timeout=5)
    requests.post(f"{host}/v2/app/blobs/uploads/?mount=sha256:1&from=app", auth=owner, timeout=5)
    assert [path for _, path, _ in behind.requests] == [
        "/v2/app/blobs/uploads/",
        "/v2/app/blobs/uploads/?mount=sha256:1&from=app",
    ]


def test_images_are_deleted_through_ecr_alone(host: str, owner: tuple[str, str]) -> None:
    answer = requests.delete(f"{host}/v2/app/manifests/sha256:1", auth=owner, timeout=5)
    assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")


def test_manifest_over_the_limit_is_refused(host: str, owner: tuple[str, str]) -> None:
    answer = requests.put(
        f"{host}/v2/app/manifests/big",
        data=b"x" * (MAX_MANIFEST_BYTES + 1),
        auth=owner,
        timeout=5,
    )
    assert answer.status_code == 413


def test_emulator_itself_pulls_and_never_pushes(host: str, tokens: RegistryTokens) -> None:
    engine = ("AWS", tokens.issue(Identity("", "", engine=True))[0])
    assert requests.get(f"{host}/v2/any/blobs/1", auth=engine, timeout=5).status_code == 200
    answer = requests.put(f"{host}/v2/any/manifests/1", data=b"{}", auth=engine, timeout=5)
    assert (answer.status_code, code_of(answer)) == (403, "DENIED")
