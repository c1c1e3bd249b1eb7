"""Playing on a page: keys go in, sound comes out and ends, whoever goes or dies."""

import os
import queue
import signal
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from starlette.websockets import WebSocketDisconnect

from sideman.errors import LiveError
from sideman.live.control import Act, Change
from sideman.live.fallback import Fallback
from sideman.live.inout import Peer, session_clock
from sideman.live.messages import ControlChange, NoteOff, NoteOn, ProgramChange, Timed
from sideman.live.news import News, Place
from sideman.live.settings import Settings
from sideman.live.view import Meters, Quantiles, SeenNote, View
from sideman.live.voices import parse_voices
from sideman.live.workers import Notice
from sideman.studio import playing
from sideman.studio.page_port import PagePort
from sideman.studio.playing import PAGE_CHANNEL, Partner, Screen, Sound, view_message
from sideman.studio.routes import live

PATIENCE_S = 60.0
EVIL = "http://evil.example"


def news(now_s=100.0, said=()):
    """Return news in the second bar of a piece at 120 bpm: a quarter is half a second."""
    notes = (
        SeenNote(1, 0, 60, 90, 96, 24, "sounded", is_human=True),
        SeenNote(2, 0, 62, 90, 132, None, "sounded", is_human=True),
        SeenNote(3, 1, 64, 70, 168, 12, "planned", is_human=False),
        SeenNote(4, 1, 65, 70, 9999, 12, "planned", is_human=False),
    )
    nothing = Quantiles(None, None)
    meters = Meters(Quantiles(0.25, 0.5), nothing, 812.4, 9, 1, 0, Fallback.NONE, {})
    return News(
        view=View(now_s, 144, 1, "answer", None, notes, None, None, meters),
        place=Place(120.0, 1, 96, 96, 24),
        settings=Settings(),
        knobs={},
        waiting=None,
        said=said,
        records=(),
    )


# ------------------------------------------------------------------ what the page is told


def test_what_is_to_be_seen_is_told_in_seconds():
    """The page knows no ticks: it draws on the clock of the server."""
    view = view_message(news(), parse_voices([]))

    assert (view["now"], view["mode"], view["settings"]["silence"]) == (
        100.0,
        "answer",
        "0.6",
    )
    assert [
        (note["id"], note["begin"], note["end"], note["state"]) for note in view["notes"]
    ] == [(1, 99.0, 99.5, "heard"), (2, 99.75, 100.0, "heard"), (3, 100.5, 100.75, "planned")]
    assert [note["channel"] for note in view["notes"]] == [PAGE_CHANNEL, PAGE_CHANNEL, 0]
    bars = [beat["at"] for beat in view["beats"] if beat["is_bar"]]
    assert {99.0, 101.0} <= set(bars)
    assert {round(after - before, 3) for before, after in pairwise(bars)} == {2.0}


def test_meters_say_what_is_good_and_leave_out_what_nobody_measured():
    """A figure that is not there is no zero."""
    meters = {
        meter["name"]: meter for meter in view_message(news(), parse_voices([]))["meters"]
    }

    assert (meters["Answers after"]["value"], meters["Answers after"]["is_good"]) == (250, True)
    assert "Plan is behind" not in meters
    assert (meters["Left out"]["value"], meters["Left out"]["is_good"]) == (1, False)


def said_by(screen, latest):
    """Return the message of the view that is shown."""
    view = screen.show(latest)
    assert view is not None
    return view["message"]


def test_views_come_some_times_a_second_and_complaints_stay_a_while():
    """Twenty news a second would be more than a page can use; a complaint is read slowly."""
    screen = Screen(parse_voices([]))

    assert said_by(screen, news(100.0)) == ""
    assert screen.show(news(100.05, said=("no such tempo",))) is None
    assert said_by(screen, news(100.11)) == "no such tempo"
    assert said_by(screen, news(100.22)) == "no such tempo"


def test_what_sounds_can_be_ended_once():
    """A note that nobody ends sounds for ever."""
    sound = Sound()
    first = sound.take(Timed(1.0, NoteOn(0, 60, 90)))
    sound.take(Timed(1.0, NoteOn(0, 64, 90)))
    ended = sound.take(Timed(2.0, NoteOff(0, 60)))

    assert (first["type"], first["begin"], first["end"]) == ("play", 1.0, None)
    assert (ended["type"], ended["id"], ended["at"]) == ("release", first["id"], 2.0)
    assert [(said["pitch"], said["at"]) for said in sound.end_all(3.0)] == [(64, 3.0)]
    assert sound.end_all(3.0) == []
    assert sound.take(Timed(0.0, ProgramChange(9, 16)))["program"] == 16


