"""Generating: exactly so many bars, a reason for every end, and never an invalid event."""

import numpy as np
import pytest

from sideman.engine.generate import BAR_LINES, Stop, generate
from sideman.engine.sampling import Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError, TokenError
from sideman.tokens.grammar import Limits, sentence_of
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    DURATION_TICKS,
    TEMPO_BINS,
    UNSPECIFIED,
    Extent,
    Kind,
    time_signature_value,
)

FOUR_FOUR, BPM_120 = int(time_signature_value(4, 4)), 72


@pytest.fixture
def open_session(bundle, speak):
    """Return a function that opens a session with a random prompt said in it."""

    def session(n_events=25, n_takes=1, *, seed=0, extent=Extent.MIDDLE):
        opened = Session(bundle, n_takes=n_takes, threads=1)
        opened.append(speak(np.random.default_rng(seed), n_events, extent=extent))
        return opened

    return session


def rngs(n, seed=0):
    return [np.random.default_rng((seed, take)) for take in range(n)]


def kinds_but(*excluded):
    kinds = np.ones(len(Kind), bool)
    kinds[list(excluded)] = False
    return kinds


def ran(session, n_bars, *, seed=0, **options):
    """Run to the end; return the events of each take, and why each stopped."""
    n_takes = session.n_takes
    events: list[list[np.ndarray]] = [[] for _ in range(n_takes)]
    stops: list[Stop | None] = [None] * n_takes
    for written in generate(session, n_bars=n_bars, rngs=rngs(n_takes, seed), **options):
        if written.stop is not None:
            assert written.event is None
            assert stops[written.take] is None
            stops[written.take] = written.stop
        else:
            assert stops[written.take] is None
            assert written.event is not None
            assert written.log_prob <= 0
            events[written.take].append(written.event)
    return [np.array(rows) for rows in events], stops


@pytest.mark.parametrize("n_bars", [1, 2, 5])
@pytest.mark.parametrize("n_takes", [1, 3])
def test_exactly_so_many_bars_are_written(open_session, n_bars, n_takes):
    """No more, no fewer; takes end when each of them has its own."""
    events, stops = ran(open_session(n_takes=n_takes), n_bars, context=10_000)

    assert stops == [Stop.BARS] * n_takes
    for rows in events:
        assert (rows[:, 0] == Kind.BAR).sum() == n_bars
        assert rows[0, 0] == Kind.BAR


def test_nothing_is_added_to_the_bar_the_prompt_ends_in(open_session):
    """It belongs to whoever played it, unless the model is let in."""
    alone, _ = ran(open_session(), 2)
    only_notes_first = Limits(kinds=kinds_but(Kind.PART, Kind.CHORD))
    filled = [
        ran(open_session(), 1, seed=seed, may_fill=True, limits=only_notes_first)[0][0][0, 0]
        for seed in range(8)
    ]

    assert alone[0][0, 0] == Kind.BAR
    assert Kind.NOTE in filled


def test_a_random_model_never_writes_an_invalid_event(bundle, speak):
    """Fifty seeds, four bars each: the grammar holds whatever the weights say."""
    n_takes = 10
    for seed in range(5):
        prompt = speak(np.random.default_rng(seed), 20)
        session = Session(bundle, n_takes=n_takes, threads=1)
        session.append(prompt)
        limits = Limits(kinds=kinds_but(Kind.PART))
        events: list[list[np.ndarray]] = [[] for _ in range(n_takes)]
        for written in generate(session, n_bars=4, rngs=rngs(n_takes, seed), limits=limits):
            if written.event is not None:
                events[written.take].append(written.event)
        for rows in events:
            sentence = sentence_of(np.concatenate([prompt, rows]))
            assert sentence.bar <= sentence_of(prompt).bar + 4


