"""Playing on a page: keys go in, sound comes out and ends, whoever goes or dies."""

import asyncio
import os
import queue
import signal
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from starlette.websockets import WebSocketDisconnect

from sideman.bundle import load_bundle
from sideman.errors import LiveError, SidemanError
from sideman.live.control import Act, Change
from sideman.live.fallback import Fallback
from sideman.live.inout import Heard, Peer, Sent, session_clock
from sideman.live.messages import ControlChange, NoteOff, NoteOn, ProgramChange, Timed
from sideman.live.news import News, Place
from sideman.live.preset import Preset, preset_names
from sideman.live.settings import Settings
from sideman.live.view import Meters, Quantiles, SeenNote, View
from sideman.live.voices import parse_voices
from sideman.live.workers import Notice
from sideman.score.midi import parse_midi
from sideman.studio import playing
from sideman.studio.limits import Limits
from sideman.studio.page_port import PagePort
from sideman.studio.playing import (
    MOST_SETTING,
    PAGE_CHANNEL,
    Partner,
    Screen,
    Seat,
    Sound,
    carried,
    page_preset,
    view_message,
)
from sideman.studio.recordings import CHECK_BYTES_EVERY, Recordings, UnknownRecording
from sideman.studio.routes import live
from sideman.studio.schemas import Begin

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
    meters = {meter["id"]: meter for meter in view_message(news(), parse_voices([]))["meters"]}

    assert (meters["response"]["value"], meters["response"]["is_good"]) == (250, True)
    assert "staleness" not in meters
    assert (meters["dropped"]["value"], meters["dropped"]["is_good"]) == (1, False)
    assert meters["fallback"]["value"] == "yes"
    assert all(meter["name"] and meter["help"] for meter in meters.values())


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


# ------------------------------------------------------------------------- who plays


def begin(**wish):
    """Return what a page begins with."""
    return Begin(type="begin", **wish)


@pytest.mark.parametrize("name", ["", *preset_names()])
def test_a_page_plays_with_each_preset_and_is_heard_by_it(name):
    """Its keys come on a channel of their own, so that nobody takes them for its own notes."""
    preset = page_preset(begin(preset=name), 8)

    inputs = [voice for voice in preset.voices if voice.is_input]
    others = [voice.channel for voice in preset.voices if not voice.is_input]
    assert inputs
    assert {voice.channel for voice in inputs} == {None}
    assert len(set(others)) == len(others)
    assert PAGE_CHANNEL not in others


def test_voices_and_settings_of_a_page_differ_from_its_preset():
    """As with `sideman live --preset duet --voice … --tempo 90`."""
    wish = begin(
        preset="duet",
        voices=["left=input:piano@3", "auto:drums=jazz", "auto:bass=33@10", "auto:flute"],
        settings={"tempo": "90"},
    )
    preset = page_preset(wish, 8)

    assert [(voice.name, voice.channel) for voice in preset.voices] == [
        ("left", None),
        ("drums", 9),
        ("bass", 0),
        ("flute", 1),
    ]
    assert (preset.settings.tempo, preset.settings.mode) == (90, "accompany")


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"preset": "../../etc/passwd.toml"}, "no preset"),
        ({"preset": "nobody"}, "no preset"),
        ({"voices": ["auto:kazoo"]}, "kazoo"),
        ({"voices": ["auto:piano"] * 9}, "voices"),
        ({"voices": [f"v{n}=auto:piano" for n in range(9)]}, "8 may play"),
        ({"settings": {"tempo": "soon"}}, "tempo"),
        ({"settings": {"chords": "C | " * 1_000}}, "too long"),
    ],
)
def test_whom_a_page_cannot_play_with_is_said(wish, named):
    """It names no files, and not more voices than there is room for."""
    with pytest.raises(SidemanError, match=named):
        page_preset(begin(**wish), 8)


def test_who_goes_on_remembers_what_voices_of_the_same_name_played():
    """Another sound for the bass must not make the band forget the tune."""
    before = parse_voices(["you=input:piano", "bass=auto:bass=33", "pad=auto:pad=strings"])
    notes = tuple(
        SeenNote(n, n, 60, 90, 96, 24, "sounded", is_human=n == 0) for n in range(len(before))
    )
    last = news()
    last = replace(last, view=replace(last.view, notes=notes))
    after = parse_voices(["you=input:flute", "drums=auto:drums", "bass=auto:bass=34"])

    kept = carried(last, before, Preset(voices=after, settings=Settings(tempo=90)))

    assert [(note.id, note.voice) for note in kept.view.notes] == [(0, 0), (1, 2)]
    assert kept.place.tempo_bpm == 90


