"""Whoever cannot see much, or uses a phone, finds everything and can press it."""

import pytest

SMALL_TEXT = """least => [...document.querySelectorAll('body *')]
  .filter((one) => one.checkVisibility({visibilityProperty: true}))
  .filter((one) => [...one.childNodes].some(
    (child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim()))
  .filter((one) => parseFloat(getComputedStyle(one).fontSize) < least)
  .map((one) => one.outerHTML)"""
"""Elements whose own text is smaller than some pixels."""

SMALL_TARGETS = """least => [...document.querySelectorAll('button, select, summary, nav a')]
  .filter((one) => one.checkVisibility({visibilityProperty: true}))
  .filter((one) => one.getBoundingClientRect().height < least)
  .map((one) => one.outerHTML)"""
"""What is pressed and lower than some pixels."""

ONLY_FAULTS = {"resultTypes": ["violations"]}

LEAST_TEXT_PX = 13
LEAST_TARGET_PX = 40


@pytest.fixture
def look():
    """Return a function that complains of what somebody could stumble on at a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def look_at(person):
        page = person.page
        found = axe.run(page, options=ONLY_FAULTS).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate(SMALL_TEXT, LEAST_TEXT_PX) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if page.evaluate("matchMedia('(pointer: coarse)').matches"):
            assert page.evaluate(SMALL_TARGETS, LEAST_TARGET_PX) == []

    return look_at


SCREENS = ["dark desk", "light phone"]
MORE_SCREENS = ["light desk", "dark tablet", "dark phone"]


@pytest.fixture(
    params=SCREENS + [pytest.param(name, marks=pytest.mark.slow) for name in MORE_SCREENS]
)
def reader(request, open_page):
    """Seat somebody before a screen."""
    colours, screen = request.param.split()
    return open_page(screen, color_scheme=colours)


def show(person, panel):
    """Show a panel that has a tab of its own where there is little room."""
    tab = person.page.get_by_role("navigation", name="Panels").get_by_role("button", name=panel)
    if tab.is_visible():
        tab.click()


def test_nobody_stumbles_where_one_writes(reader, look, example):
    """With nothing, with a piece, with menus, notes and takes."""
    page = reader.page
    look(reader)
    reader.open(example)
    look(reader)
    for name in ("Projects", "Export"):
        page.get_by_role("button", name=name, exact=True).click()
        look(reader)
        reader.press("Escape")
    page.get_by_test_id("roll").focus()
    reader.press("Control+a")
    look(reader)
    reader.press("Escape")
    show(reader, "Parts")
    page.get_by_role("button", name="More about").first.click()
    look(reader)
    show(reader, "Ask")
    page.locator("summary", has_text="More").first.click()
    look(reader)
    page.get_by_test_id("ask").click()
    page.get_by_test_id("use").wait_for()
    look(reader)
    show(reader, "Takes")
    page.get_by_test_id("take").nth(1).wait_for()
    look(reader)


def test_nobody_stumbles_where_one_votes_and_plays(reader, look):
    """A pair, the votes so far, and the keys."""
    page = reader.page
    reader.go("Vote")
    button = page.get_by_role("button", name="A is better")
    button.click()
    page.get_by_role("link", name="1 just now").wait_for()
    button.and_(page.locator("[aria-disabled=false]")).wait_for()
    look(reader)
    page.get_by_role("link", name="1 just now").click()
    page.get_by_text("What wins").wait_for()
    look(reader)
    reader.go("Play")
    page.get_by_role("button", name="Connect a MIDI keyboard").wait_for()
    look(reader)


def test_the_list_of_keys_is_readable(person, look):
    """It has the smallest print."""
    person.press("?")
    person.page.get_by_role("dialog", name="Keys").wait_for()
    look(person)
