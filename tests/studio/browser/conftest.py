"""Somebody at the page: a real server, a real browser, mouse, fingers and keys."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 30.0
START_S = 60.0
SCREENS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1440, "height": 900}},
    "tablet": {
        "viewport": {"width": 820, "height": 1180},
        "has_touch": True,
        "is_mobile": True,
    },
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}

LOUDNESS = """() => {
  const heard = new Float32Array(window.__sidemanAudio.analyser.fftSize);
  window.__sidemanAudio.analyser.getFloatTimeDomainData(heard);
  return Math.sqrt(heard.reduce((sum, x) => sum + x * x, 0) / heard.length);
}"""
SOUNDS = f"() => window.__sidemanAudio && ({LOUDNESS})() > 0.003"
IS_SILENT = f"() => ({LOUDNESS})() < 0.003"

FOCUSED = """() => {
  const {activeElement} = document;
  const {outlineStyle, outlineWidth} = getComputedStyle(activeElement);
  const isSeen = activeElement.checkVisibility({visibilityProperty: true});
  return isSeen && activeElement !== document.body
    && outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
}"""
"""Whether something has the focus and shows it."""


class Server:
    """A studio of its own, with a model that writes nonsense at once."""

    def __init__(self, bundle, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            *(sys.executable, "-m", "sideman", "studio", "--no-open", "--log", "errors"),
            *("--port", str(port), "--folder", str(folder), "--model", str(bundle)),
        ]
        self.start()

    def start(self):
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command)
        until_s = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.kill()
                pytest.fail("the studio does not start")
            time.sleep(0.05)

    def _answers(self):
        try:
            urllib.request.urlopen(f"{self.url}/healthz").close()
        except OSError:
            return False
        return True

    def kill(self):
        """Kill it, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """End it as Ctrl-C does."""
        self._process.terminate()
        self._process.wait()


class Person:
    """What a person does at the page, and finds there."""

    def __init__(self, page):
        self.page = page
        self._roll = page.get_by_test_id("roll")
        self.complaints: list[str] = []
        self._forgiven: tuple[str, ...] = ()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._keep)

    def _keep(self, said):
        is_forgiven = any(text in said.text for text in self._forgiven)
        if said.type in ("error", "warning") and not is_forgiven:
            self.complaints.append(said.text)

    def forgives(self, *texts):
        """Expect complaints of the browser that have one of these texts."""
        self._forgiven = texts

    def go(self, name):
        """Go to a page by its link."""
        self.page.get_by_role("link", name=name, exact=True).click()

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    # -- music

    def project(self):
        """Return the project as the server has it."""
        return self.page.evaluate(
            """async () => {
              const id = localStorage.getItem('sideman.project');
              return (await fetch(`/api/projects/${id}`)).json();
            }"""
        )

    def wait_for(self, wanted):
        """Wait until the server has what is wanted, and return it."""
        until_s = time.monotonic() + PATIENCE_S
        while not wanted(project := self.project()):
            assert time.monotonic() < until_s, project["revisions"]
            self.page.wait_for_timeout(50)
        return project

    def wait_for_notes(self, *wanted):
        """Wait until the server has these notes: onset, duration and pitch of each."""
        self.wait_for(lambda project: sounds_of(project) == sorted(wanted))

    def open(self, path):
        """Open a MIDI file, and return what the server made of it."""
        before = self.project()["id"]
        self.page.set_input_files("[data-testid=open-midi]", path)
        return self.wait_for(lambda project: project["id"] != before)

    def write(self, *notes):
        """Begin with notes: onset, duration and pitch of each."""
        project = self.project()
        written = [
            {"onset": onset, "duration": duration, "pitch": pitch, "id": number}
            | {"velocity": 80, "part": 0, "locked": False}
            for number, (onset, duration, pitch) in enumerate(notes)
        ]
        score = {**project["score"], "notes": written}
        revision = {"parent": project["head"], "label": "Written", "score": score}
        reply = self.page.request.post(
            f"/api/projects/{project['id']}/revisions", data=revision
        )
        assert reply.ok, reply.text()
        self.page.reload()
        self._roll.wait_for()

    # -- the roll

    def at(self, tick, pitch):
        """Return where the middle of a row is on the screen, at a tick."""
        place = self.page.evaluate(
            "([tick, pitch]) => window.__sidemanRoll(tick, pitch)", [tick, pitch]
        )
        return place["x"], place["y"]

    def ruler(self, tick):
        """Return where a tick is on the ruler."""
        x, _ = self.at(tick, 60)
        return x, self._roll.bounding_box()["y"] + 12

    def drag(self, start, end):
        """Drag with the mouse from one place to another."""
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=4)
        mouse.up()

    def roll_box(self):
        """Return where the roll is."""
        return self._roll.bounding_box()

    def sees(self, claim, *given):
        """Wait until something holds of the page."""
        self.page.wait_for_function(claim, arg=given[0] if given else None)

    def says(self, text):
        """Wait until the page says something to those who hear it."""
        self.page.locator("[data-testid=spoken]", has_text=text).wait_for(state="attached")

    # -- sound

    def hears(self):
        """Wait until it sounds."""
        self.page.wait_for_function(SOUNDS)

    def hears_nothing(self):
        """Wait until it is silent."""
        self.page.wait_for_function(IS_SILENT)

    # -- keys

    def tab_to(self, target, *, back=False):
        """Go to something with the Tab key; on the way the focus is always to be seen."""
        for _ in range(120):
            self.press("Shift+Tab" if back else "Tab")
            assert self.page.evaluate(FOCUSED), self.page.evaluate(
                "document.activeElement.outerHTML.slice(0, 200)"
            )
            if target.evaluate("element => element === document.activeElement"):
                return
        msg = f"the Tab key does not reach {target}"
        raise AssertionError(msg)

    def keeps_focus(self):
        """Wait until something has the focus and shows it."""
        self.page.wait_for_function(FOCUSED)


def sounds_of(project):
    """Return onset, duration and pitch of the notes of a project."""
    names = ("onset", "duration", "pitch")
    return sorted(tuple(note[name] for name in names) for note in project["score"]["notes"])


@pytest.fixture(scope="session")
def example():
    """Return where a MIDI file is, of 16 bars for voice and piano."""
    return Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"


@pytest.fixture(scope="session")
def server(tiny_bundles, tmp_path_factory):
    """Start a studio."""
    server = Server(tiny_bundles["fp32"], tmp_path_factory.mktemp("studio"))
    yield server
    server.stop()


@pytest.fixture(scope="module")  # for while Playwright is on, asyncio.run() is refused
def chromium():
    """Start a browser without a window; skip where there is none."""
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, server):
    """Return a function that seats somebody at an empty project, before one of the screens.

    It takes what else Playwright is to know. Whatever the page complains of in the browser's
    console fails the test.
    """
    contexts, people = [], []

    def open_one(screen="desk", **options):
        context = chromium.new_context(base_url=server.url, **SCREENS[screen], **options)
        contexts.append(context)
        context.set_default_timeout(1000 * PATIENCE_S)
        project = context.request.post("/api/projects", data={}).json()["id"]
        context.add_init_script(f"localStorage['sideman.project'] ??= '{project}'")
        person = Person(context.new_page())
        people.append(person)
        person.page.goto("/")
        person.page.get_by_test_id("roll").wait_for()
        return person

    yield open_one
    for context in contexts:
        context.close()
    for person in people:
        assert person.complaints == []


@pytest.fixture
def person(open_page):
    """Seat somebody at a desk."""
    return open_page()


@pytest.fixture
def phone(open_page):
    """Give somebody a phone."""
    return open_page("phone")
