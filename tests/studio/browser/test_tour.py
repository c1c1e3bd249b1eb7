"""The whole tour, as a person goes it."""

from sideman.score.midi import read_midi

BAR = 72
"""Ticks of a bar of the example, in 6/8."""


def pitches(project):
    """Return the pitches of a project by the ids of its notes."""
    return {note["id"]: note["pitch"] for note in project["score"]["notes"]}


def outside(project, first, end):
    """Return the ids of the notes that begin outside of a range of bars."""
    notes = project["score"]["notes"]
    return {n["id"] for n in notes if not first * BAR <= n["onset"] < end * BAR}


def fill(person):
    """Select bars 3 and 4 with the mouse, have them written anew, twice, and use the second."""
    page = person.page
    person.drag(person.ruler(2 * BAR + 20), person.ruler(4 * BAR - 20))
    page.get_by_text("bars 3–4", exact=True).wait_for()
    page.get_by_role("button", name="Fill", exact=True).click()
    page.get_by_label("Takes", exact=True).select_option("2")
    page.get_by_test_id("ask").click()
    page.get_by_test_id("take").nth(1).wait_for()
    person.press("c")
    page.get_by_role("status").get_by_text("Take 2").wait_for()
    page.get_by_test_id("use").click()


def vote(person):
    """Judge a pair, and come back."""
    person.go("Vote")
    person.page.get_by_role("button", name="A is better").click()
    person.page.get_by_role("link", name="1 just now").wait_for()
    person.go("Write")


def export(person, path):
    """Export the piece, and return it."""
    person.page.get_by_role("button", name="Export").click()
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="MIDI file").click()
    download.value.save_as(path)
    return read_midi(path)


def test_a_person_writes_votes_and_exports_and_finds_it_all_again(person, example, tmp_path):
    """Upload, select, fill, hear, edit, undo, vote, export: nothing of it is lost."""
    page = person.page
    opened = person.open(example)
    fill(person)
    used = person.wait_for(lambda project: project["head"] != opened["head"])
    assert outside(used, 2, 4) == outside(opened, 2, 4)
    assert len(used["takes"]) == 2

    page.get_by_test_id("play").click()
    person.hears()
    page.get_by_test_id("play").click()
    person.hears_nothing()

    page.get_by_test_id("roll").focus()
    person.press("Escape", "Control+a", "ArrowUp")
    raised = pitches(person.wait_for(lambda project: project["head"] != used["head"]))
    assert {raised[number] - pitch for number, pitch in pitches(used).items()} == {0, 1}
    page.get_by_role("button", name="Undo").click()
    person.wait_for(lambda project: pitches(project) == pitches(used))

    vote(person)
    exported = export(person, tmp_path / "mine.mid")
    assert len(exported.notes) == len(used["score"]["notes"])

    page.reload()
    page.get_by_role("button", name="Takes 2").click()
    page.get_by_test_id("take").nth(1).wait_for()
    found = person.project()
    assert (found["head"], pitches(found)) == (used["head"], pitches(used))
    page.get_by_role("button", name="Redo").click()
    person.wait_for(lambda project: pitches(project) == raised)
    person.go("Vote")
    page.get_by_role("link", name="All votes").click()
    page.locator(".tile", has_text="vote").first.wait_for()
