"""Everything goes wrong at once: nothing hangs, no note is left sounding."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NEEDED = ("burst", "junk", "clock", "setting", "action", "engine killed")


@pytest.fixture
def chaos(monkeypatch):
    """Give the benchmark, with accidents that come quickly one after the other."""
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(BENCHMARKS)  # a script, no package
    import live_chaos
    import live_mischief

    monkeypatch.setattr(live_chaos, "LIFE_S", 5.0)
    means = {
        "engine killed": 8.0,
        "engine stopped": 1e9,
        "ports killed": 15.0,
        "cable out": 9.0,
    }
    monkeypatch.setattr(live_chaos, "ACCIDENTS_S", means)
    monkeypatch.setattr(live_chaos, "CABLE_OUT_S", 1.5)
    monkeypatch.setattr(live_mischief, "MEAN_S", dict.fromkeys(live_mischief.MEAN_S, 3.0))
    yield live_chaos
    for name in ("live_chaos", "live_mischief", "machine"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["virtual_chaos", "real_chaos"])
def test_nothing_hangs_and_no_note_is_left_sounding(chaos, run):
    """Half a minute of it; benchmarks/live_chaos.py runs for an hour."""
    outcome = getattr(chaos, run)(0.5, seed=1)
    assert not outcome.has_hung
    assert outcome.instrument.n_notes > 0
    assert outcome.instrument.n_stuck == 0
    assert outcome.instrument.n_doubled == 0
    assert not outcome.instrument.sounding
    assert all(outcome.done[name] for name in NEEDED)
