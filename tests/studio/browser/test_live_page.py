"""Playing at the page: bands, MIDI outputs, fingers, and what is left of it afterwards."""

import json
import time

import pytest

PATIENCE_S = 30.0

DEVICES = """(() => {
  window.__sent = [];
  const input = {id: 'keys', name: 'Stage keys', state: 'connected', onmidimessage: null};
  const output = {
    id: 'out',
    name: 'Rack',
    state: 'connected',
    send: (bytes) => window.__sent.push([...bytes]),
  };
  window.__keyboard = input;
  const ports = {
    inputs: new Map([['keys', input]]),
    outputs: new Map([['out', output]]),
    onstatechange: null,
  };
  navigator.requestMIDIAccess = async () => ports;
})()"""
"""A MIDI keyboard that the test plays, and something that sounds."""

SOCKETS = """(() => {
  window.__sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...wish) { super(...wish); window.__sockets.push(this); }
  };
})()"""

LOSE = """() => window.__sockets
  .filter(({url}) => url.endsWith('/live')).forEach((socket) => socket.close())"""

PRESS = "bytes => window.__keyboard.onmidimessage({data: new Uint8Array(bytes)})"


class Player:
    """Somebody at the page where one plays, and what the studio says to it."""

    def __init__(self, person):
        self.page = person.page
        self.said = []
        self.page.on("websocket", self._listen)
        person.go("Play")
        self.wait_for_partner()

    def _listen(self, opened):
        if opened.url.endswith("/live"):
            opened.on("framereceived", lambda text: self.said.append(json.loads(text)))

    def wait_for_partner(self):
        """Wait until there is somebody to play with."""
        self.page.locator(".meters dd").first.wait_for()
        self.page.get_by_text("comes in a moment").wait_for(state="detached")

    def choose(self, mode):
        """Choose when it plays."""
        self.page.locator(".mode", has=self.page.get_by_text(mode, exact=True)).click()

    def play(self, pitches):
        """Play a phrase on the keyboard."""
        for pitch in pitches:
            for status in (0x90, 0x80):
                self.page.evaluate(PRESS, [status, pitch, 90])
                self.page.wait_for_timeout(30)

    def wait_for(self, what, wanted):
        """Wait until something holds of all that was said."""
        until_s = time.monotonic() + PATIENCE_S
        while not wanted():
            assert time.monotonic() < until_s, f"{what}: {self.said[-1:]}"
            self.page.wait_for_timeout(30)

    def is_answered(self):
        """Wait for its first note."""
        self.wait_for("no answer", lambda: any(said["type"] == "play" for said in self.said))

    def sounding(self):
        """Return what it has begun and not ended."""
        keys: set[tuple[int, int]] = set()
        for said in self.said:
            if said["type"] in ("play", "release"):
                key = said["channel"], said["pitch"]
                (keys.add if said["type"] == "play" else keys.discard)(key)
        return keys


@pytest.fixture
def stage(open_page):
    """Return somebody who plays, with a MIDI keyboard that is connected."""
    person = open_page()
    person.page.add_init_script(DEVICES)
    person.page.add_init_script(SOCKETS)
    person.page.reload()
    player = Player(person)
    player.page.get_by_role("button", name="Connect a MIDI keyboard").click()
    player.page.get_by_text("Stage keys").wait_for()
    person.sees("() => window.__sidemanAudio")
    return person, player


def test_what_was_played_is_ended_and_kept_as_a_piece(stage):
    """From the first note to the piano roll; no mode leaves a note behind."""
    person, player = stage
    for mode in ("answer", "harmonise", "loop", "trade", "echo", "accompany", "lead"):
        player.choose(mode)
        player.play((60, 62, 64))
    player.is_answered()
    person.press("Escape")
    player.wait_for("notes hang", lambda: not player.sounding())
    person.hears_nothing()

    player.page.get_by_test_id("keep-played").click()
    player.page.get_by_test_id("roll").wait_for()
    kept = person.wait_for(lambda project: project["name"].startswith("Played"))
    assert [part["name"] for part in kept["score"]["parts"]] == ["you", "sideman"]
    assert {note["part"] for note in kept["score"]["notes"]} == {0, 1}