# ------------------------------------------------------------------- what the page says


class ToldWorkers:
    """Processes that say what the test says, and keep what they are told."""

    def __init__(self, _ports, engine, *, run_ports):
        self.page = run_ports.args[0]
        self.engine = engine
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
        """Note it; nothing more is told."""
        self.is_over = True
        return []


BUNDLE = cast(Any, SimpleNamespace(name="told", hash="0"))


@pytest.fixture
def recordings(tmp_path):
    """Return where recordings are kept: three at most, of sixty notes each."""
    return Recordings(tmp_path / "played", Limits(recordings=3, notes=60))


@pytest.fixture
def seat(monkeypatch, recordings):
    """Return a place whose processes do nothing, with what the page was told."""
    monkeypatch.setattr(playing, "Workers", ToldWorkers)
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    made = Seat(None, BUNDLE, recordings, told.put, most_voices=8)
    yield SimpleNamespace(told=told, made=made)
    made.end()


@pytest.fixture
def partner(seat):
    """Return the place when it has begun, with the processes behind it."""
    seat.made.begin(begin())
    seat.begun = seat.told.get(timeout=PATIENCE_S)
    workers = seat.made._partner._workers
    yield SimpleNamespace(**vars(seat), hear=seat.made.hear, workers=workers)
    seat.made.end()
    assert workers.is_over


def test_the_page_is_told_who_plays_and_on_which_channel(partner):
    """It sounds the player's own notes as well, on channels that no other voice has."""
    begun = partner.begun
    assert (begun["type"], begun["preset"]) == ("begun", "")
    assert [(voice["name"], voice["kind"], voice["channel"]) for voice in begun["voices"]] == [
        ("you", "input", PAGE_CHANNEL),
        ("sideman", "auto", 0),
    ]


def test_others_take_over_and_those_who_played_end(partner):
    """One improviser a page."""
    partner.made.begin(begin(preset="jazz-trio", goes_on=True))

    begun = partner.told.get(timeout=PATIENCE_S)
    assert partner.workers.is_over
    assert [voice["instrument"] for voice in begun["voices"]][2:] == [
        "Acoustic Bass",
        "Jazz kit",
    ]
    assert begun["recording"] != partner.begun["recording"]


def test_who_cannot_be_found_leaves_the_others_playing(partner):
    """A word that is mistyped must not end the music."""
    partner.made.begin(begin(voices=["auto:kazoo"]))

    refused = partner.told.get(timeout=PATIENCE_S)
    assert (refused["type"], "kazoo" in refused["message"]) == ("refused", True)
    assert not partner.workers.is_over


def test_nothing_is_played_before_it_has_begun(seat):
    """There would be nobody to hear it."""
    with pytest.raises(LiveError, match="begun"):
        seat.made.hear({"type": "ping", "at": 1})


def test_keys_reach_the_improviser_at_the_moment_they_were_pressed(partner):
    """The way to the server takes time that is not to be heard; nonsense is taken for now."""
    now_s = session_clock()
    partner.hear({"type": "on", "pitch": 60, "velocity": 90, "at": now_s - 0.1})
    partner.hear({"type": "off", "pitch": 60, "velocity": 0, "at": now_s + 999})
    partner.hear({"type": "on", "pitch": 61, "velocity": 90, "at": float("nan")})
    partner.hear({"type": "pedal", "is_down": True, "at": now_s})

    *heard, pedal = [partner.workers.page.recv() for _ in range(4)]
    assert pedal.message == ControlChange(PAGE_CHANNEL, 64, 127)
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


def test_a_setting_that_is_too_long_is_not_even_read(partner, monkeypatch):
    """A chart of 64 KB would keep everybody waiting; the music goes on."""
    monkeypatch.setattr(playing, "wished", lambda *_said: pytest.fail("it was read"))
    partner.hear({"type": "set", "name": "chords", "text": "C" * MOST_SETTING})
    partner.hear({"type": "act", "action": "x" * (MOST_SETTING + 1)})
    assert partner.workers.told == []

    partner.workers.events.put(news())
    assert "too long" in partner.told.get(timeout=PATIENCE_S)["message"]


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


