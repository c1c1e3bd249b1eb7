"""What a take shares with the training corpus."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.bundle import ORIGINALITY, Bundle
from sideman.corpus.shards import Piece, Shard, open_corpus, shard_path, write_index
from sideman.engine import originality
from sideman.engine.compose import Take
from sideman.engine.originality import (
    SEED,
    Usual,
    build_index,
    lines,
    open_index,
    original_file,
    original_lines,
)
from sideman.errors import EngineError, OutputExists
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, TEMPO_DTYPE, Part, Score, table
from sideman.tokens.codec import encode
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import Vocabulary

BAR = 96
SLOW = (48, 96)
ORIGIN = ("CC BY 4.0", "example.org/tunes")


def melody(seed, n_notes, lengths_of=(6, 12, 24)):
    """Return pitches and lengths in which no step is as one of the four before it."""
    rng = np.random.default_rng(seed)
    pitches, lengths = [60], [lengths_of[0]]
    steps: list[tuple[int, int]] = []
    while len(pitches) < n_notes:
        step = (int(rng.integers(-7, 8)), int(rng.choice(lengths_of)))
        if step not in steps[-4:] and 40 <= pitches[-1] + step[0] <= 90:
            steps.append(step)
            pitches.append(pitches[-1] + step[0])
            lengths[-1] = step[1]
            lengths.append(lengths_of[0])
    return list(zip(pitches, lengths, strict=True))


def score_of(*parts, is_drum=False, program=0):
    """Return a score whose parts play (pitch, length) one after the other, from bar 1 on."""
    rows = []
    for number, notes in enumerate(parts):
        onset = 0
        for pitch, length in notes:
            rows.append((onset, length, pitch, 80, number))
            onset += length
    return Score(table(NOTE_DTYPE, rows), (Part(program, is_drum=is_drum),) * len(parts))


def moved(notes, semitones):
    return [(pitch + semitones, length) for pitch, length in notes]


def write_corpus(folder, train, held_out=()):
    """Write scores as a corpus, each a piece, in order of name; return the folder."""
    folder.mkdir(parents=True)
    events, pieces, start = [], [], 0
    splits = ["train"] * len(train) + ["valid"] * len(held_out)
    for number, (score, split) in enumerate(zip((*train, *held_out), splits, strict=True)):
        events.append(encode(score)[0])
        stop = start + len(events[-1])
        pieces.append(Piece(f"tunes/{number:02}.mid", 0, start, stop, split, 0, 1))
        start = stop
    np.save(shard_path(folder, 0), np.concatenate(events))
    write_index(folder, (), [Shard(start, "")], pieces)
    return folder


def build(folder, train, held_out=()):
    """Return the path of the index of a corpus of these scores."""
    corpus = write_corpus(folder / "corpus", train, held_out)
    origins = {piece.path: ORIGIN for piece in open_corpus(corpus).pieces}
    return build_index(corpus, folder / "index.npz", origins=origins).path


def index_of(folder, *train, held_out=()):
    return open_index(build(folder, train, held_out))


PIECE = melody(1, 200)
PASSAGE = PIECE[80:104]


def copy_of(passage, before=20, after=20):
    """Return notes with a passage in surroundings of slower notes."""
    return melody(2, before, SLOW) + passage + melody(3, after, SLOW)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Return the index of three pieces; `PASSAGE` is in the second part of the second."""
    pieces = [
        score_of(melody(11, 150)),
        score_of(melody(12, 90), PIECE),
        score_of(melody(13, 150)),
    ]
    return index_of(tmp_path_factory.mktemp("index"), *pieces)


def bar_of(notes, number):
    return sum(length for _, length in notes[:number]) // BAR


def test_a_transposed_copy_is_found_with_its_length_and_both_places(index):
    """It is what the command is for."""
    notes = copy_of(moved(PASSAGE, 5))
    shared = index.longest_shared(score_of(melody(4, 60), notes))
    assert shared.n_notes == len(PASSAGE)
    assert shared.part == 1
    assert shared.first_bar == bar_of(notes, 20)
    assert shared.last_bar == bar_of(notes, 20 + len(PASSAGE) - 1)
    assert shared.piece == "tunes/01.mid"
    assert shared.piece_bar == bar_of(PIECE, 80)
    assert (shared.licence, shared.source) == ORIGIN
    assert shared.n_pieces == 1


