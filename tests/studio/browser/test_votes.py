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
    """The page says how far it is without being asked, and the focus is never lost."""
    page = person.page
    told = {**READY}
    asked = []

    def summary(route):
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
