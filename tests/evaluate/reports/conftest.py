"""Results made by hand: small, and with something in every part of a report."""

from math import nan

import numpy as np
import pytest

from sideman.evaluate.metrics import measure_histograms
from sideman.evaluate.results import (
    REAL,
    Distribution,
    Duel,
    Figure,
    Likelihood,
    PromptEntry,
    Reliability,
    Results,
    Row,
    Settings,
    Share,
    Subject,
    Take,
)
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table

QUARTER, N_BARS = 24, 4


def song(system):
    """Return four bars of a flute and a bass; who wrote them is heard in the flute."""
    lift = (REAL, "tiny", "Markov").index(system)
    rows = [
        row
        for beat in range(4 * N_BARS)
        for row in (
            (beat * QUARTER, 20, 72 + (0, 2, 4, 7)[beat % 4] + lift, 80, 0),
            (beat * QUARTER, 20, 36 + 7 * (beat % 2), 80, 1),
        )
    ]
    return Score(table(NOTE_DTYPE, rows), (Part(73), Part(33)))


LIKELIHOOD = Likelihood(
    total=Share("all", Figure(4.0, 3.5, 4.5, 8), 900),
    styles=(
        Share("folk", Figure(3.0, 2.5, 3.5, 8), 800),
        Share("", Figure(5.0, nan, nan, 1), 9),
    ),
    roles=(Share("melody", Figure(4.0, 3.5, 4.5, 8), 900),),
    attributes=(Share("pitch", Figure(4.0, 3.5, 4.5, 8), 900),),
    reliability=tuple(
        Reliability(name, masked, 9, 2.0, 1.5, 0.1, (0, 4, 5), (nan, 0.5, 0.9), (nan, 0.4, 0.8))
        for name in ("all", "pitch")
        for masked in (False, True)
    ),
)

N_WRITTEN = 4
"""Prompts whose takes lie in the folder."""


def made_results(folder, n_prompts):
    """Return results of a bundle worse than Markov in pitch range, better in polyphony."""
    prompts, takes = [], []
    for number in range(n_prompts):
        name = f"continue-{number}"
        prompts.append(PromptEntry(name, "continue", f"{name}.mid", "folk", 0, 4, 2, 4))
        for system, off, bits in (
            (REAL, 0, 2.0),
            ("tiny", 3, 1.0 + number),
            ("Markov", 1, 5.0),
        ):
            values = {
                "pitch_range": 12.0 + off,
                "polyphony": 3.0 + (number % 2 if system == "tiny" else off),
                "bits_per_note": bits,
            }
            path = f"{system}-{number}.mid"
            takes.append(Take(name, system, 1, path, 24, values))
            if number < N_WRITTEN:
                write_midi(song(system), folder / path, force=True)
    return Results(
        subject=Subject(
            *("tiny", "abcd", 1_000_000, "int8", "songs", "1234", "test", "0.1"),
            {"system": "Linux", "cores": "2"},
        ),
        settings=Settings(("continue",), n_prompts, 1, 0),
        systems=(REAL, "tiny", "Markov"),
        rivals=("Markov",),
        notes=("tiny did not learn from this corpus",),
        prompts=tuple(prompts),
        takes=tuple(takes),
        rows=tuple(
            Row("continue", system, metric, Figure(value, 10, 14, 4), Figure(gap, 0.5, 4, 4))
            for system, metric, value, gap in (
                (REAL, "pitch_range", 12.0, 0.0),
                ("tiny", "pitch_range", 15.0, 3.0),
                ("Markov", "pitch_range", 13.0, 1.0),
                (REAL, "polyphony", 3.0, 0.0),
                ("tiny", "polyphony", 3.5, 0.5),
                ("Markov", "polyphony", 4.0, 1.0),
            )
        ),
        duels=(
            Duel("continue", "pitch_range", "tiny", "Markov", Figure(2.0, 1.5, 2.5, 4)),
            Duel("continue", "polyphony", "tiny", "Markov", Figure(-0.5, -0.6, -0.4, 4)),
        ),
        distributions=tuple(
            Distribution("continue", system, name, tuple(np.ravel(histogram).tolist()))
            for system in (REAL, "tiny")
            for name, histogram in measure_histograms(song(system)).items()
        ),
        likelihood=LIKELIHOOD,
        wall_s=60.0,
        cpu_s=90.0,
    )


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """Return a folder of takes and results of four prompts, of which 2 rows and 2 duels."""
    folder = tmp_path_factory.mktemp("evaluated")
    return folder, made_results(folder, N_WRITTEN)


@pytest.fixture(scope="session")
def many_prompts(tmp_path_factory):
    """Return results of enough prompts to tell two bundles apart."""
    return made_results(tmp_path_factory.mktemp("many"), 16)
