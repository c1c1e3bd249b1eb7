"""The studio's page in a real browser: what it promises, measured.

    .venv/bin/python benchmarks/studio_page.py [--only opening weight asking scrolling voting]

Starts `sideman studio` in a folder of its own and Chromium without a window, which paints
without a graphics card. Needs Playwright and a Chromium (`apt install chromium`).

    opening    a browser context of its own each time, with nothing in its cache: from the
               beginning of navigation until the roll shows that a key moved its cursor
    weight     what the page loads, gzip -9: at once, and when a click starts the sound
    asking     from the click on "Write it" to the first frame in which a note of the answer is
               on the canvas, and what happens in between, medians. Pieces: the example of 200
               notes, 64 bars that continue it, and those with a band, so that the model hears
               more; each is opened anew for each click, and three takes are asked for:
                   sent     the page sends the request
                   stored   the reply comes: the request is in the database
                   taken    the page hears that a process has begun it
                   came     the first note is in the page
                   seen     the frame with it is ready for the screen
               The first click on a page starts the sound as well, and is told apart; so is that
               after a start: the page is opened as soon as the studio answers, and clicked as
               soon as it does.
    scrolling  a piece of 5,000 notes: how evenly frames come, and the time that the page's own
               thread needs for each
    voting     from sending a vote to the reply, which comes when it is on the disk, while a
               continuation is written: some by the key on the page, the rest by its requests
"""

import argparse
import gzip
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_lines
from playwright.sync_api import Browser, Page, sync_playwright

from sideman.bundle import load_bundle
from sideman.engine.compose import accompany, continue_, player
from sideman.engine.fill import Wish
from sideman.engine.parts import parse_part
from sideman.score.edit import append_score
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import bar_starts
from sideman.score.types import Score

EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
SEEN = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

LONG_BARS = 64
BAND = ("bass=Electric Bass (finger)", "drums", "chords=Electric Piano 1")
"""Parts that are added to the long piece: with them what the model hears is long as well."""

MANY_NOTES = 5_000
N_OPENINGS = 11
N_STARTS = 5
N_PAGES = 9
N_ASKS = 20
N_OWN_VOTES = 12
N_VOTES = 240
SCROLL_S = 5.0
VOTE_GAP_MS = 25
"""Between votes: a browser may send 50 requests a second."""

FRAME_MS = 1000 / 60
LATE_MS = 20.0
PATIENCE_MS = 120_000
REST_S = 1.0
"""Between opening a piece and asking: nobody clicks sooner."""

STEPS = ("sent", "stored", "taken", "came", "seen")
WIDTH, HEIGHT = 1440, 900


@dataclass(frozen=True, slots=True)
class Studio:
    """A studio that runs.

    Attributes:
        url: Where it is.
        log: What it logs, a line of JSON each.
    """

    url: str
    log: Path

    def asked_for(self) -> list[str]:
        """Return the paths that it was asked for so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [line["path"] for line in said if line.get("event") == "request"]


@contextmanager
def started(folder: Path) -> Iterator[Studio]:
    """Start a studio that keeps its data in a folder; it answers, but may not write yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", folder / "studio.log"
    command = (sys.executable, "-m", "sideman", "studio", "--no-open", "--log", "all")
    where = ("--port", str(port), "--folder", str(folder))
    with (
        log.open("w") as said,
        subprocess.Popen([*command, *where], stdout=subprocess.DEVNULL, stderr=said) as server,
    ):
        try:
            while not _answers(f"{url}/healthz"):
                if server.poll() is not None:
                    raise SystemExit(log.read_text(encoding="utf-8"))
                time.sleep(0.01)
            yield Studio(url, log)
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url):
        return True
    return False


