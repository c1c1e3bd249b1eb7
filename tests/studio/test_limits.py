"""Each limit has a number, a code, and a line that says what to do."""

import threading
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from sideman.studio.limits import LimitReached, Pace, Slots

NOTE = {"id": 1, "onset": 0, "duration": 1, "pitch": 60, "velocity": 1, "part": 0}


def test_a_piece_has_so_many_notes(open_studio, piece, problem):
    """Memory and the page have an end."""
    studio = open_studio(limits={"notes": 3})
    code, message = problem(studio.post("/api/projects", json={"score": piece}), 422)
    assert code == "too_many_notes"
    assert message == "the piece has 4 notes; the studio takes up to 3: split it"


def test_a_piece_has_so_many_parts(open_studio, piece, problem):
    """Each one is a lane on the page."""
    studio = open_studio(limits={"parts": 1})
    assert (
        problem(studio.post("/api/projects", json={"score": piece}), 422)[0] == "too_many_parts"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"n_bars": 11},
        {
            "notes": [
                {"id": 1, "onset": 960, "duration": 1, "pitch": 60, "velocity": 1, "part": 0}
            ]
        },
        {
            "notes": [
                {"id": 1, "onset": 0, "duration": 961, "pitch": 60, "velocity": 1, "part": 0}
            ]
        },
        {"time_signatures": [{"onset": 960, "numerator": 3, "denominator": 4}]},
    ],
)
def test_a_piece_has_so_many_bars_however_it_gets_them(open_studio, piece, problem, change):
    """One note far away is enough to make a long piece."""
    studio = open_studio(limits={"bars": 10})
    assert studio.post("/api/projects", json={"score": piece}).status_code == 201
    reply = studio.post("/api/projects", json={"score": {**piece, **change}})
    assert problem(reply, 422)[0] == "too_many_bars"


def test_edits_have_the_same_limits(open_studio, piece, problem):
    """What cannot be uploaded cannot be drawn either."""
    studio = open_studio(limits={"notes": 4})
    project = studio.post("/api/projects", json={"score": piece}).json()
    more = {**piece, "notes": [*piece["notes"], {**piece["notes"][0], "id": 9}]}
    edit = {"parent": project["head"], "label": "Draw", "score": more}
    reply = studio.post(f"/api/projects/{project['id']}/revisions", json=edit)
    assert problem(reply, 422)[0] == "too_many_notes"
    assert studio.get(f"/api/projects/{project['id']}").json()["head"] == project["head"]


@pytest.fixture
def ask(piece):
    """Return a function that asks a studio for music."""

    def send(studio, **changes):
        project = studio.post("/api/projects", json={"score": piece}).json()
        wish = {"task": "continue", "revision": project["head"], **changes}
        return studio.post(f"/api/projects/{project['id']}/jobs", json=wish)

    return send


def test_so_many_takes_are_written_at_once(open_studio, ask, problem):
    """One person must not keep the model for an hour."""
    studio = open_studio(limits={"takes": 2})
    assert ask(studio, takes=2).status_code == 201
    assert problem(ask(studio, takes=3), 422)[0] == "too_many_takes"


def test_what_is_written_does_not_make_a_piece_too_long(open_studio, ask, problem):
    """Else a take could not be kept."""
    studio = open_studio(limits={"bars": 12})
    assert ask(studio, options={"bars": "4"}).status_code == 201
    too_long: list[dict[str, Any]] = [
        {"options": {"bars": "5"}},
        {"options": {}},
        {"options": {"bars": "10-13"}},
        {"options": {"bars": "6"}, "selection": {"bars": [5, 7]}},
    ]
    for wish in too_long:
        assert problem(ask(studio, **wish), 422)[0] == "too_many_bars"
    assert ask(studio, options={"bars": "10-12"}).status_code == 201
    behind = {"options": {"bars": "5"}, "selection": {"bars": [5, 7]}}
    assert ask(studio, **behind).status_code == 201
    assert ask(studio, task="infill", options={"bars": "7"}).status_code == 201


def test_what_the_queue_does_not_take_is_a_refusal(studio, ask, problem):
    """How many may wait, the queue says."""
    studio.state.jobs.problem = LimitReached("the queue is full", code="queue_full", status=429)
    assert problem(ask(studio), 429) == ("queue_full", "the queue is full")


@pytest.mark.parametrize("is_told", [True, False])
def test_a_request_has_so_many_bytes(open_studio, problem, is_told):
    """Whether it says how long it is or not."""
    studio = open_studio(limits={"body_bytes": 100})
    body = b'{"name": "' + b"x" * 100 + b'"}'
    content = body if is_told else iter([body[:50], body[50:]])
    headers = {"content-type": "application/json"}
    reply = studio.post("/api/projects", content=content, headers=headers)
    assert problem(reply, 413)[0] == "too_large"
    odd = studio.post("/api/projects", content=b"{}", headers={"content-length": "-1"})
    problem(odd, 413)


def test_an_upload_has_so_many_bytes(open_studio, problem):
    """Also one that is just within what a form may add."""
    studio = open_studio(limits={"upload_bytes": 1000})
    for size in (1001, 100_000):
        files = {"file": ("a.mid", b"x" * size, "audio/midi")}
        code, message = problem(studio.post("/api/projects/upload", files=files), 413)
        assert code == "too_large"
        assert "1,000 bytes" in message


