"""Somebody writes: asks, compares by ear, goes back, mixes, builds a loop."""

BAR = 96
HELD = (0, 8 * BAR, 60)
"""A note that sounds through eight bars."""

LOUDNESS_OVER = """seconds => new Promise((done) => {
  const {analyser} = window.__sidemanAudio;
  const heard = new Float32Array(analyser.fftSize), found = [];
  const until = performance.now() + 1000 * seconds;
  const listen = () => {
    analyser.getFloatTimeDomainData(heard);
    found.push(Math.sqrt(heard.reduce((sum, x) => sum + x * x, 0) / heard.length));
    if (performance.now() < until) setTimeout(listen, 20); else done(found);
  };
  listen();
})"""
"""How loud it is, again and again for some seconds."""


def ask(person, wish, takes=2):
    """Ask for something, and wait for its takes."""
    page = person.page
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name=wish, exact=True).click()
    page.get_by_label("Takes", exact=True).select_option(str(takes))
    page.get_by_test_id("ask").click()
    page.get_by_test_id("take").nth(takes - 1).wait_for()
    page.get_by_role("status").get_by_text("Take 1").wait_for()


def bar_now(person):
    """Return the bar that is played."""
    return int(person.page.get_by_test_id("place").inner_text().split(".")[0])


def test_takes_are_compared_by_ear_at_the_same_place(person):
    """One key, no gap in what both have, and nothing rings on."""
    person.write(HELD)
    ask(person, "Continue")
    person.press("Escape")
    person.page.get_by_test_id("play").click()
    person.hears()
    person.page.wait_for_timeout(300)
    bar = bar_now(person)
    person.page.evaluate(
        "([listen, seconds]) => { window.__heard = eval(listen)(seconds); }",
        [LOUDNESS_OVER, 1.0],
    )
    for key in ("c", "c", "0", "2"):
        person.press(key)
        person.page.wait_for_timeout(150)
    assert min(person.page.evaluate("() => window.__heard")) > 0.003
    person.page.get_by_role("status").get_by_text("Take 2").wait_for()
    assert bar <= bar_now(person) <= bar + 2
    person.page.get_by_test_id("play").click()
    person.hears_nothing()


def test_a_take_that_is_chosen_sounds_from_a_bar_before_what_is_new(person):
    """Who wants to hear a take need not look for it."""
    person.write((0, 24, 60), (7 * BAR, 24, 60))
    ask(person, "Continue")
    person.press("Escape", "1")
    person.sees("() => document.querySelector('[data-testid=play]').ariaLabel === 'Stop'")
    assert bar_now(person) in (8, 9)


def test_one_sees_where_the_piece_came_from_and_goes_back_to_any(person):
    """Nothing is lost, and it can be found."""
    person.write(HELD)
    ask(person, "Continue")
    person.page.get_by_test_id("use").click()
    used = person.wait_for(lambda project: project["revisions"][-1]["take"])
    tree = person.page.get_by_label("Takes", exact=True).get_by_role("list").last
    tree.wait_for()
    now = person.page.locator("[aria-current=step]")
    assert "Take 1 of Continue, bars 9–16" in now.inner_text()
    person.page.get_by_role("button", name="Written", exact=True).click()
    person.wait_for(lambda project: project["head"] == used["revisions"][-1]["parent"])
    person.page.get_by_role("button", name="Hear take 2", exact=True).click()
    person.page.get_by_role("status").get_by_text("Take 2").wait_for()
    person.page.get_by_role("button", name="Hear take 1, used").wait_for()


def test_stopping_keeps_what_is_written(person):
    """Eight takes of 64 bars are more than anybody waits for."""
    person.write(HELD)
    page = person.page
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Bars", exact=True).fill("64")
    page.get_by_label("Takes", exact=True).select_option("8")
    button = page.get_by_test_id("ask")
    button.click()
    person.sees(
        "() => /bar \\d/.test(document.querySelector('[data-testid=writing]')?.innerText)"
    )
    button.click()
    page.get_by_test_id("take").first.wait_for()
    page.get_by_test_id("use").click()
    person.wait_for(lambda project: len(project["score"]["notes"]) > 1)


def test_a_volume_is_heard_kept_and_undone(person):
    """A mix is part of the piece."""
    person.write(HELD)
    volume = person.page.get_by_label("Volume of Piano")
    person.page.get_by_test_id("play").click()
    person.hears()
    volume.focus()
    person.press("Home")
    person.wait_for(lambda project: project["score"]["parts"][0]["volume"] == 0)
    person.hears_nothing()
    person.page.get_by_role("button", name="Undo").click()
    person.wait_for(lambda project: project["score"]["parts"][0]["volume"] == 100)
    person.hears()


