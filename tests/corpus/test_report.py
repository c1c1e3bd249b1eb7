"""The page is whole, harmless, always the same, and it plays."""

import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sideman.corpus.build import build_corpus
from sideman.corpus.manifest import MANIFEST_NAME, SCHEMA
from sideman.corpus.report import (
    EXAMPLE_BARS,
    EXAMPLE_NOTES,
    HTML_NAME,
    JSON_NAME,
    N_EXAMPLES,
    choose_examples,
    write_report,
)
from sideman.corpus.shards import open_corpus
from sideman.corpus.statistics import measure
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table

MAX_PAGE_BYTES = 1_000_000
VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "<script>alert('x')<"  # a folder of this name and a file `script>"&…` below it


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.elements, self.texts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Take an element that will be closed, or needs not be."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Take an element that closes itself, as in pictures."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Close the last element, or find fault."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        """Take what is to be read."""
        self.texts.append(data)

    def all(self, tag):
        """Return the attributes of all elements of a kind."""
        return [attributes for found, attributes in self.elements if found == tag]


def page_of(out):
    return Page((out / HTML_NAME).read_text(encoding="utf-8"))


def notes_in(out):
    """Return the notes of each example as the page plays them, shape (N, 5)."""
    text = (out / HTML_NAME).read_text(encoding="utf-8")
    data = text.split('id="pieces-data">')[1].split("</script>")[0]
    return [np.reshape(piece["notes"], (-1, 5)) for piece in json.loads(data)]


@pytest.fixture
def out(music, write_piece, tmp_path, inline):
    """Return a corpus of pieces in three styles, one of them named to do harm."""
    for seed in range(40, 46):
        write_piece(music / HOSTILE / f'script>"&\u202e\u2028é{seed}.mid', seed)
    build_corpus(music, tmp_path / "corpus", inline)
    return tmp_path / "corpus"


def write_manifest(out, rows):
    defaults = {"reason": "", "group": "", "repairs": "", "verdict": "refused"}
    full = [dict.fromkeys(SCHEMA.names) | defaults | row for row in rows]
    out.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(full, SCHEMA), out / MANIFEST_NAME)


def test_page_and_json_are_the_same_bytes_wherever_and_whenever(out, tmp_path):
    """A build that was killed and went on ends with the same report."""
    first = write_report(out).read_bytes(), (out / JSON_NAME).read_bytes()
    elsewhere = tmp_path / "another name"
    shutil.copytree(out, elsewhere)

    write_report(elsewhere)

    assert ((elsewhere / HTML_NAME).read_bytes(), (elsewhere / JSON_NAME).read_bytes()) == first
    assert first[1].decode() == measure(out).to_json()


def test_every_element_is_closed_where_it_should_be(out):
    """No browser has to guess what was meant."""
    write_report(out)

    page = page_of(out)

    assert page.wrong == []
    assert page.open == []


def test_names_cannot_become_part_of_the_page(out):
    """A file's name is shown as it is written and does nothing."""
    write_report(out)

    page = page_of(out)

    assert [attributes.get("type") for attributes in page.all("script")] == [
        "application/json",
        None,
    ]
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    shown = "".join(page.texts)
    assert "<script>alert('x')</script>\"&\ufffd\ufffdé" in shown
    assert "\u202e" not in shown


def test_page_loads_nothing(out):
    """It can be read on a train, and tells nobody that it is read."""
    write_report(out)

    text = (out / HTML_NAME).read_text(encoding="utf-8")
    page = Page(text)

    targets = [a[name] for _, a in page.elements for name in ("src", "href") if name in a]
    assert all(target.startswith("#") or target == "data:," for target in targets)
    assert not any(loads in text for loads in ("http:", "https:", "url(", "@import", "fetch("))
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_links_inside_the_page_lead_somewhere(out):
    """Every word of the contents has its section."""
    write_report(out)

    page = page_of(out)

    sections = {a["id"] for a in page.all("section")}
    assert {a["href"][1:] for a in page.all("a")} == sections


