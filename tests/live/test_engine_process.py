"""The process of the improviser: it obeys, tells what happens, and goes on where one died."""

import multiprocessing
from dataclasses import replace

import pytest

from sideman.errors import EngineError
from sideman.live.control import Act, Change, Knobs, Learn, parse_knob
from sideman.live.engine_process import Engine, main, make_improviser
from sideman.live.inout import Beat, Heard, Leave, Peer
from sideman.live.messages import (
    SUSTAIN,
    Clock,
    ControlChange,
    NoteOff,
    NoteOn,
    Start,
    Stop,
    Timed,
)
from sideman.live.news import EngineConfig, Failed, News
from sideman.live.orders import Play, Program, Silence
from sideman.live.ports.interface import Wish
from sideman.live.preset import Preset
from sideman.live.recording import Acted, Changed, Ordered, Tempo
from sideman.live.settings import Settings, with_settings
from sideman.live.timekeeping import AHEAD_S, Timekeeper
from sideman.live.timeline import Timeline

PATIENCE_S = 20.0
"""How long a test waits for what goes through a thread or a process."""


def config(**texts):
    preset = Preset(settings=with_settings(Settings(), texts))
    return EngineConfig(None, preset.settings, preset.voices, {}, begin_s=100.0, threads=1)


class Rig:
    """An `Engine` with the bundled model, a clock we turn, and the other ends of its pipes."""

    def __init__(self, config) -> None:
        self.now_s = 100.0
        self.ports, ports = multiprocessing.Pipe()
        self.owner, owner = multiprocessing.Pipe()
        self.engine = Engine(
            make_improviser(config),
            Knobs({parse_knob("21"): "density", parse_knob("22"): "panic"}),
            ports=Peer(ports, 0.0),
            owner=Peer(owner, 0.0),
            keeps_records=True,
            learned=config.learned,
            clock=lambda: self.now_s,
        )
        self.engine.begin()

    def turn(self, until_s):
        """Let time pass in steps that a model could take."""
        while self.now_s < until_s:
            self.now_s += 0.01
            self.engine.turn()

    def play(self, *messages):
        """Let messages come in now."""
        self.ports.send(Heard(tuple(Timed(self.now_s, message) for message in messages)))
        self.turn(self.now_s + 0.01)

    def news(self):
        """Return the latest news, with all that was said and recorded up to then."""
        self.turn(self.now_s + 0.1)
        assert self.owner.poll(PATIENCE_S)
        news = self.owner.recv()
        while self.owner.poll(0.1):
            later = self.owner.recv()
            kept = {"records": news.records + later.records, "said": news.said + later.said}
            news = replace(later, **kept)
        return news

    def orders(self):
        """Return the orders that were sent up to now."""
        self.owner.send(Leave())  # its last word comes after all others
        self.turn(self.now_s + 0.01)
        self.engine._ports.finish()
        sent = []
        while self.ports.poll():
            try:
                message = self.ports.recv()
            except EOFError:
                break
            sent += message if isinstance(message, list) else []
        return sent


@pytest.fixture
def rig():
    return Rig(config())


def test_a_phrase_is_answered(rig):
    """From what is heard at the pipe to orders in it."""
    for pitch in (60, 62, 64, 65):
        rig.play(NoteOn(0, pitch, 80))
        rig.turn(rig.now_s + 0.2)
        rig.play(NoteOff(0, pitch))
    rig.turn(104.0)
    first, *rest = rig.orders()
    assert isinstance(first, Program)
    assert sum(isinstance(order, Play) for order in rest) > 2


def test_knobs_keys_and_words_turn_settings_and_are_recorded(rig):
    """Three ways to one setting; the session file knows of all of them."""
    rig.play(ControlChange(0, 21, 127))
    rig.owner.send(Change("mode", "trade"))
    rig.ports.send(Wish(100.0, "trade_bars", "2"))
    news = rig.news()
    settings, records = news.settings, news.records
    assert (settings.density, settings.mode, settings.trade_bars) == (9, "trade", 2)
    changes = {(r.name, r.value) for r in records if isinstance(r, Changed)}
    assert changes == {("density", "9"), ("mode", "trade"), ("trade_bars", "2")}
    assert any(isinstance(record, Tempo) for record in records)
    assert any(isinstance(record, Ordered) for record in records)


