"""Learning tonight: what is played often becomes likelier, and can be forgotten and kept."""

from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.bundle import Bundle, load_bundle
from sideman.engine.neighbours import CAPACITY, NeighbourMemory
from sideman.engine.parts import parse_part
from sideman.engine.rhythm import parse_metre
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.live.constraints import Ask
from sideman.live.frame import Bar, Frame
from sideman.live.learning import Learner, remembered
from sideman.live.memory import PlayedNote
from sideman.live.messages import NoteOff, NoteOn
from sideman.live.planner import Planner
from sideman.live.recording import (
    Acted,
    Header,
    Heard,
    Record,
    SessionFile,
    SessionWriter,
    Sounded,
)
from sideman.live.replay import replay
from sideman.live.settings import Settings, settings_texts, with_settings
from sideman.tokens.vocabulary import Kind

BAR = 96
FRAME = Frame((parse_part("piano"), parse_part("piano")), (Bar(parse_metre("4/4"), 120.0),))
PHRASE = (60, 64, 67, 72)
"""A quarter each: what is played again and again."""


def note(onset, pitch, duration=20):
    """Return a note of the human."""
    return PlayedNote(
        id=onset * 128 + pitch,
        voice=0,
        pitch=pitch,
        velocity=80,
        begin_s=0.0,
        end_s=None,
        onset=onset,
        duration=duration,
        is_human=True,
    )


def phrases(n_bars, first_bar=0):
    """Return bars with the phrase in each."""
    return [
        note(bar * BAR + beat * 24, pitch)
        for bar in range(first_bar, first_bar + n_bars)
        for beat, pitch in enumerate(PHRASE)
    ]


def since(bar):
    """Return the frame from a bar on."""
    return replace(FRAME, first_bar=bar, onset=bar * BAR)


class Evening:
    """A planner that is told what was played, as a session goes on."""

    def __init__(self, bundle, memory=None):
        self.memory = NeighbourMemory(bundle, share=0) if memory is None else memory
        self.planner = Planner(bundle, threads=1, learned=self.memory)

    def tell(self, notes, now, frame=FRAME, **known):
        """Tell what was played, have it run, and have what is settled learned."""
        for _ in range(2):
            self.planner.attend(notes, frame, now, **known)
            self.planner.catch_up()
        return self

    def learned(self):
        """Return what is remembered, oldest first: hidden states, targets."""
        memory = self.memory
        at = (memory._n_added - len(memory) + np.arange(len(memory))) % CAPACITY
        return memory._keys[at], memory._targets[at]


@pytest.fixture
def evening(fp32_bundle):
    """Return a session at its beginning."""
    return Evening(fp32_bundle)


def continuations(bundle, learn):
    """Return how often the phrase goes on as it did before, of notes planned after half."""
    evening = Evening(bundle)
    evening.tell(phrases(8), 8 * BAR)
    half = [*phrases(8), *phrases(1, first_bar=8)[:2]]
    hits = 0
    for seed in range(24):
        planner = Planner(bundle, threads=1, seed=seed, learned=evening.memory)
        planner.attend(half, FRAME, 8 * BAR + 40)
        ask = Ask(8 * BAR + 40, 9 * BAR, (0,), learn=learn)
        planned = None
        while planned is None and not planner.is_full(ask):
            planned = planner.step(ask)
        hits += planned is not None and (planned.onset, planned.pitch) == (8 * BAR + 48, 67)
    return hits


def test_what_was_played_often_becomes_likelier(fp32_bundle):
    """With a model that knows no music at all: all it knows it has learned tonight."""
    assert continuations(fp32_bundle, learn=0.0) <= 1
    assert continuations(fp32_bundle, learn=1.0) >= 12


def test_without_learning_the_plan_is_the_same_to_the_bit(fp32_bundle):
    """Who does not ask for it pays nothing for it, not even another rounding."""
    plans = []
    for memory in (None, NeighbourMemory(fp32_bundle, share=0)):
        planner = Planner(fp32_bundle, threads=1, seed=3, learned=memory)
        for bar in range(1, 6):
            planner.attend(phrases(bar), FRAME, bar * BAR)
            ask = Ask(bar * BAR, (bar + 1) * BAR, (0, 1), begin_by=bar * BAR + 12)
            for _ in range(20):
                planner.step(ask)
        plans.append((planner.plan, planner._session.events().tobytes()))
        planner.drop()

    assert plans[0] == plans[1]
    assert plans[0][0]


