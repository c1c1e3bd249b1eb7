"""General MIDI: what the program numbers, drum pieces and drum kits are called.

Names are those of the General MIDI Level 1 specification (MIDI Manufacturers Association,
1991); the kits are those of Roland GS, which most sound fonts follow.
"""

import difflib
import re

from sideman.errors import ScoreError

PROGRAM_NAMES = (
    # Piano
    "Acoustic Grand Piano",
    "Bright Acoustic Piano",
    "Electric Grand Piano",
    "Honky-tonk Piano",
    "Electric Piano 1",
    "Electric Piano 2",
    "Harpsichord",
    "Clavinet",
    # Chromatic Percussion
    "Celesta",
    "Glockenspiel",
    "Music Box",
    "Vibraphone",
    "Marimba",
    "Xylophone",
    "Tubular Bells",
    "Dulcimer",
    # Organ
    "Drawbar Organ",
    "Percussive Organ",
    "Rock Organ",
    "Church Organ",
    "Reed Organ",
    "Accordion",
    "Harmonica",
    "Tango Accordion",
    # Guitar
    "Acoustic Guitar (nylon)",
    "Acoustic Guitar (steel)",
    "Electric Guitar (jazz)",
    "Electric Guitar (clean)",
    "Electric Guitar (muted)",
    "Overdriven Guitar",
    "Distortion Guitar",
    "Guitar Harmonics",
    # Bass
    "Acoustic Bass",
    "Electric Bass (finger)",
    "Electric Bass (pick)",
    "Fretless Bass",
    "Slap Bass 1",
    "Slap Bass 2",
    "Synth Bass 1",
    "Synth Bass 2",
    # Strings
    "Violin",
    "Viola",
    "Cello",
    "Contrabass",
    "Tremolo Strings",
    "Pizzicato Strings",
    "Orchestral Harp",
    "Timpani",
    # Ensemble
    "String Ensemble 1",
    "String Ensemble 2",
    "Synth Strings 1",
    "Synth Strings 2",
    "Choir Aahs",
    "Voice Oohs",
    "Synth Voice",
    "Orchestra Hit",
    # Brass
    "Trumpet",
    "Trombone",
    "Tuba",
    "Muted Trumpet",
    "French Horn",
    "Brass Section",
    "Synth Brass 1",
    "Synth Brass 2",
    # Reed
    "Soprano Sax",
    "Alto Sax",
    "Tenor Sax",
    "Baritone Sax",
    "Oboe",
    "English Horn",
    "Bassoon",
    "Clarinet",
    # Pipe
    "Piccolo",
    "Flute",
    "Recorder",
    "Pan Flute",
    "Blown Bottle",
    "Shakuhachi",
    "Whistle",
    "Ocarina",
    # Synth Lead
    "Lead 1 (square)",
    "Lead 2 (sawtooth)",
    "Lead 3 (calliope)",
    "Lead 4 (chiff)",
    "Lead 5 (charang)",
    "Lead 6 (voice)",
    "Lead 7 (fifths)",
    "Lead 8 (bass + lead)",
    # Synth Pad
    "Pad 1 (new age)",
    "Pad 2 (warm)",
    "Pad 3 (polysynth)",
    "Pad 4 (choir)",
    "Pad 5 (bowed)",
    "Pad 6 (metallic)",
    "Pad 7 (halo)",
    "Pad 8 (sweep)",
    # Synth Effects
    "FX 1 (rain)",
    "FX 2 (soundtrack)",
    "FX 3 (crystal)",
    "FX 4 (atmosphere)",
    "FX 5 (brightness)",
    "FX 6 (goblins)",
    "FX 7 (echoes)",
    "FX 8 (sci-fi)",
    # Ethnic
    "Sitar",
    "Banjo",
    "Shamisen",
    "Koto",
    "Kalimba",
    "Bagpipe",
    "Fiddle",
    "Shanai",
    # Percussive
    "Tinkle Bell",
    "Agogo",
    "Steel Drums",
    "Woodblock",
    "Taiko Drum",
    "Melodic Tom",
    "Synth Drum",
    "Reverse Cymbal",
    # Sound Effects
    "Guitar Fret Noise",
    "Breath Noise",
    "Seashore",
    "Bird Tweet",
    "Telephone Ring",
    "Helicopter",
    "Applause",
    "Gunshot",
)
"""Names of programs 0-127."""

PROGRAMS_PER_FAMILY = 8

