"""Jobs: everybody's turn comes, nothing that was promised is lost, and everything ends."""

import asyncio
import threading
from collections import deque
from queue import Empty, SimpleQueue

import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from sideman.errors import EngineError, StudioError
from sideman.studio import jobs as module
from sideman.studio.jobs import JobLimits, Jobs
from sideman.studio.limits import LimitReached
from sideman.studio.schemas import job_info
from sideman.studio.score_json import empty_json
from sideman.studio.store.database import Database, file_url
from sideman.studio.store.jobs import JobStore
from sideman.studio.store.problems import Unknown
from sideman.studio.store.projects import Projects
from sideman.studio.worker import Broken, Event, Finished, Lost, MadeTake, Refused, Work, Wrote

PATIENCE_S = 20.0


class Actors:
    """Writers that do what a test tells them to."""

    def __init__(self, n=1):
        self.n = n
        self.given: deque[Work] = deque()
        self.writing = set()
        self.stopped = []
        self.abandoned = []
        self.has_ended = False
        self._events: SimpleQueue[Event | None] = SimpleQueue()

    def start(self):
        """Be ready at once."""

    def stop(self):
        """End."""
        self.has_ended = True

    @property
    def n_free(self):
        """Return how many write nothing."""
        return max(self.n - len(self.writing), 0)

    def give(self, work):
        """Write, until the test says what comes of it."""
        self.writing.add(work.job)
        self.given.append(work)

    def end_job(self, job):
        """Hear that it is enough."""
        self.stopped.append(job)

    def abandon(self, job):
        """Die."""
        self.abandoned.append(job)
        self.say(Lost(job, "the process that wrote it died (signal 9)"))

    def wait(self, timeout_s):
        """Say what the test wants to be said."""
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            return []
        if isinstance(event, (Finished, Refused, Lost)):
            self.writing.discard(event.job)
        return [] if event is None else [event]

    def wake(self):
        """Let `wait` return."""
        self._events.put(None)

    def say(self, event):
        """Let something be told of a job."""
        self._events.put(event)


def take(number=0, *, end_bar=10, n_notes=12):
    """Return an answer of some bars behind the eighth."""
    return MadeTake(number, 8, end_bar, n_notes, {"seed": 3}, empty_json())


def until(condition):
    """Wait until something holds."""
    step = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return
        step.wait(0.005)
    pytest.fail("it never came to be")


class Studio:
    """Jobs on a database, with actors for writers and one project."""

    def __init__(self, url, *, actors=None, **limits):
        self.database = Database(url)
        self.projects = Projects(self.database)
        self.actors = actors or Actors()
        self.jobs = Jobs(
            self.database,
            self.projects,
            None,
            limits=JobLimits(**limits),
            writers=self.actors,
        )
        self.jobs.start()

    def project(self):
        """Return a new project."""
        return self.projects.create("song", empty_json())

    def ask(self, project, client="ann", task="continue"):
        """Ask for two bars; return the job."""
        request = {"options": {"bars": "2"}, "takes": 1, "seed": 0}
        return self.jobs.ask(
            project.id, project.head, task, request=request, locks=[], client=client
        ).id

    def state(self, job):
        """Return what is stored of its state."""
        return self.jobs.get(job)[0].state

    def told(self, job):
        """Return what the page is told of a job."""
        return job_info(*self.jobs.get(job)).model_dump()

    def until_given(self, n):
        """Wait until so many jobs were begun; return them."""
        until(lambda: len(self.actors.given) >= n)
        return [work.job for work in self.actors.given]

    def until_state(self, job, state):
        """Wait until this is stored."""
        until(lambda: self.state(job) == state)

    def close(self):
        """End as a server does that is told to."""
        self.jobs.stop()
        self.database.close()


@pytest.fixture
def url(tmp_path):
    """Return the URL of a new database."""
    return file_url(tmp_path / "studio.db")


@pytest.fixture
def studio(url):
    """Give a studio with one writer."""
    studio = Studio(url, per_client=4, waiting=6)
    yield studio
    studio.close()


def test_takes_are_stored_with_the_end_of_their_job(studio):
    """What the page is told of is there when it asks for it."""
    project = studio.project()
    job = studio.ask(project)
    studio.until_given(1)
    studio.actors.say(Finished(job, (take(0), take(1, n_notes=7))))
    studio.until_state(job, "done")

    row, position, takes = studio.jobs.get(job)
    stored = [studio.projects.take(number) for number in takes]
    assert (row.message, position) == ("", 0)
    assert [(each.number, each.n_notes, each.job) for each in stored] == [
        (0, 12, job),
        (1, 7, job),
    ]
    assert stored[0].recipe == {"seed": 3}
    assert stored[0].parent_revision == project.head


