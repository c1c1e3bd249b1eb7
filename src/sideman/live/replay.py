"""Recorded sessions again: heard as they were, as a score, or played anew by another partner.

A session played anew has the same player, who does the same at the same seconds, and a partner
with another seed, other settings or another bundle. Nobody has to wait for it, and since each
thought takes the same time it comes out the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

import numpy as np

from sideman.bundle import Bundle, load_bundle
from sideman.files import refuse_existing
from sideman.live.improviser import Improviser
from sideman.live.learning import remembered
from sideman.live.messages import NoteOn, Timed
from sideman.live.planner import Planner
from sideman.live.recording import (
    Acted,
    Changed,
    Header,
    Heard,
    Record,
    SessionFile,
    Sounded,
)
from sideman.live.scheduler import Scheduler
from sideman.live.settings import Settings, settings_texts, with_settings
from sideman.live.timeline import Timeline
from sideman.live.transcript import metre_of, to_score, voices_of
from sideman.live.virtual import Input, Script, rehearse, steady
from sideman.score.midi import write_midi

STEP_S = 0.01
"""How long a thought takes when a session is played anew, if nobody says otherwise."""


def replay(
    session: SessionFile,
    bundle: Bundle,
    *,
    settings: Mapping[str, str] | None = None,
    learned: Path | None = None,
    cost_s: float = STEP_S,
    threads: int = 0,
) -> tuple[Header, Iterator[Record]]:
    """Play a session anew.

    Args:
        session: What the player did.
        bundle: Plays this time.
        settings: Settings as text, by name, `seed` among them, in place of those of the
            session; what the player turned of these is left out.
        learned: File of what was learned before that session began, as it was then.
        cost_s: How long a thought takes, seconds.
        threads: As `sideman.engine.session.Session` has it.

    Returns:
        The header of the new session, and its records, which come into being as they are read.

    Raises:
        LiveError: If the session cannot be read, or a setting is none.
        EngineError: If what was learned cannot be read, or is that of another model.
    """
    fixed = settings or {}
    begun = with_settings(Settings(), {**session.header.settings, **fixed})
    header = replace(
        session.header,
        bundle=bundle.name,
        bundle_hash=bundle.hash,
        settings=settings_texts(begun),
    )
    memory = remembered(bundle, learned)
    improviser = Improviser(
        Planner(bundle, threads=threads, seed=begun.seed, learned=memory),
        Timeline(begun.tempo, metre_of(begun), header.begin_s),
        begun,
        voices_of(header),
        seed=begun.seed,
    )
    records = rehearse(
        improviser,
        Scheduler(),
        Script(sorted(inputs_of(session, without=fixed), key=attrgetter("time_s"))),
        until_s=max((record.time_s for record in session), default=header.begin_s),
        lap=steady(cost_s),
        begin_s=header.begin_s,
    )
    return header, records


def inputs_of(records: Iterable[Record], *, without: Collection[str] = ()) -> Iterator[Input]:
    """Yield what the player did, but for the settings of some names."""
    for record in records:
        match record:
            case Heard(time_s, message):
                yield Timed(time_s, message)
            case Changed(name=name) if name in without:
                continue
            case Changed() | Acted():
                yield record


def replay_file(
    path: Path,
    *,
    mid: Path | None = None,
    bundle: Path | None = None,
    seed: int | None = None,
    changes: Mapping[str, str] | None = None,
    learned: Path | None = None,
    force: bool = False,
) -> Iterator[str]:
    """Say what happened in a session, or what happens when it is played anew.

    It is played anew if a bundle, a seed, a change or a memory is given.

    Args:
        path: The session.
        mid: MIDI file to write it to.
        bundle: Plays anew; None for the bundle that comes with Sideman.
        seed: In place of that of the session.
        changes: Settings as text, by name, in place of those of the session.
        learned: As `replay` has it.
        force: Replace `mid` if it is there.

    Yields:
        Lines to print.

    Raises:
        SidemanError: If a file cannot be read or written, or a setting is none.
    """
    if mid is not None:
        refuse_existing(mid, force=force)
    session = SessionFile(path)
    fixed = {**(changes or {}), **({} if seed is None else {"seed": str(seed)})}
    header, records = session.header, iter(session)
    if bundle is not None or learned is not None or fixed:
        playing = load_bundle(bundle)
        header, records = replay(session, playing, settings=fixed, learned=learned)
    kept = list(records)
    yield from _summary(header, kept)
    if mid is not None:
        recipe = json.dumps({"session": path.name, **asdict(header)})
        write_midi(to_score(header, kept), mid, recipe=recipe, force=force)
        yield f"score     {mid}"


def _summary(header: Header, records: Collection[Record]) -> Iterator[str]:
    """Yield lines on what happened."""
    heard = [r for r in records if isinstance(r, Heard) and isinstance(r.message, NoteOn)]
    sent = [r for r in records if isinstance(r, Sounded) and isinstance(r.message, NoteOn)]
    end_s = max((record.time_s for record in records), default=header.begin_s)
    yield f"bundle    {header.bundle} {header.bundle_hash}"
    yield "voices    " + ", ".join(header.voices)
    yield f"length    {end_s - header.begin_s:.1f} s"
    yield f"notes     {len(heard)} heard, {len(sent)} played"
    if sent:
        p50_ms, p99_ms = 1000 * np.quantile([r.lateness_s for r in sent], (0.5, 0.99))
        yield f"lateness  p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"
