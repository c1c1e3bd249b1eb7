"""MusicXML and ABC to scores, as they would sound, through lytk.

Why lytk (MIT, Rust, 12 MB, needs only NumPy and typer): of 147 folk tunes in ABC it gives note
for note the pitches that abc2midi plays for 109, music21 for 62, as it drops notes under some
annotations and plays repeats wrongly; music21 is 300 MB installed, and needs Python 3.11.
partitura (240 MB) reads no ABC, verovio crashed on 5 of 20 tunes, symusic calls the program
abc2midi. What lytk writes as MIDI is rounded to 1/384 of a quarter, so its tree is read.

Every note sounds once for each time it is played. What holds of XML alone stands in
`sideman.corpus.musicxml`, of bars and repeats in `sideman.corpus.bars`, and of the rest here:

| what is in the file                       | rule                                            |
|-------------------------------------------|-------------------------------------------------|
| ABC without a key (K:)                    | refused: `not-abc`                              |
| notation that lytk cannot read            | refused: `corrupt`                              |
| notes in the XML that lytk does not give  | refused: `notes-lost`                           |
| more than `MAX_NOTES` notes               | refused: `too-many-notes`                       |
| a book of several ABC tunes               | the first that has notes, counted: `other-piece`|
| da capo, dal segno                        | not played, counted: `jump`                     |
| tied notes                                | are one note                                    |
| transposing instruments                   | sound as they sound, chords and keys too        |
| a grace note                              | begins on the beat and takes a 32nd, or its     |
|                                           | share of half the note after it, from that note |
| a grace note that nothing follows         | a 32nd just before the bar line                 |
| dynamics                                  | velocity of `DYNAMICS` from there on, `mf` else;|
|                                           | wedges and accents are passed over              |
| chord symbols                             | `Score.chords`; what `QUALITIES` lacks is left  |
|                                           | out, counted: `unknown-chord`, `chord-degree`   |
| keys in a church mode                     | their own tonic, major or minor by the third    |
| times finer than `MAX_DIVISION`           | rounded, counted: `rounded`                     |
"""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import ModuleType

from sideman.corpus.bars import Metre, metres_of, play_order, read_bars
from sideman.corpus.musicxml import clean_xml
from sideman.corpus.tree import (
    Tree,
    count_notes,
    elements_of,
    is_grace,
    length_of,
    measures_of,
    offset_of,
    parts_of,
    pitched,
    semitones_of,
)
from sideman.errors import MidiFileError, MissingExtra, ScoreError
from sideman.score import smf
from sideman.score.edit import drop_empty_parts
from sideman.score.harmony import NO_CHORD, Chord, parse_chord_label
from sideman.score.midi import MAX_DIVISION, MAX_NOTES
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    MAX_DATA_BYTE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

SCHEMA = 1
"""Version of lytk's tree that this module understands."""

GRACE_LENGTH = Fraction(1, 8)
"""Longest grace note, in quarters: a 32nd."""

DYNAMICS = {
    "pppp": 10,
    "ppp": 16,
    "pp": 33,
    "p": 49,
    "mp": 64,
    "mf": 80,
    "f": 96,
    "ff": 112,
    "fff": 126,
    "ffff": 127,
}
"""Velocity of each dynamic (MuseScore Studio handbook, "Dynamics")."""

COARSEST_TPQ = 48
"""Every score has a multiple of so many ticks per quarter: bars of 64ths are whole ticks."""

ROUNDED_TPQ = 10_080
"""Ticks per quarter of a score that none holds exactly: divisible by 2 to 10, 32 and 63."""

DRUM_MIDI_CHANNEL = 10
"""Channel of the drums as MusicXML counts them, from 1."""

KINDS = {
    "major": "maj",
    "minor": "min",
    "augmented": "aug",
    "diminished": "dim",
    "dominant": "7",
    "major-seventh": "maj7",
    "minor-seventh": "min7",
    "diminished-seventh": "dim7",
    "half-diminished": "hdim7",
    "major-minor": "minmaj7",
    "major-sixth": "maj6",
    "minor-sixth": "min6",
    "dominant-ninth": "9",
    "major-ninth": "maj9",
    "minor-ninth": "min9",
    "dominant-11th": "11",
    "minor-11th": "min11",
    "dominant-13th": "13",
    "suspended-second": "sus2",
    "suspended-fourth": "sus4",
    "power": "5",
    "pedal": "1",
}
"""MusicXML's kinds of chord (MusicXML 4.0, "kind-value") as Harte shorthands."""