@contextmanager
def opened(browser: Browser, studio: Studio) -> Iterator[Page]:
    """Open the page in a browser context of its own, and wait until it answers."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark"
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(SEEN)
    page = context.new_page()
    try:
        page.goto(studio.url, wait_until="commit")
        page.wait_for_function("() => window.__seen?.interactive")
        yield page
    finally:
        context.close()


# ---------------------------------------------------------------------------- pieces


def pieces() -> dict[str, Score]:
    """Return pieces to ask about, and a long one to scroll."""
    bundle = load_bundle(None)
    example = read_midi(EXAMPLE)
    (long,) = continue_(example, bundle, n_bars=LONG_BARS, wish=Wish(seed=1))
    added = [player(parse_part(text)) for text in BAND]
    (band,) = accompany(long.score, bundle, new_parts=added, wish=Wish(seed=1))
    many = band.score
    while len(many.notes) < MANY_NOTES:
        many = append_score(many, band.score, int(bar_starts(many)[-1]))
    many = replace(many, notes=many.notes[:MANY_NOTES])
    return {"example": example, "long": long.score, "band": band.score, "many": many}


def uploaded(page: Page, path: Path) -> None:
    """Open a MIDI file on the page."""
    before = page.evaluate(PROJECT)
    page.set_input_files("[data-testid=open-midi]", path)
    page.wait_for_function(f"before => ({PROJECT})() !== before", arg=before)


PROJECT = "() => localStorage.getItem('sideman.project')"


# -------------------------------------------------------------------------- measuring


def opening(browser: Browser, studio: Studio, folder: Path) -> None:
    for name in ("example", "many"):
        with opened(browser, studio) as page:
            uploaded(page, folder / f"{name}.mid")
        times = []
        for _ in range(N_OPENINGS):
            with opened(browser, studio) as page:
                times.append(page.evaluate("() => window.__seen.interactive"))
        say(f"{name}, until a key is answered", times)


def weight(browser: Browser, studio: Studio, folder: Path) -> None:
    del folder
    before = len(studio.asked_for())
    with opened(browser, studio) as page:
        page.wait_for_timeout(1000)
        at_once = set(studio.asked_for()[before:])
        page.get_by_test_id("roll").click()
        page.wait_for_function("() => window.__sidemanAudio")
        later = set(studio.asked_for()[before:]) - at_once
    for when, paths in (("at once", at_once), ("when sound starts", later)):
        code = [path for path in sorted(paths) if path.endswith((".js", ".css"))]
        sizes = [gzipped(studio.url + path) for path in code]
        print(f"  {when:32} {sum(sizes) / 1000:8.1f} kB   {len(code)} files")


def gzipped(url: str) -> int:
    with urllib.request.urlopen(url) as reply:
        return len(gzip.compress(reply.read(), 9))


def asking(browser: Browser, studio: Studio, folder: Path) -> None:
    firsts = []
    for _ in range(N_PAGES):
        with opened(browser, studio) as page:
            uploaded(page, folder / "example.mid")
            page.wait_for_timeout(1000 * REST_S)
            firsts.append(asked(page))
    say_steps("example, first click on page", firsts)
    with opened(browser, studio) as page:
        asked(page)
        page.wait_for_function("() => window.__sidemanAudio")
        for name in ("example", "long", "band"):
            asks = []
            for _ in range(N_ASKS):
                uploaded(page, folder / f"{name}.mid")
                page.wait_for_timeout(1000 * REST_S)
                asks.append(asked(page))
            say_steps(name, asks)


def asked(page: Page) -> dict[str, float]:
    """Ask for a continuation; return when what happened, in ms after the click."""
    page.get_by_test_id("ask").click()
    page.wait_for_function("() => window.__seen.ask.seen")
    ask: dict[str, float] = page.evaluate("() => window.__seen.ask")
    page.evaluate(CANCEL, page.evaluate("() => window.__seen.job"))
    page.get_by_test_id("writing").wait_for(state="detached")
    return {what: at - ask["click"] for what, at in ask.items()}


CANCEL = "job => fetch(`/api/jobs/${job}`, {method: 'DELETE'})"


def starting(browser: Browser, folder: Path) -> None:
    """Tell what the first click after a start waits for."""
    up, interactive, asks = [], [], []
    for _ in range(N_STARTS):
        began_s = time.perf_counter()
        with started(folder) as studio:
            up.append(1000 * (time.perf_counter() - began_s))
            with opened(browser, studio) as page:
                interactive.append(page.evaluate("() => window.__seen.interactive"))
                asks.append(asked(page))
    say("from the start until it answers", up)
    say("then until the page does", interactive)
    say_steps("then the first click", asks)


def scrolling(browser: Browser, studio: Studio, folder: Path) -> None:
    with opened(browser, studio) as page:
        uploaded(page, folder / "many.mid")
        box = page.get_by_test_id("roll").bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        overview_y = box["y"] + box["height"] + 15

        def rest(_: int) -> None:
            page.wait_for_timeout(FRAME_MS)

        def wheel(step: int) -> None:
            page.mouse.wheel(24 if step % 200 < 100 else -24, 3 if step % 40 < 20 else -3)

        def drag(step: int) -> None:
            page.mouse.move(box["x"] + 100 + 2 * step % (box["width"] - 200), overview_y)

        say_frames("nothing moves", page, rest)
        page.mouse.move(x, y)
        say_frames("wheel, 8 bars in sight", page, wheel)
        page.mouse.move(box["x"] + 100, overview_y)
        page.mouse.down()
        say_frames("drag in the overview", page, drag)
        page.mouse.up()
        page.get_by_test_id("play").click()
        page.wait_for_function("() => window.__sidemanAudio")
        page.wait_for_timeout(1000 * REST_S)
        say_frames("playing", page, rest)
        page.mouse.move(x, y)
        say_frames("playing, wheel", page, wheel)
        page.get_by_test_id("play").click()
        page.get_by_label("Show all").click()
        page.mouse.move(x, y)
        say_frames("wheel, all notes in sight", page, wheel)


def say_frames(name: str, page: Page, move: Callable[[int], None]) -> None:
    """Move again and again, and print how frames came meanwhile."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    page.evaluate("() => Object.assign(window.__seen, {frames: [], isRecording: true})")
    before, step = _busy_s(devtools), 0
    until_s = time.monotonic() + SCROLL_S
    while time.monotonic() < until_s:
        move(step)
        step += 1
    frames = page.evaluate("() => { __seen.isRecording = false; return __seen.frames; }")
    gaps = np.diff(frames)
    busy_ms = 1000 * (_busy_s(devtools) - before) / len(frames)
    p50, p95 = np.percentile(gaps, [50, 95])
    late = np.mean(gaps > LATE_MS)
    a_second = 1000 / np.mean(gaps)
    print(
        f"  {name:32} {p50:6.1f} {p95:6.1f} {late:7.1%} {a_second:7.1f} {busy_ms:8.1f}"
        f" {len(gaps):6}",
        flush=True,
    )