# -------------------------------------------------------------------------- recordings


def play(recording, pitches, begin_s):
    """Let somebody play, answered by the first voice an octave higher, half a second each."""
    for n, pitch in enumerate(pitches):
        at_s = begin_s + n / 2
        down = (Timed(at_s, NoteOn(PAGE_CHANNEL, pitch, 90)),)
        up = (Timed(at_s + 0.4, NoteOff(PAGE_CHANNEL, pitch)),)
        recording.take(Heard(down))
        recording.take(Heard(up))
        recording.take(Sent((Timed(at_s, NoteOn(0, pitch + 12, 70)),), at_s))
        recording.take(Sent((Timed(at_s + 0.4, NoteOff(0, pitch + 12)),), at_s))
        recording.take(Sent((Timed(at_s, NoteOn(9, 76, 70)),), at_s))  # a click


def test_what_was_played_becomes_music_from_its_first_bar(recordings):
    """A part for each who played, no clicks, and none of the minutes before the first note."""
    recording = recordings.begin(page_preset(begin(), 8), BUNDLE, 100.0)
    play(recording, [60, 62, 64, 65], 140.5)  # bar 20 at 120 bpm, second beat
    recording.close()

    score = recordings.score(recording.id)

    assert (recording.n_notes, recording.seconds) == (8, 1.5)
    assert [part.name for part in score.parts] == ["you", "sideman"]
    assert (score.notes["onset"][0], score.tpq) == (480, 480)
    assert score.notes["pitch"][score.notes["part"] == 0].tolist() == [60, 62, 64, 65]
    assert score.notes["pitch"][score.notes["part"] == 1].tolist() == [72, 74, 76, 77]


def test_recordings_are_full_at_some_point_and_say_so(recordings):
    """A key that lies under a book must not fill the disk."""
    recording = recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)
    play(recording, [60] * 40, 0.0)
    recording.close()

    assert "60 notes" in recording.end
    assert len(recordings.score(recording.id).notes) == 60


def test_of_recordings_only_so_many_are_kept_and_none_that_is_empty(recordings, tmp_path):
    """Who closes the page without a note leaves nothing."""
    preset = page_preset(begin(), 8)
    ids = []
    for n in range(5):
        recording = recordings.begin(preset, BUNDLE, 0.0)
        play(recording, [60] * (n != 4), 0.0)
        recording.close()
        ids.append(recording.id)
        path = tmp_path / "played" / f"{recording.id}.session"
        if path.exists():
            os.utime(path, (n, n))

    kept = {path.stem for path in (tmp_path / "played").iterdir()}
    assert kept == set(ids[2:4])
    with pytest.raises(UnknownRecording):
        recordings.score(ids[0])


@pytest.fixture
def keep(recordings, tmp_path):
    """Return a function that leaves a recording of a click and so many notes, of some age."""
    going_on = []

    def keep(n_notes, age, *, is_closed=True):
        recording = recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)
        recording.take(Sent((Timed(0.0, NoteOn(9, 76, 70)),), 0.0))
        play(recording, [60] * n_notes, 0.0)
        path = tmp_path / "played" / f"{recording.id}.session"
        os.utime(path, (1000 - age, 1000 - age))
        if is_closed:
            recording.close()
        else:
            going_on.append(recording)
        return path

    yield keep
    for recording in going_on:
        recording.close()


def test_what_a_killed_studio_left_without_notes_goes_before_music(keep, tmp_path):
    """Twenty-four starts of a page must not cost an evening."""
    music = [keep(1, age=9), keep(2, age=8)]
    empty = keep(0, age=1, is_closed=False)
    after_the_kill = Recordings(tmp_path / "played", Limits(recordings=3))

    after_the_kill.begin(page_preset(begin(), 8), BUNDLE, 0.0).close()

    assert not empty.exists()
    assert all(path.exists() for path in music)


def test_a_recording_that_goes_on_makes_no_room(keep):
    """Whoever plays longest began first; it must not cost them what they play."""
    going_on = [keep(n, age=9 - n, is_closed=False) for n in range(2)]
    ended = keep(1, age=0)

    going_on += [keep(0, age=0, is_closed=False) for _ in range(2)]

    assert not ended.exists()
    assert all(path.exists() for path in going_on)


