"""The studio as a person uses it: a real server, a real browser, from the first click on."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import resources
from pathlib import Path

import pytest

from sideman.score.midi import read_midi

pytestmark = [pytest.mark.slow, pytest.mark.device]

EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
PATIENCE_S = 30.0
PATIENCE_MS = 30_000

LOUDNESS = """() => {
  const heard = new Float32Array(window.__sidemanAudio.analyser.fftSize);
  window.__sidemanAudio.analyser.getFloatTimeDomainData(heard);
  return Math.sqrt(heard.reduce((sum, x) => sum + x * x, 0) / heard.length);
}"""
SOUNDS = f"() => window.__sidemanAudio && ({LOUDNESS})() > 0.003"
IS_SILENT = f"() => ({LOUDNESS})() < 0.003"

KEYBOARD = """() => {
  const input = {name: 'Stage keys', state: 'connected', onmidimessage: null};
  window.__keyboard = input;
  navigator.requestMIDIAccess = async () => (
    {inputs: new Map([['a', input]]), outputs: new Map(), onstatechange: null});
}"""
"""A MIDI keyboard that the test plays."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Start a studio, and return where it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("studio")
    command = (sys.executable, "-m", "sideman", "studio")
    options = ("--no-open", "--log", "errors", "--port", str(port), "--folder", str(folder))
    with subprocess.Popen([*command, *options]) as server:
        url = f"http://127.0.0.1:{port}"
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{url}/healthz").close()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < until_s
                time.sleep(0.1)
        yield url
        server.terminate()


@pytest.fixture(scope="module")
def chromium():
    """Start a browser without a window."""
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
def page(chromium, address):
    """Open the studio; whatever the page complains of fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text) if said.type in ("error", "warning") else None
        ),
    )
    page.goto(address)
    page.wait_for_selector("[data-testid=roll]")
    yield page
    context.close()
    assert complaints == []


NEW_PROJECT = """async () => {
  const asked = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'};
  const made = await (await fetch('/api/projects', asked)).json();
  localStorage.setItem('sideman.project', made.id);
}"""


def head(page):
    """Return the project that is open as the server has it."""
    return page.evaluate(
        """async () => {
          const id = localStorage.getItem('sideman.project');
          return (await fetch(`/api/projects/${id}`)).json();
        }"""
    )


def wait_for_head(page, wanted):
    """Wait until the server has what is wanted, and return it."""
    until_s = time.monotonic() + PATIENCE_S
    while not wanted(project := head(page)):
        assert time.monotonic() < until_s, project["revisions"]
        page.wait_for_timeout(100)
    return project


def pitches(project):
    """Return the pitches of a project by the ids of its notes."""
    return {note["id"]: note["pitch"] for note in project["score"]["notes"]}


def continued(page):
    """Ask for two takes of what comes next, and use the first."""
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Takes", exact=True).select_option("2")
    page.get_by_test_id("ask").click()
    page.get_by_test_id("take").nth(1).wait_for()
    page.get_by_test_id("use").click()


def vote(page):
    """Judge a pair, and come back."""
    page.get_by_role("link", name="Vote", exact=True).click()
    page.get_by_role("button", name="A is better").click()
    page.get_by_role("link", name="1 just now").wait_for()
    page.get_by_role("link", name="Write", exact=True).click()


def test_a_person_writes_votes_and_exports_and_finds_it_all_again(page, tmp_path):
    """The whole tour; nothing of it is lost when the page is loaded anew."""
    n_notes = len(read_midi(EXAMPLE).notes)
    page.set_input_files("[data-testid=open-midi]", EXAMPLE)
    opened = wait_for_head(page, lambda project: len(project["score"]["notes"]) == n_notes)
    continued(page)
    used = wait_for_head(page, lambda project: len(project["score"]["notes"]) > n_notes)
    assert pitches(opened).items() <= pitches(used).items()
    assert len(used["takes"]) == 2

    page.get_by_test_id("play").click()
    page.wait_for_function(SOUNDS)
    page.get_by_test_id("play").click()
    page.wait_for_function(IS_SILENT)

    page.get_by_test_id("roll").focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("ArrowUp")
    raised = pitches(wait_for_head(page, lambda project: project["head"] != used["head"]))
    assert {raised[number] - pitch for number, pitch in pitches(used).items()} == {0, 1}
    page.keyboard.press("Control+z")
    wait_for_head(page, lambda project: pitches(project) == pitches(used))

    vote(page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="MIDI file").click()
    download.value.save_as(tmp_path / "mine.mid")
    assert len(read_midi(tmp_path / "mine.mid").notes) == len(used["score"]["notes"])

    page.reload()
    page.get_by_role("button", name="Takes 2").click()
    assert page.get_by_test_id("take").count() == 2
    found = head(page)
    assert (found["head"], pitches(found)) == (used["head"], pitches(used))
    page.keyboard.press("Control+Shift+z")
    wait_for_head(page, lambda project: pitches(project) == raised)
    page.get_by_role("link", name="Vote", exact=True).click()
    page.get_by_role("link", name="All votes").click()
    page.get_by_text("1 votes").wait_for()


def test_a_person_plays_and_is_answered(page):
    """With a MIDI keyboard, which the browser hands to the page."""
    said = []
    page.on(
        "websocket",
        lambda opened: opened.on("framereceived", lambda text: said.append(str(text))),
    )
    page.evaluate(KEYBOARD)
    page.get_by_role("link", name="Play", exact=True).click()
    page.get_by_role("button", name="Connect a MIDI keyboard").click()
    page.get_by_text("Stage keys").wait_for()
    page.locator(".mode[aria-pressed=true]", has_text="answer").wait_for()
    page.wait_for_function("() => window.__sidemanAudio")
    for pitch in (60, 64, 67, 72, 71, 67):
        for status in (0x90, 0x80):
            page.evaluate(
                "bytes => window.__keyboard.onmidimessage({data: new Uint8Array(bytes)})",
                [status, pitch, 90],
            )
            page.wait_for_timeout(120)
    until_s = time.monotonic() + PATIENCE_S
    while not any('"play"' in text for text in said):
        assert time.monotonic() < until_s
        page.wait_for_timeout(50)
    page.wait_for_function(SOUNDS)
    page.keyboard.press("Escape")
    page.wait_for_function(IS_SILENT)

    page.get_by_role("button", name="trade").click()
    page.locator(".mode[aria-pressed=true]", has_text="trade").wait_for()


def test_a_person_with_a_keyboard_only_reaches_the_notes_and_edits_them(page):
    """Nobody needs a mouse to write a note, hear of it, and take it back."""
    page.evaluate(NEW_PROJECT)
    page.reload()
    roll = page.get_by_test_id("roll")
    roll.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the notes
    page.keyboard.press("Enter")
    wait_for_head(page, lambda project: len(project["score"]["notes"]) == 1)
    assert page.get_by_test_id("spoken").inner_text()
    assert "1 note" in roll.get_attribute("aria-label")
    page.keyboard.press("Control+z")
    wait_for_head(page, lambda project: not project["score"]["notes"])