FAMILY_NAMES = (
    "Piano",
    "Chromatic Percussion",
    "Organ",
    "Guitar",
    "Bass",
    "Strings",
    "Ensemble",
    "Brass",
    "Reed",
    "Pipe",
    "Synth Lead",
    "Synth Pad",
    "Synth Effects",
    "Ethnic",
    "Percussive",
    "Sound Effects",
)
"""Names of the families; family f holds programs 8f to 8f + 7."""

DRUM_NAMES = {
    35: "Acoustic Bass Drum",
    36: "Bass Drum 1",
    37: "Side Stick",
    38: "Acoustic Snare",
    39: "Hand Clap",
    40: "Electric Snare",
    41: "Low Floor Tom",
    42: "Closed Hi-Hat",
    43: "High Floor Tom",
    44: "Pedal Hi-Hat",
    45: "Low Tom",
    46: "Open Hi-Hat",
    47: "Low-Mid Tom",
    48: "Hi-Mid Tom",
    49: "Crash Cymbal 1",
    50: "High Tom",
    51: "Ride Cymbal 1",
    52: "Chinese Cymbal",
    53: "Ride Bell",
    54: "Tambourine",
    55: "Splash Cymbal",
    56: "Cowbell",
    57: "Crash Cymbal 2",
    58: "Vibraslap",
    59: "Ride Cymbal 2",
    60: "Hi Bongo",
    61: "Low Bongo",
    62: "Mute Hi Conga",
    63: "Open Hi Conga",
    64: "Low Conga",
    65: "High Timbale",
    66: "Low Timbale",
    67: "High Agogo",
    68: "Low Agogo",
    69: "Cabasa",
    70: "Maracas",
    71: "Short Whistle",
    72: "Long Whistle",
    73: "Short Guiro",
    74: "Long Guiro",
    75: "Claves",
    76: "Hi Wood Block",
    77: "Low Wood Block",
    78: "Mute Cuica",
    79: "Open Cuica",
    80: "Mute Triangle",
    81: "Open Triangle",
}
"""Drum pieces by pitch."""

DRUM_KIT_NAMES = {
    0: "Standard",
    8: "Room",
    16: "Power",
    24: "Electronic",
    25: "TR-808",
    32: "Jazz",
    40: "Brush",
    48: "Orchestra",
}
"""Drum kits by program of a drum part (Roland GS); players use Standard for any other."""

N_PROGRAMS = len(PROGRAM_NAMES)

_ANY_PITCH = (0, 127)
_FAMILY_RANGES = (
    (21, 108),  # Piano
    (60, 108),  # Chromatic Percussion
    (21, 108),  # Organ
    (40, 88),  # Guitar
    (23, 67),  # Bass
    (23, 103),  # Strings
    (23, 103),  # Ensemble
    (22, 85),  # Brass
    (50, 94),  # Reed
    (60, 98),  # Pipe
    _ANY_PITCH,  # Synth Lead
    _ANY_PITCH,  # Synth Pad
    _ANY_PITCH,  # Synth Effects
    (43, 83),  # Ethnic
    _ANY_PITCH,  # Percussive
    _ANY_PITCH,  # Sound Effects
)
_RANGES_OF_THEIR_OWN = {
    "Harpsichord": (29, 89),
    "Clavinet": (29, 89),
    "Glockenspiel": (79, 108),
    "Vibraphone": (48, 96),
    "Marimba": (45, 96),
    "Xylophone": (65, 108),
    "Tubular Bells": (60, 79),
    "Dulcimer": (48, 86),
    "Reed Organ": (29, 89),
    "Accordion": (36, 93),
    "Harmonica": (48, 98),
    "Tango Accordion": (36, 93),
    "Synth Bass 1": _ANY_PITCH,
    "Synth Bass 2": _ANY_PITCH,
    "Violin": (55, 103),
    "Viola": (48, 93),
    "Cello": (36, 84),
    "Contrabass": (23, 67),
    "Orchestral Harp": (23, 104),
    "Timpani": (38, 60),
    "Synth Strings 1": _ANY_PITCH,
    "Synth Strings 2": _ANY_PITCH,
    "Choir Aahs": (36, 94),
    "Voice Oohs": (36, 94),
    "Synth Voice": _ANY_PITCH,
    "Orchestra Hit": _ANY_PITCH,
    "Trumpet": (52, 85),
    "Trombone": (35, 74),
    "Tuba": (22, 72),
    "Muted Trumpet": (52, 85),
    "French Horn": (29, 77),
    "Synth Brass 1": _ANY_PITCH,
    "Synth Brass 2": _ANY_PITCH,
    "Soprano Sax": (56, 94),
    "Alto Sax": (49, 87),
    "Tenor Sax": (44, 82),
    "Baritone Sax": (36, 75),
    "Oboe": (58, 93),
    "English Horn": (52, 84),
    "Bassoon": (34, 77),
    "Piccolo": (74, 108),
    "Flute": (59, 98),
    "Sitar": (36, 84),
    "Banjo": (48, 87),
    "Kalimba": (55, 86),
    "Bagpipe": (45, 81),
    "Fiddle": (55, 103),
    "Shanai": (62, 84),
    "Steel Drums": (36, 88),
}

