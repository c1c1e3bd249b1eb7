"""Writers on a cluster do what processes do; they need Ray Serve, which is an extra."""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sideman.bundle import load_bundle
from sideman.engine.taste import Taste
from sideman.errors import MissingExtra, StudioError
from sideman.studio import ray_engine
from sideman.studio.config import StudioConfig
from sideman.studio.jobs import Jobs
from sideman.studio.ray_engine import MOST_TOGETHER, RayWriters, Replica
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
def writers(tiny_bundles, ray_cluster):
    """Give two replicas on a cluster of this machine."""
    reason = "the extra with Ray Serve is not installed"
    pytest.importorskip("ray.serve", reason=reason, exc_type=ImportError)
    writers = RayWriters(tiny_bundles["fp32"], 2)
    writers.start()
    yield writers
    writers.stop()
    writers._serve.shutdown()


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
    n_free = writers.n_free
    for job in ("a", "b"):
        writers.give(work(job, 3))
    assert writers.n_free == n_free - 2
    events = until(writers, "a", "b")
    here = Writer(load_bundle(tiny_bundles["fp32"]), threads=1).write(work("a", 3), Silent())

    finished = {event.job: event for event in events if isinstance(event, Finished)}
    assert finished["a"] == here
    assert finished["b"].takes == here.takes
    assert isinstance(events[0], Wrote)
    assert writers.n_free == n_free


@pytest.mark.slow
def test_a_replica_says_how_much_takes_are_liked(writers, fp32_bundle):
    """What was learned travels with the job: a node has not the studio's folder."""
    width = int(fp32_bundle.card["network"]["d_model"])
    liked = {"high notes": 1.0}
    taste = Taste(fp32_bundle.name, fp32_bundle.hash, {}, liked, (0.0,) * width)
    asked = replace(work("liked", 3), taste=taste)
    writers.give(asked)
    events = until(writers, "liked")

    here = Writer(fp32_bundle, threads=1).write(asked, Silent())
    (there,) = [event for event in events if isinstance(event, Finished)]
    assert isinstance(here, Finished)
    likings = [take.liking for take in here.takes]
    assert [take.liking for take in there.takes] == pytest.approx(likings)


def test_a_replica_writes_several_jobs_at_the_same_time(writers):
    """The second does not wait for the first; a short one overtakes a long one."""
    long_ones = [f"long {number}" for number in range(2 * MOST_TOGETHER - 1)]
    for job in long_ones:
        writers.give(work(job, 1000))
    until(writers, *long_ones, kinds=(Wrote,))
    writers.give(work("short", 1))
    events = until(writers, "short")
    for job in long_ones:
        writers.end_job(job)
    until(writers, *long_ones)

    assert [event.job for event in events if isinstance(event, Finished)] == ["short"]


@pytest.mark.slow
def test_a_replica_stops_when_it_is_told_to(writers):
    """The order finds the replica, and the bars that are full come back."""
    writers.give(work("long", 1000))
    until(writers, "long", kinds=(Wrote,))
    writers.end_job("long")
    events = until(writers, "long")

    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert all(take.end_bar < 1004 for take in finished.takes)


@pytest.mark.slow
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


@pytest.mark.slow
def test_who_knows_what_is_stopped_comes_back_when_its_node_dies(writers):
    """Else no job could be stopped, nor be written, until the studio is started anew."""
    writers._ray.kill(writers._stops, no_restart=False)
    writers.give(work("long", 1000))
    until(writers, "long", kinds=(Wrote,))
    writers.end_job("long")

    assert isinstance(until(writers, "long")[-1], Finished)


@pytest.mark.slow
def test_studios_share_a_cluster(writers, tiny_bundles):
    """Each has its own replicas; what one that was killed has left is taken off."""
    killed, again = (RayWriters(tiny_bundles["fp32"], 1, "another studio") for _ in range(2))
    killed.start()
    again.start()
    for each in (writers, again):
        each.give(work("same", 1))
    finished = [until(each, "same")[-1] for each in (writers, again)]
    again.stop()
    writers.give(work("alone", 1))

    assert isinstance(finished[0], Finished)
    assert finished[0] == finished[1]
    assert isinstance(until(writers, "alone")[-1], Finished)


def test_a_cluster_without_room_is_told(writers, monkeypatch):
    """Ray Serve would wait for ever."""
    monkeypatch.setattr(ray_engine, "ROOM_S", 0.0)

    with pytest.raises(StudioError, match="9 writers need a processor each"):
        RayWriters(None, 9, "a large studio").start()


def test_a_cluster_that_lets_nobody_in_is_told_in_one_line(monkeypatch):
    """As one does whose secret is another."""

    class RayError(Exception):
        """What Ray raises."""

    def init(**_):
        msg = "the token is wrong\n  see RAY_AUTH_TOKEN"
        raise RayError(msg)

    ray = SimpleNamespace(
        is_initialized=lambda: False, init=init, exceptions=SimpleNamespace(RayError=RayError)
    )
    monkeypatch.setattr(ray_engine, "_ray", lambda: (ray, None))

    with pytest.raises(StudioError, match=r"the token is wrong see RAY_AUTH_TOKEN$"):
        RayWriters(None, 1).start()


def test_a_studio_has_a_name_of_its_own(tmp_path):
    """The same when it is started again."""
    one, other = (StudioConfig(tmp_path / name) for name in ("one", "other"))

    assert ray_engine._name_of(one) == ray_engine._name_of(StudioConfig(tmp_path / "one"))
    assert ray_engine._name_of(one) != ray_engine._name_of(other)


@pytest.mark.slow
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