def _busy_s(devtools: Any) -> float:  # noqa: ANN401 (Playwright's own)
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


VOTE = """async ({pair, n, gap}) => {
  const said = JSON.stringify({answer: 'left', seconds: 1});
  const options = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: said};
  for (let i = 0; i < n; i++) {
    const reply = await fetch(`/api/pairs/${pair}/vote`, options);
    if (!reply.ok) throw new Error(await reply.text());
    await new Promise((resolve) => setTimeout(resolve, gap));
  }
}"""

ASK = """async () => {
  const id = localStorage.getItem('sideman.project');
  const {head} = await (await fetch(`/api/projects/${id}`)).json();
  const wish = {task: 'continue', revision: head, options: {bars: '400'}, takes: 1, seed: 1};
  const options = {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({selection: null, locks: [], ...wish}),
  };
  return (await (await fetch(`/api/projects/${id}/jobs`, options)).json()).id;
}"""


STATE = "async job => (await (await fetch(`/api/jobs/${job}`)).json()).state"


def voting(browser: Browser, studio: Studio, folder: Path) -> None:
    with opened(browser, studio) as page:
        uploaded(page, folder / "example.mid")
        pairs: list[str] = []
        page.on(
            "response",
            lambda reply: (
                pairs.append(reply.json()["id"]) if reply.url.endswith("/api/pairs") else None
            ),
        )
        page.get_by_role("link", name="Vote", exact=True).click()
        for number in range(N_OWN_VOTES):
            wait_for(page, lambda number=number: len(pairs) > number)  # type: ignore[misc]
            with writing(page):
                page.keyboard.press("a")
                page.wait_for_function("n => window.__seen.votes.length > n", arg=number)
        say("by the page's own key", page.evaluate("() => window.__seen.votes"))
        wait_for(page, lambda: len(pairs) > N_OWN_VOTES)
        page.evaluate("() => window.__seen.votes.length = 0")
        with writing(page):
            wish = {"pair": pairs[-1], "n": N_VOTES - N_OWN_VOTES, "gap": VOTE_GAP_MS}
            page.evaluate(VOTE, wish)
        say("by its requests", page.evaluate("() => window.__seen.votes"))


@contextmanager
def writing(page: Page) -> Iterator[None]:
    """Let a continuation be written meanwhile."""
    job = page.evaluate(ASK)
    page.wait_for_timeout(300)
    try:
        yield
        assert page.evaluate(STATE, job) == "running"
    finally:
        page.evaluate(CANCEL, job)


def wait_for(page: Page, is_so: Callable[[], bool]) -> None:
    while not is_so():
        page.wait_for_timeout(20)


# ---------------------------------------------------------------------------- printing


def say(name: str, times: Sequence[float]) -> None:
    """Print how a time in ms is spread."""
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    print(
        f"  {name:32} {p50:8.0f} {p90:8.0f} {p99:8.0f} {max(times):8.0f} {len(times):6}",
        flush=True,
    )


def say_steps(name: str, asks: Sequence[dict[str, float]]) -> None:
    """Print when the first note was seen, and the median of each step before it."""
    say(name, [ask["seen"] for ask in asks])
    medians = [f"{step} {np.median([ask[step] for ask in asks]):.0f}" for step in STEPS]
    print(f"    {'   '.join(medians)}", flush=True)


SPREAD = f"  {'ms':32} {'p50':>8} {'p90':>8} {'p99':>8} {'most':>8} {'n':>6}"
FRAMES = (
    f"  {'frames':32} {'p50 ms':>6} {'p95 ms':>6} {'> 20 ms':>7} {'a second':>7}"
    f" {'busy ms':>8} {'n':>6}"
)
PARTS: dict[str, tuple[str, Callable[[Browser, Studio, Path], None]]] = {
    "opening": (SPREAD, opening),
    "weight": ("  JavaScript and CSS, gzip -9", weight),
    "asking": (SPREAD, asking),
    "scrolling": (FRAMES, scrolling),
    "voting": (SPREAD, voting),
}


def main(only: Sequence[str]) -> None:
    print(*machine_lines("onnxruntime", "playwright", "uvicorn"), sep="\n")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        for title, score in pieces().items():
            write_midi(score, folder / f"{title}.mid")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        print(f"browser   Chromium {browser.version}, without a window or a graphics card")
        with started(folder) as studio:
            for part, (title, measure) in PARTS.items():
                if part in only:
                    print(f"\n{part}\n{title}", flush=True)
                    measure(browser, studio, folder)
        if "asking" in only:
            print(f"\nafter a start\n{SPREAD}", flush=True)
            starting(browser, folder)
        browser.close()
    print(*machine_lines()[-1:], sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    main(parser.parse_args().only)
