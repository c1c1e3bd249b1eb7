"""The session: what is said, taken back, asked for and measured, against the network itself."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from sideman.engine.sampling import Sampling
from sideman.engine.session import STEP_AT_MOST, Session
from sideman.errors import EngineError, TokenError
from sideman.model.network import IGNORED
from sideman.tokens.choices import Limits, choices
from sideman.tokens.grammar import advance
from sideman.tokens.vocabulary import N_SLOTS, PROGRAM, Kind, Vocabulary

LONG = 150
"""Events of a piece that goes round the tiny ring of 16 slots nine times."""

FP32_TOLERANCE = 1e-4  # nats a slot, between PyTorch and ONNX
SAME_TOLERANCE = 2e-5  # nats a slot, between two ways to run the same graph
INT8_SAME_TOLERANCE = (
    0.1  # the same in 8 bits: rounding turns 1e-7 into a step of a weight's scale
)

GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="session")
def piece(speak):
    """Return a long random piece."""
    return speak(np.random.default_rng(1), LONG)


@pytest.fixture
def same(bundle):
    """Return how far two ways to run the bundle's graphs may lie apart, in nats."""
    return SAME_TOLERANCE if bundle.card["precision"] == "fp32" else INT8_SAME_TOLERANCE


def rngs(n, seed=0):
    return [np.random.default_rng((seed, take)) for take in range(n)]


def network_log_probs(network, events):
    """Return what PyTorch says of each event after the first, (T - 1, J) in nats."""
    vocabulary = Vocabulary()
    ids = torch.from_numpy(vocabulary.ids(events))[None]
    targets = torch.from_numpy(vocabulary.targets(events[1:]))[None]
    with torch.no_grad():
        hidden = network.hidden(ids, torch.zeros(ids.shape[:2], dtype=torch.long))
        scores = network.slot_logits(hidden[:, :-1], targets, ids[:, 1:, PROGRAM])
    columns = []
    for slot, score in enumerate(scores):
        target = targets[..., slot]
        found = score.log_softmax(-1).gather(-1, target.clamp(min=0)[..., None])[..., 0]
        columns.append(torch.where(target == IGNORED, 0.0, found))
    return torch.stack(columns, -1)[0].numpy()


def said(bundle, events, n_takes=1):
    session = Session(bundle, n_takes=n_takes, threads=1)
    session.append(events)
    return session


def scored(bundle, events, n_first=1):
    """Return the log-probabilities of the events after the first `n_first`."""
    session = said(bundle, events[:n_first])
    return session.score(events[n_first:])[0]


def written(session, n_events, **options):
    """Let a session go on by itself; return the events of all takes, (B, T, columns)."""
    found = []
    for _ in range(n_events):
        found.append(session.next(**options).events)
        session.append(found[-1][:, None])
    return np.stack(found, axis=1)


# -------------------------------------------------------------------- parity


def test_scores_are_those_of_the_network(fp32_bundle, tiny_network, piece):
    """Written down in ONNX operators it is still the network that was trained."""
    got = scored(fp32_bundle, piece)

    np.testing.assert_allclose(got, network_log_probs(tiny_network, piece), atol=FP32_TOLERANCE)


def test_scoring_in_pieces_changes_nothing(bundle, piece, same):
    """Each way to cut a piece runs other batches through other turns of the ring."""
    whole = scored(bundle, piece)
    for cuts in ([1, 2, 3, 20, 36, 37, LONG], [1, *range(9, LONG, 7), LONG], [60, 61, LONG]):
        session = said(bundle, piece[: cuts[0]])
        parts = [session.score(piece[a:b])[0] for a, b in pairwise(cuts)]
        np.testing.assert_allclose(np.concatenate(parts), whole[cuts[0] - 1 :], atol=same)


def test_step_by_step_is_all_at_once(bundle, piece, same):
    """What was chosen event by event, cached, is as likely as a score from scratch says."""
    session = said(bundle, piece[:30])
    step = None
    for event in piece[30:]:
        step = session.next(sampling=GREEDY)
        session.append(event[None])
    step = session.next(sampling=GREEDY)

    fresh = said(bundle, piece).next(sampling=GREEDY)

    np.testing.assert_allclose(step.log_probs, fresh.log_probs, atol=same)
    if bundle.card["precision"] == "fp32":
        np.testing.assert_array_equal(step.events, fresh.events)


