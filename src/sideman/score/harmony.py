"""Keys and chords: what people write to numbers and back, and the pitch classes they hold.

Chord labels follow Harte et al. 2005 ("Symbolic representation of musical chords"),
as mir_eval reads them: `C:min7/b3`; `N` is no chord. Everyday symbols (`Am7`, `E7/G#`) are
understood as well.
"""

import re
from typing import NamedTuple

from sideman.errors import ScoreError

N_PITCH_CLASSES = 12

PITCH_CLASS_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
NATURAL_MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)

MAJOR_KEY_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_KEY_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
"""Tonics as their keys are usually written: with the fewest sharps or flats."""

NO_CHORD = 12
"""Value of `root` for the label `N`."""

QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "min9": (0, 2, 3, 7, 10),
    "11": (0, 2, 4, 5, 7, 10),
    "min11": (0, 2, 3, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "5": (0, 7),
    "1": (0,),
}
"""Chord shorthands and their pitch classes above the root, in the order of their numbers.

The numbers are stored in vocabularies and shards: add at the end, never change the order."""

QUALITY_NAMES = tuple(QUALITIES)

SYMBOL_SUFFIXES: dict[str, tuple[str, ...]] = {
    "maj": ("", "maj", "M", "major"),
    "min": ("m", "min", "-", "mi", "minor"),
    "dim": ("dim", "°", "o"),
    "aug": ("aug", "+"),
    "7": ("7", "dom7"),
    "maj7": ("maj7", "M7", "ma7", "Δ", "Δ7"),
    "min7": ("m7", "min7", "-7", "mi7"),
    "minmaj7": ("mMaj7", "mM7", "mmaj7", "minmaj7", "-Δ", "-Δ7"),
    "dim7": ("dim7", "°7", "o7"),
    "hdim7": ("m7b5", "min7b5", "-7b5", "ø", "ø7", "hdim7", "hdim"),
    "maj6": ("6", "maj6", "M6"),
    "min6": ("m6", "min6", "-6"),
    "9": ("9",),
    "maj9": ("maj9", "M9", "ma9", "Δ9"),
    "min9": ("m9", "min9", "-9"),
    "11": ("11",),
    "min11": ("m11", "min11", "-11"),
    "13": ("13",),
    "sus2": ("sus2",),
    "sus4": ("sus4", "sus"),
    "7sus4": ("7sus4", "7sus"),
    "5": ("5",),
    "1": ("1",),
}
"""What follows the root in everyday chord symbols; the first is the one we write."""

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
_DEGREE_NAMES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]*)[\s:]*(.*)")
_LABEL = re.compile(
    r"([A-G])([#b]*)(?::(?=.)([a-z0-9]*)(?:\(([^()]*)\))?)?(?:/([#b]*\d{1,2}))?"
)
_SYMBOL = re.compile(r"([A-G])([#b♯♭]*)(.*?)(?:/([A-G])([#b♯♭]*))?")
_DEGREE = re.compile(r"(\*?)([#b]*)(\d{1,2})")
_LAST_DEGREE = 13
_MODES = {
    "": False,
    "major": False,
    "maj": False,
    "minor": True,
    "min": True,
    "m": True,
}
_NO_CHORD_SYMBOLS = {"N", "NC", "N.C."}
_QUALITY_OF_SUFFIX = {
    suffix: QUALITY_NAMES.index(quality)
    for quality, suffixes in SYMBOL_SUFFIXES.items()
    for suffix in suffixes
}
_QUALITY_OF_PITCH_CLASSES = {
    frozenset(pitch_classes): index for index, pitch_classes in enumerate(QUALITIES.values())
}


class Chord(NamedTuple):
    """One chord, in the numbers of `CHORD_DTYPE`: a row there is an onset and these three.

    Attributes:
        root: Pitch class, 0 = C; `NO_CHORD` where there is none.
        quality: Index into `QUALITY_NAMES`.
        bass: The lowest note, in semitones above the root, 0-11.
    """

    root: int
    quality: int = 0
    bass: int = 0