def test_metre_and_tempo_may_be_held(open_session):
    """What the limits say of bars is true of every bar written."""
    limits = Limits(
        time_signatures=np.arange(len(BAR_TICKS_OF)) == FOUR_FOUR,
        tempos=np.arange(TEMPO_BINS) == BPM_120,
    )

    events, _ = ran(open_session(n_takes=2), 5, limits=limits)

    for rows in events:
        bars = rows[rows[:, 0] == Kind.BAR]
        assert (bars[:, 1:3] == (FOUR_FOUR, BPM_120)).all()


def test_a_full_context_ends_a_take(open_session):
    """The reason is told, and no take is longer than the context."""
    session = open_session(n_events=25)

    events, stops = ran(session, 1000, context=60)

    assert stops == [Stop.CONTEXT]
    assert len(events[0]) == 60 - 25


def test_the_first_bar_is_full_before_the_context(open_session):
    """Else a caller who drops half bars and goes on would never get on."""
    for seed in range(10):
        for room in (4, 9, 30):
            events, stops = ran(
                open_session(n_events=25, seed=seed),
                1000,
                context=25 + room,
                limits=Limits(kinds=kinds_but(Kind.PART)),
            )
            assert stops == [Stop.CONTEXT]
            assert (events[0][:, 0] == Kind.BAR).sum() >= BAR_LINES


def test_the_model_ends_a_piece_only_if_it_may(open_session):
    """An END among the bars asked for is a wish that is granted or not."""
    whole = [open_session(extent=Extent.WHOLE, seed=seed) for seed in range(10)]
    free = [ran(session, 30, seed=seed, may_end=True) for seed, session in enumerate(whole)]
    bound = ran(open_session(extent=Extent.WHOLE), 3)

    ended = [rows[0] for rows, stops in free if stops == [Stop.END]]
    assert ended
    assert all(rows[-1, 0] == Kind.END for rows in ended)
    assert all((rows[:-1, 0] != Kind.END).all() for rows in ended)
    assert bound[1] in ([Stop.BARS], [Stop.CONTEXT])


def test_a_flat_prompt_is_continued_flat_for_the_model_only(open_session):
    """What it hears has no velocity; what is handed out has."""
    session = open_session()
    n_heard = len(session)

    events, _ = ran(session, 50, is_flat=True, context=120)

    heard = session.events()[n_heard:]
    assert (heard[heard[:, 0] == Kind.NOTE, 6] == UNSPECIFIED).all()
    notes = events[0][events[0][:, 0] == Kind.NOTE]
    assert len(notes) > 0
    assert (notes[:, 6] != UNSPECIFIED).all()


def test_takes_that_are_done_leave_and_the_others_go_on(open_session):
    """Each take is as long as it would be alone."""
    together, stops = ran(open_session(n_takes=4), 3, context=10_000)

    lengths = {len(rows) for rows in together}
    assert stops == [Stop.BARS] * 4
    assert len(lengths) > 1


def test_limits_of_the_asker_hold_beside_our_own(open_session):
    """No part of its own, no chords, only two durations."""
    limits = Limits(
        kinds=kinds_but(Kind.PART, Kind.CHORD),
        durations=np.isin(np.arange(len(DURATION_TICKS)), (6, 12)),
        parts=np.arange(64) == 1,
    )

    events, _ = ran(open_session(), 3, limits=limits)

    notes = events[0][events[0][:, 0] == Kind.NOTE]
    assert len(notes) > 0
    assert set(np.unique(events[0][:, 0])) <= {Kind.BAR, Kind.NOTE}
    assert set(notes[:, 5]) <= {6, 12}
    assert set(notes[:, 3]) == {1}


def test_bars_that_may_not_come_are_an_error(open_session):
    """An asker who forbids bars and asks for them is told."""
    with pytest.raises(TokenError, match="the limits leave no event"):
        ran(open_session(), 1, limits=Limits(kinds=kinds_but(Kind.BAR)))


def test_generators_are_counted(open_session):
    """One for each take."""
    with pytest.raises(EngineError, match="0 random generators for 1 takes"):
        next(generate(open_session(), n_bars=1, rngs=[]))
    list(generate(open_session(), n_bars=1, rngs=rngs(1), sampling=Sampling(temperature=0)))