def test_chosen_log_probs_are_the_networks_within_the_masks(fp32_bundle, tiny_network, piece):
    """The step graph's numbers, recomputed from the network and the grammar in NumPy."""
    session = said(fp32_bundle, piece[:40])
    vocabulary = Vocabulary()
    for event in piece[40:60]:
        step = session.next(rngs=rngs(1, seed=len(session)))
        chosen = step.events[0]
        heard = np.concatenate([session.events(), chosen[None]])
        ids = torch.from_numpy(vocabulary.ids(heard))[None]
        targets = torch.from_numpy(vocabulary.targets(heard))[None]
        with torch.no_grad():
            hidden = tiny_network.hidden(ids, torch.zeros(ids.shape[:2], dtype=torch.long))
            scores = tiny_network.slot_logits(
                hidden[:, -2:-1], targets[:, -1:], ids[:, -1:, PROGRAM]
            )
        table, state = choices(session.sentences[0]), 0
        for slot in range(N_SLOTS):
            allowed = table.allowed[slot][state]
            masked = np.where(allowed, scores[slot][0, 0].numpy(), -np.inf)
            value = max(int(targets[0, -1, slot]), 0)
            expected = masked[value] - np.logaddexp.reduce(masked)
            assert step.log_probs[0, slot] == pytest.approx(expected, abs=FP32_TOLERANCE)
            state = table.follow[slot][state, value] if slot < N_SLOTS - 1 else 0
        session.append(event[None])


def test_eight_bits_say_nearly_the_same(tiny_bundles, tiny_network, speak):
    """On random weights, the worst case: within 3 % of a bit for an event on average."""
    from sideman.bundle import load_bundle

    bundle = load_bundle(tiny_bundles["int8"])
    pieces = [speak(np.random.default_rng(seed), 120) for seed in range(5)]
    exact = np.concatenate([network_log_probs(tiny_network, piece) for piece in pieces])
    got = np.concatenate([scored(bundle, piece) for piece in pieces])

    change = (got - exact).sum(axis=1) / np.log(2)
    assert abs(change.mean()) < 0.03
    assert change.std() < 0.5


# ------------------------------------------------------------------ rollback


@pytest.mark.parametrize(
    ("n_back", "n_kept"), [(1, 60), (5, 60), (8, 60), (9, 60), (40, 60), (100, 10)]
)
def test_going_back_and_on_is_never_having_left(bundle, piece, same, n_back, n_kept):
    """Back a little the ring still holds what is needed; back far it is computed anew."""
    session = said(bundle, piece[:n_kept])
    session.next(sampling=GREEDY)
    for event in piece[n_kept : n_kept + n_back]:
        session.append(event[None])
        session.next(sampling=GREEDY)
    session.rollback(n_back)
    assert len(session) == n_kept

    got = session.score(piece[n_kept:])[0]

    np.testing.assert_allclose(got, scored(bundle, piece)[n_kept - 1 :], atol=same)
    np.testing.assert_array_equal(session.events(), piece)


def test_many_small_steps_back_and_forth_lose_nothing(bundle, piece, same):
    """Live play goes back all the time; the ring must know what it no longer holds."""
    rng = np.random.default_rng(3)
    session = said(bundle, piece[:1])
    while len(session) < LONG:
        if rng.random() < 0.4:
            session.rollback(int(rng.integers(0, min(len(session), 14))))
        n = int(rng.integers(1, 9))
        session.append(piece[len(session) : len(session) + n])
        if rng.random() < 0.7:
            session.next(sampling=GREEDY)
    session.rollback(12)

    got = session.score(piece[-12:])[0]

    np.testing.assert_allclose(got, scored(bundle, piece)[-12:], atol=same)


def test_going_back_beyond_the_start_is_refused(fp32_bundle, piece):
    """The message names both numbers."""
    session = said(fp32_bundle, piece[:5])

    with pytest.raises(EngineError, match="6 events are to be taken back; 5 have been said"):
        session.rollback(6)
    session.rollback(5)
    assert len(session) == 0
    session.append(piece[:3])
    np.testing.assert_array_equal(session.events(), piece[:3])


# -------------------------------------------------------------------- append


def test_what_breaks_the_grammar_is_not_said(fp32_bundle, piece, row):
    """Not even the good events before the bad one: the takes stay as they were."""
    session = said(fp32_bundle, piece[:20])
    bad = np.concatenate([piece[20:25], row(Kind.START, 1)[None]])

    with pytest.raises(TokenError, match="START may not follow"):
        session.append(bad)

    assert len(session) == 20
    assert session.sentences == said(fp32_bundle, piece[:20]).sentences
    np.testing.assert_array_equal(session.events(), piece[:20])
    session.append(piece[20:])


