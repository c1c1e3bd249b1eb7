"""What is in the nodes of lytk's tree: parts, bars, voices, elements and notes.

A part has measures, a measure voices, a voice elements: a note, a chord or a rest. Lengths are
fractions of a whole note there, and of a quarter everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

Tree = dict[str, Any]
"""A node with all below it, as it comes from JSON."""

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
"""Semitones of each letter above C."""


def parts_of(tree: Tree) -> list[Tree]:
    """Return the parts, also those in groups."""
    found: list[Tree] = []
    for child in tree.get("children", ()):
        for kind, body in child.items():
            found += [body] if kind == "Part" else parts_of(body)
    return found


def measures_of(part: Tree) -> list[Tree]:
    """Return the bars of a part."""
    measures: list[Tree] = part.get("measures", [])
    return measures


def elements_of(measure: Tree) -> Iterator[tuple[object, list[Tree]]]:
    """Yield the number of each voice of a bar, and its elements in order."""
    for voice in measure.get("voices", ()):
        elements = (body for element in voice["elements"] for body in element.values())
        yield voice.get("number"), list(elements)


def pitched(element: Tree) -> list[Tree]:
    """Return the notes of an element: those of a chord, one, or none in a rest."""
    notes: list[Tree] = element.get("notes", [element])
    return [note for note in notes if "pitch" in note]


def count_notes(parts: Iterable[Tree]) -> int:
    """Return how many notes the parts have, grace notes and both ends of a tie included."""
    return sum(
        len(pitched(element))
        for part in parts
        for measure in measures_of(part)
        for _, elements in elements_of(measure)
        for element in elements
    )


def is_grace(element: Tree) -> bool:
    """Return whether an element is a grace note or a chord of them."""
    return any(note.get("is_grace") for note in element.get("notes", [element]))


def length_of(element: Tree) -> Fraction:
    """Return how long an element lasts, in quarters; a grace note takes no time of its own."""
    if is_grace(element):
        return Fraction(0)
    duration = element["duration"]
    tuplet = Fraction(duration.get("tuplet_normal", 1), duration.get("tuplet_actual", 1))
    dots = 2 - Fraction(1, 2 ** int(duration.get("dots", 0)))
    return quarters(duration["base"]) * tuplet * dots


def quarters(wholes: Sequence[int]) -> Fraction:
    """Return a fraction of a whole note in quarters."""
    return 4 * Fraction(wholes[0], wholes[1])


def semitones_of(node: Tree) -> int:
    """Return how far above its octave's C a pitch lies: C flat at -1, B sharp at 12."""
    alter = node.get("alter", 0)
    semitones = Fraction(*alter) if isinstance(alter, list) else Fraction(alter)
    return STEPS[node["step"]] + round(semitones)


def offset_of(node: Tree) -> Fraction:
    """Return where in its bar something stands, in quarters."""
    return quarters(node.get("offset", (0, 1)))