def test_what_is_learned_is_what_the_model_knew_before_each_event(evening, fp32_bundle):
    """Compared with a session that hears the same from the start."""
    evening.tell(phrases(3), 3 * BAR)

    events = evening.planner._session.events()
    lines = np.flatnonzero(events[:, 0] == Kind.BAR)
    session = Session(fp32_bundle, threads=1)
    session.append(events)
    session.catch_up()
    hidden, targets = evening.learned()
    at = slice(lines[0], lines[3])
    np.testing.assert_array_equal(targets, fp32_bundle.vocabulary.targets(events[at]))
    np.testing.assert_allclose(hidden, session.hidden()[at.start - 1 : at.stop - 1], atol=2e-5)


def test_a_bar_is_learned_once(evening):
    """However often it is told, and wherever what is told begins."""
    for now_bar in range(1, 40):
        first_bar = max(now_bar - 5, 0)
        for late in (0, 50):
            notes = phrases(now_bar - first_bar, first_bar)
            evening.tell(notes, now_bar * BAR + late, since(first_bar))

    assert len(evening.memory) == 39 * 5  # a bar line and four notes each


def test_nothing_is_learned_that_may_change_yet(evening):
    """The bar that is played, notes that are held, and what is said not to be settled."""
    evening.tell(phrases(2), 2 * BAR - 1)
    assert len(evening.memory) == 5
    held = [*phrases(2), replace(note(20, 50), duration=None)]
    evening.tell(held, 2 * BAR)
    assert len(evening.memory) == 0
    evening.tell(phrases(4), 4 * BAR, settled=2 * BAR + 30)
    assert len(evening.memory) == 10


bars_changed = st.lists(
    st.tuples(st.integers(0, 5), st.integers(40, 80), st.sampled_from([None, 1, 30, 96])),
    max_size=4,
)


@settings(max_examples=20)
@given(st.lists(st.tuples(bars_changed, st.integers(1, 6)), min_size=1, max_size=4))
def test_what_is_taken_back_leaves_nothing(fp32_bundle, stories):
    """Whatever was told before, what is learned in the end is what was told in the end."""
    evening, other = Evening(fp32_bundle), Evening(fp32_bundle)
    for changes, now_bar in stories:
        ticks = count()
        more = [note(bar * BAR + next(ticks), p, d) for bar, p, d in changes]
        told = [n for n in (*phrases(6), *more) if n.onset < now_bar * BAR]
        evening.tell(told, now_bar * BAR)
    last = [*phrases(6), note(0, 41)]
    evening.tell(last, 6 * BAR)
    other.tell(last, 6 * BAR)

    for known, wanted in zip(evening.learned(), other.learned(), strict=True):
        np.testing.assert_allclose(known, wanted, atol=2e-5)


def test_what_is_forgotten_beyond_what_is_told_is_unlearned(evening):
    """A phrase that was forgotten may have begun before all that the model is told of."""
    evening.tell(phrases(6), 6 * BAR).tell(phrases(1, first_bar=6), 7 * BAR, since(6))

    evening.planner.unlearn(2 * BAR + 10)

    assert len(evening.memory) == 10


def test_after_a_jump_of_time_nothing_is_learned_twice(evening):
    """A song position pointer moves what was played; it is the same music."""
    evening.tell(phrases(4), 4 * BAR)

    evening.planner.shift_learned(20 * BAR)
    evening.tell(phrases(4, first_bar=20), 24 * BAR, since(20))

    assert len(evening.memory) == 20


def test_all_can_be_forgotten(evening):
    """What was played then is not learned again; what comes is."""
    evening.tell(phrases(4), 4 * BAR)

    evening.planner.forget_learned()

    assert len(evening.memory) == 0
    evening.tell(phrases(5), 5 * BAR)
    assert len(evening.memory) == 5


def test_what_another_session_taught_is_not_taken_back(fp32_bundle, tmp_path):
    """Forgetting tonight forgets tonight; forgetting all that was learned forgets all."""
    first = Evening(fp32_bundle).tell(phrases(3), 3 * BAR)
    first.memory.save(tmp_path / "learned.npz")
    second = Evening(fp32_bundle, remembered(fp32_bundle, tmp_path / "learned.npz"))
    second.tell(phrases(2), 2 * BAR)
    assert len(second.memory) == 25

    second.planner.unlearn(-np.inf)
    assert len(second.memory) == 15
    for known, wanted in zip(second.learned(), first.learned(), strict=True):
        np.testing.assert_array_equal(known, wanted)
    second.planner.forget_learned()
    assert len(second.memory) == 0