def test_one_bad_take_keeps_all_from_being_said(fp32_bundle, piece, row):
    """All takes have said equally many events."""
    session = said(fp32_bundle, piece[:6], n_takes=2)
    events = np.stack([row(Kind.NOTE, 0, 0, 0, 60, 5, 5), row(Kind.NOTE, 0, 0, 9, 60, 5, 5)])

    with pytest.raises(TokenError, match="names part 9; 4 parts are declared"):
        session.append(events[:, None])
    assert len(session) == 6
    assert all(
        sentence.section == session.sentences[0].section for sentence in session.sentences
    )


def test_a_session_grows_beyond_any_block(fp32_bundle, speak, tiny_network):
    """Events and caches are stored in blocks of 256; 600 events need three."""
    long = speak(np.random.default_rng(4), 600)

    got = scored(fp32_bundle, long, n_first=300)

    expected = network_log_probs(tiny_network, long)[299:]
    np.testing.assert_allclose(got, expected, atol=FP32_TOLERANCE)


def test_scoring_nothing_says_nothing(fp32_bundle, piece):
    """An empty answer, not an error."""
    session = said(fp32_bundle, piece[:9])

    assert session.score(piece[:0]).shape == (1, 0, N_SLOTS)
    assert len(session) == 9


@pytest.mark.parametrize(
    "ask", [lambda s: s.next(sampling=GREEDY), lambda s: s.score(np.zeros((1, 9), np.uint8))]
)
def test_an_empty_session_asks_for_a_start(fp32_bundle, ask):
    """Nothing is known before START."""
    with pytest.raises(EngineError, match="append a START first"):
        ask(Session(fp32_bundle))


def test_drawing_needs_a_generator_for_each_take(fp32_bundle, piece):
    """Randomness is handed in, never found."""
    session = said(fp32_bundle, piece[:9], n_takes=2)

    with pytest.raises(EngineError, match="1 random generators for 2 takes"):
        session.next(rngs=rngs(1))


# --------------------------------------------------------------------- takes


def test_takes_side_by_side_are_each_as_alone(fp32_bundle, piece):
    """A batch shares the work, not the music: other takes change nothing."""
    together = said(fp32_bundle, piece[:30], n_takes=3)

    both = written(together, 40, rngs=rngs(3))

    for take in range(3):
        alone = written(said(fp32_bundle, piece[:30]), 40, rngs=rngs(3)[take : take + 1])
        np.testing.assert_array_equal(both[take], alone[0])


def test_takes_differ_and_a_seed_repeats_them(bundle, piece):
    """Same seed, same events, bit for bit; another take, other events."""
    first = written(said(bundle, piece[:30], n_takes=2), 20, rngs=rngs(2))
    again = written(said(bundle, piece[:30], n_takes=2), 20, rngs=rngs(2))

    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()


def test_kept_takes_go_on_as_if_alone(fp32_bundle, piece):
    """Takes may be dropped and repeated; each keeps its own past."""
    session = said(fp32_bundle, piece[:30], n_takes=3)
    before = written(session, 15, rngs=rngs(3))

    session.keep_takes([2, 0, 2])

    assert session.n_takes == 3
    for place, take in enumerate([2, 0, 2]):
        np.testing.assert_array_equal(session.events(place)[30:], before[take])
    after = written(session, 10, rngs=rngs(3, seed=8))
    alone = said(fp32_bundle, np.concatenate([piece[:30], before[0]]))
    np.testing.assert_array_equal(after[1], written(alone, 10, rngs=rngs(3, seed=8)[1:2])[0])


def test_kept_takes_have_pasts_of_their_own(fp32_bundle, piece):
    """A take that was repeated is two takes: what one says the other has not said."""
    session = said(fp32_bundle, piece[:10])
    session.keep_takes([0, 0])
    one, other = session.next(rngs=rngs(2)).events, session.next(rngs=rngs(2, seed=1)).events
    session.append(np.stack([one[0], other[1]])[:, None])

    assert session.sentences[0] is not session.sentences[1]
    np.testing.assert_array_equal(session.events(0)[-1], one[0])
    np.testing.assert_array_equal(session.events(1)[-1], other[1])


# -------------------------------------------------------------------- choosing


def test_nothing_but_what_the_grammar_allows_is_chosen(bundle, piece):
    """Fifty seeds of a model that knows nothing, with very hot sampling."""
    session = said(bundle, piece[:30], n_takes=10)
    for round_ in range(5):
        written(session, 30, rngs=rngs(10, seed=round_), sampling=Sampling(temperature=5.0))

    for take, sentence in enumerate(session.sentences):  # append checked each event
        assert sentence.bar >= 0
        assert len(session.events(take)) == 180