def parse_key(text: str) -> tuple[int, bool]:
    """Return the tonic's pitch class and whether the key is minor.

    Raises:
        ScoreError: If `text` names no major or minor key.

    Example:
        >>> parse_key("D minor"), parse_key("F# major"), parse_key("Bbm"), parse_key("c")
        ((2, True), (6, False), (10, True), (0, False))
    """
    match = _KEY.fullmatch(text.strip())
    if match:
        letter, accidentals, mode = match.groups()
        if mode == "M":  # the one place where case decides
            mode = "major"
        if mode.lower() in _MODES:
            return _pitch_class(letter, accidentals), _MODES[mode.lower()]
    msg = f"key is {text!r}; write it as 'D minor', 'F# major' or 'Bbm'"
    raise ScoreError(msg)


def key_name(tonic: int, *, is_minor: bool) -> str:
    """Return the name of a key; `tonic` is a pitch class.

    Raises:
        ScoreError: If `tonic` is outside 0-11.

    Example:
        >>> key_name(1, is_minor=True), key_name(1, is_minor=False)
        ('C# minor', 'Db major')
    """
    _check_pitch_class("key tonic", tonic)
    if is_minor:
        return f"{MINOR_KEY_NAMES[tonic]} minor"
    return f"{MAJOR_KEY_NAMES[tonic]} major"


def scale_pitch_classes(tonic: int, *, is_minor: bool) -> tuple[int, ...]:
    """Return the seven pitch classes of a key, from the tonic up; minor is natural minor.

    Raises:
        ScoreError: If `tonic` is outside 0-11.

    Example:
        >>> scale_pitch_classes(7, is_minor=False)
        (7, 9, 11, 0, 2, 4, 6)
    """
    _check_pitch_class("key tonic", tonic)
    scale = NATURAL_MINOR_SCALE if is_minor else MAJOR_SCALE
    return tuple((tonic + step) % N_PITCH_CLASSES for step in scale)


def parse_chord_label(label: str) -> Chord:
    """Return the chord of a label in Harte syntax.

    Degrees in brackets are added to the shorthand (`*5` takes one away); what comes out must be
    one of `QUALITIES`.

    Raises:
        ScoreError: If the syntax is wrong, or `QUALITIES` has no such chord.

    Example:
        >>> parse_chord_label("C:min7/b3")
        Chord(root=0, quality=6, bass=3)
    """
    text = label.strip()
    if text == "N":
        return Chord(NO_CHORD)
    match = _LABEL.fullmatch(text)
    if not match:
        msg = f"chord label is {label!r}; write it as 'C', 'F#:min7', 'Bb:maj/3' or 'N'"
        raise ScoreError(msg)
    letter, accidentals, shorthand, degrees, bass = match.groups()
    return Chord(
        _pitch_class(letter, accidentals),
        _quality(label, shorthand, degrees),
        0 if bass is None else _degree(label, bass)[1],
    )


def chord_label(chord: Chord) -> str:
    """Return the label of a chord in Harte syntax.

    Raises:
        ScoreError: If a number is outside its range.

    Example:
        >>> chord_label(Chord(root=0, quality=6, bass=3))
        'C:min7/b3'
    """
    _check_chord(chord)
    if chord.root == NO_CHORD:
        return "N"
    bass = f"/{_DEGREE_NAMES[chord.bass]}" if chord.bass else ""
    return f"{PITCH_CLASS_NAMES[chord.root]}:{QUALITY_NAMES[chord.quality]}{bass}"


def parse_chord(text: str) -> Chord:
    """Return the chord of an everyday symbol (`Am7`, `E7/G#`, `N.C.`) or of a Harte label.

    Raises:
        ScoreError: If nothing in `QUALITIES` is meant.

    Example:
        >>> chord_label(parse_chord("Am7")), chord_label(parse_chord("E7/G#"))
        ('A:min7', 'E:7/3')
    """
    plain = text.strip()
    if plain in _NO_CHORD_SYMBOLS:
        return Chord(NO_CHORD)
    if ":" in plain:
        return parse_chord_label(plain)
    match = _SYMBOL.fullmatch(plain)
    if match:
        letter, accidentals, suffix, bass_letter, bass_accidentals = match.groups()
        suffix = re.sub(r"[()\s]", "", suffix).replace("♭", "b").replace("♯", "#")
        if suffix in _QUALITY_OF_SUFFIX:
            root = _pitch_class(letter, accidentals)
            bass = root if bass_letter is None else _pitch_class(bass_letter, bass_accidentals)
            return Chord(root, _QUALITY_OF_SUFFIX[suffix], (bass - root) % N_PITCH_CLASSES)
    known = ", ".join(f"C{suffixes[0]}" for suffixes in SYMBOL_SUFFIXES.values())
    msg = f"chord is {text!r}; known kinds are {known}, a bass after '/', and N"
    raise ScoreError(msg)