MODES = {
    "Major": (0, False),
    "Ionian": (0, False),
    "Dorian": (2, True),
    "Phrygian": (4, True),
    "Lydian": (5, False),
    "Mixolydian": (7, False),
    "Minor": (9, True),
    "Aeolian": (9, True),
    "Locrian": (11, True),
}
"""Tonic of each mode, in semitones above the major one, and whether its third is minor."""

QUARTERS = {
    "whole": Fraction(4),
    "half": Fraction(2),
    "quarter": Fraction(1),
    "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4),
}
"""Length of the notes that tempos are counted in."""

_JUMPS = ("da_capo", "dal_segno")


def read_abc(data: bytes, path: Path) -> tuple[Score, Counter[str]]:
    """Return the first tune in `data` that has notes, and how often which oddity there was.

    Raises:
        MidiFileError: If the file cannot be read.
        MissingExtra: If lytk is not installed.
    """
    repairs: Counter[str] = Counter()
    with _lytk(path) as lytk:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")  # the charset of ABC before version 2.1
        if not any(line.startswith("K:") for line in text.splitlines()):
            raise smf.refusal(path, "not-abc", "it has no key (K:), so it is no ABC tune")
        tunes = [_known_parts(tune.to_dict()) for tune in lytk.from_abc_tunes_string(text)]
        if len(tunes) > 1:
            repairs["other-piece"] += len(tunes) - 1
        parts = next(filter(count_notes, tunes), tunes[0])
        return _score(parts, (), path, repairs), repairs


def read_musicxml(data: bytes, path: Path) -> tuple[Score, Counter[str]]:
    """Return the score in `data`, and how often which oddity was put right.

    Raises:
        MidiFileError: If the file cannot be read.
        MissingExtra: If lytk is not installed.
    """
    repairs: Counter[str] = Counter()
    with _lytk(path) as lytk:
        xml = clean_xml(data, path, repairs)
        parts = _known_parts(lytk.from_musicxml_bytes(xml.data).to_dict())
        n_read = count_notes(parts)
        if n_read != xml.n_notes:
            what = f"only {n_read} of its {xml.n_notes} notes are read"
            raise smf.refusal(path, "notes-lost", what)
        return _score(parts, xml.drums, path, repairs), repairs


@contextmanager
def _lytk(path: Path) -> Iterator[ModuleType]:
    """Lend lytk; what it cannot read and what no score can hold becomes a refusal."""
    try:
        lytk = importlib.import_module("lytk")
    except ImportError as error:
        msg = 'lytk, which reads MusicXML and ABC, is missing; pip install "sideman[notation]"'
        raise MissingExtra(msg) from error
    try:
        yield lytk
    except MidiFileError:
        raise
    except (lytk.LytkError, ScoreError, OverflowError) as error:
        line = " ".join(str(error).split())
        raise smf.refusal(path, "corrupt", f"its notation makes no sense: {line}") from error


def _known_parts(tree: Tree) -> list[Tree]:
    """Return the parts of a tree of the version that is understood here."""
    if tree["schema"] != SCHEMA:
        msg = (
            f"lytk gives trees of version {tree['schema']}; this sideman reads {SCHEMA}: "
            f'pip install "sideman[notation]" brings the one it needs'
        )
        raise MissingExtra(msg)
    return parts_of(tree)


# ------------------------------------------------------------------------------------- notes


@dataclass(slots=True)
class _Note:
    """A note while it is being read; times in quarters."""

    onset: Fraction
    end: Fraction
    pitch: int
    velocity: int
    part: int


