"""The report of a corpus: one page to look at and listen to, and the same figures as JSON.

The page is whole in itself: style, script, charts and the notes of the examples are in the
file, and nothing is loaded from anywhere. The same corpus gives the same bytes. `report.html`
beside this module is the page with names where the figures go.

Whatever comes from a manifest (paths, styles, licences, …) may hold anything and is escaped on
its way into the page.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath
from string import Template

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from sideman.corpus import charts
from sideman.corpus.manifest import Verdict, read_manifest
from sideman.corpus.rules import RULES
from sideman.corpus.shards import ShardReader, open_corpus
from sideman.corpus.sources import PROBLEMS
from sideman.corpus.statistics import (
    Group,
    Histogram,
    Portion,
    Reason,
    Statistics,
    measure,
)
from sideman.corpus.words import compact, more, percent, playing_time, plural
from sideman.files import whole_file
from sideman.score.general_midi import FAMILY_NAMES, family_name
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.time import ticks_to_seconds
from sideman.score.types import Score
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import from_grid, slice_bars
from sideman.tokens.vocabulary import Events, Role

HTML_NAME = "report.html"
JSON_NAME = "report.json"

N_EXAMPLES = 12
EXAMPLE_BARS = 8
EXAMPLE_NOTES = 1500
"""Most notes of an example, so that the page stays small; a full orchestra gets fewer bars."""

MAX_PROGRAMS = 4
"""Most programs that are named of a family."""

ROLES = tuple(role.name.lower() for role in Role if role is not Role.UNSPECIFIED)
"""Roles that have a colour, in the order of the columns of the table."""

OTHER = "other"
"""Stands for a part without a role."""

EXPLANATIONS = {
    "not-midi": "Something else under a MIDI file's name: a web page, a picture, nothing.",
    "cannot-open": "The file could not be opened.",
    "truncated": "The file breaks off in the middle.",
    "corrupt": "There are events in it that make no sense.",
    "smpte": "Time is told in film frames: there are no beats and no bars.",
    "no-division": "The file does not say how long a quarter note is.",
    "too-many-notes": "More notes than any piece of music has.",
    "too-many-tracks": "More tracks than a MIDI file can have.",
    "too-many-parts": "More parts than a score can hold.",
    "not-a-score": "It holds what no score can hold.",
    "not-abc": "Text that is no ABC tune.",
    "not-musicxml": "XML, or an archive, that is no MusicXML score.",
    "unknown-format": "A kind of file that is not read.",
    "unsafe-xml": "XML made to harm its reader.",
    "notes-lost": "Most of its notes could not be read.",
    "missing-extra": "A part of Sideman that reads such files is not installed.",
    "too-slow": "It took longer than a file may take.",
    "worker-died": "The program that read it died over it.",
    "not-in-splits": "The table of splits does not name it.",
    "duplicate": "Byte for byte the same as another file, which is kept.",
    "near-duplicate": "The same music as another file, which is kept.",
    **{code: f"{text[:1].upper()}{text[1:]}." for code, text in PROBLEMS.items()},
    **{rule.name: f"{rule.why[:1].upper()}{rule.why[1:]}." for rule in RULES},
}
"""What each reason says to people."""

SUSTAINED = frozenset(
    ("Organ", "Strings", "Ensemble", "Brass", "Reed", "Pipe", "Synth Lead", "Synth Pad")
)
"""Families whose tones last as long as they are held; all others are struck and fade."""


def write_report(out: Path) -> Path:
    """Write the report of a corpus, each file whole or not at all.

    Args:
        out: A folder with a manifest and, if any file is kept, the shards. `JSON_NAME` and
            `HTML_NAME` are written to it; those that are there are replaced.

    Returns:
        The page.

    Raises:
        CorpusError: If the corpus is missing or broken.
    """
    statistics = measure(out)
    examples = choose_examples(out) if statistics.n_pieces else []
    texts = {JSON_NAME: statistics.to_json(), HTML_NAME: render(statistics, examples)}
    for name, text in texts.items():
        with whole_file(out / name) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    return out / HTML_NAME


# ----------------------------------------------------------------------- examples


@dataclass(frozen=True, slots=True)
class Example:
    """The beginning of a piece, to be seen and heard.

    Attributes:
        path: Of the file.
        about: What is known of it, such as `("folk", "D major", "6/8")`.
        length_ms: How long it lasts.
        bars_ms: When each bar begins but the first.
        roles: Of each part.
        voices: How each part sounds: bass, drums, lead, pad or struck.
        notes: Onset and length in ms, pitch, velocity, part; shape (N, 5).
    """

    path: str
    about: tuple[str, ...]
    length_ms: int
    bars_ms: tuple[int, ...]
    roles: tuple[str, ...]
    voices: tuple[str, ...]
    notes: NDArray[np.int64]


_EXAMPLE_COLUMNS = (
    *("path", "sha256", "verdict", "split", "roles"),
    *("style", "key", "metre", "tempo_bpm", "licence"),
)


def choose_examples(out: Path) -> list[Example]:
    """Return up to `N_EXAMPLES` pieces of the training split, spread over the styles.

    The styles take turns, the one with the most pieces first; within a style the order is that
    of the files' hashes, which is as good as drawn by lot and always the same.
    """
    files = read_manifest(out, _EXAMPLE_COLUMNS)
    is_kept = pc.equal(files["verdict"], Verdict.KEPT.value)
    files = files.filter(pc.and_(is_kept, pc.equal(files["split"], "train")))
    queues: dict[str, list[tuple[str, int]]] = {}
    for row, (style, digest) in enumerate(
        zip(files["style"].to_pylist(), files["sha256"].to_pylist(), strict=True)
    ):
        queues.setdefault(style or "", []).append((digest or "", row))
    turns = sorted(
        (turn, -len(queue), style, row)
        for style, queue in queues.items()
        for turn, (_, row) in enumerate(sorted(queue)[:N_EXAMPLES])
    )
    rows = [files.slice(row, 1).to_pylist()[0] for *_, row in turns[:N_EXAMPLES]]

    corpus = open_corpus(out)
    pieces = {piece.path: piece for piece in corpus.pieces}
    reader = ShardReader(corpus)
    return [_example(row, reader.events(pieces[row["path"]])) for row in rows]


def _example(row: Mapping[str, object], events: Events) -> Example:
    """Return the first bars with notes of a piece, from its row in the manifest."""
    grid, _ = events_to_grid(np.asarray(events))
    first = int(grid.notes["bar"].min(initial=grid.n_bars - 1))
    after = np.searchsorted(grid.notes["bar"], first + 1 + np.arange(EXAMPLE_BARS))
    n_bars = max(int((after <= EXAMPLE_NOTES).sum()), 1)
    cut = slice_bars(grid, first, min(first + n_bars, grid.n_bars))
    score = from_grid(cut)
    bars_ms = _milliseconds(score, cut.bar_starts())
    notes, length_ms = score.notes, int(bars_ms[-1])
    onset = _milliseconds(score, notes["onset"])
    end = np.minimum(_milliseconds(score, notes["onset"] + notes["duration"]), length_ms)
    stated = row["roles"] if isinstance(row["roles"], list) else []
    roles = [role if role in ROLES else OTHER for role in stated]
    roles += [OTHER] * (len(score.parts) - len(roles))
    tempo = row["tempo_bpm"]
    key = charts.sharp(str(row["key"] or ""))
    about = [row["style"], key, row["metre"], f"{tempo:.0f} bpm" if tempo else ""]
    return Example(
        path=str(row["path"]),
        about=tuple(str(text) for text in (*about, row["licence"]) if text),
        length_ms=length_ms,
        bars_ms=tuple(bars_ms[1:-1].tolist()),
        roles=tuple(roles),
        voices=tuple(
            _voice(part.program, role, is_drum=part.is_drum)
            for part, role in zip(score.parts, roles, strict=False)
        ),
        notes=np.stack(
            [onset, end - onset, notes["pitch"], notes["velocity"], notes["part"]], axis=1
        ).astype(np.int64),
    )


def _milliseconds(score: Score, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.rint(1000 * ticks_to_seconds(score, ticks)).astype(np.int64)


def _voice(program: int, role: str, *, is_drum: bool) -> str:
    """Return how a part sounds in the page."""
    family = family_name(program)
    if is_drum:
        return "drums"
    if role == "bass" or family == "Bass":
        return "bass"
    if family not in SUSTAINED:
        return "struck"
    return "pad" if role in ("chords", "pad") else "lead"


# --------------------------------------------------------------------------- page


def render(statistics: Statistics, examples: Sequence[Example]) -> str:
    """Return the page."""
    histograms = statistics.histograms
    template = Template(Path(__file__).with_name(HTML_NAME).read_text(encoding="utf-8"))
    return template.substitute(
        headline=_headline(statistics),
        lede=_lede(statistics),
        figures=_figures(statistics),
        fates=charts.stacked(
            {
                "kept": statistics.verdicts[Verdict.KEPT.value],
                "left out": statistics.verdicts[Verdict.LEFT_OUT.value],
                "refused": statistics.verdicts[Verdict.REFUSED.value],
                "not finished": statistics.verdicts[Verdict.READ.value],
            },
            "file",
        ),
        splits=charts.stacked({row.name: row.n_pieces for row in statistics.splits}, "piece"),
        styles=_portions("Styles", statistics.styles),
        timing=charts.bars(statistics.timing, "piece"),
        alignment=charts.bars(statistics.alignment, "piece"),
        single_velocity=_velocity_line(statistics),
        examples="".join(_card(index, example) for index, example in enumerate(examples))
        or charts.NOTHING,
        legend=_legend(examples),
        remarks="".join(f"<li>{charts.text(remark)}</li>" for remark in statistics.remarks),
        reasons="".join(_reason(reason, statistics.n_files) for reason in statistics.reasons)
        or "<li>Nothing was left out.</li>",
        pitch=_histogram(
            "Pitch", histograms["pitch"], ticks=histograms["pitch"].labels[::N_PITCH_CLASSES]
        ),
        duration=_histogram("Length in quarters", histograms["duration"]),
        velocity=_histogram("Velocity", histograms["velocity"]),
        drums=charts.bars(
            histograms["drums"].by_label(), "stroke", limit=12, layout="bars columns"
        ),
        tempo=_histogram("Tempo, bpm", histograms["tempo"]),
        bars=_histogram("Bars in a piece", histograms["bars"]),
        parts=_histogram("Parts in a piece", histograms["parts"]),
        polyphony=_histogram("Notes at a time", histograms["polyphony"]),
        density=_histogram("Notes in a quarter", histograms["density"]),
        key=charts.key_wheel(histograms["key"].by_label(), "piece"),
        metre=charts.bars(histograms["metre"].by_label(), "bar", limit=8),
        instruments=_families(statistics),
        roles=_roles_table(statistics.style_roles),
        licences=_portions("Licences", statistics.licences),
        sources=_portions("Sources", statistics.sources),
        duplicates=_duplicates(statistics),
        lost=charts.bars(_readable(statistics.lost), "time"),
        repairs=charts.bars(_readable(statistics.repairs), "time"),
        data=_script_json([_playable(example) for example in examples]),
    )


def _script_json(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _headline(statistics: Statistics) -> str:
    return (
        f"{playing_time(statistics.hours)} of music in {plural(statistics.n_pieces, 'piece')}"
    )


def _lede(statistics: Statistics) -> str:
    verdicts = statistics.verdicts
    files = plural(statistics.n_files, "file")
    styles = plural(sum(row.n_pieces > 0 for row in statistics.styles), "style")
    return (
        f"{files} found: {statistics.n_pieces:,} kept in {styles}, "
        f"{verdicts[Verdict.LEFT_OUT.value]:,} left out, "
        f"{verdicts[Verdict.REFUSED.value]:,} that cannot be read."
    )


def _figures(statistics: Statistics) -> str:
    figures = {
        "pieces": f"{statistics.n_pieces:,}",
        "notes": compact(statistics.n_notes),
        "bars": compact(statistics.n_bars),
        "hours": f"{statistics.hours:,.1f}",
        "events a note": f"{statistics.events_per_note:.2f}",
        "bytes a note": f"{statistics.bytes_per_note:.1f}",
    }
    return "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in figures.items()
    )


def _velocity_line(statistics: Statistics) -> str:
    n_pieces, n_notes = statistics.n_single_velocity, statistics.n_notes_without_velocity
    share = percent(n_pieces, statistics.n_pieces)
    return escape(
        f"Pieces with a single velocity throughout: {n_pieces:,} ({share}). Their {n_notes:,} "
        f"notes are marked as saying none, so that a model does not learn it."
    )


def _readable(counts: Mapping[str, int]) -> dict[str, int]:
    return {name.replace("_", " "): n for name, n in counts.items()}


# ---------------------------------------------------------------- lists and tables


def _portions(caption: str, portions: Sequence[Portion]) -> str:
    if not portions:
        return charts.NOTHING
    largest = max(portion.n_pieces for portion in portions)
    rows = "".join(
        f'<tr><th scope="row">{charts.text(portion.name) or "—"}</th>'
        f'<td class="wide">{charts.track(portion.n_pieces, largest)}</td>'
        f"<td>{portion.n_pieces:,}</td><td>{portion.n_files:,}</td>"
        f"<td>{compact(portion.n_notes)}</td><td>{portion.hours:,.1f}</td></tr>"
        for portion in portions
    )
    names = (caption[:-1], "pieces", "found", "notes", "hours")
    first, *others = (f'<th scope="col">{name}</th>' for name in names)
    head = f'{first}<td class="wide"></td>{"".join(others)}'
    table = (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    return charts.scrolling(table, caption)


def _reason(reason: Reason, n_files: int) -> str:
    explanation = EXPLANATIONS.get(reason.code, "")
    detail = f"<p>The first one: {charts.text(reason.detail)}</p>" if reason.detail else ""
    paths = "".join(f"<li><code>{charts.text(path)}</code></li>" for path in reason.paths)
    if reason.n_files > len(reason.paths):
        paths += f'<li class="quiet">{more(reason.n_files - len(reason.paths))}</li>'
    return (
        f'<li class="reason {escape(reason.verdict)}"><h3>{charts.text(reason.code)}</h3>'
        f'<span class="number">{reason.n_files:,} <small>'
        f"{escape(percent(reason.n_files, n_files))}</small></span>"
        f"{charts.track(reason.n_files, n_files)}<p>{escape(explanation)}</p>"
        f"<details><summary>Which files</summary>{detail}<ul>{paths}</ul></details></li>"
    )


def _families(statistics: Statistics) -> str:
    """Return the instruments by family, the programs of each named with their notes."""
    families: dict[str, dict[str, int]] = {}
    for instrument in statistics.instruments:
        families.setdefault(instrument.family, {})[instrument.name] = instrument.n_notes
    sums = {family: sum(programs.values()) for family, programs in families.items()}
    in_order = sorted(sums, key=lambda family: (-sums[family], family))
    items = []
    for family in in_order:
        programs = [
            f"{name} {compact(n)}" for name, n in families[family].items() if name != family
        ]
        rest = [more(len(programs) - MAX_PROGRAMS)] if len(programs) > MAX_PROGRAMS else []
        note = " · ".join(programs[:MAX_PROGRAMS] + rest)
        items.append(charts.bar(family, sums[family], sums[in_order[0]], "note", note))
    absent = [family for family in FAMILY_NAMES if family not in families]
    if items and absent:
        items.append(f'<li class="quiet">Not there: {escape(", ".join(absent))}.</li>')
    return f'<ul class="bars columns">{"".join(items)}</ul>' if items else charts.NOTHING


def _roles_table(style_roles: Mapping[str, Mapping[str, int]]) -> str:
    if not style_roles:
        return charts.NOTHING
    found = {role for roles in style_roles.values() for role in roles}
    roles = [role for role in ROLES if role in found] + sorted(found - set(ROLES))
    caption = "Share of the parts of a style that has a role"
    table = charts.heat_table(caption, style_roles, roles, row="Style", unit="part")
    return charts.scrolling(table, "Styles and roles")


def _group(group: Group) -> str:
    others = "".join(f"<li><code>{charts.text(path)}</code></li>" for path in group.others)
    n_unnamed = group.n_files - 1 - len(group.others)
    if n_unnamed:
        others += f'<li class="quiet">{more(n_unnamed)}</li>'
    return (
        f"<li><details><summary><code>{charts.text(group.kept)}</code> "
        f"{group.n_files:,} files</summary><ul>{others}</ul></details></li>"
    )


def _duplicates(statistics: Statistics) -> str:
    duplicates = statistics.duplicates
    if not duplicates.n_groups:
        return "<p>No piece was found in more than one file.</p>"
    groups = "".join(_group(group) for group in duplicates.largest)
    return (
        f"<p>{plural(duplicates.n_groups, 'piece')} came in more than one file: "
        f'{duplicates.n_files:,} files in all.</p><div class="grid">'
        f"{_histogram('Files of a piece', duplicates.sizes)}"
        f'<div class="card"><h3>The largest groups</h3><ul class="groups">{groups}</ul></div>'
        "</div>"
    )


def _histogram(
    title: str, histogram: Histogram, *, ticks: Collection[str] | None = None
) -> str:
    """Return a histogram as columns, with its middle half in words."""
    low, high = (charts.sharp(label) for label in histogram.middle_half())
    unit = histogram.unit
    line = f"half of the {unit} lie from {low} to {high}"
    if low == high:
        line = f"at least half of the {unit}: {low}"
    return charts.columns(title, line, histogram.by_label(), unit[:-1], ticks=ticks)


# ---------------------------------------------------------------------- examples


def _card(index: int, example: Example) -> str:
    """Return an example: a button, what it is, and its roll."""
    name, path = charts.text(PurePosixPath(example.path).stem), charts.text(example.path)
    about = " · ".join(map(charts.text, example.about))
    is_drum = [voice == "drums" for voice in example.voices]
    notes = charts.roll(
        example.notes, example.length_ms, example.bars_ms, example.roles, is_drum
    )
    return (
        f'<article class="card piece" data-piece="{index}">'
        f'<button type="button" aria-pressed="false" aria-label="Play {name}"></button>'
        f'<h3 title="{name}">{name}</h3><p class="about" title="{about}">{about}</p>'
        f'<div class="roll">{notes}<span class="cursor"></span></div>'
        f'<p class="path" title="{path}"><code>{path}</code></p>'
        "</article>"
    )


def _playable(example: Example) -> dict[str, object]:
    """Return what the page needs to play an example."""
    order = np.argsort(example.notes[:, 0], kind="stable")
    return {
        "length": example.length_ms,
        "voices": example.voices,
        "notes": example.notes[order].ravel().tolist(),
    }


def _legend(examples: Iterable[Example]) -> str:
    """Return the colours of the roles that the examples have."""
    found = {role for example in examples for role in example.roles}
    return "".join(
        f'<li><span class="swatch role-{role}"></span>{role}</li>'
        for role in (*ROLES, OTHER)
        if role in found
    )
