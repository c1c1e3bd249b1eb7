"""Whoever does the work, each item gets its row, and a bad one costs nobody but itself."""

import pytest
from jobs import IMPATIENT_JOB, JOB, items  # type: ignore[import-not-found]

from sideman.corpus.engines import LocalEngine, RayEngine, engine_of
from sideman.errors import CorpusError


def said(engine, *chunks, job=JOB):
    done = engine.map(job, ((number, items(*names)) for number, names in enumerate(chunks)))
    return {number: rows["said"].to_pylist() for number, rows in done}


def test_results_come_back_in_order():
    """Rows of different steps are matched by their place."""
    got = said(LocalEngine(2), *(["a", str(n)] for n in range(9)))

    assert list(got) == list(range(9))
    assert got == {n: ["A", str(n)] for n in range(9)}


def test_nothing_to_do_is_done():
    """A step that is run again has no chunks left."""
    assert said(LocalEngine(2)) == {}


def test_item_that_kills_its_worker_costs_only_itself():
    """One file of 178,000 must not end the night's work."""
    got = said(LocalEngine(2), ["a", "die", "b"], ["c"], ["raise", "d"])

    assert got == {0: ["A", "worker-died", "B"], 1: ["C"], 2: ["failed", "D"]}


def test_item_that_never_ends_costs_only_itself():
    """It is given up, and those that share its chunk are done."""
    assert said(LocalEngine(1), ["hang", "c"], job=IMPATIENT_JOB) == {0: ["too-slow", "C"]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_does_the_same(ray_cluster):
    """The same rows in the same order, items that go wrong included."""
    chunks = [["a", "die", "b"], ["c"], ["raise"], *([str(n)] for n in range(40))]

    assert said(RayEngine(2), *chunks) == said(LocalEngine(1), *chunks)


def test_engine_that_there_is_not_is_refused():
    """The line names what there is."""
    with pytest.raises(CorpusError, match="no engine 'spark'; there are local, ray"):
        engine_of("spark", 1)
