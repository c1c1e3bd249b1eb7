"""All votes: what is liked is learned at a click, and forgotten at another."""

import json
from typing import Any

READY: dict[str, Any] = {
    "decided": 60,
    "wanted": 50,
    "heard": None,
    "learned": None,
    "message": "",
}
LEARNED = {"votes": 60, "rate": 0.7, "low": 0.57, "high": 0.8}


def test_a_taste_is_learned_and_forgotten(person):
    """The page says how far it is, though a reply is lost, and the focus is never lost."""
    person.forgives("net::ERR_FAILED")
    page = person.page
    told = {**READY}
    asked: list[str] = []
    lost: list[None] = []

    def summary(route):
        if told["learned"] and not lost:
            lost.append(route.abort())
            return
        taste = {**told}
        if told["heard"] is not None:
            told.update(heard=None, learned=LEARNED)
        said = page.request.get("/api/votes/summary").json()
        route.fulfill(json={**said, "votes": 60, "taste": taste})

    def act(route):
        asked.append(route.request.method)
        told.update(heard=15 if route.request.method == "POST" else None, learned=None)
        route.fulfill(status=202, body=json.dumps(told))

    page.route("**/api/votes/summary", summary)
    page.route("**/api/taste", act)
    page.goto("/#/votes")
    card = page.get_by_role("region", name="Your taste")

    card.get_by_role("button", name="Learn from these votes").press("Enter")
    card.get_by_text("Listening to vote 16 of 60").wait_for()
    person.says("right in 70 % (57–80 %)")
    person.keeps_focus()
    card.get_by_role("button", name="Forget").press("Enter")
    card.get_by_role("button", name="Learn from these votes").wait_for()
    person.keeps_focus()
    assert asked == ["POST", "DELETE"]


def test_a_pair_that_does_not_come_is_asked_for_again(person):
    """The vote before it is stored once, whatever is pressed meanwhile."""
    person.forgives("net::ERR_FAILED")
    page = person.page
    voted = []
    page.on("request", lambda sent: voted.append(sent.url) if "/vote" in sent.url else None)
    person.go("Vote")
    page.get_by_role("button", name="Hear A").and_(page.locator(":enabled")).wait_for()

    page.route("**/api/pairs", lambda route: route.abort())
    page.get_by_role("button", name="A is better").click()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    person.press("b", "t")
    page.unroute("**/api/pairs")
    again.press("Enter")
    again.wait_for(state="detached")
    person.keeps_focus()
    assert len(voted) == 1
    page.get_by_role("button", name="B is better").click()
    page.get_by_role("link", name="2 just now").wait_for()


def test_what_waits_for_the_sound_is_given_up_when_one_leaves(person, example):
    """Nothing begins to sound on a page on which nobody has pressed anything."""
    person.open(example)
    held = []
    page = person.page
    page.route("**/sound/bank.sf3", lambda route: held.append(route))
    with page.expect_request("**/sound/bank.sf3"):
        page.get_by_test_id("play").click()
    person.go("Vote")
    page.get_by_role("button", name="One moment A").wait_for()
    held[0].continue_()
    person.sees("() => window.__sidemanAudio")
    page.wait_for_timeout(500)
    person.hears_nothing()
    person.go("Write")
    page.get_by_test_id("play").click()
    person.hears()