PITCH_RANGES = tuple(
    _RANGES_OF_THEIR_OWN.get(name, _FAMILY_RANGES[program // PROGRAMS_PER_FAMILY])
    for program, name in enumerate(PROGRAM_NAMES)
)
"""Lowest and highest MIDI note, as it sounds, of each program 0-127.

What good players reach: the professional ranges of MuseScore's instrument list where it has
the instrument, else those of Adler, The Study of Orchestration (2016), and of the instrument's
keys or frets. Electronic and unpitched sounds have no range: they play any note."""


def _plain(text: str) -> str:
    """Return the words of a name, lower case, without punctuation."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


_USUAL_OF_FAMILY = {"Strings": "String Ensemble 1", "Brass": "Brass Section"}
"""What people mean who name these families: many players, not their first program."""

_PROGRAM_OF_NAME = {
    **{_plain(name): PROGRAMS_PER_FAMILY * f for f, name in enumerate(FAMILY_NAMES)},
    **{_plain(name): PROGRAM_NAMES.index(usual) for name, usual in _USUAL_OF_FAMILY.items()},
    **{_plain(name): program for program, name in enumerate(PROGRAM_NAMES)},
}
_DRUM_WORDS = {"drum", "drums", "drum kit", "drum set", "drumkit", "drumset", "percussion"}


def program_name(program: int) -> str:
    """Return the name of a melodic program.

    Args:
        program: General MIDI program, 0-127.

    Raises:
        ScoreError: If there is no such program.

    Example:
        >>> program_name(0)
        'Acoustic Grand Piano'
    """
    if not 0 <= program < N_PROGRAMS:
        msg = f"program is {program}; it must be 0 to {N_PROGRAMS - 1}"
        raise ScoreError(msg)
    return PROGRAM_NAMES[program]


def family_name(program: int) -> str:
    """Return the name of the family of a melodic program, 0-127.

    Raises:
        ScoreError: If there is no such program.

    Example:
        >>> family_name(40)
        'Strings'
    """
    program_name(program)
    return FAMILY_NAMES[program // PROGRAMS_PER_FAMILY]


def find_program(text: str) -> int:
    """Return the program, 0-127, that a person means by `text`.

    Understood are, in this order: a number as people count, 1-128; the name of a program; the
    name of a family (its first program; of strings and brass the section); words that occur in
    a name (the first such program). Case and punctuation do not matter.

    Raises:
        ScoreError: If nothing fits; the message says what comes near.

    Example:
        >>> find_program("violin"), find_program("41"), find_program("electric bass")
        (40, 40, 33)
    """
    wanted = _plain(text)
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        if not 1 <= int(wanted) <= N_PROGRAMS:
            msg = f"program number is {wanted}; people count programs from 1 to {N_PROGRAMS}"
            raise ScoreError(msg)
        return int(wanted) - 1
    if wanted in _PROGRAM_OF_NAME:
        return _PROGRAM_OF_NAME[wanted]
    if wanted in _DRUM_WORDS:
        msg = f"{text!r} is no program: a drum part is marked as drums, its program is the kit"
        raise ScoreError(msg)
    words = set(wanted.split())
    for program, name in enumerate(PROGRAM_NAMES):
        if words and words <= set(_plain(name).split()):
            return program
    msg = f"there is no program {text!r}{_hint(wanted)}"
    raise ScoreError(msg)


def _hint(wanted: str) -> str:
    """Return what to say about the names nearest to `wanted`."""
    names = {_plain(name): name for name in (*FAMILY_NAMES, *PROGRAM_NAMES)}
    words: dict[str, str] = {}  # a single word may be near when the whole name is not
    for name in PROGRAM_NAMES:
        for word in _plain(name).split():
            words.setdefault(word, name)
    near = [names[key] for key in difflib.get_close_matches(wanted, names)]
    near += [words[key] for key in difflib.get_close_matches(wanted, words)]
    if not near:
        return f"; give a General MIDI name or a number from 1 to {N_PROGRAMS}"
    return f"; did you mean {', '.join(repr(name) for name in dict.fromkeys(near))}?"