def chord_symbol(chord: Chord) -> str:
    """Return the everyday symbol of a chord.

    Raises:
        ScoreError: If a number is outside its range.

    Example:
        >>> chord_symbol(parse_chord("E:7/3"))
        'E7/Ab'
    """
    _check_chord(chord)
    if chord.root == NO_CHORD:
        return "N.C."
    root = PITCH_CLASS_NAMES[chord.root]
    bass_name = PITCH_CLASS_NAMES[(chord.root + chord.bass) % N_PITCH_CLASSES]
    bass = f"/{bass_name}" if chord.bass else ""
    return f"{root}{SYMBOL_SUFFIXES[QUALITY_NAMES[chord.quality]][0]}{bass}"


def chord_pitch_classes(chord: Chord) -> tuple[int, ...]:
    """Return the pitch classes of a chord, in order from C, its bass included.

    Raises:
        ScoreError: If a number is outside its range.

    Example:
        >>> chord_pitch_classes(parse_chord("D7"))
        (0, 2, 6, 9)
    """
    _check_chord(chord)
    if chord.root == NO_CHORD:
        return ()
    steps = {*QUALITIES[QUALITY_NAMES[chord.quality]], chord.bass}
    return tuple(sorted((chord.root + step) % N_PITCH_CLASSES for step in steps))


def _pitch_class(letter: str, accidentals: str) -> int:
    steps = sum(_ACCIDENTALS[sign] for sign in accidentals)
    return (_NATURALS[letter.upper()] + steps) % N_PITCH_CLASSES


def _quality(label: str, shorthand: str | None, degrees: str | None) -> int:
    """Return the quality that a shorthand and the degrees in brackets make together."""
    if degrees is None and shorthand in QUALITIES:
        return QUALITY_NAMES.index(shorthand)
    if shorthand is None:
        return QUALITY_NAMES.index("maj")
    if shorthand and shorthand not in QUALITIES:
        msg = f"chord {label!r} has the quality {shorthand!r}; known are {', '.join(QUALITIES)}"
        raise ScoreError(msg)
    pitch_classes = {0, *(QUALITIES[shorthand] if shorthand else ())}
    for text in (degrees or "").split(","):
        is_omitted, semitones = _degree(label, text.strip())
        if is_omitted:
            pitch_classes.discard(semitones)
        else:
            pitch_classes.add(semitones)
    if frozenset(pitch_classes) not in _QUALITY_OF_PITCH_CLASSES:
        msg = f"chord {label!r} is none of the known qualities: {', '.join(QUALITIES)}"
        raise ScoreError(msg)
    return _QUALITY_OF_PITCH_CLASSES[frozenset(pitch_classes)]


def _degree(label: str, text: str) -> tuple[bool, int]:
    """Return whether a degree such as `b7` is taken away, and its semitones above the root."""
    match = _DEGREE.fullmatch(text)
    number = int(match[3]) if match else 0
    if not match or not 1 <= number <= _LAST_DEGREE:
        msg = (
            f"chord {label!r} has the degree {text!r}; it must be 1 to {_LAST_DEGREE}, as in b7"
        )
        raise ScoreError(msg)
    steps = sum(_ACCIDENTALS[sign] for sign in match[2])
    return bool(match[1]), (
        MAJOR_SCALE[(number - 1) % len(MAJOR_SCALE)] + steps
    ) % N_PITCH_CLASSES


def _check_pitch_class(name: str, value: int) -> None:
    if not 0 <= value < N_PITCH_CLASSES:
        msg = f"{name} is {value}; it must be 0 to {N_PITCH_CLASSES - 1}"
        raise ScoreError(msg)


def _check_chord(chord: Chord) -> None:
    for name, value, highest in (
        ("root", chord.root, NO_CHORD),
        ("quality", chord.quality, len(QUALITIES) - 1),
        ("bass", chord.bass, N_PITCH_CLASSES - 1),
    ):
        if not 0 <= value <= highest:
            msg = f"chord {name} is {value}; it must be 0 to {highest}"
            raise ScoreError(msg)
