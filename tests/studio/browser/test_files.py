"""Files that come in and go out, and what the page says of those it cannot read."""

import base64

from sideman.score.midi import read_midi

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, {type: 'audio/midi'}));
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    const event = new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true});
    document.querySelector('h1').dispatchEvent(event);
  }
}"""
DRAGGED = """take => {
  const dataTransfer = new DataTransfer();
  take.dispatchEvent(new DragEvent('dragstart', {dataTransfer, bubbles: true}));
  return dataTransfer.getData('DownloadURL');
}"""


def drop(person, name, data):
    """Drop a file on the page."""
    person.page.evaluate(DROP, [name, base64.b64encode(data).decode()])


def test_a_file_is_dropped_anywhere(person, example):
    """Also while one votes: the piece opens where one writes."""
    person.go("Vote")
    person.page.get_by_role("heading", level=1).wait_for()
    drop(person, "my song.mid", example.read_bytes())
    person.page.get_by_test_id("roll").wait_for()
    person.wait_for(
        lambda project: len(project["score"]["notes"]) == len(read_midi(example).notes)
    )
    assert person.page.get_by_label("Name of the project").input_value() == "my song"


def test_a_take_is_dragged_out_as_a_midi_file(person, tmp_path):
    """The address that a DAW is given is of a file that can be read."""
    person.write((0, 24, 60), (24, 24, 64))
    person.page.get_by_test_id("ask").click()
    take = person.page.get_by_test_id("take").first
    kind, name, url = take.evaluate(DRAGGED).split(":", 2)
    assert (kind, name.endswith("Take 1.mid")) == ("audio/midi", True)
    path = tmp_path / "take.mid"
    path.write_bytes(person.page.request.get(url).body())
    assert set(read_midi(path).notes["pitch"]) >= {60, 64}


def test_a_broken_file_is_told_and_nothing_else_changes(person, example):
    """What is open stays open, and the next file is opened."""
    person.forgives("422")
    before = person.project()["id"]
    drop(person, "broken.mid", b"MThd and then nothing that is music")
    told = person.page.get_by_role("alert")
    told.get_by_text("broken.mid").wait_for()
    person.page.get_by_role("button", name="Dismiss").press("Enter")
    told.wait_for(state="detached")
    person.keeps_focus()
    drop(person, "huge.mid", bytes(2_500_000))
    told.get_by_text("huge.mid is larger than 2 MB").wait_for()
    assert person.project()["id"] == before
    person.open(example)