def test_pictures_and_tables_say_what_they_are(out):
    """Who cannot see a chart hears what is to be seen in it."""
    write_report(out)

    page = page_of(out)

    assert all(a["role"] == "img" and a["aria-label"] for a in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(a["aria-label"].startswith("Play ") for a in page.all("button"))


def test_corpus_of_nothing_has_a_page(tmp_path):
    """When every file is refused the page says why, and has nothing to play."""
    write_manifest(tmp_path / "out", [{"path": "a.mid", "reason": "smpte", "style": "x"}])

    write_report(tmp_path / "out")

    page = page_of(tmp_path / "out")
    assert page.wrong == []
    assert page.all("button") == []
    shown = "".join(page.texts)
    assert "0 minutes of music in 0 pieces" in shown
    assert "Time is told in film frames: there are no beats and no bars." in shown


def test_page_of_many_files_stays_small(tmp_path):
    """Of a great many sources, reasons and duplicates the first are shown, and the sums."""
    rows = [
        {
            "path": f"{'deep/' * 200}{n}.mid",
            "reason": "near-duplicate",
            "verdict": "left-out",
            "source": f"{'page ' * 200}{n}",
            "licence": f"licence {n}",
            "style": f"style {n % 63}",
            "group": "kept.mid",
        }
        for n in range(3000)
    ]
    write_manifest(tmp_path / "out", rows)

    path = write_report(tmp_path / "out")

    assert path.stat().st_size < MAX_PAGE_BYTES
    shown = "".join(page_of(tmp_path / "out").texts)
    assert "and 2,937 more" in shown  # sources
    assert "and 2,995 more" in shown  # example files, and members of the group


def test_examples_are_of_all_styles_and_for_training(out):
    """What is kept for the test is not played to whoever judges by ear."""
    examples = choose_examples(out)

    train = {piece.path for piece in open_corpus(out).of_split("train")}
    assert {example.path for example in examples} <= train
    assert len(examples) == min(len(train), N_EXAMPLES)
    assert len({example.path for example in examples}) == len(examples)
    assert {example.about[0] for example in examples} == {"bach", "jazz", HOSTILE}


def test_example_is_drawn_and_played_note_by_note(out):
    """What is heard is what is seen."""
    write_report(out)

    page, played = page_of(out), notes_in(out)

    drawn = [a["d"].count("h") for a in page.all("path") if a.get("class", "")[:5] == "role-"]
    assert sum(drawn) == sum(map(len, played)) > 0
    for notes in played:
        onset, length, pitch, velocity, _ = notes.T
        assert (np.diff(onset) >= 0).all()
        assert (length >= 0).all()
        assert ((pitch >= 0) & (pitch <= 127) & (velocity >= 1) & (velocity <= 127)).all()


def test_example_begins_with_the_first_note_and_lasts_eight_bars(tmp_path, inline):
    """Bars of rest before the music are passed over: 16 beats at 120 bpm begin 4 bars late."""
    onsets = range(4 * 96, 20 * 96, 24)
    rows = [(onset, 24, 60 + onset // 24 % 7, 40 + onset % 50, 0) for onset in onsets]
    score = Score(table(NOTE_DTYPE, rows), (Part(0, is_drum=False),))
    (tmp_path / "music").mkdir()
    write_midi(score, tmp_path / "music" / "late.mid")
    table_of_splits = tmp_path / "splits.tsv"
    table_of_splits.write_text("file\tsplit\nlate.mid\ttrain\n")
    build_corpus(tmp_path / "music", tmp_path / "out", inline, splits=table_of_splits)

    (example,) = choose_examples(tmp_path / "out")

    assert example.notes[0, 0] == 0
    assert len(example.notes) == 4 * EXAMPLE_BARS
    assert example.length_ms == 2000 * EXAMPLE_BARS
    assert example.bars_ms == tuple(range(2000, 2000 * EXAMPLE_BARS, 2000))


def test_example_of_a_full_orchestra_has_fewer_bars():
    """Some thousand notes are enough to see and hear."""
    from sideman.corpus.report import _example
    from sideman.tokens.codec import encode

    parts = tuple(Part(48, is_drum=False) for _ in range(30))
    rows = [
        (12 * step, 12, 40 + part, 80, part) for step in range(64) for part in range(len(parts))
    ]
    events, _ = encode(Score(table(NOTE_DTYPE, rows), parts))

    about = dict.fromkeys(("style", "key", "metre", "tempo_bpm", "licence", "roles"))
    example = _example({"path": "x.mid", **about}, events)

    assert len(example.notes) == 1440 <= EXAMPLE_NOTES  # six bars of 240
    assert example.roles == ("other",) * 30


def test_piece_plays_in_a_browser(out):
    """A press of the button starts sound and cursor, another piece stops it; no errors."""
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    page_path = write_report(out)
    complaints, requests = [], []
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_path.as_uri())
        buttons, cursors = page.locator(".piece button"), page.locator(".cursor")
        buttons.nth(0).click()
        moved = "cursor => parseFloat(cursor.style.left) > 1"
        page.wait_for_function(moved, arg=cursors.nth(0).element_handle())
        assert page.evaluate("context.state") == "running"

        buttons.nth(1).click()
        page.wait_for_function(moved, arg=cursors.nth(1).element_handle())
        pressed = "all => all.map(button => button.getAttribute('aria-pressed'))"
        assert buttons.evaluate_all(pressed)[:3] == ["false", "true", "false"]

        buttons.nth(1).click()
        assert "true" not in buttons.evaluate_all(pressed)
        browser.close()
    assert complaints == []
    assert requests == [page_path.as_uri()]
