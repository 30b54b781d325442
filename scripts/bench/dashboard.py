"""The dashboard in a real browser, before a lab with a day of clips behind it.

How soon a page is painted and can be used, how soon a new result stands on it, and what server
and page take of memory and of a core while nothing happens. A lab of the bench's own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from scripts.bench.dashboard_history import write_history
from scripts.bench.lab import MeasuredLab, free_port
from scripts.bench.overhead import RoundTrips, easy_clip
from scripts.bench.processes import Cores, memory_mb
from scripts.console import Progress
from scripts.develop.browser import browser
from scripts.errors import LabError
from scripts.paths import ROOT
from scripts.percentiles import percentiles

VIEWS = ("/", "/people", "/cloud", "/functions")
MODELS = 20  # clips that the lab answers itself
PATIENCE_S = 90.0
ROUNDS = 3
# In the page: when it can be used, and when a clip is painted on it.
WATCH = """
const soon = (done) => requestAnimationFrame(() => setTimeout(done));
addEventListener("DOMContentLoaded", () => soon(() => { window.usableMs = performance.now(); }));
const painted = window.paintedMs = {};
new MutationObserver(() => document.querySelectorAll("li[data-clip]").forEach(({ dataset }) => {
  if (!(dataset.clip in painted)) {
    painted[dataset.clip] = 0;
    soon(() => { painted[dataset.clip] = Date.now(); });
  }
})).observe(document, { childList: true, subtree: true });
"""
BUSY = "for (const until = performance.now() + 300; performance.now() < until;);"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


class Server:
    """The dashboard of a lab, as people start it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._port = free_port()
        self.home = f"http://127.0.0.1:{self._port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.cli.dashboard", "--port", str(self._port)],
            env=environment, cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.pid = self._process.pid

    def get(self, path: str) -> Any:
        with urlopen(self.home + path, timeout=PATIENCE_S) as answer:  # noqa: S310  loopback
            return json.load(answer)

    def wait_for(self, clips: int) -> float:
        """Seconds until that many clips are known."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            try:
                if self.get("/healthz")["clips"] >= clips:
                    return time.monotonic() - began
            except OSError:
                if self._process.poll() is not None:
                    raise LabError("the dashboard ended", "`make dashboard` says why") from None
            time.sleep(0.1)  # between polls
        raise LabError(f"the dashboard knows no {clips} clips after {PATIENCE_S:.0f} s")

    def wait_until_alone(self) -> None:
        """Until the worker that decodes frames has ended, as it does when nobody looks."""
        psutil.wait_procs(psutil.Process(self.pid).children(recursive=True), PATIENCE_S)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)


class Page:
    """A page in Chromium, and the process that draws it."""

    def __init__(self, opened: Any, home: str) -> None:
        self._browser = opened
        self._system = opened.new_browser_cdp_session()
        self._home = home
        # Playwright waits by text that the page evaluates, which its policy forbids.
        self.page = opened.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.page.add_init_script(WATCH)
        self.blank_mb = self._empty_mb()

    def heap_mb(self) -> float:
        """What the page's own scripts hold."""
        session = self.page.context.new_cdp_session(self.page)
        return round(float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6, 1)

    def pid(self) -> int:
        """Of the process that draws it: the one that is busy each time the page is. Chromium keeps
        others, for pages that were and for those that may come; one that starts is busy once."""
        rounds = []
        for _ in range(ROUNDS):
            before = self._cpu_s()
            self.page.evaluate(BUSY)
            rounds.append({pid: s - before.get(pid, 0.0) for pid, s in self._cpu_s().items()})
        pids = set.intersection(*map(set, rounds))
        return max(pids, key=lambda pid: min(one[pid] for one in rounds))

    def _empty_mb(self) -> dict[str, float]:
        """What a page with a line of text takes, once the driver has its scripts in it."""
        self.page.goto(self._home + "/healthz")
        self.page.locator("body").wait_for()
        self.page.wait_for_function("true")
        return memory_mb([self.pid()])

    def _cpu_s(self) -> dict[int, float]:
        told = self._system.send("SystemInfo.getProcessInfo")["processInfo"]
        return {one["id"]: one["cpuTime"] for one in told if one["type"] == "renderer"}

    def open(self, path: str) -> tuple[float, float]:
        """(first paint, usable) in milliseconds since it was asked for."""
        self.page.goto(self._home + path)
        self.page.wait_for_function(f"window.usableMs && {FIRST_PAINT}")
        first_paint, usable = self.page.evaluate(f"[{FIRST_PAINT}, window.usableMs]")
        return float(first_paint), float(usable)

    def settle(self) -> None:
        """Until what comes a moment later is there, and news are followed."""
        self.page.locator("html[data-following=yes]").wait_for()
        self.page.get_by_text("Looking …").wait_for(state="detached")

    def painted_ms(self, clip_id: str) -> float:
        """When a clip's card was painted (Unix)."""
        self.page.wait_for_function("one => window.paintedMs[one]", arg=clip_id)
        return float(self.page.evaluate("one => window.paintedMs[one]", clip_id))