def test_limits_may_differ_from_take_to_take(fp32_bundle, piece):
    """One take writes only notes, the other only bars."""
    only = [np.arange(len(Kind)) == kind for kind in (Kind.NOTE, Kind.BAR)]
    session = said(fp32_bundle, piece[:10], n_takes=2)

    step = session.next([Limits(kinds=kinds) for kinds in only], rngs=rngs(2))

    assert step.events[:, 0].tolist() == [Kind.NOTE, Kind.BAR]


def test_an_idle_take_neither_chooses_nor_uses_up_its_chance(fp32_bundle, piece):
    """A take that waits for others must be written as if it had not waited."""
    drawing, waiting = rngs(2)
    chosen = said(fp32_bundle, piece[:30], n_takes=2).next(rngs=[drawing, waiting], idle=[1])

    alone = said(fp32_bundle, piece[:30]).next(rngs=rngs(1))
    np.testing.assert_array_equal(chosen.events[0], alone.events[0])
    assert waiting.bit_generator.state == rngs(2)[1].bit_generator.state
    assert drawing.bit_generator.state != rngs(2)[0].bit_generator.state


def test_limits_that_leave_nothing_are_an_error(fp32_bundle, piece):
    """Rather than an event nobody asked for."""
    session = said(fp32_bundle, piece[:10])

    with pytest.raises(TokenError, match="the limits leave no event"):
        session.next(Limits(kinds=np.zeros(len(Kind), bool)), sampling=GREEDY)


def test_asking_twice_says_nothing(fp32_bundle, piece):
    """What is chosen is not said until it is appended; asking changes nothing."""
    session = said(fp32_bundle, piece[:30])

    first, second = session.next(sampling=GREEDY), session.next(sampling=GREEDY)

    np.testing.assert_array_equal(first.events, second.events)
    assert len(session) == 30
    advance(session.sentences[0], first.events[0])


@pytest.mark.parametrize("n_waiting", [1, 2, STEP_AT_MOST, STEP_AT_MOST + 1, 100])
def test_however_many_events_wait_the_answer_is_one(fp32_bundle, piece, n_waiting):
    """A few go through the step graph, many through the other one first."""
    session = said(fp32_bundle, piece[:20])
    session.next(sampling=GREEDY)
    session.append(piece[20 : 20 + n_waiting])
    fresh = said(fp32_bundle, piece[: 20 + n_waiting])

    np.testing.assert_allclose(
        session.next(sampling=GREEDY).log_probs,
        fresh.next(sampling=GREEDY).log_probs,
        atol=SAME_TOLERANCE,
    )
    assert session.cache_bytes() > 0


def test_a_bundle_that_was_replaced_is_opened_anew(tiny_bundles, tiny_network, tmp_path, piece):
    """The path is the same, the weights are not: what was opened before must not answer."""
    from sideman.model.export import bundle_network

    def export(precision):
        return bundle_network(
            tiny_network,
            Vocabulary(),
            tmp_path / "b",
            precision=precision,
            card={"name": "b"},
            force=True,
        )

    before = scored(export("fp32"), piece)
    after = scored(export("int8"), piece)

    assert (before != after).any()


# ----------------------------------------------------- takes at places of their own


def test_takes_of_different_lengths_are_each_as_alone(fp32_bundle, speak):
    """Three pieces, one of them round the ring, are decided side by side."""
    pieces = [speak(np.random.default_rng(take), n) for take, n in enumerate((12, 90, 37))]
    together = Session(fp32_bundle, n_takes=3, threads=1)
    together.append(pieces)

    both = written(together, 40, rngs=rngs(3))

    assert together.lengths == (52, 130, 77)
    assert len(together) == 130
    for take, piece in enumerate(pieces):
        alone = written(said(fp32_bundle, piece), 40, rngs=rngs(3)[take : take + 1])
        np.testing.assert_array_equal(both[take], alone[0])