def test_a_knob_is_learned_by_moving_it(rig):
    """The screen shows what waits, and then which knob it became."""
    rig.owner.send(Learn("tempo"))
    assert rig.news().waiting == "tempo"
    rig.play(ControlChange(3, 70, 5))
    news = rig.news()
    assert (news.waiting, news.knobs[parse_knob("70@4")]) == (None, "tempo")


def test_what_cannot_be_done_is_said_once(rig):
    """A tablet with an old layout must not stop the music."""
    rig.ports.send(Wish(100.0, "tempo", "fast"))
    assert rig.news().said == ("tempo is 'fast'; it must be 15 to 480 bpm",)
    assert rig.news().said == ()


def test_panic_is_ordered_at_once(rig):
    """By knob as by key."""
    rig.play(ControlChange(0, 22, 127))
    acted = [record.action for record in rig.news().records if isinstance(record, Acted)]
    assert acted == ["panic"]
    assert any(isinstance(order, Silence) for order in rig.orders())


def test_it_lives_audibly_and_leaves_with_its_last_word(rig):
    """Beats for the ports; and when it is told to leave, nothing recorded is lost."""
    rig.owner.send(Act("panic"))
    rig.owner.send(Leave())
    rig.engine.run()
    assert rig.ports.poll(PATIENCE_S)
    told = [rig.ports.recv()]
    while rig.ports.poll(0.05):
        told.append(rig.ports.recv())
    assert Beat() in told
    assert isinstance(rig.owner.recv(), News)
    assert rig.owner.poll(PATIENCE_S)
    with pytest.raises(EOFError):
        list(iter(rig.owner.recv, None))


@pytest.mark.parametrize("who", ["ports", "owner"])
def test_it_ends_when_another_process_is_gone(rig, who):
    """No orphan stays behind a crash."""
    getattr(rig, who).close()
    rig.engine.run()
    assert rig.engine._has_left


def test_another_goes_on_in_the_same_place_with_the_same_memory(rig):
    """After a crash the bars go on, and what was played is not forgotten."""
    rig.play(NoteOn(0, 60, 80))
    rig.turn(101.0)
    rig.play(NoteOff(0, 60), NoteOn(0, 64, 80))
    rig.owner.send(Change("tempo", 90.0))
    rig.turn(102.0)
    last = rig.news()
    again = make_improviser(
        EngineConfig(None, last.settings, Preset().voices, {}, begin_s=100.0, last=last)
    )
    before, timeline = rig.engine._improviser.timeline, again.timeline
    for time_s in (last.view.now_s, last.view.now_s + 10):
        assert timeline.ticks_at(time_s) == pytest.approx(before.ticks_at(time_s), abs=1)
    (note,) = again.memory.notes_since(0)  # the key that is down is not taken over
    assert (note.pitch, note.is_human) == (60, True)
    assert (note.onset, note.duration) == pytest.approx((0, 48), abs=2)


def test_bars_keep_their_numbers_through_a_crash_after_a_change_of_metre(rig):
    """Ticks are counted anew, but nobody sees ticks."""
    rig.turn(101.0)
    rig.owner.send(Change("metre", "3/4"))
    rig.turn(106.0)
    last = rig.news()
    again = make_improviser(
        EngineConfig(None, last.settings, Preset().voices, {}, begin_s=100.0, last=last)
    )
    now = again.timeline.ticks_at(last.view.now_s)
    bar = again.timeline.bar_of(now)
    assert bar == last.place.bar
    into = last.view.now - last.place.bar_begin
    assert now - again.timeline.bar_start(bar) == pytest.approx(into, abs=1)


