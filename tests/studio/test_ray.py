"""Writers on a cluster do what processes do; they need Ray Serve, which is an extra."""

import sys
import time

import pytest

from sideman.bundle import load_bundle
from sideman.errors import MissingExtra
from sideman.studio import ray_engine
from sideman.studio.jobs import Jobs
from sideman.studio.ray_engine import RayWriters, Replica
from sideman.studio.score_json import empty_json
from sideman.studio.store.database import Database, file_url
from sideman.studio.store.projects import Projects
from sideman.studio.worker import Event, Finished, Lost, Work, Writer, Wrote

PATIENCE_S = 120.0


def piece():
    """Return the JSON of four bars of piano."""
    notes = [
        {
            "id": n,
            "onset": 24 * n,
            "duration": 24,
            "pitch": 60 + n % 5,
            "velocity": 80,
            "part": 0,
            "locked": False,
        }
        for n in range(16)
    ]
    return {**empty_json(), "n_bars": 4, "notes": notes}


def work(job, bars):
    """Return a continuation that is asked for."""
    request = {"options": {"bars": str(bars)}, "takes": 2, "seed": 5}
    return Work(job, "continue", piece(), request)


class Silent:
    """A line on which nobody listens."""

    def tell(self, message):
        """Forget a message."""

    def is_stopped(self, _job):
        """Go on."""
        return False


@pytest.fixture(scope="module")
def writers(tiny_bundles):
    """Give two replicas on a cluster of this machine."""
    reason = "the extra with Ray Serve is not installed"
    pytest.importorskip("ray", reason=reason)
    pytest.importorskip("ray.serve", reason=reason, exc_type=ImportError)
    writers = RayWriters(tiny_bundles["fp32"], 2)
    writers._ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    writers.start()
    yield writers
    writers.stop()
    writers._serve.shutdown()
    writers._ray.shutdown()


def until(writers, *jobs, kinds=(Finished, Lost)):
    """Return what is told until all of some jobs have said what is waited for."""
    events: list[Event] = []
    give_up_s = time.monotonic() + PATIENCE_S
    while not set(jobs) <= {event.job for event in events if isinstance(event, kinds)}:
        assert time.monotonic() < give_up_s
        events += writers.wait(1.0)
    return events


def test_two_replicas_write_two_jobs_as_one_process_would(writers, tiny_bundles):
    """Where it is written makes no difference to what is written."""
    assert writers.n_free == 2
    for job in ("a", "b"):
        writers.give(work(job, 3))
    assert writers.n_free == 0
    events = until(writers, "a", "b")
    here = Writer(load_bundle(tiny_bundles["fp32"]), threads=1).write(work("a", 3), Silent())

    finished = {event.job: event for event in events if isinstance(event, Finished)}
    assert finished["a"] == here
    assert finished["b"].takes == here.takes
    assert isinstance(events[0], Wrote)
    assert writers.n_free == 2


def test_a_replica_stops_when_it_is_told_to(writers):
    """The order finds the replica, and the bars that are full come back."""
    writers.give(work("long", 1000))
    until(writers, "long", kinds=(Wrote,))
    writers.end_job("long")
    events = until(writers, "long")

    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert all(take.end_bar < 1004 for take in finished.takes)


def test_a_replica_that_dies_loses_its_job_and_is_replaced(writers):
    """The next job is written all the same."""
    writers.give(work("lost", 1000))
    until(writers, "lost", kinds=(Wrote,))
    for actor in writers._ray.util.list_named_actors(all_namespaces=True):
        if f"#{Replica.__name__}#" in actor["name"]:
            writers._ray.kill(writers._ray.get_actor(**actor), no_restart=False)
    events = until(writers, "lost")
    writers.give(work("next", 1))

    assert isinstance(events[-1], Lost)
    assert isinstance(until(writers, "next")[-1], Finished)


def test_jobs_are_the_same_on_a_cluster(writers, tmp_path):
    """The studio's queue takes either kind of writers."""
    database = Database(file_url(tmp_path / "studio.db"))
    projects = Projects(database)
    jobs = Jobs(database, projects, None, writers=_Shared(writers))
    jobs.start()
    (take, _) = jobs.run_now("continue", piece(), {"options": {"bars": "2"}, "takes": 2})
    jobs.stop()
    database.close()

    assert (take.first_bar, take.end_bar) == (4, 6)


class _Shared:
    """Writers that others need as well: they are not started or stopped."""

    def __init__(self, writers):
        self._writers = writers

    def start(self):
        """Be ready."""

    def stop(self):
        """Stay."""

    def __getattr__(self, name):
        return getattr(self._writers, name)


def test_who_lacks_ray_serve_is_told_what_to_install(monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(MissingExtra, match=r"pip install 'sideman\[cluster\]'"):
        RayWriters(None, 2)


def test_stops_do_not_pile_up(monkeypatch):
    """A server that runs for months remembers the last ones."""
    monkeypatch.setattr(ray_engine, "MOST_STOPS", 2)
    stops = ray_engine.Stops()
    for job in "abc":
        stops.add(job)

    assert [stops.has(job) for job in "abc"] == [False, True, True]