def test_takes_that_go_back_and_forth_by_themselves_lose_nothing(bundle, speak, same):
    """Each has its own place in the ring, whatever the others do."""
    rng = np.random.default_rng(6)
    pieces = [speak(np.random.default_rng(take), LONG) for take in range(3)]
    session = Session(bundle, n_takes=3, threads=1)
    session.append([piece[:1] for piece in pieces])
    for _ in range(40):
        session.rollback([int(rng.integers(min(n, 14))) for n in session.lengths])
        ends = [min(n + int(rng.integers(0, 12)), LONG - 10) for n in session.lengths]
        starts = session.lengths
        session.append([p[a:b] for p, a, b in zip(pieces, starts, ends, strict=True)])
        if rng.random() < 0.7:
            session.next(sampling=GREEDY)
    lengths = session.lengths

    got = session.score(np.stack([p[n : n + 10] for p, n in zip(pieces, lengths, strict=True)]))

    assert len(set(lengths)) == 3
    for take, (piece, n) in enumerate(zip(pieces, lengths, strict=True)):
        np.testing.assert_allclose(got[take], scored(bundle, piece)[n - 1 : n + 9], atol=same)


def test_a_take_may_begin_anew_amid_the_others(fp32_bundle, piece, speak):
    """Taken back to nothing it is another piece; the others do not notice."""
    other = speak(np.random.default_rng(8), 25)
    session = said(fp32_bundle, piece[:60], n_takes=2)
    session.next(sampling=GREEDY)
    session.rollback([0, 60])
    session.append([piece[60:61], other])

    both = written(session, 20, rngs=rngs(2))

    for take, heard in enumerate([piece[:61], other]):
        alone = written(said(fp32_bundle, heard), 20, rngs=rngs(2)[take : take + 1])
        np.testing.assert_array_equal(both[take], alone[0])


def test_kept_takes_keep_their_places(fp32_bundle, speak):
    """Of takes of different lengths too; a number may come several times."""
    pieces = [speak(np.random.default_rng(take), n) for take, n in enumerate((12, 50, 37))]
    session = Session(fp32_bundle, n_takes=3, threads=1)
    session.append(pieces)
    session.next(sampling=GREEDY)

    session.keep_takes([2, 1, 2])

    assert session.lengths == (37, 50, 37)
    after = written(session, 10, rngs=rngs(3))
    for place, take in enumerate([2, 1, 2]):
        alone = written(said(fp32_bundle, pieces[take]), 10, rngs=rngs(3)[place : place + 1])
        np.testing.assert_array_equal(after[place], alone[0])


def test_going_back_beyond_the_start_of_one_take_takes_none_back(fp32_bundle, piece):
    """All takes stay as they were."""
    session = said(fp32_bundle, piece[:5], n_takes=2)

    with pytest.raises(EngineError, match="6 events are to be taken back; 5 have been said"):
        session.rollback([2, 6])

    assert session.lengths == (5, 5)


# ------------------------------------------------------------------- catching up


@pytest.mark.parametrize("n_waiting", [1, 2, 40])
def test_who_has_caught_up_runs_one_event_for_the_next(fp32_bundle, piece, n_waiting):
    """Live play runs what it hears at once, so that the answer does not wait for it."""
    session = said(fp32_bundle, piece[: 20 + n_waiting])
    session.catch_up()
    assert len(session.hidden()) == len(session) - 1
    n_run = []
    real = session._step

    class Counting:
        def run(self, names, feeds):
            n_run.append(feeds["ids"].shape[1])
            return real.run(names, feeds)

    session._step = session._prefill = Counting()

    session.catch_up()
    step = session.next(sampling=GREEDY)

    assert n_run == [1]
    fresh = said(fp32_bundle, piece[: 20 + n_waiting]).next(sampling=GREEDY)
    np.testing.assert_array_equal(step.events, fresh.events)
    np.testing.assert_allclose(step.log_probs, fresh.log_probs, atol=SAME_TOLERANCE)


def test_hidden_states_are_those_of_what_was_said(fp32_bundle, tiny_network, piece):
    """However it was run: step by step, many at once, or after going back."""
    session = said(fp32_bundle, piece[:50])
    session.next(sampling=GREEDY)
    session.append(piece[50:53])
    session.next(sampling=GREEDY)
    session.rollback(20)
    session.score(piece[33:90])
    session.catch_up()

    ids = torch.from_numpy(Vocabulary().ids(piece[:89]))[None]
    with torch.no_grad():
        hidden = tiny_network.hidden(ids, torch.zeros(ids.shape[:2], dtype=torch.long))
    np.testing.assert_allclose(session.hidden(), hidden[0], atol=FP32_TOLERANCE)


def test_kept_takes_lie_in_memory_as_the_graphs_read_them(fp32_bundle, piece):
    """In any other order each step would copy the whole cache."""
    session = said(fp32_bundle, piece[:20], n_takes=2)
    session.next(sampling=GREEDY)

    session.keep_takes([1, 0, 1])

    assert all(array.flags.c_contiguous for array in session._cache.inputs(range(3)).values())