def test_a_writer_is_given_the_revision_that_was_asked_about(studio):
    """Whoever edits on while waiting is answered about what was seen."""
    project = studio.project()
    later = {**empty_json(), "n_bars": 9}
    studio.projects.add_revision(project.id, project.head, "longer", later)
    studio.ask(project)
    studio.until_given(1)

    (work,) = studio.actors.given
    assert work.score["n_bars"] == empty_json()["n_bars"]
    assert (work.task, work.request["options"]) == ("continue", {"bars": "2"})


def test_clients_have_turns(studio):
    """One who asks for much at once does not make the others wait for all of it."""
    project = studio.project()
    studio.ask(project, "zoe")
    studio.until_given(1)
    asked = [("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"), ("bob", "b2")]
    names = {studio.ask(project, client): name for client, name in asked}
    for n in range(1, len(asked) + 1):
        studio.actors.say(Finished(studio.until_given(n)[-1], ()))
    _, *given = studio.until_given(1 + len(asked))

    assert [names[job] for job in given] == ["a1", "b1", "a2", "b2", "a3"]


def test_positions_say_how_many_come_before(studio):
    """Somebody who waits sees that it goes on."""
    project = studio.project()
    first, second, third = (studio.ask(project, client) for client in ("ann", "ann", "bob"))
    studio.until_given(1)
    until(lambda: [studio.told(j)["position"] for j in (first, second, third)] == [0, 1, 0])

    assert studio.told(first)["state"] == "running"
    assert (studio.jobs.queue_length, studio.jobs.n_running) == (2, 1)
    studio.actors.say(Finished(first, ()))
    until(lambda: studio.told(second)["position"] == 0)


def test_too_much_at_once_is_refused(studio):
    """Neither one nor all together can fill the queue without end."""
    project = studio.project()
    for _ in range(4):
        studio.ask(project)
    with pytest.raises(LimitReached, match="4 of your requests are not answered yet"):
        studio.ask(project)

    studio.until_given(1)
    for client in ("bob", "eve", "joe"):
        studio.ask(project, client)
    with pytest.raises(LimitReached, match="6 requests wait already") as refused:
        studio.ask(project, "zoe")
    assert (refused.value.code, refused.value.status) == ("queue_full", 429)


def test_nothing_is_stored_for_a_piece_that_is_not_there(studio):
    """A wrong number is told at once."""
    project = studio.project()
    with pytest.raises(Unknown):
        studio.jobs.ask(project.id, 999, "continue", request={}, locks=[], client="ann")
    assert studio.jobs.queue_length == 0


def test_who_waits_no_longer_leaves_the_queue(studio):
    """A job that has not begun is cancelled at once."""
    project = studio.project()
    first, second = studio.ask(project), studio.ask(project)
    studio.until_given(1)
    studio.jobs.cancel(second)
    studio.until_state(second, "cancelled")
    studio.actors.say(Finished(first, ()))
    studio.until_state(first, "done")

    assert len(studio.actors.given) == 1
    studio.jobs.cancel(first)
    assert studio.state(first) == "done"
    with pytest.raises(Unknown):
        studio.jobs.cancel("nobody")


def test_what_is_full_when_it_is_cancelled_is_a_take(studio):
    """Stop keeps what is there."""
    job = studio.ask(studio.project())
    studio.until_given(1)
    studio.jobs.cancel(job)
    until(lambda: studio.actors.stopped == [job])
    studio.actors.say(Finished(job, (take(end_bar=9),)))
    studio.until_state(job, "cancelled")

    assert len(studio.jobs.get(job)[2]) == 1


def test_a_job_whose_writer_dies_is_written_again_once(studio):
    """An accident is nobody's business; a job that kills its writers is given up."""
    job = studio.ask(studio.project())
    studio.until_given(1)
    studio.actors.say(Lost(job, "the process that wrote it died (signal 9)"))
    assert studio.until_given(2) == [job, job]
    studio.actors.say(Lost(job, "the process that wrote it died (signal 9)"))
    studio.until_state(job, "failed")

    assert studio.told(job)["message"] == (
        "the process that wrote it died (signal 9), 2 times; ask for less"
    )