def test_another_model_is_refused_by_name(fp32_bundle, tiny_bundles, tmp_path):
    """Its hidden states mean nothing here."""
    other: Bundle = load_bundle(tiny_bundles["int8"])
    path = tmp_path / "learned.npz"
    remembered(other, None).save(path)

    with pytest.raises(EngineError, match=f"{other.hash}.*{fp32_bundle.hash}"):
        remembered(fp32_bundle, path)
    assert len(remembered(fp32_bundle, tmp_path / "none.npz")) == 0


def test_memory_stays_flat(fp32_bundle):
    """A night of playing takes no more than an hour, and what it forgets can be taken back."""
    memory = NeighbourMemory(fp32_bundle, share=0, capacity=40)
    evening = Evening(fp32_bundle, memory)
    sizes = set()
    for bar in range(4, 60):
        evening.tell(phrases(2, first_bar=bar - 2), bar * BAR, since(bar - 2))
        sizes.add((len(memory), memory._keys.nbytes))

    assert max(sizes) == (40, memory._keys.nbytes)
    evening.planner.unlearn(-np.inf)
    assert len(memory) == 0


def test_the_bars_that_are_known_stay_bounded(fp32_bundle, monkeypatch):
    """Those whose events have made room are let go."""
    monkeypatch.setattr("sideman.live.learning.CAPACITY", 6)
    learner = Learner(NeighbourMemory(fp32_bundle, share=0, capacity=6))
    planner = Planner(fp32_bundle, threads=1)
    planner._learner = learner
    for bar in range(1, 30):
        planner.attend(phrases(bar), FRAME, bar * BAR)
        planner.catch_up()

    assert len(learner._bars) <= 6


# ------------------------------------------------------------------- whole sessions


def session_file(bundle, path, *, actions=()):
    """Return a recorded session: the phrase five times, while the machine plays too."""
    texts = {"mode": "accompany", "learn": "1", "lookahead": "0.5 s"}
    header = Header(
        bundle.name,
        bundle.hash,
        ("you=input:piano", "sideman=auto:piano@1"),
        settings_texts(with_settings(Settings(), texts)),
    )
    records: list[Record] = [Acted(time_s, name) for time_s, name in actions]
    for played in phrases(5):
        begin_s = played.onset / 48
        records.append(Heard(begin_s, NoteOn(0, played.pitch, 80)))
        records.append(Heard(begin_s + 0.4, NoteOff(0, played.pitch)))
    with SessionWriter(path, header) as writer:
        for record in sorted(records, key=lambda record: record.time_s):
            writer.write(record)
    return SessionFile(path)


def pitches(session, bundle, **changes):
    """Return when which notes sound when a session is played anew."""
    _, records = replay(session, bundle, threads=1, **changes)
    return [
        (record.time_s, record.message)
        for record in records
        if isinstance(record, Sounded) and isinstance(record.message, NoteOn)
    ]


@pytest.fixture
def recalled(monkeypatch):
    """Return a list that grows by how much is remembered, whenever something is recalled."""
    lengths = []
    real = NeighbourMemory.recall

    def recall(memory, hidden):
        lengths.append(len(memory))
        return real(memory, hidden)

    monkeypatch.setattr(NeighbourMemory, "recall", recall)
    return lengths


def test_a_session_with_learning_can_be_played_again(fp32_bundle, tmp_path, recalled):
    """The same inputs give the same notes, as the same is learned at the same moments."""
    session = session_file(fp32_bundle, tmp_path / "a.session")

    first = pitches(session, fp32_bundle)

    assert first
    assert recalled
    n_recalled = len(recalled)
    assert first == pitches(session, fp32_bundle)
    assert recalled[:n_recalled] == recalled[n_recalled:]


def test_what_was_learned_before_is_known_from_the_start(fp32_bundle, tmp_path, recalled):
    """A session that began with a memory is played anew with the same."""
    session = session_file(fp32_bundle, tmp_path / "a.session")
    Evening(fp32_bundle).tell(phrases(5), 5 * BAR).memory.save(tmp_path / "learned.npz")

    pitches(session, fp32_bundle, learned=tmp_path / "learned.npz")

    assert recalled[0] == 25


@pytest.mark.parametrize(
    ("action", "is_forgotten"),
    [("forget_all", True), ("forget_learned", True), ("tap", False)],
)
def test_a_player_can_have_it_forgotten(fp32_bundle, tmp_path, recalled, action, is_forgotten):
    """Both actions empty the memory of tonight, which then grows anew; others leave it."""
    session = session_file(fp32_bundle, tmp_path / "a.session", actions=[(7.0, action)])

    pitches(session, fp32_bundle)

    assert any(after < before for before, after in pairwise(recalled)) == is_forgotten
