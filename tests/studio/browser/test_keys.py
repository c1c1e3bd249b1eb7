"""A whole session without a mouse: the focus is always somewhere, and always to be seen."""

from typing import Any

from sideman.score.midi import read_midi

BAR = 96


def menu(person, name, *, back=False):
    """Open a menu by the Tab key, and return its button."""
    button = person.page.get_by_role("button", name=name, exact=True)
    person.tab_to(button, back=back)
    person.press("Enter")
    return button


def is_focused(locator):
    """Return whether something has the focus."""
    return locator.evaluate("element => element === document.activeElement")


def ask(person, wish):
    """Have some takes written, compare the first two, and use the second."""
    page = person.page
    person.tab_to(page.get_by_role("button", name=wish, exact=True))
    person.press("Enter")
    person.tab_to(page.get_by_test_id("ask"))
    person.press("Enter")
    page.get_by_test_id("take").nth(1).wait_for()
    person.keeps_focus()
    person.press("c")
    page.get_by_role("status").get_by_text("Take 2").wait_for()
    person.tab_to(page.get_by_test_id("use"))
    person.press("Enter")
    person.keeps_focus()


def export(person, path):
    """Export the piece as a MIDI file, and return it."""
    menu(person, "Export", back=True)
    person.press("ArrowDown")
    with person.page.expect_download() as download:
        person.press("Enter")
    download.value.save_as(path)
    return read_midi(path)


def vote(person):
    """Say that both are the same; the button keeps the focus for the next pair."""
    page = person.page
    person.tab_to(page.get_by_role("link", name="Vote", exact=True), back=True)
    person.press("Enter")
    button = page.get_by_role("button", name="Both the same")
    button.and_(page.locator("[aria-disabled=false]")).wait_for()
    person.tab_to(button)
    person.press("Enter")
    page.get_by_role("link", name="1 just now").wait_for()
    assert is_focused(button)


def test_a_person_with_keys_only_writes_asks_exports_and_votes(person, tmp_path):
    """From the first note to the file, and a pair that is heard."""
    person.press("Tab", "Enter")  # the link that skips to the notes
    for _ in range(4):
        person.press("Enter", "ArrowRight", "ArrowUp")
    written = person.wait_for(lambda project: len(project["score"]["notes"]) == 4)
    person.press("Home")
    person.says("bar 1, beat 1")
    person.press("Shift+ArrowRight")
    person.says("bar 1 selected")
    person.press("Escape")
    ask(person, "Continue")
    used = person.wait_for(lambda project: project["head"] != written["head"])
    person.press("Space")
    person.hears()
    person.press("Space")
    exported = export(person, tmp_path / "mine.mid")
    assert len(exported.notes) == len(used["score"]["notes"])
    vote(person)
    person.press("1")
    person.hears()


def test_each_note_is_edited_by_keys(person):
    """What the mouse can do to a note, keys can."""
    person.page.get_by_label("Grid").select_option("1/4")
    person.page.get_by_test_id("roll").focus()
    person.press("Enter", ",")
    (written,) = person.wait_for(lambda project: project["score"]["notes"])["score"]["notes"]
    pitch = written["pitch"]
    person.press("ArrowRight", "Control+ArrowUp", "]", "'")
    person.wait_for_notes((24, 48, pitch + 12))
    person.says("velocity 90")
    person.press("l", "Delete", "ArrowLeft")
    person.says("C")
    person.press("l", "Control+d")
    person.wait_for_notes((24, 48, pitch + 12), (72, 48, pitch + 12))
    person.press("Delete")
    person.wait_for_notes((24, 48, pitch + 12))


def test_menus_and_dialogs_give_the_focus_back(person):
    """Escape closes what is open, and one is where one was."""
    page = person.page
    for name in ("Projects", "Export"):
        opener = menu(person, name)
        person.press("ArrowDown")
        assert not is_focused(opener)
        person.press("Escape")
        assert is_focused(opener)
        assert opener.get_attribute("aria-expanded") == "false"
    button = page.get_by_role("button", name="Export")
    person.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    person.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert is_focused(button)
    person.press("?")
    assert is_focused(page.get_by_role("button", name="Close"))
    person.press("Enter")
    assert is_focused(button)


def test_a_file_is_opened_by_keys(person, tmp_path):
    """The window of the system in which one picks a file opens."""
    opened: list[Any] = []
    # Now, for it takes a while until it listens.
    person.page.on("filechooser", lambda chooser: opened.append(chooser))
    menu(person, "Projects")
    person.press("ArrowDown", "ArrowDown", "Enter")
    person.wait_for(lambda _: opened)
    assert opened[0].is_multiple()
    person.keeps_focus()


def test_a_chord_is_written_and_taken_away_by_keys(person):
    """The field opens where the cursor is, and the notes have the focus afterwards."""
    roll = person.page.get_by_test_id("roll")
    roll.focus()
    person.press("k")
    person.page.keyboard.type("Am7")
    person.press("Enter")
    person.wait_for(
        lambda project: project["score"]["chords"] == [{"onset": 0, "symbol": "Am7"}]
    )
    assert is_focused(roll)
    person.press("k", "Escape")
    assert is_focused(roll)


def test_the_focus_goes_along_to_another_branch(person):
    """The tree is drawn anew around the step one goes to; the next key is for that step."""
    page = person.page
    page.get_by_test_id("roll").focus()
    person.press("Enter", "Enter")
    person.wait_for(lambda project: len(project["score"]["notes"]) == 2)
    person.press("Control+z", "Control+z", "ArrowUp", "Enter", "Enter")
    left = person.wait_for(lambda project: len(project["revisions"]) == 5)["head"]
    page.get_by_role("button", name="Takes", exact=True).click()
    now = page.locator(".step[aria-current]")
    now.wait_for()
    other = page.locator("ol ol .step").first
    other.focus()
    person.press("Enter")
    person.wait_for(lambda project: project["head"] != left)
    assert is_focused(now)
