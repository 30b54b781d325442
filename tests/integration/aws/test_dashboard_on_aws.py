"""The dashboard before AWS: it asks as ourselves, finds what it would in a lab, and only reads."""

from __future__ import annotations

import re
from types import SimpleNamespace

from cloud.switch import read_switch
from device import camera, messages
from scripts.dashboard.around import Around
from scripts.dashboard.clients import SharedClients
from scripts.dashboard.feed import Feed
from scripts.dashboard.frame_worker import picture_of
from scripts.dashboard.frames import Frames
from scripts.dashboard.inventory import Inventory
from scripts.paths import ROOT
from scripts.traces.device_spans import DeviceSpans
from tests.conftest import wait_until
from tests.fakes.wire import Wire
from tests.integration.aws.conftest import KEY

FILM = str(ROOT / "fixtures" / "lab.h264")
# S3's and Lambda's are paths, the others' are names.
READS = re.compile(r"(Get|List|Describe|Filter|Head|BatchGet|Query|Scan)|GET |POST .*(Metric|Get)")


def test_the_dashboard_follows_aws_and_changes_nothing_there(
    on_aws: Wire, device_programs, monkeypatch, tmp_path
):
    monkeypatch.setenv("FACELAB_SPOOL", str(tmp_path))
    device = ["--device", "pi-01", "--spool", str(tmp_path)]
    assert camera.main([*device, "--source", FILM, "--count", "2", "--speed", "4"]) == 0
    assert messages.main([*device, "--count", "2", "--idle-timeout", "150"]) == 0
    before = len(on_aws.calls)
    clients = SharedClients.of(read_switch())
    feed, inventory = Feed(clients, DeviceSpans(tmp_path)), Inventory(clients)

    def both() -> bool:
        feed.look()
        return len(feed.history) == 2

    wait_until(both, 60, "the two clips in the function's log")
    assert {one.name for one in feed.people.by_id.values()} >= {"Barack Obama", "Joe Biden"}
    clip = feed.history.newest(1)[0]
    assert Frames(clients, picture_of).picture(clip.clip_id, clip.key) is not None
    around = Around(clients, feed, lambda what: [])
    assert [one["device_id"] for one in around.devices()] == ["pi-01"]
    assert around.letters() == {"count": 0, "letters": []}
    shown = {kind["title"]: str(kind["rows"]) for kind in inventory.cloud()}
    assert all("wire-" in shown[kind] for kind in ("Buckets", "Queues", "Tables", "Functions"))
    assert "aws s3 ls" in shown["Buckets"]
    (ours,) = (one for one in inventory.functions() if one["name"] == clients.names.function)
    assert SimpleNamespace(**ours).invocations >= 2
    asked = on_aws.calls[before:]
    assert {one.service for one in asked} >= {"logs", "s3", "sqs", "dynamodb", "lambda", "ecr"}
    for call in asked:
        assert call.host.endswith(".amazonaws.com"), call
        assert call.access_key == KEY, call
        assert READS.match(call.operation), call
