"""Names as people and attackers have them, on the dashboard in a real browser; without a lab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from contract.results import Person
from scripts.dashboard import feed as feeds
from scripts.dashboard.app import Dashboard, make_app
from scripts.dashboard.door import Door
from scripts.dashboard.nearest import NearestPeople
from scripts.dashboard.server import listen
from scripts.traces.device_spans import DeviceSpans
from tests.browser.test_dashboard import LOOKS
from tests.conftest import wait_until
from tests.fakes.dashboard import keep
from tests.fakes.results import face
from tests.unit.scripts.test_dashboard_pages import Cloud
from tests.unit.scripts.test_traces import a_message

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
NAMES = (f"Ada {LONG}", '<img src=x onerror="alert(1)">', "x" * 200)
CLIPS = ("<svg onload=alert(1)>", "y" * 300, "a b+c%20?#&d")


class NoPictures:
    """Clips that have gone from the bucket, or were none."""

    def picture(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    people = [Person(f"p{n}", name, "A & <i>B</i>", "senior") for n, name in enumerate(NAMES)]
    feed = feeds.Feed(Cloud(), DeviceSpans(None))
    feed.people = SimpleNamespace(by_id={one.person_id: one for one in people}, photos={})
    feed.link = feeds.CloudLink(True)
    for number, (one, clip_id) in enumerate(zip(people, CLIPS, strict=True)):
        keep(feed.history, a_message(clip_id, face(one, one), reason=LONG), number + 1)
    for clip, one in zip(reversed(feed.history.unnamed()), people, strict=True):
        feed.history.name(clip, [one.person_id])
    facts = {one.person_id: {"embeddings": 1, "nearest": "p0", "distance": 0.5} for one in people}
    nearest = NearestPeople(lambda: "etag", lambda: facts)
    nearest.ask()
    with listen(0) as socket:
        port = socket.getsockname()[1]
        board = Dashboard(Cloud(), feed, NoPictures(), Door(port), Cloud().inventory, nearest)
        config = uvicorn.Config(make_app(board), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, 20, "the dashboard")
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(20)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/", "/people"])
def test_the_longest_name_fits_and_no_name_is_a_program(
    chromium: Any, home: str, path: str, look: dict[str, Any]
):
    """A word of eighty letters was cut off in its card, and made a phone's page twice as wide."""
    page = chromium.new_page(**look)
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("response", lambda one: "/frames/" in one.url and said.append(f"{one.status}"))
    page.goto(home + path)
    page.locator("html[data-following=yes]").wait_for()
    for name in NAMES:
        assert page.get_by_text(name).count() > 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cut = (
        "[...document.querySelectorAll('.card')].filter((one) => one.scrollWidth > one.clientWidth)"
    )
    assert page.evaluate(f"{cut}.length") == 0
    wait_until(
        lambda: path != "/" or len(said) == len(CLIPS) or page.wait_for_timeout(50), 20, "pictures"
    )
    assert set(said) <= {"204"}, "a clip without a picture is no error on the console"
    page.close()