def test_a_recording_that_is_deleted_does_not_stop_the_music(recordings):
    """Somebody who knows its name takes it away while it is written."""
    recording = recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)
    recordings.remove(recording.id)

    for _ in range(CHECK_BYTES_EVERY):
        recording.take(Heard(()))

    assert recording.end == "the recording was deleted"
    recording.close()


def test_who_cannot_begin_leaves_no_recording(recordings, monkeypatch, tmp_path):
    """It would count among those that are kept."""

    def refuse(*_said, **_more):
        msg = "no process can be started"
        raise LiveError(msg)

    monkeypatch.setattr(playing, "Workers", refuse)
    seat = Seat(None, BUNDLE, recordings, lambda _said: None, most_voices=8)

    with pytest.raises(LiveError, match="no process"):
        seat.begin(begin())

    assert list((tmp_path / "played").iterdir()) == []


def test_playing_goes_on_where_nothing_can_be_written(recordings, monkeypatch):
    """A full disk must not end the music."""
    recording = recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)

    def refuse(_event):
        msg = "cannot record: No space left on device"
        raise LiveError(msg)

    monkeypatch.setattr(recording._recorder, "take", refuse)
    play(recording, [60, 62], 0.0)
    assert (recording.n_notes, recording.end) == (0, "cannot record: No space left on device")
    recording.close()


@pytest.fixture
def recorded(studio):
    """Return the name of a recording of four notes and their answers."""
    recording = studio.state.recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)
    play(recording, [60, 62, 64, 65], 0.0)
    recording.close()
    return recording.id


def test_what_was_played_is_kept_as_a_piece(studio, recorded):
    """From playing to writing."""
    kept = studio.post(f"/api/live/recordings/{recorded}/keep")
    assert kept.status_code == 201
    project = studio.get(f"/api/projects/{kept.json()['id']}").json()

    assert project["name"].startswith("Played 20")
    assert [part["name"] for part in project["score"]["parts"]] == ["you", "sideman"]
    assert [note["onset"] for note in project["score"]["notes"]] == [
        0,
        0,
        24,
        24,
        48,
        48,
        72,
        72,
    ]


def test_what_was_played_is_taken_home_and_forgotten(studio, recorded, problem, tmp_path):
    """As MIDI, and as the session that `sideman replay` plays anew."""
    address = f"/api/live/recordings/{recorded}"
    midi = studio.get(f"{address}/export")
    assert len(parse_midi(midi.content, tmp_path / "played.mid").notes) == 8
    assert midi.headers["content-disposition"].endswith('.mid"')
    session = studio.get(f"{address}/export?format=session")
    assert session.content.startswith(b'{"sideman_session"')

    assert studio.delete(address).status_code == 204
    for reply in (
        studio.post(f"{address}/keep"),
        studio.get(f"{address}/export"),
        studio.delete(address),
    ):
        assert problem(reply, 404)[0] == "not_found"


@pytest.mark.parametrize("name", ["..%2f..%2fstudio", "a" * 32, "a", "%00", "*"])
def test_the_name_of_a_recording_is_no_path(studio, recorded, name):
    """Only names of ours are looked for."""
    assert studio.get(f"/api/live/recordings/{name}/export?format=session").status_code == 404


def test_a_recording_without_notes_is_no_piece(studio, problem):
    """Somebody who has not played yet is told so."""
    recording = studio.state.recordings.begin(page_preset(begin(), 8), BUNDLE, 0.0)
    reply = studio.post(f"/api/live/recordings/{recording.id}/keep")
    assert problem(reply, 422)[0] == "nothing_played"
    recording.close()


# --------------------------------------------------------------------------- the socket


class ToldSeat:
    """A place at which is repeated what is heard."""

    made: ClassVar[list["ToldSeat"]] = []

    def __init__(self, _folder, _bundle, _recordings, tell, *, most_voices):
        self.tell = tell
        self.most_voices = most_voices
        self.has_ended = False
        self.made.append(self)

    def begin(self, wish):
        """Say with whom."""
        self.tell({"type": "begun", "preset": wish.preset})

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
def seats(monkeypatch):
    """Return the places that are taken from now on."""
    monkeypatch.setattr(live, "Seat", ToldSeat)
    monkeypatch.setattr(ToldSeat, "made", [])
    return ToldSeat.made


