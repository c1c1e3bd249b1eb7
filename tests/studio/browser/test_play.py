"""Playing with it: a keyboard that the browser hands to the page, and an answer that sounds."""

import pytest

KEYBOARD = """() => {
  const input = {name: 'Stage keys', state: 'connected', onmidimessage: null};
  window.__keyboard = input;
  navigator.requestMIDIAccess = async () => (
    {inputs: new Map([['a', input]]), outputs: new Map(), onstatechange: null});
}"""
"""A MIDI keyboard that the test plays."""

ABSENT = "() => { delete Navigator.prototype.requestMIDIAccess }"
REFUSED = """() => {
  navigator.requestMIDIAccess = async () => { throw new DOMException('', 'NotAllowedError') };
}"""

SEND = "bytes => window.__keyboard.onmidimessage({data: new Uint8Array(bytes)})"
NOTE_ON, NOTE_OFF = 0x90, 0x80
STROKE_MS = 120


def play(page, *pitches):
    """Play notes one after the other on the keyboard."""
    for pitch in pitches:
        for status in (NOTE_ON, NOTE_OFF):
            page.evaluate(SEND, [status, pitch, 90])
            page.wait_for_timeout(STROKE_MS)


def test_a_person_plays_and_is_answered(person):
    """Everything is silent at once when they wish."""
    page = person.page
    page.evaluate(KEYBOARD)
    with page.expect_websocket(lambda socket: socket.url.endswith("/api/live")) as opened:
        person.go("Play")
    socket = opened.value
    page.get_by_role("button", name="Connect a MIDI keyboard").click()
    page.get_by_text("Stage keys").wait_for()
    page.locator(".mode[aria-pressed=true]", has_text="answer").wait_for()
    person.sees("() => window.__sidemanAudio")
    with socket.expect_event("framereceived", lambda text: '"play"' in str(text)):
        play(page, 60, 64, 67, 72, 71, 67)
    person.hears()
    person.press("Escape")
    person.hears_nothing()
    page.get_by_role("button", name="trade").click()
    page.locator(".mode[aria-pressed=true]", has_text="trade").wait_for()


@pytest.mark.parametrize(
    ("trouble", "advice"), [(ABSENT, "Use Chrome, Edge or Firefox"), (REFUSED, "allow MIDI")]
)
def test_a_browser_without_midi_says_what_to_do(person, trouble, advice):
    """Each kind of trouble has its own way out."""
    person.page.evaluate(trouble)
    person.go("Play")
    person.page.get_by_role("button", name="Connect a MIDI keyboard").click()
    person.page.get_by_test_id("midi-trouble").get_by_text(advice).wait_for()