def test_a_chord_that_is_none_is_put_right_where_it_is_typed(person):
    """The page says what to write, and loses nothing."""
    person.page.get_by_test_id("roll").focus()
    person.press("k")
    field = person.page.get_by_label("Chord, such as")
    field.fill("H7")
    person.press("Enter")
    person.page.get_by_role("alert").get_by_text("“H7” is no chord here").wait_for()
    field.fill("am7")
    person.press("Enter")
    chords = person.wait_for(lambda project: project["score"]["chords"])["score"]["chords"]
    assert [chord["symbol"] for chord in chords] == ["Am7"]


def test_a_loop_grows_part_by_part_and_goes_round(person):
    """What is there stays, and the page says so before it is asked."""
    person.write((0, 24, 60), (3 * BAR, 24, 64))
    page = person.page
    page.get_by_role("button", name="Loop", exact=True).first.wait_for()
    page.locator(".wish", has_text="Loop").click()
    page.locator(".role", has_text="drums").click()
    page.get_by_text("Adds drums to the loop of 4 bars; what is there stays.").wait_for()
    page.get_by_label("Takes", exact=True).select_option("1")
    page.get_by_test_id("ask").click()
    page.get_by_test_id("use").click()
    project = person.wait_for(lambda project: len(project["score"]["parts"]) == 2)
    kept = {(note["onset"], note["pitch"]) for note in project["score"]["notes"]}
    assert {(0, 60), (3 * BAR, 64)} <= kept
    assert project["score"]["n_bars"] == 4
    assert (
        page.get_by_label("Playing and tools")
        .get_by_label("Loop")
        .get_attribute("aria-pressed")
        == "true"
    )


def test_the_piece_goes_on_where_it_is_said(person):
    """At the end of the music, behind what is selected, or at the playhead."""
    person.write((0, 24, 60), (3 * BAR, 24, 64))
    sentence = person.page.get_by_test_id("sentence")
    sentence.get_by_text("Writes 8 bars from bar 5 on.").wait_for()
    x, y = person.ruler(BAR)
    person.page.mouse.click(x, y)
    person.page.get_by_role("combobox", name="From").select_option("playhead")
    sentence.get_by_text("Writes 8 bars from bar 2 on. What stands there gives way.").wait_for()


def test_a_double_click_asks_once_and_stops_nothing(person):
    """Many people click everything twice."""
    person.write(HELD)
    page, sent = person.page, []
    page.on("request", lambda request: sent.append((request.method, request.url)))
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Takes", exact=True).select_option("1")
    page.get_by_test_id("ask").dblclick()
    page.get_by_test_id("take").wait_for()
    assert sum(method == "POST" and url.endswith("/jobs") for method, url in sent) == 1
    assert "DELETE" not in {method for method, _ in sent}


def test_tempo_and_metre_are_those_at_the_playhead(person):
    """What is changed is what is seen, not the beginning of the piece."""
    person.write((0, 24, 60), (4 * BAR, 24, 60))
    project = person.project()
    four = {"numerator": 4, "denominator": 4}
    three = {"numerator": 3, "denominator": 4}
    changes = {
        "tempos": [{"onset": 0, "bpm": 120}, {"onset": 2 * BAR, "bpm": 90}],
        "time_signatures": [{"onset": 0, **four}, {"onset": 2 * BAR, **three}],
    }
    page = person.page
    page.request.post(
        f"/api/projects/{project['id']}/revisions",
        data={
            "parent": project["head"],
            "label": "Changes",
            "score": project["score"] | changes,
        },
    )
    page.reload()
    tempo = page.get_by_label("Tempo in beats a minute")
    metre = page.get_by_label("Metre", exact=True)
    metre.wait_for()
    assert (tempo.input_value(), metre.input_value()) == ("120", "4/4")
    page.mouse.click(*person.ruler(3 * BAR))
    person.sees("() => document.querySelector('.tempo').value === '90'")
    assert metre.input_value() == "3/4"
    tempo.fill("70")
    tempo.press("Enter")
    metre.select_option("6/8")
    score = person.wait_for(lambda project: len(project["revisions"]) == 5)["score"]
    assert [change["bpm"] for change in score["tempos"]] == [120, 70]
    assert [change["numerator"] for change in score["time_signatures"]] == [4, 6]