def test_requests_come_at_a_pace(open_studio, problem):
    """A program that runs wild must not take the studio from the others."""
    studio = open_studio(limits={"requests_per_second": 0.01, "requests_at_once": 3})
    studio.get("/")
    replies = [studio.get("/api/projects") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert problem(replies[-1], 429)[0] == "too_fast"
    assert int(replies[-1].headers["retry-after"]) > 0
    assert studio.get("/healthz").status_code == 200
    studio.cookies.clear()
    assert studio.get("/api/projects").status_code == 200  # by its address: another client


def test_a_cookie_that_is_none_of_ours_buys_no_pace(open_studio):
    """Who is unknown goes by the address."""
    studio = open_studio(limits={"requests_per_second": 0.01, "requests_at_once": 1})
    cookies = [{"cookie": f"sideman_client={name}"} for name in ("a", "b" * 31, "../x")]
    statuses = [studio.get("/api/projects", headers=headers).status_code for headers in cookies]
    assert statuses == [200, 429, 429]


def test_so_many_pages_are_open(open_studio):
    """Each one costs a thread of messages."""
    studio = open_studio(limits={"sockets": 1})
    with (
        studio.websocket_connect("/api/socket"),
        pytest.raises(WebSocketDisconnect),
        studio.websocket_connect("/api/socket"),
    ):
        pass
    with studio.websocket_connect("/api/socket"):
        pass


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"type": "shout"}', '"x"', "[" * 5000])
def test_a_socket_that_talks_nonsense_is_closed(studio, text):
    """Only one thing is said to it."""
    with studio.websocket_connect("/api/socket") as socket:
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1008


def test_a_socket_that_talks_too_much_is_closed(open_studio):
    """As anywhere else."""
    studio = open_studio(limits={"requests_per_second": 0.01, "requests_at_once": 2})
    with studio.websocket_connect("/api/socket") as socket:
        for _ in range(3):
            socket.send_json({"type": "watch", "job": "0000"})
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_so_many_pairs_are_written_for_one_person(open_studio, problem, monkeypatch):
    """Who presses ten times waits for the first."""
    studio = open_studio(limits={"pairs": 1})
    begun, go_on = threading.Event(), threading.Event()
    write = studio.state.jobs.run_now

    def slow(*args, **options):
        begun.set()
        go_on.wait(10)
        return write(*args, **options)

    monkeypatch.setattr(studio.state.pairs, "_write", slow)
    first = threading.Thread(target=studio.post, args=("/api/pairs",), kwargs={"json": {}})
    first.start()
    begun.wait(10)
    code, _ = problem(studio.post("/api/pairs", json={}), 429)
    go_on.set()
    first.join()
    assert code == "too_many_pairs"
    assert studio.post("/api/pairs", json={}).status_code == 201


def test_who_waits_for_a_pair_takes_no_place_from_who_votes(open_studio, monkeypatch):
    """A class that waits for music must not fill the threads that store its edits."""
    n_threads = 40  # that anyio has for what blocks
    studio = open_studio(limits={"pairs": n_threads})
    go_on, begun, was_told = threading.Event(), threading.Semaphore(0), []
    write = studio.state.jobs.run_now

    def slow(*args, **options):
        begun.release()
        was_told.append(go_on.wait(10))
        return write(*args, **options)

    monkeypatch.setattr(studio.state.pairs, "_write", slow)
    with studio:  # all in one loop
        waiting = [
            threading.Thread(target=studio.post, args=("/api/pairs",), kwargs={"json": {}})
            for _ in range(n_threads)
        ]
        for thread in waiting:
            thread.start()
        assert all(begun.acquire(timeout=10) for _ in waiting)
        assert studio.post("/api/projects", json={}).status_code == 201
        go_on.set()
        for thread in waiting:
            thread.join()
    assert all(was_told)


def test_so_many_pieces_are_made_audible_at_once(open_studio, piece, problem):
    """Sound takes all of a processor."""
    studio = open_studio(limits={"sounds": 1})
    project = studio.post("/api/projects", json={"score": piece}).json()["id"]
    with studio.state.sounds.take():
        reply = studio.get(f"/api/projects/{project}/export", params={"format": "wav"})
    assert problem(reply, 429)[0] == "busy"


def test_a_pace_allows_a_burst_and_then_so_much_a_second():
    """The arithmetic, on a clock of our own."""
    now = 0.0
    pace = Pace(2.0, 3, clock=lambda: now)
    assert [pace.step("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert pace.step("b") == 0
    now = 0.5
    assert [pace.step("a"), pace.step("a")] == [0, 0.5]
    now = 100.0
    assert [pace.step("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_place_is_free_again_also_after_an_error():
    """Else one bug would close the studio bit by bit."""
    slots = Slots(1, "busy", "wait")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), slots.take("a"):
            raise ZeroDivisionError
    with slots.take("a"), slots.take("b"), pytest.raises(LimitReached, match="wait"):
        slots.take("a").__enter__()