@dataclass(slots=True)
class _Player:
    """Reads the bars of one part in the order they are played."""

    index: int
    notes: list[_Note] = field(default_factory=list)
    velocity: int = DYNAMICS["mf"]
    transposition: int = 0
    tied: dict[tuple[object, int], _Note] = field(default_factory=dict)

    def play(self, measure: Tree, start: Fraction, length: Fraction) -> None:
        """Add the notes of a bar."""
        if transpose := measure.get("attributes", {}).get("transpose"):
            octaves = int(transpose.get("octave_change", 0))
            self.transposition = round(transpose.get("chromatic", 0)) + 12 * octaves
        marks = [
            (offset_of(direction), DYNAMICS[direction["dynamic"].get("sign")])
            for direction in measure.get("directions", ())
            if direction.get("dynamic", {}).get("sign") in DYNAMICS
        ]
        marks.sort()
        before = self.velocity
        for voice, elements in elements_of(measure):
            graces: list[Tree] = []
            at = Fraction(0)
            for element in elements:
                self.velocity = [before, *(mark[1] for mark in marks if mark[0] <= at)][-1]
                if is_grace(element):
                    graces.append(element)
                    continue
                lasts = length_of(element)
                begin = self._ornament(voice, graces, start + at, lasts)
                self._strike(voice, element, begin, start + at + lasts)
                graces, at = [], at + lasts
            room = GRACE_LENGTH * len(graces)
            self._ornament(voice, graces, max(start + length - room, Fraction(0)), 2 * room)
        self.velocity = marks[-1][1] if marks else before

    def _ornament(
        self, voice: object, graces: Sequence[Tree], at: Fraction, lasts: Fraction
    ) -> Fraction:
        """Add grace notes from `at` on; return where the note after them, so long, begins."""
        each = min(GRACE_LENGTH, lasts / (2 * max(len(graces), 1)))
        for grace in graces:
            self._strike(voice, grace, at, at + each)
            at += each
        return at

    def _strike(self, voice: object, element: Tree, onset: Fraction, end: Fraction) -> None:
        """Add the notes of an element; a tied one goes on instead."""
        for note in pitched(element):
            octave = 12 * (int(note["pitch"]["octave"]) + 1)
            pitch = octave + semitones_of(note["pitch"]) + self.transposition
            key = (voice, pitch)
            sounding = self.tied.pop(key, None)
            if sounding is not None and sounding.end == onset:
                sounding.end = end
            else:
                velocity = min(int(note.get("velocity", self.velocity)), MAX_DATA_BYTE)
                sounding = _Note(onset, end, pitch, max(velocity, 1), self.index)
                self.notes.append(sounding)
            if any(tie.get("tie_type") == "Start" for tie in note.get("ties", ())):
                self.tied[key] = sounding


# ------------------------------------------------------------------------------------- signs


class _Signs:
    """The keys, tempos and chords of the bars; what several parts say at one place counts once.

    Args:
        repairs: Counts what cannot be said in a score.
    """

    def __init__(self, repairs: Counter[str]) -> None:
        self.keys: dict[Fraction, tuple[int, bool]] = {}
        self.tempos: dict[Fraction, float] = {}
        self.chords: dict[Fraction, Chord] = {}
        self.repairs = repairs

    def read(self, measure: Tree, start: Fraction, transposition: int) -> None:
        """Take the signs of a bar that begins at `start`; transposition is in semitones."""
        key = measure.get("attributes", {}).get("key")
        if key is not None:
            above, is_minor = MODES.get(key.get("mode", "Major"), (0, False))
            tonic = (int(key.get("fifths", 0)) * 7 + above + transposition) % 12
            self.keys.setdefault(start, (tonic, is_minor))
        for direction in measure.get("directions", ()):
            tempo_bpm = _tempo_bpm(direction.get("tempo", {}))
            if tempo_bpm > 0:
                self.tempos.setdefault(start + offset_of(direction), tempo_bpm)
            if any(jump in direction for jump in _JUMPS):
                self.repairs["jump"] += 1
        for harmony in measure.get("harmonies", ()):
            chord = _chord(harmony, transposition, self.repairs)
            if chord is not None:
                self.chords.setdefault(start + offset_of(harmony), chord)


def _tempo_bpm(tempo: Tree) -> float:
    """Return quarters a minute; 0 where a tempo is only named."""
    unit = QUARTERS.get(tempo.get("beat_unit", ""), Fraction(0))
    dots = 2 - Fraction(1, 2 ** int(tempo.get("dots", 0)))
    return float(unit * dots) * float(tempo.get("per_minute") or 0)


