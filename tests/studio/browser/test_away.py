"""The studio dies while somebody writes: the page says so, goes on, and loses nothing."""

import re


def test_edits_wait_for_a_studio_that_is_away(person, server):
    """They are stored in order when it is back, and one may go on with them meanwhile."""
    person.forgives("net::ERR", "WebSocket connection")
    page = person.page
    page.get_by_test_id("roll").focus()
    person.press("Enter")
    person.wait_for(lambda project: len(project["score"]["notes"]) == 1)

    server.kill()
    told = page.get_by_role("alert").filter(has_text="The page goes on by itself")
    told.wait_for()
    person.press("Enter", "Enter")
    page.get_by_text("Not saved: no answer").wait_for()
    person.press("Control+z")
    page.get_by_role("application", name=re.compile("2 notes")).wait_for()

    server.start()
    told.wait_for(state="detached")
    page.get_by_text("Saved", exact=True).wait_for()
    project = person.wait_for(lambda project: len(project["score"]["notes"]) == 2)
    assert len(project["revisions"]) == 4
    page.reload()
    page.get_by_role("application", name=re.compile("2 notes")).wait_for()