def test_music_of_its_own_shares_nothing(index):
    """A claim of copying must not be raised by chance."""
    assert index.longest_shared(score_of(melody(5, 100), melody(6, 100))) is None


def faster(score):
    return replace(score, tempos=table(TEMPO_DTYPE, [(0, 200.0)]))


def on_flute(score):
    return replace(score, parts=(Part(73),) * len(score.parts))


def staccato_and_soft(score):
    notes = score.notes.copy()
    notes["duration"], notes["velocity"] = 2, 30
    return score.with_notes(notes)


def over_chords(score):
    under = score.notes.copy()
    under["pitch"] -= 12
    return score.with_notes(np.concatenate([score.notes, under]))


def with_drums(score):
    drums = score.notes.copy()
    drums["part"] = len(score.parts)
    return replace(
        score,
        notes=np.concatenate([score.notes, drums]),
        parts=(*score.parts, Part(0, is_drum=True)),
    )


def in_finer_ticks(score):
    notes = score.notes.copy()
    notes["onset"] *= 20
    notes["duration"] *= 20
    return replace(score, notes=notes, tpq=480)


@pytest.mark.parametrize(
    "disguised",
    [faster, on_flute, staccato_and_soft, over_chords, with_drums, in_finer_ticks],
)
def test_a_disguise_does_not_hide_a_copy(index, disguised):
    """Tempo, sound and accompaniment are easily changed; the tune stays the same."""
    shared = index.longest_shared(disguised(score_of(copy_of(PASSAGE))))
    assert (shared.n_notes, shared.piece) == (len(PASSAGE), "tunes/01.mid")


def test_a_run_ends_with_its_line(tmp_path):
    """The end of one part and the start of the next are not played one after the other."""
    left, right = melody(21, 12), melody(22, 12)
    index = index_of(tmp_path, score_of(left, right))
    take = score_of(copy_of(left + right))
    assert index.longest_shared(take).n_notes == 12


def test_a_repeated_figure_is_no_copy(tmp_path):
    """A hundred repeated notes, or an Alberti bass, stand in many pieces."""
    figures = [[0], [0, 12], [0, 7, 4], [0, 7, 4, 7]]
    parts = [[(48 + note, 12) for note in figure] * 60 for figure in figures]
    assert index_of(tmp_path, score_of(PIECE, *parts)).longest_shared(score_of(*parts)) is None


def test_repetitions_inside_a_copy_are_not_counted(tmp_path):
    """Else a copy with a long trill in it would count more than one with a long tune."""
    tune = melody(31, 30)
    trilled = tune[:15] + tune[14:15] * 40 + tune[15:]
    shared = index_of(tmp_path, score_of(trilled)).longest_shared(score_of(trilled))
    assert 30 <= shared.n_notes <= 32


def test_all_pieces_with_the_run_count_and_the_first_is_named(tmp_path):
    """What stands in many pieces is nobody's own."""
    train = [score_of(melody(41, 50))] + [score_of(copy_of(PASSAGE, n)) for n in (30, 40, 50)]
    shared = index_of(tmp_path, *train).longest_shared(score_of(PASSAGE))
    assert (shared.piece, shared.n_pieces) == ("tunes/01.mid", 3)
    assert "and in 2 more" in shared.line()


def test_the_bar_in_the_piece_is_right_behind_empty_bars(tmp_path):
    """Bars in which a part rests are bars all the same."""
    score = score_of(PIECE)
    notes = score.notes.copy()
    notes["onset"][50:] += 7 * BAR
    found = index_of(tmp_path, score.with_notes(notes)).longest_shared(score_of(PASSAGE))
    assert found.piece_bar == bar_of(PIECE, 80) + 7


@pytest.mark.parametrize(
    "take",
    [
        Score(table(NOTE_DTYPE), ()),
        Score(table(NOTE_DTYPE), (Part(),)),
        score_of(PASSAGE[:SEED]),
        score_of(PASSAGE, is_drum=True),
    ],
)
def test_a_take_without_a_line_shares_nothing(index, take):
    """There is nothing to be compared, which is no error."""
    assert index.longest_shared(take) is None


few_steps = st.lists(st.sampled_from([-5, -2, 1, 4]), min_size=SEED, max_size=40)


def from_steps(steps):
    return [(60 + (sum(steps[:n]) + 30) % 61 - 30, 12) for n in range(len(steps) + 1)]


