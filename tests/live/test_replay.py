"""Tests of sessions that are played anew."""

import pytest

from sideman.errors import LiveError, OutputExists
from sideman.live.messages import NoteOff, NoteOn
from sideman.live.recording import (
    Acted,
    Changed,
    Header,
    Heard,
    Ordered,
    Record,
    SessionFile,
    SessionWriter,
    Sounded,
)
from sideman.live.replay import replay, replay_file
from sideman.live.settings import Settings, settings_texts, with_settings
from sideman.score.midi import read_midi

SETTINGS = {"silence": "0.2", "answer": "1 bar", "min_notes": "2", "seed": "5"}


def header(bundle):
    return Header(
        bundle.name,
        bundle.hash,
        ("you=input:piano", "sideman=auto:piano@1"),
        settings_texts(with_settings(Settings(), SETTINGS)),
        7.0,
    )


def human():
    """Return what a human did: two notes, a setting, two notes, a panic."""
    records: list[Record] = [
        record
        for begin_s, pitch in ((7.1, 60), (7.5, 64), (11.0, 65), (11.4, 67))
        for record in (
            Heard(begin_s, NoteOn(0, pitch, 90)),
            Heard(begin_s + 0.3, NoteOff(0, pitch)),
        )
    ]
    records += [Changed(9.0, "min_notes", "1"), Acted(14.0, "panic")]
    return sorted(records, key=lambda record: record.time_s)


@pytest.fixture(scope="module")
def session(tmp_path_factory, fp32_bundle):
    """Return a session with a human in it and nobody who answers."""
    path = tmp_path_factory.mktemp("sessions") / "human.session"
    return written(path, header(fp32_bundle), human())


def written(path, head, records):
    """Return a session file with these records."""
    with SessionWriter(path, head, force=True) as writer:
        for record in records:
            writer.write(record)
    return SessionFile(path)


def anew(session, bundle, **fixed):
    head, records = replay(session, bundle, settings=fixed, threads=1)
    return head, list(records)


def notes(records):
    return [r for r in records if isinstance(r, Sounded) and isinstance(r.message, NoteOn)]


def test_the_same_inputs_give_the_same_bytes(session, fp32_bundle, tmp_path):
    """A take that was good can be had again; a bug that was seen can be seen again."""
    files = [tmp_path / "first.session", tmp_path / "second.session"]
    for path in files:
        written(path, *anew(session, fp32_bundle))

    first, second = (path.read_bytes() for path in files)

    assert notes(SessionFile(files[0]))
    assert first == second


def test_a_replay_of_a_replay_is_the_same(session, fp32_bundle, tmp_path):
    """What a replay records is a session like any other."""
    head, records = anew(session, fp32_bundle)
    again = written(tmp_path / "again.session", head, records)

    assert anew(again, fp32_bundle) == (head, records)


def test_the_human_does_the_same_at_the_same_seconds(session, fp32_bundle):
    """Only the partner is another."""
    _, records = anew(session, fp32_bundle, seed="3", temperature="1.3")

    done = [record for record in records if isinstance(record, Heard | Changed | Acted)]
    assert done == human()


def test_lines_may_be_out_of_order(session, fp32_bundle, tmp_path):
    """Several processes write a session: a line may come after a later one."""
    turned = written(tmp_path / "turned.session", session.header, reversed(human()))

    assert anew(turned, fp32_bundle) == anew(session, fp32_bundle)


def test_another_seed_plays_something_else(session, fp32_bundle):
    """That is what one replays for."""
    played = [notes(anew(session, fp32_bundle, seed=seed)[1]) for seed in ("1", "2")]

    assert played[0]
    assert played[0] != played[1]


def test_a_setting_that_is_given_stays_as_it_is(session, fp32_bundle):
    """What the player turned then must not undo what is asked for now."""
    head, records = anew(session, fp32_bundle, min_notes="60")

    assert head.settings["min_notes"] == "60"
    assert not notes(records)
    assert not any(isinstance(record, Changed) for record in records)


def test_a_setting_that_is_none_is_refused(session, fp32_bundle):
    """A typo must not replay the wrong thing for an hour."""
    with pytest.raises(LiveError, match="there is no setting 'temprature'"):
        replay(session, fp32_bundle, settings={"temprature": "1"})


def test_nothing_that_was_ordered_hangs(session, fp32_bundle):
    """Each note of the partner ends."""
    _, records = anew(session, fp32_bundle)
    sent = [record.message for record in records if isinstance(record, Sounded)]

    n_ons = sum(isinstance(message, NoteOn) for message in sent)
    assert n_ons == sum(isinstance(message, NoteOff) for message in sent) > 0
    assert any(isinstance(record, Ordered) for record in records)


def test_a_session_is_summed_up_and_becomes_a_score(session, fp32_bundle, tmp_path):
    """What the command prints and writes."""
    head, records = anew(session, fp32_bundle)
    path = tmp_path / "played.session"
    written(path, head, records)

    lines = list(replay_file(path, mid=tmp_path / "played.mid"))

    n_played = len(notes(records))
    assert f"notes     4 heard, {n_played} played" in lines
    score = read_midi(tmp_path / "played.mid")
    assert [part.name for part in score.parts] == ["you", "sideman"]
    assert len(score.notes) == 4 + n_played


def test_a_file_is_played_anew_with_what_is_asked_for(session, tiny_bundles):
    """What the command does with a seed and changes."""
    lines = list(
        replay_file(
            session.path, bundle=tiny_bundles["fp32"], seed=3, changes={"min_notes": "60"}
        )
    )

    assert "notes     4 heard, 0 played" in lines


def test_a_score_is_not_overwritten(session, tmp_path):
    """And it is said before the session is played anew, not after."""
    (tmp_path / "a.mid").touch()

    with pytest.raises(OutputExists):
        next(iter(replay_file(session.path, mid=tmp_path / "a.mid")))
