"""The dashboard's pages and its API, as routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from botocore.exceptions import BotoCoreError, ClientError
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from cloud.switch import Switch
from contract.clips import ContractError
from contract.printable import printable
from scripts.cloud_errors import explain
from scripts.console import log_text
from scripts.dashboard.around import Around
from scripts.dashboard.assets import Assets
from scripts.dashboard.cards import card, mark
from scripts.dashboard.door import Door, Guarded
from scripts.dashboard.feed import Feed
from scripts.dashboard.frames import Frames
from scripts.dashboard.history import MOST_CLIPS, Kept
from scripts.dashboard.nearest import NearestPeople
from scripts.dashboard.people import PeopleView
from scripts.dashboard.picture import FULL, SMALL
from scripts.dashboard.replaying import replay
from scripts.dashboard.worker import NoAnswer
from scripts.errors import LabError
from scripts.traces.function_log import FunctionLog
from scripts.traces.waterfall import waterfall

HERE = Path(__file__).resolve().parent
SHOWN_CLIPS = 12
AT_ONCE = 100
VIEWS = (
    ("live", "Live", "/"),
    ("people", "People", "/people"),
    ("cloud", "Cloud", "/cloud"),
    ("functions", "Functions", "/functions"),
)
EXPECTED = (HTTPException, LabError, ContractError, BotoCoreError, ClientError)


class Dashboard:
    """Answers for each page; sync methods run in threads of Starlette's. `inventory` answers what
    `cloud_worker` does."""

    def __init__(
        self,
        switch: Switch,
        feed: Feed,
        frames: Frames,
        door: Door,
        inventory: Callable[[str], Any],
        nearest: NearestPeople,
    ) -> None:
        self._switch = switch
        self._feed = feed
        self._frames = frames
        self.door = door
        self._nearest = nearest
        self._around = Around(switch, feed, inventory)
        self._people_page = PeopleView(feed, frames, nearest)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(default=True),
            auto_reload=False,
        )
        self._assets = Assets()
        self._templates.globals["asset"] = self._assets.address
        self._templates.filters["shown"] = lambda text: printable(str(text))
        self._templates.filters["mark"] = mark
        for name in self._templates.list_templates():  # now, not when somebody waits for a page
            self._templates.get_template(name)

    def routes(self) -> list[Route | Mount]:
        views = {
            "/": self.live, "/parts/head": self.head, "/parts/clips": self.clips,
            "/parts/around": self.around, "/parts/banner": self.banner,
            "/clips/{clip_id}": self.clip, "/parts/clips/{clip_id}": self.clip_part,
            "/people": self.people, "/parts/people": self.people_part,
            "/parts/cloud": self.cloud_part, "/parts/functions": self.functions_part,
            "/cloud": self.cloud, "/functions": self.functions,
            "/frames/{clip_id}": self.frame, "/healthz": self.healthz,
            "/api/clips": self.api_clips, "/api/clips/{clip_id}": self.api_clip,
            "/api/people": self.api_people, "/api/functions": self.api_functions,
            "/api/points": self.api_points,
        }  # fmt: skip
        acts = {
            "/clips/{clip_id}/replay": self.replay,
            "/letters/{message_id}/redrive": self.redrive,
            "/faces/{clip_id}/{face:int}/enroll": self.enroll,
            "/faces/{clip_id}/{face:int}/wrong": self.wrong,
        }
        return [
            *(Route(path, view) for path, view in views.items()),
            *(Route(path, act, methods=["POST"]) for path, act in acts.items()),
            Route("/events", self.events),
            Mount("/static", self._assets),
        ]

    # Pages

    def live(self, request: Request) -> Response:
        return self._page(
            "live.html", "live", state=self._state(), **self._head(), cards=self._cards(SHOWN_CLIPS)
        )

    def head(self, request: Request) -> Response:
        return self._page("head.html", "live", **self._head())

    def clips(self, request: Request) -> Response:
        return self._page("clips.html", "live", cards=self._cards(SHOWN_CLIPS))

    def around(self, request: Request) -> Response:
        return self._page(
            "around.html", "live", devices=self._around.devices(), **self._around.letters()
        )

    def banner(self, request: Request) -> Response:
        return self._page("banner.html", "")

    def clip(self, request: Request) -> Response:
        clip_id = request.path_params["clip_id"]
        return self._page(
            "clip.html", "live", state=self._state(), clip_id=clip_id, **self._life(clip_id)
        )

    def clip_part(self, request: Request) -> Response:
        clip_id = request.path_params["clip_id"]
        return self._page("life.html", "live", clip_id=clip_id, **self._life(clip_id))

    def people(self, request: Request) -> Response:
        return self._page("people.html", "people", state=self._state(), **self._people_page.all())

    def people_part(self, request: Request) -> Response:
        return self._page("roster.html", "people", **self._people_page.all())

    def cloud(self, request: Request) -> Response:
        return self._page("cloud.html", "cloud", state=self._state())

    def cloud_part(self, request: Request) -> Response:
        return self._page("kinds.html", "cloud", kinds=self._around.cloud())

    def functions(self, request: Request) -> Response:
        return self._page("functions.html", "functions", state=self._state())

    def functions_part(self, request: Request) -> Response:
        return self._page("each_function.html", "functions", functions=self._around.functions())

    # For programs

    def healthz(self, request: Request) -> Response:
        link = self._feed.link
        return JSONResponse(
            {
                "status": "ok",
                "cloud": "up" if link.is_up else "down",
                "why": link.why,
                "clips": len(self._feed.history),
            }
        )

    def api_clips(self, request: Request) -> Response:
        limit = request.query_params.get("limit", "50")
        if not limit.isdecimal() or not 0 < int(limit) <= MOST_CLIPS:
            raise HTTPException(400, f"limit is a number from 1 to {MOST_CLIPS}")
        clips, people = self._feed.history.newest(int(limit)), self._people
        summary = json.dumps(self._feed.history.summary())

        def pieces() -> Iterator[str]:
            """Thousands of cards at once would be memory that is not all given back."""
            yield '{"clips": ['
            for start in range(0, len(clips), AT_ONCE):
                cards = [card(one, people) for one in clips[start : start + AT_ONCE]]
                yield (", " if start else "") + json.dumps(cards)[1:-1]
            yield f'], "summary": {summary}}}'

        return StreamingResponse(pieces(), media_type="application/json")

    def api_clip(self, request: Request) -> Response:
        clip = self._clip(request)
        return JSONResponse({**self._waterfall(clip), "clip": card(clip, self._people)})

    def api_people(self, request: Request) -> Response:
        return JSONResponse({"people": self._people_page.roster(self._nearest.ask())})

    def api_functions(self, request: Request) -> Response:
        return JSONResponse({"functions": self._around.functions()})

    def api_points(self, request: Request) -> Response:
        return JSONResponse({"points": self._feed.history.points()})

    def frame(self, request: Request) -> Response:
        clip = self._clip(request)
        size = SMALL if "small" in request.query_params else FULL
        found = self._frames.picture(clip.clip_id, clip.key, size)
        if found is None:  # it has gone from the bucket, or was no clip: that is no fault
            return Response(status_code=204)
        headers = {
            "cache-control": "private, max-age=600",
            "x-frame-size": f"{found.width} {found.height}",
        }
        return Response(found.jpeg, media_type="image/jpeg", headers=headers)

    # Changes

    def replay(self, request: Request) -> Response:
        clip = self._clip(request)
        clip_id = replay(self._switch, clip.key, clip.device_id)
        self._feed.look_now()
        return Response(headers={"HX-Redirect": f"/clips/{quote(clip_id, safe='')}"})

    def redrive(self, request: Request) -> Response:
        self._around.dead_letters().send_again(request.path_params["message_id"])
        self._around.letters.expire()
        self._feed.look_now()
        return self.around(request)

    async def enroll(self, request: Request) -> Response:
        form = await form_of(request)
        said = await run_in_threadpool(self._enroll, request, form)
        return self._page("said.html", "people", said=said)

    def _enroll(self, request: Request, form: dict[str, str]) -> str:
        clip, face = self._clip(request), request.path_params["face"]
        return self._people_page.enroll(clip, face, form)

    def wrong(self, request: Request) -> Response:
        said = self._people_page.keep_wrong(self._clip(request), request.path_params["face"])
        return self._page("said.html", "live", said=said)

    # Server-sent events

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            self._events(request), media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )  # fmt: skip

    async def _events(self, request: Request) -> AsyncIterator[str]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        leave = self._feed.listen(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            yield "retry: 1000\n\n"
            while not await request.is_disconnected():
                yield f"event: change\ndata: {self._state()}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), 15)
                except TimeoutError:
                    yield ": still here\n\n"
                changed.clear()
        finally:
            leave()

    # Parts

    def _state(self) -> str:
        """What a page compares with what it was made of: asked for before the rest of it."""
        return json.dumps({"version": self._feed.version, "up": self._feed.link.is_up})

    @property
    def _people(self) -> dict[str, Any]:
        people = self._feed.people
        return people.by_id if people is not None else {}

    def _clip(self, request: Request) -> Kept:
        clip = self._feed.history.get(request.path_params["clip_id"])
        if clip is None:
            raise HTTPException(404, "no such clip among the newest")
        return clip

    def _cards(self, limit: int) -> list[dict[str, Any]]:
        people = self._people
        return [card(clip, people) for clip in self._feed.history.newest(limit)]

    def _head(self) -> dict[str, Any]:
        summary = self._feed.history.summary()
        people = self._people
        named = {people[one].name: n for one, n in summary["people"].items() if one in people}
        return {"summary": {**summary, "people": named}, **self._feed.history.striking()}

    def _waterfall(self, clip: Kept) -> dict[str, Any]:
        spans = self._feed.spans.of(clip.device_id, clip.clip_id)
        return waterfall(clip.line(), spans).to_fields()

    def _life(self, clip_id: str) -> dict[str, Any]:
        clip = self._feed.history.get(clip_id)
        if clip is None:
            return {"card": None}
        lines = FunctionLog(self._switch).lines_of(clip.line())
        return {
            "card": card(clip, self._people),
            "life": self._waterfall(clip),
            "log": [log_text(line)[:2000] for line in lines],
        }

    def _page(self, template: str, view: str, **context: Any) -> Response:
        text = self._templates.get_template(template).render(
            view=view, views=VIEWS, token=self.door.token, link=self._feed.link,
            where=self._switch.endpoint_url or "AWS", prefix=self._switch.names.prefix, **context,
        )  # fmt: skip
        return HTMLResponse(text)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a submitted form."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}


def _failed(request: Request, error: Exception) -> Response:
    """One sentence and a hint: as JSON for programs, as text for the page to show."""
    status = 502
    if isinstance(error, HTTPException):
        status, said, hint = error.status_code, str(error.detail), ""
    elif isinstance(error, BotoCoreError | ClientError):
        told = explain(error)
        said, hint = str(told), told.hint or ""
    else:
        status = 502 if isinstance(error, NoAnswer) else 409
        said, hint = str(error), getattr(error, "hint", "") or ""
    return JSONResponse({"error": printable(said), "hint": printable(hint)}, status_code=status)


def make_app(dashboard: Dashboard) -> ASGIApp:
    """The application, behind its door."""
    app = Starlette(routes=dashboard.routes(), exception_handlers=dict.fromkeys(EXPECTED, _failed))
    return Guarded(app, dashboard.door)