def longest_common(texts, others):
    """Return the length of the longest run of bytes that both have: the slow way."""
    return max(
        (
            end - start
            for text in texts
            for start in range(len(text))
            for end in range(start + 1, len(text) + 1)
            if any(text[start:end] in other for other in others)
        ),
        default=0,
    )


@given(pieces=st.lists(few_steps, min_size=1, max_size=3), take=few_steps)
def test_the_longest_run_is_the_longest_there_is(tmp_path_factory, pieces, take):
    """The figure is a claim about all of the corpus: nothing may be passed over."""
    train = [score_of(from_steps(steps)) for steps in (*pieces, [0, *range(1, 12)])]
    index = index_of(tmp_path_factory.mktemp("any"), *train)
    score = score_of(from_steps(take))
    texts = [
        [line.steps.tobytes() for line in lines(to_grid(one)[0])] for one in (score, *train)
    ]
    longest = longest_common(texts[0], [text for piece in texts[1:] for text in piece])
    found = index.longest_shared(score)
    assert (found.n_notes - 1 if found else 0) == (longest if longest >= SEED else 0)


@given(
    start=st.integers(0, 150),
    n_notes=st.integers(SEED + 1, 50),
    semitones=st.integers(-20, 20),
    before=st.integers(0, 40),
)
def test_every_copy_of_more_than_a_seed_is_found(index, start, n_notes, semitones, before):
    """Wherever it stands, whatever its key."""
    passage = PIECE[start : start + n_notes]
    found = index.longest_shared(score_of(copy_of(moved(passage, semitones), before)))
    assert found.piece == "tunes/01.mid"
    assert found.n_notes in {
        n_notes,
        n_notes + 1,
    }  # the note behind it may be the same by chance


