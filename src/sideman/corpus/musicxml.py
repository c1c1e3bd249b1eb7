"""MusicXML before it is read: unpacked, harmless, and with nothing in it but what sounds.

lytk goes by how a note is written; what is heard may differ from it. So the file is rewritten
first, and the notes are counted to see later that none was lost. Nothing outside the data is
ever opened.

| what is in the file                       | rule                                            |
|-------------------------------------------|-------------------------------------------------|
| an .mxl that is no ZIP, or holds no score | refused: `not-musicxml`                         |
| one of more than `MAX_UNPACKED_BYTES`     | refused: `too-large`                            |
| XML that is no MusicXML                   | refused: `not-musicxml`                         |
| XML that breaks off or is malformed       | refused: `not-musicxml`                         |
| MusicXML written by time, not by part     | refused: `timewise`                             |
| entities declared in it, deep nesting     | refused: `unsafe-xml`; DTDs are never fetched   |
| what is written and what sounds differ    | what sounds: `<duration>`, `<tie>`              |
| cue notes                                 | are silent                                      |
| unpitched notes                           | drums, by their MIDI number; without one a      |
|                                           | snare drum, counted: `unknown-drum`             |
"""

from __future__ import annotations

import io
import lzma
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from sideman.errors import MidiFileError
from sideman.score import smf
from sideman.score.harmony import N_PITCH_CLASSES, PITCH_CLASS_NAMES
from sideman.score.types import MAX_DATA_BYTE

MAX_UNPACKED_BYTES = 64 * 2**20
"""Largest score in an .mxl file."""

MAX_DEPTH = 32
"""Deepest nesting of XML elements; MusicXML needs a dozen."""

SNARE_DRUM = 38

_ZIP_START = b"PK"
_NOT_MUSIC = ("accidental", "beam", "dot", "lyric", "notations", "notehead", "play", "stem")
_SPELLED = ("time-modification", "type")

_BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(KeyError, ValueError),  # a name that is not there, a place before the file
    *(NotImplementedError, RuntimeError),  # a method there is not, a password
)
"""What zipfile raises for archives that are broken or locked."""


@dataclass(frozen=True, slots=True)
class CleanXml:
    """MusicXML that means what it says.

    Attributes:
        data: The file.
        n_notes: Notes in it.
        drums: Ids of the parts that are drums; their pitches are drum pieces.
    """

    data: bytes
    n_notes: int
    drums: frozenset[str]


def clean_xml(data: bytes, path: Path, repairs: Counter[str]) -> CleanXml:
    """Return a file of MusicXML with nothing in it but what sounds.

    Args:
        data: The file, compressed (.mxl) or not.
        path: Is named in messages.
        repairs: Counts the oddities that were put right.

    Raises:
        MidiFileError: If this is no MusicXML, or made to harm its reader.
    """
    root = _parsed(_unzipped(data, path) if data.startswith(_ZIP_START) else data, path)
    if root.tag == "score-timewise":
        raise smf.refusal(path, "timewise", "it is written by time; save it by part (partwise)")
    if root.tag != "score-partwise":
        raise smf.refusal(path, "not-musicxml", f"it is XML of another kind (<{root.tag}>)")
    drums = _name_drums(root, repairs)
    n_notes = _keep_what_sounds(root)
    return CleanXml(ET.tostring(root), n_notes, drums)


def _unzipped(data: bytes, path: Path) -> bytes:
    """Return the score in an .mxl file, which is a ZIP file with a table of contents."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = _parsed(_member(archive, "META-INF/container.xml", path), path)
            names = (node.get("full-path", "") for node in contents.iter())
            return _member(archive, next(filter(None, names), ""), path)
    except MidiFileError:
        raise
    except _BROKEN_ZIP as error:
        what = f"it is a broken .mxl file: {error}"
        raise smf.refusal(path, "not-musicxml", what) from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return a file of the archive; what the archive says of its size may be a lie."""
    with archive.open(name) as stream:
        data = stream.read(MAX_UNPACKED_BYTES + 1)
    if len(data) > MAX_UNPACKED_BYTES:
        what = f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes"
        raise smf.refusal(path, "too-large", what)
    return data


def _parsed(data: bytes, path: Path) -> ET.Element:
    """Return the root of an XML file that declares no entities.

    Without entities nothing can be expanded a billionfold, and nothing else be included.
    """
    depth = 0

    def refuse(*_: object) -> None:
        raise smf.refusal(path, "unsafe-xml", "it declares entities, which no score needs")

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            what = f"its XML is nested more than {MAX_DEPTH} deep"
            raise smf.refusal(path, "unsafe-xml", what)

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    check = expat.ParserCreate()
    check.EntityDeclHandler, check.StartElementHandler = refuse, enter
    check.EndElementHandler = leave
    try:
        check.Parse(data, True)  # noqa: FBT003 (a function of expat takes no names)
        return ET.fromstring(data)
    except MidiFileError:
        raise
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise smf.refusal(path, "not-musicxml", f"it is no XML: {error}") from error


def _name_drums(root: ET.Element, repairs: Counter[str]) -> frozenset[str]:
    """Give unpitched notes the pitch of their drum piece; return the ids of their parts."""
    pieces = {
        node.get("id"): int(node.findtext("midi-unpitched", "0")) - 1  # counted from 1
        for node in root.iter("midi-instrument")
        if node.findtext("midi-unpitched", "").strip().isdecimal()
    }
    drums = set()
    for part in root.iter("part"):
        for note in part.iter("note"):
            unpitched = note.find("unpitched")
            if unpitched is None:
                continue
            drums.add(part.get("id", ""))
            instrument = note.find("instrument")
            piece = pieces.get(None if instrument is None else instrument.get("id"), -1)
            if not 0 <= piece <= MAX_DATA_BYTE:
                repairs["unknown-drum"] += 1
                piece = SNARE_DRUM
            _write_pitch(unpitched, piece)
    return frozenset(drums)


def _write_pitch(node: ET.Element, pitch: int) -> None:
    """Turn a node into the `<pitch>` of a MIDI note number."""
    octave, pitch_class = divmod(pitch, N_PITCH_CLASSES)
    step, flat = PITCH_CLASS_NAMES[pitch_class][0], PITCH_CLASS_NAMES[pitch_class][1:]
    node.clear()
    node.tag = "pitch"
    ET.SubElement(node, "step").text = step
    ET.SubElement(node, "alter").text = str(-len(flat))
    ET.SubElement(node, "octave").text = str(octave - 1)


def _keep_what_sounds(root: ET.Element) -> int:
    """Leave in each note only what is heard; return how many notes there are.

    Type and drawn ties go; the length and the ties that sound take their place.
    """
    n_notes = 0
    for note in root.iter("note"):
        if note.find("cue") is not None:
            _silence(note)
        ties = [tie.get("type", "") for tie in note.findall("tie")]
        is_grace = note.find("grace") is not None
        for child in list(note):
            if child.tag in _NOT_MUSIC or (child.tag in _SPELLED and not is_grace):
                note.remove(child)
        notations = ET.SubElement(note, "notations")
        for kind in ties:
            ET.SubElement(notations, "tied", type=kind)
        n_notes += note.find("pitch") is not None
    return n_notes


def _silence(note: ET.Element) -> None:
    """Turn a note into a rest."""
    for tag in ("pitch", "cue", "tie"):
        for child in note.findall(tag):
            note.remove(child)
    note.insert(0, ET.Element("rest"))
