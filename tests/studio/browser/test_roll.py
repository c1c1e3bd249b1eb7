"""The piano roll under the mouse: every edit is stored, and can be taken back."""

BEAT, BAR, STEP = 24, 96, 6
LINE = 60, 64, 67, 72


def test_notes_are_drawn_moved_stretched_and_deleted_with_the_mouse(person):
    """The five edits, each stored; then all of them undone, and done again."""
    page = person.page
    page.get_by_label("Grid").select_option("1/4")
    page.mouse.dblclick(*person.at(BEAT + 3, 64))
    person.wait_for_notes((BEAT, BEAT, 64))
    person.drag(person.at(BEAT + 8, 64), person.at(2 * BEAT + 8, 67))
    person.wait_for_notes((2 * BEAT, BEAT, 67))
    person.drag(person.at(3 * BEAT - 2, 67), person.at(4 * BEAT - 2, 67))
    person.wait_for_notes((2 * BEAT, 2 * BEAT, 67))

    box = person.roll_box()
    x, _ = person.at(2 * BEAT, 67)
    bottom = box["y"] + box["height"]
    person.drag((x + 1, bottom - 40), (x + 1, bottom - 14))
    loud = person.wait_for(lambda project: project["score"]["notes"][0]["velocity"] != 84)
    assert loud["score"]["notes"][0]["velocity"] < 84
    page.mouse.click(*person.at(2 * BEAT + 8, 67), button="right")
    person.wait_for_notes()

    page.get_by_role("button", name="Draw notes").click()
    person.drag(person.at(1, 60), person.at(2 * BEAT - 1, 60))
    person.wait_for_notes((0, 2 * BEAT, 60))

    for _ in range(6):
        page.get_by_role("button", name="Undo").click()
    person.wait_for_notes()
    assert page.get_by_role("button", name="Undo").get_attribute("aria-disabled") == "true"
    for _ in range(6):
        person.press("Control+Shift+z")
    person.wait_for_notes((0, 2 * BEAT, 60))


def test_a_box_selects_notes_and_they_move_together(person):
    """Shift adds to the selection; Alt leaves a copy behind."""
    person.write(*((BEAT * n, BEAT, pitch) for n, pitch in enumerate(LINE)))
    person.page.get_by_label("Grid").select_option("1/4")
    person.drag(person.at(2 * BEAT, 58), person.at(4, 62))
    person.page.get_by_text("1 note", exact=True).wait_for()
    person.page.keyboard.down("Shift")
    person.page.mouse.click(*person.at(BEAT + 8, 64))
    person.page.keyboard.up("Shift")
    person.page.get_by_text("2 notes", exact=True).wait_for()
    person.page.keyboard.down("Alt")
    person.drag(person.at(8, 60), person.at(BAR + 8, 60))
    person.page.keyboard.up("Alt")
    rest = [(BEAT * n, BEAT, pitch) for n, pitch in enumerate(LINE)]
    person.wait_for_notes(*rest, (BAR, BEAT, 60), (BAR + BEAT, BEAT, 64))


def test_locked_notes_stay_when_their_bars_are_filled(person):
    """What is locked can be neither moved nor written anew."""
    notes = [(BEAT * n, BEAT, LINE[n % 4]) for n in range(12)]
    person.write(*notes)
    page = person.page
    page.mouse.click(*person.at(BAR + 8, LINE[0]))
    page.get_by_role("button", name="Lock").click()
    locked = BAR, BEAT, LINE[0]
    person.wait_for(lambda project: any(note["locked"] for note in project["score"]["notes"]))
    person.drag(person.at(BAR + 8, LINE[0]), person.at(BAR + 2 * BEAT, LINE[3]))
    person.press("Escape")

    person.drag(person.ruler(BAR + 10), person.ruler(2 * BAR - 10))
    page.get_by_label("Takes", exact=True).select_option("1")
    page.get_by_test_id("ask").click()
    page.get_by_test_id("use").click()
    filled = person.wait_for(lambda project: len(project["revisions"]) == 4)
    kept = [note for note in filled["score"]["notes"] if note["locked"]]
    assert [(n["onset"], n["duration"], n["pitch"]) for n in kept] == [locked]
    within = [note for note in filled["score"]["notes"] if BAR <= note["onset"] < 2 * BAR]
    new = {(note["onset"], note["duration"], note["pitch"]) for note in within} - {locked}
    assert not new & set(notes)


def test_the_wheel_zooms_and_scrolls(person):
    """What is under the pointer stays there while one zooms."""
    page, place, start = person.page, person.at(BAR, 60), person.at(0, 60)
    page.mouse.move(*place)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    person.sees("(x) => window.__sidemanRoll(0, 60).x < x - 50", start[0])
    assert abs(person.at(BAR, 60)[0] - place[0]) < 1
    page.mouse.wheel(0, 100)
    person.sees("(y) => window.__sidemanRoll(0, 60).y < y - 50", place[1])