def test_each_page_has_a_partner_until_it_goes(studio, seats):
    """Two people must not play into each other's music."""
    with (
        studio.websocket_connect("/api/live") as one,
        studio.websocket_connect("/api/live") as two,
    ):
        one.send_json({"is": 1})
        two.send_json({"is": 2})
        assert one.receive_json() == {"type": "heard", "said": {"is": 1}}
        assert two.receive_json() == {"type": "heard", "said": {"is": 2}}
        assert [seat.has_ended for seat in seats] == [False, False]
    assert [seat.has_ended for seat in seats] == [True, True]


def test_a_page_begins_with_whom_it_likes(studio, seats):
    """And again, as often as it likes."""
    with studio.websocket_connect("/api/live") as socket:
        for preset in ("duet", "echo"):
            socket.send_json({"type": "begin", "preset": preset})
            assert socket.receive_json() == {"type": "begun", "preset": preset}
    assert len(seats) == 1


def test_settings_keep_nobody_waiting_and_their_place(studio, seats, monkeypatch):
    """Reading a chart takes a moment, in which others play; what is said later comes later."""

    def hear(self, said):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            where = "thread"
            time.sleep(0.01)
        else:
            where = "loop"
        self.tell({"type": said["type"], "where": where})

    monkeypatch.setattr(ToldSeat, "hear", hear)
    kinds = ["set", "on", "act", "off", "set", "set", "ping"]
    with studio.websocket_connect("/api/live") as socket:
        for kind in kinds:
            socket.send_json({"type": kind})
        heard = [socket.receive_json() for _ in kinds]

    assert [each["type"] for each in heard] == kinds
    assert {each["type"] for each in heard if each["where"] == "thread"} == {"set", "act"}


def test_a_page_that_says_what_it_may_not_has_to_go(studio, seats):
    """With the reason, which it shows."""
    for text, reason in (
        ('"wrong"', "that is wrong"),
        ("{", "nobody can read"),
        ('{"type": "begin", "preset": 1}', "nobody can read"),
        ('{"type": "begin", "bundle": "/etc"}', "nobody can read"),
    ):
        with studio.websocket_connect("/api/live") as socket:
            socket.send_text(text)
            with pytest.raises(WebSocketDisconnect) as gone:
                socket.receive_json()
        assert gone.value.code == 1008
        assert reason in gone.value.reason
    assert all(seat.has_ended for seat in seats)


def test_playing_that_is_over_closes_the_socket(studio, seats):
    """However long the reason is: a frame that closes has room for 123 bytes."""
    with studio.websocket_connect("/api/live") as socket:
        socket.send_json(1)
        socket.receive_json()
        seats[0].tell({"type": "over", "reason": "ü" * 100})
        with pytest.raises(WebSocketDisconnect) as gone:
            socket.receive_json()
    assert (gone.value.code, gone.value.reason) == (1011, "ü" * 61)


def test_only_so_many_play_at_once(open_studio, seats):
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
    assert "you come in" in gone.value.reason
    assert len(seats) == 1
    with studio.websocket_connect("/api/live") as again:
        again.send_json(1)
        assert again.receive_json()


def test_only_the_own_page_plays(studio, open_studio, seats):
    """A page of another site must not start processes, nor anybody without the token."""
    with (
        pytest.raises(WebSocketDisconnect),
        studio.websocket_connect("/api/live", headers={"origin": EVIL}),
    ):
        pass
    shared = open_studio(token="correct horse battery")
    with pytest.raises(WebSocketDisconnect), shared.websocket_connect("/api/live"):
        pass
    assert seats == []


# ---------------------------------------------------------------------- real processes


def is_alive(pid):
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_real_improviser_answers_dies_and_goes(recordings):
    """All of it together: an answer, another improviser after a death, and nothing left."""
    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    seat = Seat(None, load_bundle(), recordings, told.put, most_voices=8)
    seat.begin(begin())
    partner = cast(Partner, seat._partner)
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
        seen = wait_for(lambda said: said["type"] == "view")
        assert seen["recording"]["notes"] >= 5
        assert len(recordings.score(seen["recording"]["id"]).notes) >= 5
    finally:
        everybody = {*pids, *partner.pids}
        seat.end()
    assert not any(map(is_alive, everybody))