def test_a_page_gets_no_controllers():
    """Its synthesizer would not know what to do with sixteen channels of silence."""
    told: list[Timed] = []
    port = PagePort(cast(Peer, SimpleNamespace(put=told.append)))
    port.send(ControlChange(0, 123, 0), 1.0)
    port.send(NoteOff(0, 60), 1.0)
    assert told == [Timed(1.0, NoteOff(0, 60))]


# ------------------------------------------------------------------- what the page says


class ToldWorkers:
    """Processes that say what the test says, and keep what they are told."""

    def __init__(self, _ports, _engine, *, run_ports):
        self.page = run_ports.args[0]
        self.events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.told = []
        self.n_panics = 0
        self.has_ended = False
        self.is_over = False

    def tell(self, command):
        """Keep a command."""
        self.told.append(command)

    def panic(self):
        """Count it."""
        self.n_panics += 1

    def turn(self, _timeout_s):
        """Return what the test says."""
        try:
            event = self.events.get(timeout=0.01)
        except queue.Empty:
            return []
        if isinstance(event, Exception):
            raise event
        return [event]

    def end(self):
        """Note it."""
        self.is_over = True


@pytest.fixture
def partner(monkeypatch):
    """Return a partner whose processes do nothing, with what it told the page."""
    monkeypatch.setattr(playing, "Workers", ToldWorkers)
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    made = Partner(None, told.put)
    yield SimpleNamespace(told=told, made=made, hear=made.hear, workers=made._workers)
    made.end()
    assert cast(ToldWorkers, made._workers).is_over


def test_keys_reach_the_improviser_at_the_moment_they_were_pressed(partner):
    """The way to the server takes time that is not to be heard; nonsense is taken for now."""
    now_s = session_clock()
    partner.hear({"type": "on", "pitch": 60, "velocity": 90, "at": now_s - 0.1})
    partner.hear({"type": "off", "pitch": 60, "velocity": 0, "at": now_s + 999})
    partner.hear({"type": "on", "pitch": 61, "velocity": 90, "at": float("nan")})

    heard = [partner.workers.page.recv() for _ in range(3)]
    assert heard[0] == Timed(now_s - 0.1, NoteOn(PAGE_CHANNEL, 60, 90))
    assert heard[1].message == NoteOff(PAGE_CHANNEL, 60)
    assert all(now_s <= timed.time_s <= session_clock() for timed in heard[1:])


def test_settings_and_actions_are_those_of_the_registry(partner):
    """One list of them for options, knobs, OSC and pages."""
    partner.hear({"type": "set", "name": "mode", "text": "trade"})
    partner.hear({"type": "act", "action": "panic"})
    assert partner.workers.told == [Change("mode", "trade"), Act("panic")]
    assert partner.workers.n_panics == 1

    partner.hear({"type": "set", "name": "tempo", "text": "soon"})
    partner.workers.events.put(news())
    assert "tempo" in partner.told.get(timeout=PATIENCE_S)["message"]


@pytest.mark.parametrize(
    "said",
    [
        None,
        {"type": "on", "pitch": 128, "velocity": 90, "at": 0.0},
        {"type": "on", "pitch": 60, "velocity": 0, "at": 0.0},
        {"type": "on", "pitch": "60", "velocity": 90, "at": 0.0},
        {"type": "set", "name": "tempo"},
        {"type": "leave"},
    ],
)
def test_what_no_page_says_is_refused(partner, said):
    """Nothing of it reaches the processes."""
    with pytest.raises(LiveError):
        partner.hear(said)
    assert partner.workers.told == []


def test_notes_of_an_improviser_that_died_end(partner):
    """The page need not know that another goes on."""
    partner.workers.page.send(Timed(5.0, NoteOn(0, 60, 90)))
    assert partner.told.get(timeout=PATIENCE_S)["type"] == "play"
    partner.workers.events.put(Notice("the improviser has died; another goes on"))
    ended = partner.told.get(timeout=PATIENCE_S)
    assert (ended["type"], ended["pitch"]) == ("release", 60)


def test_what_cannot_go_on_says_why(partner):
    """As when the model cannot be read."""
    partner.workers.page.send(Timed(5.0, NoteOn(0, 60, 90)))
    partner.told.get(timeout=PATIENCE_S)
    partner.workers.events.put(LiveError("there is no bundle"))
    assert partner.told.get(timeout=PATIENCE_S)["type"] == "release"
    assert partner.told.get(timeout=PATIENCE_S) == {
        "type": "over",
        "reason": "there is no bundle",
    }


# --------------------------------------------------------------------------- the socket