def _chord(harmony: Tree, transposition: int, repairs: Counter[str]) -> Chord | None:
    """Return the chord of a symbol, or None where `QUALITIES` has none like it."""
    kind, root_node = harmony.get("kind"), harmony.get("root")
    if kind == "none":
        return Chord(NO_CHORD)
    if kind not in KINDS or root_node is None:
        repairs["unknown-chord"] += 1
        return None
    plain = f"C:{KINDS[kind]}"
    degrees = ",".join(chain.from_iterable(map(_degree, harmony.get("degrees", ()))))
    try:
        quality = parse_chord_label(f"{plain}({degrees})" if degrees else plain).quality
    except ScoreError:
        repairs["chord-degree"] += 1
        quality = parse_chord_label(plain).quality
    root, bass = semitones_of(root_node), semitones_of(harmony.get("bass") or root_node)
    return Chord((root + transposition) % 12, quality, (bass - root) % 12)


def _degree(degree: Tree) -> list[str]:
    """Return what is added to or taken from a chord, in Harte syntax."""
    value, alter = int(degree["value"]), round(degree.get("alter", 0))
    changed = ("#" * alter if alter > 0 else "b" * -alter) + str(value)
    return {"subtract": [f"*{value}"], "alter": [f"*{value}", changed]}.get(
        degree["degree_type"], [changed]
    )


# ------------------------------------------------------------------------------------- score


def _score(
    parts: Sequence[Tree], drums: Collection[str], path: Path, repairs: Counter[str]
) -> Score:
    """Return the score that sounds when the parts are played."""
    written = read_bars(parts)
    order = play_order(written, path, repairs)
    bars = [written[index] for index in order]
    starts = [Fraction(0)]
    for bar in bars:
        starts.append(starts[-1] + bar.length)
    notes: list[_Note] = []
    signs = _Signs(repairs)
    for index, part in enumerate(parts):
        measures = measures_of(part)
        player = _Player(index, notes)
        for at, start, bar in zip(order, starts, bars, strict=False):
            if at < len(measures):
                player.play(measures[at], start, bar.length)
                signs.read(measures[at], start, player.transposition)
            if len(notes) > MAX_NOTES:
                raise smf.refusal(path, "too-many-notes", f"it has more than {MAX_NOTES} notes")
    return _on_ticks(notes, _players(parts, drums), metres_of(bars, starts), signs)


def _players(parts: Sequence[Tree], drums: Collection[str]) -> tuple[Part, ...]:
    return tuple(
        Part(
            int(part.get("midi_program", 0)) & MAX_DATA_BYTE,
            is_drum=part.get("midi_channel") == DRUM_MIDI_CHANNEL
            or part.get("part_id") in drums,
            name=str(part.get("name", "")),
        )
        for part in parts
    )


def _on_ticks(
    notes: Sequence[_Note],
    parts: tuple[Part, ...],
    metres: Sequence[Metre],
    signs: _Signs,
) -> Score:
    """Return the score, at ticks per quarter that hold every time exactly."""
    times = {time for note in notes for time in (note.onset, note.end)}
    times |= {*signs.keys, *signs.tempos, *signs.chords, *(row[0] for row in metres)}
    tpq = math.lcm(COARSEST_TPQ, *(time.denominator for time in times))
    if tpq > MAX_DIVISION:
        signs.repairs["rounded"] += 1
        tpq = ROUNDED_TPQ

    def tick(time: Fraction) -> int:
        return round(time * tpq)

    rows = (
        (
            tick(note.onset),
            max(tick(note.end) - tick(note.onset), 1),
            note.pitch,
            note.velocity,
            note.part,
        )
        for note in notes
    )
    score = Score(
        notes=table(NOTE_DTYPE, rows),
        parts=parts,
        tpq=tpq,
        tempos=table(TEMPO_DTYPE, ((tick(at), tempo) for at, tempo in signs.tempos.items())),
        time_signatures=table(TIME_SIGNATURE_DTYPE, ((tick(at), n, d) for at, n, d in metres)),
        keys=table(KEY_DTYPE, ((tick(at), *key) for at, key in signs.keys.items())),
        chords=table(CHORD_DTYPE, ((tick(at), *chord) for at, chord in signs.chords.items())),
    )
    return drop_empty_parts(score)
