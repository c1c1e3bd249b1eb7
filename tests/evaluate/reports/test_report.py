"""The page says what was not reached, is whole and harmless, and plays."""

import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sideman.errors import MissingExtra
from sideman.evaluate import charts
from sideman.evaluate.report import REPORT_NAME, write_report
from sideman.evaluate.results import PromptEntry
from sideman.evaluate.shown_takes import MAX_SOUND_BYTES
from sideman.roll import CONTINUATION_SHADES, PROMPT_SHADES

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "<script>alert('x')</script>"


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

    @property
    def text(self):
        """What is to be read, on one line."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def page(evaluated, tmp_path):
    """Return a function that writes the report of results and reads it again."""
    folder, _ = evaluated

    def written(results, **more):
        out = tmp_path / REPORT_NAME
        write_report(results, folder, out, **more)
        return Page(out.read_text(encoding="utf-8"))

    return written


def test_every_element_is_closed_and_every_link_leads_somewhere(page, evaluated):
    """No browser has to guess what was meant."""
    _, results = evaluated

    found = page(results)

    assert (found.wrong, found.open) == ([], [])
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in found.all("a")} <= set(ids)


def test_nothing_is_loaded_from_anywhere(page, evaluated):
    """The page can be passed on as it is."""
    _, results = evaluated

    found = page(results, sound=lambda _: b"OggS")

    sources = [
        attributes[name]
        for _, attributes in found.elements
        for name in ("src", "href")
        if name in attributes
    ]
    assert all(source.startswith(("#", "data:")) for source in sources)


def test_rows_that_do_not_beat_markov_are_named_first(page, evaluated):
    """A reader who stops after ten lines knows the worst."""
    _, results = evaluated

    text = page(results).text

    short = text[: text.index("Rows against each rival")]
    assert "tiny beats Markov in 1 of 2 rows" in short
    assert (
        "does not beat Markov in 1 of 2 rows , most clearly in pitch range (continue)" in short
    )
    assert "pitch range ▼ loses off by 3.00, Markov by 1.00" in text
    assert "Best of the 1 it wins: polyphony ▲ beats" in text


def test_the_table_has_value_interval_gap_and_verdict(page, evaluated):
    """Nothing that decides is left to the other file."""
    _, results = evaluated

    text = page(results).text

    assert "pitch range 12.0" in text
    assert "gap 1.00 ▼ loses" in text
    assert results.notes[0] in text


def test_names_cannot_become_part_of_the_page(page, evaluated):
    """A bundle, a piece and a note are shown as they are written and do nothing."""
    _, results = evaluated
    hostile = replace(
        results,
        subject=replace(results.subject, corpus=HOSTILE),
        prompts=tuple(replace(p, piece=HOSTILE, style=HOSTILE) for p in results.prompts),
        notes=(HOSTILE,),
    )

    found = page(hostile)

    assert len(found.all("script")) == 1
    assert found.text.count("alert('x')") >= 3


def test_the_same_results_give_the_same_page(evaluated, tmp_path):
    """Two reports can be compared line by line."""
    folder, results = evaluated
    for name in ("one.html", "two.html"):
        write_report(results, folder, tmp_path / name)

    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_likeliest_median_and_least_likely_take_are_shown(page, evaluated):
    """Not the ones that please."""
    _, results = evaluated

    text = page(results).text

    assert "Likeliest: 1.00 bits a note" in text
    assert "In the middle: 3.00 bits a note" in text
    assert "Least likely: 4.00 bits a note" in text


def test_takes_without_notes_are_not_shown(page, evaluated):
    """There is nothing to see, and no likelihood to put them in order by."""
    _, results = evaluated
    silent = tuple(
        replace(take, values={**take.values, "bits_per_note": float("nan")})
        for take in results.takes
    )

    assert "There is nothing." in page(replace(results, takes=silent)).text


def test_no_take_is_played_where_no_sound_can_be_made(page, evaluated):
    """Without the extra there is still a report."""
    _, results = evaluated

    def deaf(midi):
        msg = "nothing here can play"
        raise MissingExtra(msg)

    assert page(results, sound=deaf).all("audio") == []


def test_sound_does_not_make_a_page_too_large_to_send(page, evaluated):
    """What is behind the limit is silent."""
    _, results = evaluated

    found = page(results, sound=lambda _: bytes(MAX_SOUND_BYTES - 1))

    assert len(found.all("audio")) == 2


def test_only_what_was_written_is_shown_as_new(page, evaluated):
    """Of a part that was given, no note is the model's."""
    _, results = evaluated
    prompt = PromptEntry("accompany-1", "accompany", "x.mid", "", 0, 4, 0, 4)
    takes = tuple(
        replace(take, prompt=prompt.id) for take in results.takes if take.prompt == "continue-0"
    )

    found = page(replace(results, prompts=(prompt,), takes=takes))

    colours = [
        shape["fill"] for shape in found.all("rect") if shape.get("class") in ("note", "tied")
    ]
    shades = {colour: colours.count(colour) for colour in colours}
    assert shades[PROMPT_SHADES[1]] == shades[CONTINUATION_SHADES[0]] == 16  # bass, flute


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (-0.31, "−0.31"), (0.0004, "0"), (99.99, "100.0"), (1234.5, "1,234")],
)
def test_figures_are_told_in_few_digits(value, said):
    """A table of eight digits is not read."""
    assert charts.number(value) == said


def test_report_opens_in_a_browser(evaluated, tmp_path):
    """No errors, no requests, no sideways scrolling on a telephone, one sound at a time."""
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    folder, results = evaluated
    path = tmp_path / REPORT_NAME
    write_report(results, folder, path, sound=lambda _: b"OggS")
    complaints, requests = [], []
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#summary"
        page.locator("table a").first.click()
        assert page.evaluate("location.hash").startswith("#metric-")
        paused = (
            "all => { let n = 0; all[0].pause = () => n++;"
            "all[1].dispatchEvent(new Event('play')); return n; }"
        )
        assert page.locator("audio").evaluate_all(paused) == 1
        browser.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
