"""A page that is not ours, in a real browser: it changes nothing in the lab and reads nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloud.switch import Switch
from tests.conftest import Lab

ATTACK = (Path(__file__).parent / "attack.js").read_text()
# Names that an attacker lets point to this machine.
FOREIGN, REBOUND = "evil.example", "rebound.example"
PAGE = "<!doctype html><title>A page of somebody else</title><body></body>"


class Sink(BaseHTTPRequestHandler):
    """Serves the foreign page, and answers everything else as an open service would."""

    seen: Counter[str]

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        kind = "websocket" if self.headers.get("upgrade") else self.command
        self.seen[kind] += 1
        if b"forged" in body or "forged" in self.path:
            self.seen[f"{kind} forged"] += 1
        data = PAGE.encode() if self.path == "/page" else b"open"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*, Authorization")
        self.send_header("Access-Control-Allow-Methods", "*")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer  # noqa: N815  http.server's names

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def sink() -> Iterator[tuple[int, Counter[str]]]:
    seen: Counter[str] = Counter()
    handler = type("OwnSink", (Sink,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, seen
        finally:
            server.shutdown()
            thread.join()


def attack(page: Any, gateway: str, switch: Switch) -> list[Any]:
    """What the page could read of what it asked the gateway for."""
    queue = switch.names.result_queue(switch.device_id)
    return page.evaluate(
        ATTACK,
        {
            "gateway": gateway,
            "queue": switch.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"],
            "name": queue,
            "bucket": switch.bucket,
            "key": "gallery/gallery.npz",
        },
    )


def contents(switch: Switch) -> dict[str, Any]:
    """All that a request could have changed, or taken out of sight."""
    s3, sqs, dynamodb = switch.client("s3"), switch.client("sqs"), switch.client("dynamodb")
    counts = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    objects = s3.list_object_versions(Bucket=switch.bucket)
    return {
        "buckets": [one["Name"] for one in s3.list_buckets()["Buckets"]],
        "objects": [(one["Key"], one["ETag"]) for one in objects.get("Versions", ())],
        "deleted": [one["Key"] for one in objects.get("DeleteMarkers", ())],
        "queues": {
            url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
            for url in sqs.list_queues()["QueueUrls"]
        },
        "people": dynamodb.scan(TableName=switch.names.people_table)["Items"],
        "clips": dynamodb.scan(TableName=switch.names.ledger_table)["Items"],
        "functions": [
            (one["FunctionName"], one["RevisionId"])
            for one in switch.client("lambda").list_functions()["Functions"]
        ],
    }


@pytest.fixture
def waiting_result(lab: Lab) -> Iterator[None]:
    """A result that nobody has fetched yet: what a page would like to read, hide or delete."""
    sqs, names = lab.switch.client("sqs"), lab.switch.names
    url = sqs.get_queue_url(QueueName=names.result_queue(lab.switch.device_id))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="Ada Lovelace was seen")
    yield
    sqs.purge_queue(QueueUrl=url)


def test_the_attacks_really_leave_the_browser(chromium: Any, lab: Lab):
    """Against a service that lets everybody in they come through, or all below proves nothing."""
    with sink() as (port, seen):
        page = chromium.new_page()
        page.goto(f"http://{FOREIGN}:{port}/page")
        read = attack(page, f"http://127.0.0.1:{port}", lab.switch)
        page.close()
    assert {"GET forged", "POST forged", "PUT forged", "DELETE", "websocket"} <= seen.keys(), seen
    assert {"fetch", "post", "PUT", "DELETE"} <= {what for what, *_ in read}


@pytest.mark.parametrize(
    ("page_host", "gateway_host"),
    [
        (FOREIGN, "127.0.0.1"),  # another site
        (FOREIGN, "localhost"),
        (FOREIGN, FOREIGN),  # the same site, by its own name
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),  # the same site, another port
    ],
)
@pytest.mark.usefixtures("waiting_result")
def test_a_foreign_page_changes_nothing_and_reads_nothing(
    chromium: Any, lab: Lab, page_host: str, gateway_host: str
):
    before = contents(lab.switch)
    with sink() as (port, _):
        page = chromium.new_page()
        page.goto(f"http://{page_host}:{port}/page")
        read = attack(page, f"http://{gateway_host}:{lab.port}", lab.switch)
        page.close()
    assert read == []
    assert contents(lab.switch) == before


@pytest.mark.usefixtures("waiting_result")
def test_a_rebound_name_changes_nothing_and_reads_nothing(chromium: Any, lab: Lab):
    """The page's own name points to the gateway now: to the browser it asks its own server."""
    before = contents(lab.switch)
    own = f"http://{REBOUND}:{lab.port}"
    page = chromium.new_page()
    page.route(f"{own}/page", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.goto(f"{own}/page")
    read = attack(page, own, lab.switch)
    page.close()
    assert read == []
    assert contents(lab.switch) == before


@pytest.mark.usefixtures("waiting_result")
def test_a_link_that_somebody_follows_changes_nothing(chromium: Any, lab: Lab):
    """A navigation of the whole tab carries no origin."""
    before = contents(lab.switch)
    queue = lab.switch.names.result_queue(lab.switch.device_id)
    url = lab.switch.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    target = f"http://127.0.0.1:{lab.port}/?Action=SendMessage&QueueUrl={url}&MessageBody=forged"
    with sink() as (port, _):
        page = chromium.new_page()
        page.goto(f"http://{FOREIGN}:{port}/page")
        for policy in ("", "no-referrer"):
            page.goto(f"http://{FOREIGN}:{port}/page")
            page.evaluate(
                "([url, policy]) => document.body.append(Object.assign("
                "document.createElement('a'), {href: url, referrerPolicy: policy, id: 'bait',"
                " textContent: 'bait'}))",
                [target, policy],
            )
            with page.expect_response(lambda answer: "forged" in answer.url) as answered:
                page.click("#bait")
            assert answered.value.status == 403
        page.close()
    assert contents(lab.switch) == before