def test_a_pedal_is_a_pedal_unless_it_was_learned_as_a_knob(rig):
    """Controller 64 holds notes; 21 turns what it was told to."""
    rig.play(ControlChange(0, SUSTAIN, 127), NoteOn(0, 60, 80), ControlChange(0, 21, 127))
    rig.play(NoteOff(0, 60))
    improviser = rig.engine._improviser
    assert improviser.settings.density == 9
    assert [note.pitch for note in improviser.memory.held()] == [60]
    rig.play(ControlChange(0, SUSTAIN, 0))
    assert not improviser.memory.held()


def test_what_was_learned_is_kept_for_another_day(tmp_path):
    """It is written when the session ends, and read when the next begins."""
    path = tmp_path / "learned.npz"
    rig = Rig(replace(config(), learned=path))
    rig.owner.send(Leave())
    rig.engine.run()
    assert path.is_file()
    path.write_bytes(b"none")
    with pytest.raises(EngineError, match=r"learned\.npz"):
        make_improviser(replace(config(), learned=path))


def test_a_folder_that_is_gone_is_said_at_the_end(tmp_path):
    """What was learned is lost then, and the player has to know."""
    rig = Rig(replace(config(), learned=tmp_path / "gone" / "learned.npz"))
    rig.owner.send(Leave())
    rig.engine.run()
    said: list[str] = []
    while not said:
        said += rig.owner.recv().said
    assert "gone" in said[0]


def test_a_bundle_that_is_none_is_said_in_one_line(tmp_path):
    """The owner prints it; no traceback from a process nobody sees."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    ports, far = context.Pipe()
    preset = Preset()
    wrong = EngineConfig(tmp_path, preset.settings, preset.voices, {}, begin_s=0.0)
    process = context.Process(target=main, args=(theirs, far, wrong))
    process.start()
    theirs.close()
    assert ours.poll(60)
    message = ours.recv()
    process.join()
    ports.close()
    assert isinstance(message, Failed)
    assert str(tmp_path) in message.reason


# ------------------------------------------------------------------------ keeping time


def test_the_metronome_clicks_as_long_as_it_is_on():
    """Clicks are notes with numbers of their own; so panic silences them too."""
    keeper, on = Timekeeper(Timeline()), Settings(metronome=True)
    kept = [order for n in range(200) for order in keeper.keep(on, n * 0.01)]
    clicks = [order for order in kept if isinstance(order, Play)]
    assert [play.begin_s for play in clicks] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
    assert len({play.id for play in clicks}) == 5
    assert all(play.id < 0 and play.end_s is not None for play in clicks)
    assert keeper.keep(Settings(), 2.0) == []


def test_clock_out_begins_with_a_start_and_ends_with_a_stop():
    """A drum machine must not run on after us."""
    keeper, on = Timekeeper(Timeline()), Settings(clock_out=True)
    kept = [timed for n in range(100) for timed in keeper.keep(on, n * 0.01)]
    sent = [timed.message for timed in kept if isinstance(timed, Timed)]
    assert sent[:2] == [Start(), Clock()]
    assert sent.count(Clock()) == pytest.approx((0.99 + AHEAD_S) * 48, abs=1)
    assert keeper.keep(Settings(), 1.0) == [Timed(1.0 + AHEAD_S, Stop())]
    assert keeper.keep(Settings(), 1.01) == []


def test_sync_tracked_follows_the_beat_that_is_played():
    """A timeline at 120 bpm comes to a player at 100."""
    timeline = Timeline()
    keeper, tracked = Timekeeper(timeline), Settings(sync="tracked")
    for step in range(1600):
        now_s = step * 0.01
        keeper.keep(tracked, now_s)
        if step % 60 == 0:
            keeper.hear(now_s, NoteOn(0, 60, 100))
    assert timeline.tempo_at(16.0) == pytest.approx(100, abs=2)


def test_link_that_is_not_installed_is_said_and_the_music_goes_on(rig, monkeypatch):
    """It is an extra: its licence is not ours."""

    def missing(_name):
        raise ImportError

    monkeypatch.setattr("sideman.live.link.importlib.import_module", missing)
    rig.owner.send(Change("sync", "link"))
    (said,) = rig.news().said
    assert "pip install" in said
    assert rig.news().said == ()