def test_what_cannot_be_written_says_why(studio):
    """The engine's own words reach the page."""
    job = studio.ask(studio.project())
    studio.until_given(1)
    studio.actors.say(Refused(job, "the score has no note; there is nothing to continue"))
    studio.until_state(job, "failed")

    assert studio.told(job)["message"].startswith("the score has no note")


def test_a_job_that_takes_too_long_ends_with_its_full_bars(url, monkeypatch):
    """A deadline is a stop; a writer that does not even stop is killed."""
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    studio = Studio(url, deadline_s=0.0)
    project = studio.project()
    deaf = studio.ask(project)
    studio.until_state(deaf, "failed")
    monkeypatch.setattr(module, "GRACE_S", 1e9)
    slow = studio.ask(project)
    until(lambda: slow in studio.actors.stopped)
    studio.actors.say(Finished(slow, (take(),)))
    studio.until_state(slow, "done")

    assert studio.actors.abandoned == [deaf]
    assert "it took more than 0 s; ask for fewer bars" in studio.told(deaf)["message"]
    assert "the bars that were full are kept" in studio.told(slow)["message"]
    studio.close()


def test_a_model_that_cannot_be_used_is_said_at_once(studio):
    """Nobody waits for a writer that never comes."""
    project = studio.project()
    first, second = studio.ask(project), studio.ask(project)
    studio.until_given(1)
    studio.actors.n = 0
    studio.actors.say(Broken("the bundle is damaged; copy it anew"))
    studio.until_state(second, "failed")

    assert studio.told(second)["message"] == "the bundle is damaged; copy it anew"
    with pytest.raises(StudioError, match="the bundle is damaged"):
        studio.ask(project)
    studio.actors.n = 2
    studio.actors.say(Finished(first, ()))
    studio.until_state(first, "done")
    studio.ask(project)


def test_a_piece_that_is_removed_takes_its_jobs_along(studio):
    """Neither the one that is written nor the one that waits stands in the way of others."""
    gone, other = studio.project(), studio.project()
    written, waits = studio.ask(gone), studio.ask(gone)
    studio.until_given(1)
    job = studio.ask(other)
    studio.projects.remove(gone.id)
    studio.actors.say(Finished(written, (take(),)))
    studio.until_given(2)

    assert studio.actors.given[-1].job == job
    with pytest.raises(Unknown):
        studio.jobs.get(waits)


class Absence:
    """A database that is away, or that refuses what it is told, while a test wants it."""

    def __init__(self, method, error):
        self.method = method
        self.error = error
        self.is_over = False
        self.n_asked = 0

    def __call__(self, *args):
        """Refuse, or do what is asked for."""
        if self.is_over:
            return self.method(*args)
        self.n_asked += 1
        raise self.error


def test_while_the_database_is_away_everybody_keeps_their_place(studio, monkeypatch):
    """It is started anew at times; what was asked for is written after that, in its order."""
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    project = studio.project()
    studio.actors.n = 0
    jobs = [studio.ask(project, client) for client in ("ann", "ann", "bob")]
    away = Absence(studio.projects.revision, OperationalError("", {}, Exception("no answer")))
    monkeypatch.setattr(studio.projects, "revision", away)
    studio.actors.n = 1
    studio.actors.wake()
    until(lambda: away.n_asked >= 3)
    assert studio.jobs.queue_length == 3
    away.is_over = True
    for n in range(1, 4):
        studio.actors.say(Finished(studio.until_given(n)[-1], ()))
    for job in jobs:
        studio.until_state(job, "done")

    assert [work.job for work in studio.actors.given] == [jobs[0], jobs[2], jobs[1]]


def test_a_piece_that_cannot_be_read_costs_only_its_own_job(studio, monkeypatch):
    """What is wrong is said without the words of a database."""
    project = studio.project()
    studio.actors.n = 0
    broken, other = studio.ask(project), studio.ask(project)
    damaged = Absence(
        studio.projects.revision, DatabaseError("SELECT", {}, Exception("page 7"))
    )
    monkeypatch.setattr(studio.projects, "revision", damaged)
    monkeypatch.setattr(studio.jobs._feed, "close", lambda _: setattr(damaged, "is_over", True))
    studio.actors.n = 1
    studio.actors.wake()
    studio.until_state(broken, "failed")

    assert studio.until_given(1) == [other]
    message = studio.told(broken)["message"]
    assert message == "the piece cannot be read; it may have been removed"