def test_a_band_plays_to_a_midi_output_and_leaves_it_silent(stage):
    """Chosen by name, with an instrument of one's own."""
    person, player = stage
    player.page.get_by_test_id("midi-output").select_option("Rack")
    player.page.get_by_test_id("preset").select_option("jazz-trio")
    bass = player.page.get_by_label("Instrument of bass")
    bass.wait_for()
    player.wait_for_partner()
    bass.select_option("Fretless Bass")
    person.sees("() => window.__sent.some(([what, which]) => what === 0xc1 && which === 35)")
    player.wait_for_partner()
    player.play((60, 64, 67, 72))
    person.sees("() => window.__sent.some(([status]) => status >> 4 === 9)")
    person.press("Escape")
    person.sees("() => window.__sent.some(([what, which]) => what === 0xbf && which === 123)")


def test_what_is_refused_is_shown_and_remembered_no_longer(stage):
    """The fields show what plays, and the next day begins with it."""
    person, player = stage
    page = player.page
    page.get_by_label("More about sideman").click()
    bounds = page.get_by_label("Bounds")
    bounds.fill("polyphony=many")
    bounds.press("Enter")
    page.get_by_text("polyphony").first.wait_for()
    person.sees("() => [...document.querySelectorAll('.more input')].at(-1).value === ''")
    player.wait_for_partner()

    tempo = page.get_by_label("Tempo in quarter notes a minute")
    tempo.fill("fast")
    tempo.press("Enter")
    page.locator(".said", has_text="tempo").wait_for()
    remembered = json.loads(page.evaluate("localStorage['sideman.play']"))
    assert remembered["settings"]["tempo"] == "120"
    assert not remembered["voices"]


def test_escape_closes_what_a_meter_explains(stage):
    """And is panic all the same."""
    person, player = stage
    player.page.get_by_role("button", name="Way and sound: what is it?").click()
    explained = player.page.get_by_text("use a wire")
    explained.wait_for()
    person.press("Escape")
    explained.wait_for(state="hidden")
    person.says("Panic")


def test_a_lost_connection_is_said_and_comes_back(stage):
    """Nothing hangs, and what was played and chosen is still there."""
    person, player = stage
    player.choose("echo")
    player.play((60, 64, 67))
    player.wait_for("no echo", lambda: player.said[-1].get("mode") == "echo")
    player.page.evaluate(LOSE)
    lost = player.page.locator(".said", has_text="does not answer")
    lost.wait_for()
    person.hears_nothing()

    n_said = len(player.said)
    lost.wait_for(state="detached")
    player.wait_for_partner()
    player.wait_for("no view", lambda: player.said[-1]["type"] == "view")
    assert n_said < len(player.said)
    assert (player.said[-1]["mode"], player.said[-1]["notes"]) == ("echo", [])
    player.page.get_by_role("region", name="Played before").get_by_text("notes").wait_for()


def test_fingers_play_chords_and_slide(phone):
    """On a phone, several at once; a finger that slides plays each key it comes to."""
    player = Player(phone)
    touch = player.page.context.new_cdp_session(player.page)
    keys = [player.page.locator(f"[data-pitch='{pitch}']") for pitch in (60, 64, 67, 69)]
    boxes = [key.bounding_box() for key in keys]
    points = [
        {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] - 12, "id": number}
        for number, box in enumerate(boxes)
    ]

    def send(kind, touched):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

    def heard():
        views = [said for said in player.said if said["type"] == "view"]
        return {note["pitch"] for note in views[-1]["notes"] if note["state"] == "heard"}

    send("touchStart", points[:2])
    player.wait_for("no chord", lambda: heard() == {60, 64})
    for place in points[2:]:
        send("touchMove", [points[0], {**place, "id": 1}])
    player.wait_for("no slide", lambda: heard() == {60, 64, 67, 69})
    assert player.page.locator(".key.held").count() == 2
    send("touchEnd", [])
    player.page.locator(".key.held").first.wait_for(state="detached")
    assert player.page.evaluate("() => document.documentElement.scrollWidth") <= 390