@contextmanager
def day_at_work(count: int, progress: Progress) -> Iterator[MeasuredLab]:
    """A lab with `count` clips behind it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lab = MeasuredLab(folder)
        traces = folder / "traces"
        lab.environment |= {
            "FACELAB_SPOOL": str(folder / "spool"), "FACELAB_TRACES": str(traces)
        }  # fmt: skip
        try:
            progress("bringing up a lab")
            lab.time_ms("up")
            _answer_some(lab.environment)
            write_history(lab.switch, traces, count, progress)
            yield lab
        finally:
            lab.remove()


def _answer_some(environment: dict[str, str]) -> None:
    count = ("--count", str(MODELS))
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", module, *count, *more],
            env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for module, more in (
            ("device.messages", ("--idle-timeout", "60")),
            ("device.camera", ("--source", "fixtures/lab.h264")),
        )
    ]  # fmt: skip
    codes = [program.wait(PATIENCE_S) for program in programs]
    if any(codes):
        raise LabError("the lab answers no clips", "`make e2e` shows more")


def loads(page: Page, times: int, progress: Progress) -> dict[str, Any]:
    """Each view, loaded `times` times."""
    found = {}
    for path in VIEWS:
        both = [page.open(path) for _ in progress.each(range(times), f"loads of {path}", times)]
        page.settle()
        found[path] = {
            "first_paint_ms": percentiles([paint for paint, _ in both]),
            "usable_ms": percentiles([usable for _, usable in both]),
        }
    return found


def news(page: Page, lab: MeasuredLab, times: int, progress: Progress) -> list[float]:
    """Milliseconds from a result's message to its card on the page."""
    page.open("/")
    page.settle()
    trips, clip = RoundTrips(lab.switch), easy_clip()
    trips.once(clip, 0)  # the cold start
    took = []
    for number in progress.each(range(times), "new results", times):
        # The server looks at its own times: a result may come at any moment between two.
        page.page.wait_for_timeout(random.uniform(0, 1000))  # noqa: S311
        _, result = trips.once(clip, number + 1)
        received_ms = time.time() * 1000
        took.append(page.painted_ms(result.clip_id) - received_ms)
    return took


def idle(server: Server, page: Page | None, seconds: float, progress: Progress) -> dict[str, Any]:
    """Memory and shares of a core while nothing happens; with a page that follows, or without."""
    what = "a page open" if page else "no page open"
    server.wait_until_alone()
    progress(f"{seconds:.0f} s idle with {what}")
    groups = {"server": [server.pid], **({"page": [page.pid()]} if page else {})}
    cores = Cores(groups)
    if page:
        page.page.wait_for_timeout(seconds * 1000)
    else:
        time.sleep(seconds)  # what is measured
    return {
        "seconds": seconds,
        "core_percent": cores.percent(),
        "memory_mb": {name: memory_mb(pids) for name, pids in groups.items()},
    }


def measure(
    clips: int, times: int, results: int, idle_s: float, progress: Progress
) -> dict[str, Any]:
    """All of it: `clips` of history, each view loaded `times` times, `results` new ones, and
    `idle_s` with and without a page."""
    with day_at_work(clips, progress) as lab, browser() as opened:
        server = Server(lab.environment)
        try:
            facts: dict[str, Any] = {
                "clips": clips,
                "history_read_s": round(server.wait_for(clips), 1),
            }
            page = Page(opened, server.home)
            facts["views"] = loads(page, times, progress)
            newest = server.get(f"/api/clips?limit={clips}")["clips"][0]["clip_id"]
            for path in ("/api/people", "/api/functions"):
                server.get(path)
            page.open(f"/clips/{newest}")
            page.page.close()  # of forty loads a browser keeps garbage until it needs the room
            page = Page(opened, server.home)
            facts["message_to_page_ms"] = percentiles(news(page, lab, results, progress))
            facts["idle_watched"] = idle(server, page, idle_s, progress)
            facts["blank_page_mb"] = page.blank_mb
            facts["page_heap_mb"] = page.heap_mb()
            page.page.close()
            facts["idle_unwatched"] = idle(server, None, idle_s, progress)
        finally:
            server.stop()
    return facts | {"cpus": os.cpu_count(), "load_average_1m": round(os.getloadavg()[0], 1)}


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return "\n".join(_rows(facts))


def _rows(facts: dict[str, Any]) -> Iterator[str]:
    yield f"{facts['clips']} clips of history, read in {facts['history_read_s']} s"
    for path, one in facts["views"].items():
        for name, title in (("first_paint_ms", "painted"), ("usable_ms", "usable")):
            yield f"{path:>11} {title:8}" + _row(one[name])
    yield f"{'message to page':>20}" + _row(facts["message_to_page_ms"])
    for name, title in (("idle_watched", "a page open"), ("idle_unwatched", "no page open")):
        for who, memory in facts[name]["memory_mb"].items():
            sizes = ", ".join(f"{kind.upper()} {mb} MB" for kind, mb in memory.items())
            yield f"idle, {title}: {who} {facts[name]['core_percent'][who]} % of a core, {sizes}"
    blank = ", ".join(f"{kind.upper()} {mb} MB" for kind, mb in facts["blank_page_mb"].items())
    yield f"an empty page of the same browser: {blank}"
    yield f"what the page's own scripts hold: {facts['page_heap_mb']} MB"


def _row(values: dict[str, float]) -> str:
    return "".join(f"  {name} {value:6.0f} ms" for name, value in values.items())