def test_takes_that_cannot_be_stored_are_written_again_later(studio, monkeypatch):
    """Whoever waits is told in plain words, and the next start finds the job."""
    job = studio.ask(studio.project())
    studio.until_given(1)
    finish = studio.jobs._store.finish
    full = Absence(finish, DatabaseError("INSERT", {}, Exception("disk full")))
    monkeypatch.setattr(studio.jobs._store, "finish", full)
    row = studio.jobs.get(job)[0]
    studio.actors.say(Finished(job, (take(),)))
    until(lambda: row.state == "failed")

    assert row.message.startswith("the takes cannot be stored; they are written again")
    assert [left.id for left in JobStore(studio.database).unfinished()] == [job]


def test_nothing_is_begun_while_the_studio_closes(url):
    """It would be put back by nobody, and cost the job an attempt."""

    class Late(Actors):
        @property
        def n_free(self):
            return int(late.jobs._is_closed)

    late = Studio(url, actors=Late())
    job = late.ask(late.project())
    late.close()

    assert not late.actors.given
    database = Database(url)
    assert JobStore(database).get(job).attempts == 0
    database.close()


# ---------------------------------------------------------------- the server is killed


def test_what_a_killed_server_left_is_taken_up(url):
    """What waited waits, what was being written is written anew, in the old order."""
    before = Studio(url)
    project = before.project()
    jobs = [before.ask(project) for _ in range(3)]
    before.until_given(1)
    until(lambda: before.state(jobs[0]) == "running")
    before.close()
    database = Database(url)
    JobStore(database).begin(jobs[0])  # as one that is killed leaves it
    database.close()

    after = Studio(url, actors=Actors(0))
    assert [after.state(job) for job in jobs] == ["queued"] * 3
    after.actors.n = 1
    for n in range(1, 4):
        after.actors.say(Finished(after.until_given(n)[-1], (take(),)))
        after.until_state(jobs[n - 1], "done")
    assert [work.job for work in after.actors.given] == jobs
    assert all(len(after.jobs.get(job)[2]) == 1 for job in jobs)
    after.close()


def test_a_job_that_never_ends_is_given_up(url):
    """A job that brings the server down does not do so for ever."""
    studio = Studio(url)
    job = studio.ask(studio.project())
    studio.until_given(1)
    until(lambda: studio.state(job) == "running")
    studio.jobs.stop()
    store = JobStore(studio.database)
    for _ in range(4):
        store.begin(job)
    studio.database.close()

    after = Studio(url)
    assert after.state(job) == "failed"
    assert "was begun 4 times and never ended" in after.told(job)["message"]
    assert not after.actors.given
    after.close()


def test_to_close_the_studio_costs_no_attempt(url):
    """Somebody who closes it while a long piece is written finds it written in the end."""
    studio = Studio(url)
    job = studio.ask(studio.project())
    for _ in range(module.MOST_ATTEMPTS + 1):
        studio.until_given(1)
        studio.until_state(job, "running")
        studio.close()
        studio = Studio(url)
    studio.until_given(1)
    studio.actors.say(Finished(job, (take(),)))
    studio.until_state(job, "done")
    studio.close()


def test_what_was_cancelled_is_not_taken_up(studio):
    """A server that is killed before its writer has stopped does not write it once more."""
    project = studio.project()
    written, waits = studio.ask(project), studio.ask(project)
    studio.until_given(1)
    studio.until_state(written, "running")
    for job in (written, waits):
        studio.jobs.cancel(job)

    assert not JobStore(studio.database).unfinished()
    assert studio.state(written) == "running"  # it may have takes yet


# -------------------------------------------------------------- what is not stored


def test_who_waits_for_takes_gets_them(studio):
    """Pairs to vote on go through the same queue and leave nothing in the store of jobs."""
    results: SimpleQueue[object] = SimpleQueue()

    def run():
        try:
            results.put(studio.jobs.run_now("compose", None, {"seed": 1}, client="vote"))
        except StudioError as error:
            results.put(error)
        except EngineError as error:
            results.put(error)

    for event in (
        lambda job: Finished(job, (take(n_notes=5),)),
        lambda job: Refused(job, "nobody plays; name at least one part"),
    ):
        threading.Thread(target=run).start()
        until(lambda: studio.actors.writing)
        studio.actors.say(event(studio.actors.given[-1].job))
        result = results.get(timeout=PATIENCE_S)
        if isinstance(result, list):
            assert [made.n_notes for made in result] == [5]
        else:
            assert str(result) == "nobody plays; name at least one part"
        until(lambda: not studio.actors.writing)
    assert not JobStore(studio.database).unfinished()