def test_the_same_corpus_gives_the_same_bytes(tmp_path):
    """A bundle's checksums hold on every machine."""
    pieces = [score_of(melody(seed, 60)) for seed in range(3)]
    first, second = (build(tmp_path / name, pieces, pieces) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_held_out_pieces_are_not_in_the_index(tmp_path):
    """The model has not seen them, so they are nothing it can have copied."""
    index = index_of(tmp_path, score_of(melody(1, 60)), held_out=[score_of(melody(2, 60))])
    assert index.n_pieces == 1
    assert index.longest_shared(score_of(melody(2, 60))) is None


def test_held_out_pieces_tell_what_is_usual(tmp_path, monkeypatch):
    """Twelve notes are much in one corpus and nothing in another."""
    monkeypatch.setattr(originality, "FEWEST_EXCERPTS", 4)
    strangers = [score_of(melody(seed, 30)) for seed in range(50, 54)]
    index = index_of(tmp_path, score_of(PIECE), held_out=strangers)
    assert index.usual == (Usual(SEED, 0, 0),)
    line = index.longest_shared(score_of(copy_of(PASSAGE))).line()
    assert "; unusually long (other music: half at most 8, one in twenty above 8)" in line


def test_what_is_usual_is_told_for_takes_of_that_length(index):
    """The longest run of a symphony is longer than that of eight bars, copied or not."""
    known = replace(index, usual=(Usual(8, 9, 20), Usual(64, 10, 30)))
    short = known.longest_shared(score_of(PASSAGE))
    long = known.longest_shared(score_of(copy_of(PASSAGE, 50)))
    assert short.usual.long == 20
    assert "unusually long" in short.line()
    assert long.usual.long == 30
    assert "not unusual" in long.line()


def test_an_index_is_not_overwritten_unasked(tmp_path):
    """It may be the one of another corpus."""
    path = build(tmp_path, [score_of(PIECE)])
    with pytest.raises(OutputExists, match="--force"):
        build_index(tmp_path / "corpus", path, origins={})


@pytest.mark.parametrize(
    ("piece", "origins", "said"),
    [
        (score_of(PIECE), {}, "'tunes/00.mid' has no licence"),
        (score_of(PASSAGE, is_drum=True), {"tunes/00.mid": ORIGIN}, "no training piece"),
    ],
)
def test_a_corpus_that_gives_no_index_leaves_no_file(tmp_path, piece, origins, said):
    """Half an index would call copies original."""
    corpus = write_corpus(tmp_path / "corpus", [piece])
    with pytest.raises(EngineError, match=said):
        build_index(corpus, tmp_path / "index.npz", origins=origins)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_index_that_cannot_be_read_is_refused_by_name(tmp_path, monkeypatch):
    """Each message says what to do."""
    path = tmp_path / "index.npz"
    with pytest.raises(EngineError, match="sideman corpus index"):
        open_index(path)
    path.write_bytes(b"no index")
    with pytest.raises(EngineError, match="build it again"):
        open_index(path)
    with path.open("wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(EngineError, match="build it again"):
        open_index(path)
    path.unlink()
    monkeypatch.setattr(originality, "INDEX_FORMAT", 99)
    build(tmp_path, [score_of(PIECE)])
    monkeypatch.undo()
    with pytest.raises(EngineError, match="has format 99"):
        open_index(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(EngineError, match="build it again"):
        open_index(path)


@pytest.fixture
def bundle(tmp_path):
    """Return a folder with the index of `PIECE` in it."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    build(tmp_path, [score_of(PIECE)]).rename(folder / ORIGINALITY)
    return folder


def test_a_file_is_compared_with_the_index_of_a_bundle(tmp_path, bundle, monkeypatch):
    """Nothing has to be named but the file."""
    monkeypatch.setattr(originality, "bundled_path", lambda: bundle)
    midi = tmp_path / "take.mid"
    write_midi(score_of(copy_of(PASSAGE)), midi)
    line = original_file(midi)
    assert line.startswith(f"{midi}: longest run shared with the training corpus: 24 notes in")
    assert "as in tunes/00.mid from bar" in line
    assert "(CC BY 4.0; example.org/tunes)" in line


@pytest.mark.parametrize(
    ("recipe", "is_compared"),
    [
        ({"first_new_bar": 5}, False),
        ({"first_new_bar": 1}, True),
        ({"first_new_bar": 1, "last_new_bar": 1}, False),
        ({"first_new_bar": 1, "last_new_bar": 40}, True),
        ({"first_new_bar": "?"}, True),
        (["something", "else"], True),
    ],
)
def test_only_what_is_new_in_a_file_is_compared(tmp_path, bundle, recipe, is_compared):
    """The prompt is the player's own, even where it is a well-known tune."""
    midi = tmp_path / "take.mid"
    notes = PASSAGE + melody(3, 60, SLOW)
    assert 1 < bar_of(notes, len(PASSAGE)) < 4
    write_midi(score_of(notes), midi, recipe=json.dumps(recipe))
    assert ("24 notes" in original_file(midi, bundle=bundle)) == is_compared


def test_what_was_there_before_is_not_compared(tmp_path, bundle):
    """A bass under a well-known tune is no copy of the tune."""
    midi, before = tmp_path / "take.mid", tmp_path / "before.mid"
    write_midi(score_of(PASSAGE, melody(3, 60, SLOW)), midi)
    write_midi(score_of(PASSAGE), before)
    assert "24 notes" in original_file(midi, bundle=bundle)
    assert "no run of more" in original_file(midi, before=before, bundle=bundle)


def test_a_file_without_a_shared_run_says_so(tmp_path, bundle):
    """Silence could mean that nothing was compared."""
    midi, drums = tmp_path / "take.mid", tmp_path / "drums.mid"
    write_midi(score_of(melody(7, 60)), midi)
    write_midi(score_of(melody(7, 60), is_drum=True), drums)
    assert original_file(midi, index=bundle / ORIGINALITY) == (
        f"{midi}: no run of more than 8 notes shared with the training corpus"
    )
    assert "drums are not compared" in original_file(drums, bundle=bundle)


def take_of(score, first_bar=0, end_bar=100):
    return Take(score, first_bar, end_bar, n_notes=0, bits_per_note=0.0)


def test_each_take_has_a_line_on_what_is_new_in_it(bundle):
    """So that a copy is seen when it is made."""
    model = Bundle(bundle, {}, Vocabulary())
    own, copied = score_of(PASSAGE, melody(3, 60, SLOW)), score_of(PASSAGE, copy_of(PASSAGE))
    lines_said = original_lines([take_of(own), take_of(copied)], model, score_of(PASSAGE))
    assert "no run of more than 8 notes" in lines_said[0]
    assert "24 notes in bars" in lines_said[1]
    assert "of part 2" in lines_said[1]


def test_a_bundle_without_an_index_says_nothing_of_takes(tmp_path):
    """A complaint after every take would be in the way; `sideman original` has one."""
    model = Bundle(tmp_path, {}, Vocabulary())
    assert original_lines([take_of(score_of(PASSAGE))], model) == []
