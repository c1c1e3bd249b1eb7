"""How fast is the partner: to answer, to change its plan, and always in time?

    .venv/bin/python benchmarks/live.py [--minutes 10] [--midi FILE] [--notochord PYTHON]

A simulated player plays with the improviser in virtual time, which passes as fast as thinking
really takes, on one thread, while another process keeps the other core busy.

    reaction     last note-on of the player to when the first note of the answer is ordered, and
                 to when it is due; answer mode, threshold 0, about 512 events of memory
    replanning   note-on of the player to when the next two bars of bass, drums and chords have
                 been written anew; where the player's next note is sooner, it is counted only
    in time      share of the notes of the same trio that are sent no more than 2 ms late, of
                 those sent and those dropped as too late
    first note   from the start of a new process to the first note ordered

Notochord (Shepardson et al. 2022) runs in an environment of its own, of which --notochord names
the Python: `pip install notochord`. Its weights are fetched from the network when it is first
used; without a checkpoint it is measured with random ones, which are as fast.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from itertools import count, cycle
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.bundle import Bundle, load_bundle
from sideman.live.improviser import Improviser
from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.orders import Order, Play
from sideman.live.planner import Planner
from sideman.live.player import Phrase, perform, phrases_of
from sideman.live.recording import Heard, Ordered, Sounded
from sideman.live.scheduler import Scheduler
from sideman.live.settings import Settings, with_settings
from sideman.live.timeline import Timeline
from sideman.live.virtual import Script, measured, rehearse
from sideman.live.voices import parse_voices
from sideman.score.midi import read_midi

TEMPO_BPM = 120
PHRASE_NOTES = 6
PHRASE_STEP_S = 0.15
TRIAL_S = 3.0
N_WARM_UP = 40
"""Trials until the memory is full."""

N_TRIALS = 200
N_COLD = 5
REPLANNED_S = 60.0
ON_TIME_S = 0.002
COMMITS = ("0.06", "0.3")
"""How far ahead the plan is fixed, seconds: as it is for a soloist, and for a band."""

TRIO = ("auto:bass=fretless bass", "auto:drums", "auto:chords=electric piano 1")

Clock = Callable[[], float]


def improviser(
    bundle: Bundle, voices: Sequence[str], **settings: str
) -> tuple[Improviser, Planner]:
    """Return a partner on one thread, and what plans for it."""
    planner = Planner(bundle, threads=1)
    chosen = with_settings(Settings(), settings)
    return Improviser(planner, Timeline(TEMPO_BPM), chosen, parse_voices(voices)), planner


# --------------------------------------------------------------------------- reaction


def trials() -> Iterator[Timed]:
    """Yield phrases of a few notes, without end."""
    rng = np.random.default_rng(0)
    for number in count():
        pitches = 60 + np.cumsum(rng.integers(-4, 5, PHRASE_NOTES)) % 24
        for place, pitch in enumerate(pitches.tolist()):
            at_s = number * TRIAL_S + place * PHRASE_STEP_S
            yield Timed(at_s, NoteOn(0, pitch, 80))
            yield Timed(at_s + 0.9 * PHRASE_STEP_S, NoteOff(0, pitch))


def reaction(bundle: Bundle, clock: Clock) -> Iterator[str]:
    """Yield the line on how soon an answer is ordered."""
    partner, _ = improviser(
        bundle, (), silence="0", min_notes=str(PHRASE_NOTES), answer="1 bar", memory="72 s"
    )
    until_s = (N_WARM_UP + N_TRIALS) * TRIAL_S
    ordered_s, due_s, remembered = [], [], []
    asked_s, n_heard = None, 0
    for record in rehearse(
        partner, Scheduler(), Script(trials()), until_s=until_s, lap=measured(clock)
    ):
        match record:
            case Heard(time_s, NoteOn()):
                n_heard += 1
                asked_s = time_s if n_heard % PHRASE_NOTES == 0 else None
            case Ordered(time_s, Play(begin_s=begin_s)) if asked_s is not None:
                if time_s >= N_WARM_UP * TRIAL_S:
                    ordered_s.append(time_s - asked_s)
                    due_s.append(begin_s - asked_s)
                    now = partner.timeline.ticks_at(time_s)
                    memory = partner.settings.memory.ticks(partner.timeline, now)
                    remembered.append(len(partner.memory.notes_since(now - memory)))
                asked_s = None
    yield (
        f"reaction    {_quantiles(ordered_s)} to the order, {_quantiles(due_s)} to the note; "
        f"{len(ordered_s)} of {N_TRIALS} answered, {np.median(remembered):.0f} notes remembered"
    )


# ------------------------------------------------------------------------- replanning


class Observed(Improviser):
    """A partner of whom is noted how long it takes to plan anew."""

    def observe(self, planner: Planner) -> None:
        """Begin to note."""
        self.spans_s: list[float] = []
        self.n_steps: list[int] = []
        self.n_overtaken = 0
        self._planner_seen = planner
        self._begun: tuple[float, int] | None = None

    def hear(self, timed: Timed) -> list[Order]:
        """Begin to plan anew at a note-on."""
        if isinstance(timed.message, NoteOn):
            self.n_overtaken += self._begun is not None
            self._begun = timed.time_s, self._planner_seen.n_steps
        return super().hear(timed)

    def think(self, now_s: float) -> bool:
        """Note when nothing is left to plan."""
        has_thought = super().think(now_s)
        if not has_thought and self._begun is not None:
            begin_s, n_steps = self._begun
            self.spans_s.append(now_s - begin_s)
            self.n_steps.append(self._planner_seen.n_steps - n_steps)
            self._begun = None
        return has_thought


def replanning(bundle: Bundle, music: Sequence[Phrase], clock: Clock) -> Iterator[str]:
    """Yield the line on how long the next two bars take."""
    planner = Planner(bundle, threads=1)
    chosen = with_settings(
        Settings(), {"mode": "accompany", "horizon": "2 bars", "lookahead": "2 bars"}
    )
    partner = Observed(planner, Timeline(TEMPO_BPM), chosen, parse_voices(TRIO))
    partner.observe(planner)
    player = Script(perform(cycle(music)))
    records = rehearse(partner, Scheduler(), player, until_s=REPLANNED_S, lap=measured(clock))
    for _ in records:
        pass
    n_steps = np.array(partner.n_steps)
    yield (
        f"replanning  {_quantiles(partner.spans_s)}; {len(n_steps)} times, "
        f"{np.median(n_steps):.0f} events (most {n_steps.max()}); "
        f"{partner.n_overtaken} overtaken by the next note"
    )


# ---------------------------------------------------------------------------- in time


def in_time(
    bundle: Bundle, music: Sequence[Phrase], minutes: float, clock: Clock, commit: str
) -> Iterator[str]:
    """Yield the lines on how many notes came in time, of a plan fixed so far ahead."""
    partner, _ = improviser(bundle, TRIO, mode="accompany", commit=commit)
    scheduler = Scheduler()
    before_s = time.perf_counter()
    late_s = [
        record.lateness_s
        for record in rehearse(
            partner,
            scheduler,
            Script(perform(cycle(music))),
            until_s=60 * minutes,
            lap=measured(clock),
        )
        if isinstance(record, Sounded) and isinstance(record.message, NoteOn)
    ]
    spent_s = time.perf_counter() - before_s
    meters = partner.meters()
    dropped = scheduler.n_dropped + meters.dropped
    share = sum(lateness_s <= ON_TIME_S for lateness_s in late_s) / (len(late_s) + dropped)
    yield (
        f"in time     {100 * share:.2f} % of {len(late_s)} notes sent and {dropped} dropped in "
        f"{minutes:g} minutes, commit {commit} s; lateness {_quantiles(late_s)}"
    )
    yield (
        f"            {spent_s:.0f} s in all; fallbacks "
        + (", ".join(f"{name} {n}" for name, n in meters.fallbacks.items()) or "none")
    )


# ------------------------------------------------------------------------- first note


def play_first_note(bundle: Path | None) -> None:
    """Answer three notes, in real time, as soon as possible: run in a new process."""
    partner, _ = improviser(load_bundle(bundle), (), silence="0")
    begin_s = time.perf_counter()
    for pitch in (60, 64, 67):
        partner.hear(Timed(0.0, NoteOn(0, pitch, 80)))
    while True:
        now_s = time.perf_counter() - begin_s
        partner.think(now_s)
        if any(isinstance(order, Play) for order in partner.commit(now_s)):
            return


def first_note(bundle: Path | None) -> Iterator[str]:
    """Yield the line on how long a new process takes to its first note."""
    command = [sys.executable, __file__, "--first-note"]
    command += ["--bundle", str(bundle)] if bundle else []
    spent_s = []
    for _ in range(N_COLD):
        before_s = time.perf_counter()
        subprocess.run(command, check=True)
        spent_s.append(time.perf_counter() - before_s)
    yield f"first note  median {np.median(spent_s):.2f} s, most {max(spent_s):.2f} s"


# -------------------------------------------------------------------------- Notochord


def notochord(python: Path | None, checkpoint: Path | None) -> Iterator[str]:
    """Yield the line on Notochord, if there is an environment for it."""
    if python is None:
        yield "Notochord   not measured: name the Python of its environment with --notochord"
        return
    script = Path(__file__).with_name("live_notochord.py")
    command = [str(python), str(script), *([str(checkpoint)] if checkpoint else [])]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        yield f"Notochord   not measured: {ran.stderr.strip().splitlines()[-1]}"
        return
    said = json.loads(ran.stdout.splitlines()[-1])
    together = [feed + query for feed, query in zip(said["feed"], said["query"], strict=True)]
    yield (
        f"Notochord   {_quantiles(together)} to feed a note and query the next "
        f"(feed {_quantiles(said['feed'])}, query {_quantiles(said['query'])})"
    )
    yield f"            {said['about']}"


# -------------------------------------------------------------------------- around it


@contextmanager
def other_core_busy() -> Iterator[None]:
    """Keep a core busy."""
    worker = get_context("spawn").Process(target=_spin, daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.kill()
        worker.join()


def _spin() -> None:
    while True:
        sum(range(10_000))


def _quantiles(values_s: Sequence[float]) -> str:
    p50_ms, p99_ms = 1000 * np.quantile(values_s, (0.5, 0.99))
    return f"p50 {p50_ms:.1f} p99 {p99_ms:.1f} ms"


def _music(midi: Path | None) -> list[Phrase]:
    """Return what is played: the first part of a file, of the example if none is named."""
    example = resources.files("sideman") / "examples" / "prompt.mid"
    with resources.as_file(example) as path:
        return phrases_of(read_midi(midi or path), n_bars=8, part=0, tempo_bpm=TEMPO_BPM)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument(
        "--midi", type=Path, default=None, help="its first part is the player's"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of playing in time")
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds: a busy machine")
    parser.add_argument("--notochord", type=Path, default=None, help="Python that has it")
    parser.add_argument("--checkpoint", type=Path, default=None, help="of Notochord")
    parser.add_argument("--first-note", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.first_note:
        play_first_note(asked.bundle)
        return
    bundle, music = load_bundle(asked.bundle), _music(asked.midi)
    clock = time.process_time if asked.cpu else time.perf_counter
    print("\n".join(machine_lines("sideman", "onnxruntime", "numpy")))
    print(
        f"bundle    {bundle.name} {bundle.hash}; one thread, another process on the other core"
    )
    print(f"time      {'CPU seconds' if asked.cpu else 'seconds'} of thinking", flush=True)
    with other_core_busy():
        for lines in (
            reaction(bundle, clock),
            notochord(asked.notochord, asked.checkpoint),
            replanning(bundle, music, clock),
            *(in_time(bundle, music, asked.minutes, clock, commit) for commit in COMMITS),
            first_note(asked.bundle),
        ):
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