def test_nobody_waits_for_a_studio_that_closes(url):
    """The one who waits is told, and so is the next."""
    studio = Studio(url)
    project = studio.project()
    results: SimpleQueue[str] = SimpleQueue()

    def run():
        try:
            studio.jobs.run_now("compose", None, {})
        except StudioError as error:
            results.put(str(error))

    threading.Thread(target=run).start()
    studio.until_given(1)
    studio.jobs.stop()

    assert "the studio is being closed" in results.get(timeout=PATIENCE_S)
    assert studio.actors.has_ended
    with pytest.raises(StudioError, match="being closed"):
        studio.ask(project)
    studio.database.close()


# ------------------------------------------------------------------ what is told


def notes(job, n, bar=8):
    """Return a message with so many notes."""
    return {"type": "notes", "job": job, "take": 0, "bar": bar, "notes": [{"id": -1}] * n}


async def _heard(messages, job, kind=None):
    """Return messages until the job has ended."""
    heard = []
    while True:
        message = await asyncio.wait_for(messages.get(), PATIENCE_S)
        heard.append(message)
        if message["type"] == "job" and message["job"]["state"] in {
            "done",
            "failed",
            "cancelled",
        }:
            return heard


def test_who_watches_hears_of_each_step(studio):
    """Queued, running, notes, takes, done: in this order, of this job alone."""
    project = studio.project()

    async def follow():
        with studio.jobs.listen() as messages:
            other = studio.ask(project)
            job = studio.ask(project)
            messages.watch(job)
            await asyncio.to_thread(studio.until_given, 1)
            studio.actors.say(Wrote(other, (notes(other, 9),)))
            studio.actors.say(Finished(other, ()))
            await asyncio.to_thread(studio.until_given, 2)
            studio.actors.say(Wrote(job, (notes(job, 1), notes(job, 2, bar=9))))
            studio.actors.say(Finished(job, (take(),)))
            return job, await _heard(messages, job)

    job, heard = asyncio.run(follow())
    states = [m["job"]["state"] for m in heard if m["type"] == "job"]
    assert states[0] == "queued"
    assert states[-2:] == ["running", "done"]
    assert [m["type"] for m in heard][-4:] == ["notes", "notes", "takes", "job"]
    assert {m["job"]["id"] if m["type"] == "job" else m["job"] for m in heard} == {job}
    assert heard[-1]["job"]["takes"] == [heard[-2]["takes"][0]["id"]]


def test_who_comes_late_hears_what_was_written(studio):
    """A page that is loaded again while notes come sees all of them."""
    project = studio.project()
    job = studio.ask(project)
    studio.until_given(1)
    studio.actors.say(Wrote(job, (notes(job, 3),)))

    async def follow():
        with studio.jobs.listen() as messages:
            messages.watch(job)
            first = await asyncio.wait_for(messages.get(), PATIENCE_S)
            second = await asyncio.wait_for(messages.get(), PATIENCE_S)
            studio.actors.say(Finished(job, (take(),)))
            rest = await _heard(messages, job)
            messages.watch(job)
            return [first, second, *rest], await _heard(messages, job)

    heard, again = asyncio.run(follow())
    assert [m["type"] for m in heard] == ["job", "notes", "takes", "job"]
    assert again == heard[-2:]


def test_a_page_that_reads_slowly_loses_notes_and_no_take(studio, monkeypatch):
    """Memory does not grow with what nobody reads."""
    monkeypatch.setattr("sideman.studio.streaming.MOST_WAITING", 5)
    job = studio.ask(studio.project())

    async def follow():
        with studio.jobs.listen() as messages:
            messages.watch(job)
            await asyncio.to_thread(studio.until_given, 1)
            studio.actors.say(Wrote(job, tuple(notes(job, 1) for _ in range(50))))
            studio.actors.say(Finished(job, (take(),)))
            await asyncio.to_thread(studio.until_state, job, "done")
            await asyncio.sleep(0.05)
            return await _heard(messages, job)

    heard = asyncio.run(follow())
    assert [m["type"] for m in heard][-2:] == ["takes", "job"]
    assert 0 < sum(m["type"] == "notes" for m in heard) <= 5