class ToldPartner:
    """A partner that repeats what it hears."""

    made: ClassVar[list["ToldPartner"]] = []

    def __init__(self, _bundle, tell):
        self.tell = tell
        self.has_ended = False
        self.made.append(self)

    def hear(self, said):
        """Say it back."""
        if said == "wrong":
            msg = "that is wrong"
            raise LiveError(msg)
        self.tell({"type": "heard", "said": said})

    def end(self):
        """Note it."""
        self.has_ended = True


@pytest.fixture
def partners(monkeypatch):
    """Return the partners that are made from now on."""
    monkeypatch.setattr(live, "Partner", ToldPartner)
    monkeypatch.setattr(ToldPartner, "made", [])
    return ToldPartner.made


def test_each_page_has_a_partner_until_it_goes(studio, partners):
    """Two people must not play into each other's music."""
    with (
        studio.websocket_connect("/api/live") as one,
        studio.websocket_connect("/api/live") as two,
    ):
        one.send_json({"is": 1})
        two.send_json({"is": 2})
        assert one.receive_json() == {"type": "heard", "said": {"is": 1}}
        assert two.receive_json() == {"type": "heard", "said": {"is": 2}}
        assert [partner.has_ended for partner in partners] == [False, False]
    assert [partner.has_ended for partner in partners] == [True, True]


def test_a_page_that_says_what_it_may_not_has_to_go(studio, partners):
    """With the reason, which it shows."""
    for text, reason in (('"wrong"', "that is wrong"), ("{", "nobody can read")):
        with studio.websocket_connect("/api/live") as socket:
            socket.send_text(text)
            with pytest.raises(WebSocketDisconnect) as gone:
                socket.receive_json()
        assert gone.value.code == 1008
        assert reason in gone.value.reason
    assert all(partner.has_ended for partner in partners)


def test_playing_that_is_over_closes_the_socket(studio, partners):
    """However long the reason is: a frame that closes has room for 123 bytes."""
    with studio.websocket_connect("/api/live") as socket:
        socket.send_json(1)
        socket.receive_json()
        partners[0].tell({"type": "over", "reason": "ü" * 100})
        with pytest.raises(WebSocketDisconnect) as gone:
            socket.receive_json()
    assert (gone.value.code, gone.value.reason) == (1011, "ü" * 61)


def test_only_so_many_play_at_once(open_studio, partners):
    """Each has a model of its own, and a machine has so many cores."""
    studio = open_studio(limits={"players": 1})
    with studio.websocket_connect("/api/live") as one:
        one.send_json(1)
        one.receive_json()
        with (
            studio.websocket_connect("/api/live") as two,
            pytest.raises(WebSocketDisconnect) as gone,
        ):
            two.receive_json()
    assert gone.value.code == 1013
    assert "try again" in gone.value.reason
    assert len(partners) == 1
    with studio.websocket_connect("/api/live") as again:
        again.send_json(1)
        assert again.receive_json()


def test_only_the_own_page_plays(studio, open_studio, partners):
    """A page of another site must not start processes, nor anybody without the token."""
    with (
        pytest.raises(WebSocketDisconnect),
        studio.websocket_connect("/api/live", headers={"origin": EVIL}),
    ):
        pass
    shared = open_studio(token="correct horse battery")
    with pytest.raises(WebSocketDisconnect), shared.websocket_connect("/api/live"):
        pass
    assert partners == []


# ---------------------------------------------------------------------- real processes


def is_alive(pid):
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_real_improviser_answers_dies_and_goes(monkeypatch):
    """All of it together: an answer, another improviser after a death, and nothing left."""
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    partner = Partner(None, told.put)
    pids = partner.pids
    until_s = time.monotonic() + PATIENCE_S

    def wait_for(wanted):
        while time.monotonic() < until_s:
            said = told.get(timeout=PATIENCE_S)
            if wanted(said):
                return said
        pytest.fail("it did not come")

    try:
        assert wait_for(lambda said: said["type"] == "view")["mode"] == "answer"
        for pitch in (60, 64, 67, 72):
            partner.hear({"type": "on", "pitch": pitch, "velocity": 90, "at": session_clock()})
            time.sleep(0.1)
            partner.hear({"type": "off", "pitch": pitch, "at": session_clock()})
        played = wait_for(lambda said: said["type"] == "play")
        os.kill(pids[1], signal.SIGKILL)
        ended = wait_for(lambda said: said["type"] == "release")
        assert ended["at"] >= played["begin"]
        assert wait_for(lambda said: "has died" in said.get("message", ""))
    finally:
        everybody = {*pids, *partner.pids}
        partner.end()
    assert not any(map(is_alive, everybody))
