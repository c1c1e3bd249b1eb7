"""The piano roll under the finger."""

import pytest

BEAT, BAR = 24, 96
NOTES = (0, BEAT, 60), (BEAT, BEAT, 64), (2 * BEAT, BEAT, 67)
HOLD_MS = 600
"""Longer than the page waits to take a touch for a hold."""


class Fingers:
    """Fingers on a screen."""

    def __init__(self, page):
        self._page = page
        self._browser = page.context.new_cdp_session(page)

    def put(self, *places):
        """Put fingers on the screen."""
        self._tell("touchStart", places)

    def move(self, *ways):
        """Move each finger along its way, which is a start and an end."""
        for step in (0.25, 0.5, 0.75, 1.0):
            self._tell(
                "touchMove",
                [tuple(a + step * (b - a) for a, b in zip(*way, strict=True)) for way in ways],
            )

    def lift(self):
        """Take all fingers away."""
        self._tell("touchEnd", [])

    def drag(self, start, end):
        """Put down a finger, move it, and take it away."""
        self.put(start)
        self.move((start, end))
        self.lift()

    def hold_and_drag(self, start, end):
        """Do so after waiting where it is."""
        self.put(start)
        self._page.wait_for_timeout(HOLD_MS)
        self.move((start, end))
        self.lift()

    def tap_twice(self, place):
        """Tap twice in a row."""
        for _ in range(2):
            self.put(place)
            self.lift()

    def _tell(self, kind, places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def fingers(phone):
    """Give the person with the phone fingers; three notes are there."""
    phone.write(*NOTES)
    phone.page.get_by_role("button", name="Tempo, metre, grid and zoom").click()
    phone.page.get_by_role("combobox", name="Grid").select_option("1/4")
    phone.press("Escape")
    return Fingers(phone.page)


def middle(person, note):
    """Return where the middle of a note is."""
    onset, duration, pitch = note
    return person.at(onset + duration / 2, pitch)


def test_a_tap_selects_a_note_and_a_drag_moves_it(phone, fingers):
    """A note that is not selected is not moved by a finger that scrolls."""
    phone.page.touchscreen.tap(*middle(phone, NOTES[1]))
    phone.page.get_by_test_id("selection").get_by_text("1 note").wait_for()
    fingers.drag(middle(phone, NOTES[1]), phone.at(1.5 * BEAT, 65))
    phone.wait_for_notes(NOTES[0], (BEAT, BEAT, 65), NOTES[2])


def test_one_finger_scrolls_and_draws_nothing(phone, fingers):
    """Neither on a note nor beside one."""
    (start, _), (shown, y) = phone.at(0, 70), phone.at(3 * BEAT, 70)
    fingers.drag((shown, y), (start + 40, y))
    assert phone.at(3 * BEAT, 70)[0] == pytest.approx(start + 40, abs=12)
    fingers.drag(phone.at(3.5 * BEAT, 64), phone.at(4.5 * BEAT, 64))
    assert phone.project()["revisions"][-1]["label"] == "Written"


def test_two_taps_write_a_note_and_two_more_erase_it(phone, fingers):
    """As a double-click does."""
    new = 3 * BEAT, BEAT, 62
    fingers.tap_twice(middle(phone, new))
    phone.wait_for_notes(*NOTES, new)
    phone.page.wait_for_timeout(HOLD_MS)  # two and two taps, not four
    fingers.tap_twice(middle(phone, new))
    phone.wait_for_notes(*NOTES)


def test_a_hold_takes_a_note_along_and_beside_notes_it_selects(phone, fingers):
    """A finger that waits means what it touches."""
    fingers.hold_and_drag(middle(phone, NOTES[0]), phone.at(BEAT / 2, 57))
    moved = 0, BEAT, 57
    phone.wait_for_notes(moved, *NOTES[1:])
    fingers.hold_and_drag(phone.at(3.5 * BEAT, 70), phone.at(BEAT + 4, 63))
    phone.page.get_by_test_id("selection").get_by_text("3 notes").wait_for()


def test_a_finger_on_the_ruler_selects_bars(phone, fingers):
    """As the mouse does."""
    fingers.drag(phone.ruler(10), phone.ruler(BAR + 40))
    phone.page.get_by_text("bars 1–2", exact=True).wait_for()


def test_two_fingers_zoom(phone, fingers):
    """What is between them stays between them, and no note is touched."""
    (x, y), (right, _) = phone.at(BEAT, 64), phone.at(2 * BEAT, 64)
    beat = right - x
    a, b = (x - 20, y), (x + 20, y)
    fingers.put(a, b)
    fingers.move((a, (x - 60, y)), (b, (x + 60, y)))
    fingers.lift()
    phone.sees("(beat) => __sidemanRoll(48, 64).x - __sidemanRoll(24, 64).x > 2 * beat", beat)
    assert phone.at(BEAT, 64)[0] == pytest.approx(x, abs=8)
    phone.wait_for_notes(*NOTES)


def test_two_fingers_that_wait_select_nothing(phone, fingers):
    """A hold is of one finger."""
    fingers.put(phone.at(3.2 * BEAT, 70))
    fingers.put(phone.at(3.2 * BEAT, 70), phone.at(3.8 * BEAT, 70))
    phone.page.wait_for_timeout(HOLD_MS)
    a, b = phone.at(3.2 * BEAT, 70), phone.at(3.8 * BEAT, 70)
    fingers.move((a, (a[0] - 30, a[1])), (b, (b[0] + 30, b[1])))
    fingers.lift()
    assert phone.page.get_by_test_id("selection").count() == 0
