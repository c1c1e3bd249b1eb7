"""The store: the same on SQLite and PostgreSQL, and what it has said is stored is stored."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sideman.errors import StudioError
from sideman.studio.store.database import Database, file_url
from sideman.studio.store.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobStore
from sideman.studio.store.problems import Unknown, UnknownPair, UnknownRevision
from sideman.studio.store.projects import Projects
from sideman.studio.store.tables import Base, JobRow, PairRow
from sideman.studio.store.votes import Votes


@pytest.fixture
def projects(database):
    return Projects(database)


@pytest.fixture
def jobs(database):
    return JobStore(database)


@pytest.fixture
def votes(database):
    return Votes(database)


@pytest.fixture
def shown(votes, piece):
    """Return a function that stores a pair for a listener."""

    def show(listener="ella", repeats=None):
        row = PairRow(
            task="continue",
            request={},
            prompt=piece,
            left=piece,
            right=piece,
            left_recipe={"temperature": 0.9},
            right_recipe={"temperature": 1.1},
            bundle="base",
            bundle_hash="0" * 16,
            latency_s=0.25,
            repeats=repeats,
            listener=listener,
        )
        return votes.add(row).id

    return show


def asked(jobs, project, **changes):
    request = {"options": {}, "takes": 2, "seed": 1}
    return jobs.add(
        project.id, project.head, "vary", request=request, locks=[2, 3], client="me", **changes
    )


def answer(piece, number=0):
    return {
        "number": number,
        "first_bar": 0,
        "end_bar": 8,
        "n_notes": 4,
        "recipe": {"seed": 1},
        "score": piece,
    }


def test_migrations_make_the_tables_that_the_code_uses(database):
    """A column that only the models have would fail at a user's, not here."""
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_database_opened_again_has_what_was_in_it(database, database_url, piece):
    """What people made outlives the program."""
    made = Projects(database).create("Song", piece)
    database.close()
    again = Database(database_url)
    found = Projects(again)
    assert found.get(made.id).name == "Song"
    assert found.revision(made.id, made.head or 0).score == piece
    again.close()


def test_every_revision_stays_and_any_can_be_the_head(projects, piece):
    """Undo, redo and going back to a branch are the same thing."""
    project = projects.create("Song", piece)
    first = project.head
    second = projects.add_revision(project.id, first, "Draw", {**piece, "n_bars": 9})
    third = projects.add_revision(project.id, first, "Move", {**piece, "n_bars": 10})
    assert projects.get(project.id).head == third
    assert projects.set_head(project.id, second).score["n_bars"] == 9
    assert projects.get(project.id).head == second
    listed = [(row.id, row.parent, row.label) for row in projects.revisions(project.id)]
    assert listed == [(first, None, "Opened"), (second, first, "Draw"), (third, first, "Move")]


def test_a_revision_of_another_project_is_unknown(projects, piece):
    """Projects do not mix, whatever a browser sends."""
    one, other = projects.create("One", piece), projects.create("Other", piece)
    with pytest.raises(UnknownRevision):
        projects.add_revision(one.id, other.head, "Draw", piece)
    with pytest.raises(UnknownRevision):
        projects.set_head(one.id, other.head)
    assert projects.get(one.id).head == one.head


def test_the_project_worked_on_last_comes_first(projects, piece):
    """The list is for going on where one was."""
    first, second = projects.create("First", piece), projects.create("Second", piece)
    projects.add_revision(first.id, first.head, "Draw", piece)
    assert [row.id for row in projects.all()] == [first.id, second.id]


def test_a_removed_project_takes_everything_of_it_along(projects, jobs, piece):
    """Nothing is left that nobody can reach."""
    project = projects.create("Song", piece)
    (take,) = jobs.finish(asked(jobs, project).id, DONE, takes=[answer(piece)])
    projects.remove(project.id)
    for gone in (
        lambda: projects.get(project.id),
        lambda: projects.take(take.id),
        lambda: jobs.get(take.job),
        lambda: projects.revision(project.id, project.head),
    ):
        with pytest.raises(Unknown):
            gone()


def test_a_job_ends_with_its_takes_or_not_at_all(projects, jobs, piece):
    """A server that is killed must not leave answers of a job that will be done again."""
    project = projects.create("Song", piece)
    job = asked(jobs, project)
    jobs.begin(job.id)
    broken = {**answer(piece, 1), "n_notes": None}
    with pytest.raises(Exception, match="n_notes"):
        jobs.finish(job.id, DONE, takes=[answer(piece), broken])
    left = jobs.get(job.id)
    assert (left.state, left.attempts, left.locks) == (RUNNING, 1, [2, 3])
    assert not jobs.takes(job.id)
    assert [row.id for row in jobs.unfinished()] == [job.id]
    jobs.finish(job.id, FAILED, "too bad", takes=[answer(piece, 1), answer(piece, 0)])
    assert [take.number for take in jobs.takes(job.id)] == [0, 1]
    assert not jobs.unfinished()


def test_a_job_that_is_put_back_is_as_if_it_had_not_been_begun(projects, jobs, piece):
    """The one that waits has its turn, and as many attempts as before."""
    job = asked(jobs, projects.create("Song", piece)).id
    jobs.begin(job)
    jobs.put_back(job)
    assert (jobs.get(job).state, jobs.get(job).attempts) == (QUEUED, 0)


def test_a_job_that_is_cancelled_stays_so_whoever_works_on_it(projects, jobs, piece):
    """Neither its writer nor the next start brings it back; its takes may come yet."""
    project = projects.create("Song", piece)
    job, other = asked(jobs, project).id, asked(jobs, project).id
    jobs.begin(other)
    jobs.cancel(job)
    jobs.begin(job)
    jobs.put_back(job)
    assert jobs.get(job).state == CANCELLED
    assert [(row.id, row.state) for row in jobs.take_up()] == [(other, QUEUED)]
    jobs.finish(job, CANCELLED, takes=[answer(piece)])
    jobs.finish(other, DONE)
    jobs.cancel(other)
    assert [jobs.get(each).state for each in (job, other)] == [CANCELLED, DONE]
    assert len(jobs.takes(job)) == 1


def test_a_cancel_waits_for_whoever_ends_the_job(database, projects, jobs, piece):
    """What has ended stays as it ended, also if that is stored at the same moment."""
    job = asked(jobs, projects.create("Song", piece)).id
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as session:
            row = session.get(JobRow, job, with_for_update=True)
            row.state = DONE
            session.flush()
            cancelling = pool.submit(jobs.cancel, job)
            wait([cancelling], timeout=0.2)
            assert not cancelling.done()
        cancelling.result(timeout=10)
    assert jobs.get(job).state == DONE


def test_a_used_take_is_a_revision_of_what_it_was_asked_of(projects, jobs, piece):
    """Where a take came from is seen in the tree."""
    project = projects.create("Song", piece)
    job = asked(jobs, project)
    projects.add_revision(project.id, project.head, "Draw", piece)
    (take,) = jobs.finish(job.id, DONE, takes=[answer({**piece, "n_bars": 12})])
    number, _ = projects.use_take(take.id, "Take 1")
    made = projects.revision(project.id, number)
    assert (made.parent, made.label, made.score["n_bars"]) == (project.head, "Take 1", 12)
    assert projects.get(project.id).head == number
    projects.remove_take(take.id)
    assert projects.revision(project.id, number).score["n_bars"] == 12


def test_the_last_vote_on_a_pair_counts(votes, shown):
    """Who presses twice means the second."""
    pair = shown()
    votes.vote(pair, "left", 3.0)
    votes.vote(pair, "tie", 5.0)
    ((_, vote),) = votes.judged()
    assert (votes.count(), vote.answer, vote.seconds) == (1, "tie", 5.0)
    with pytest.raises(UnknownPair):
        votes.vote("0" * 16, "left", 1.0)


def test_only_ones_own_earlier_pairs_come_again_and_only_once(votes, shown):
    """A repeat must be answered before, be long enough ago, and be nobody else's."""
    old, skipped, repeated, open_, late = (shown() for _ in range(5))
    foreign = shown("miles")
    again = shown(repeats=repeated)
    for pair in (old, repeated, late, foreign, again):
        votes.vote(pair, "left", 1.0)
    votes.vote(skipped, "skip", 1.0)
    spared_two = votes.repeatable("ella", spared=2, answers=("left", "right"))
    assert spared_two == [old]
    assert votes.repeatable("ella", spared=0, answers=("left",)) == [old, late]
    assert open_ not in spared_two


def test_many_writers_at_once_lose_nothing(projects, piece):
    """Forty people in a class write into one database."""
    project = projects.create("Song", piece)

    def edit(number):
        return projects.add_revision(project.id, project.head, f"Edit {number}", piece)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(edit, range(40)))
    assert {row.id for row in projects.revisions(project.id)} == {project.head, *made}
    assert projects.get(project.id).head == max(made)


WRITER = """
import sys
from sideman.studio.score_json import empty_json
from sideman.studio.store.database import Database
from sideman.studio.store.projects import Projects

projects = Projects(Database(sys.argv[1]))
project = projects.create("Song", empty_json())
number = project.head
while True:
    number = projects.add_revision(project.id, number, "Draw", empty_json())
    print(project.id, number, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_writer_loses_nothing_that_it_has_said(database_url):
    """Kill -9 in the middle of writing is what a crash is like."""
    command = [sys.executable, "-c", WRITER, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        said = [writer.stdout.readline().split() for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        said += [line.split() for line in writer.stdout if line.endswith("\n")]
    database = Database(database_url)
    stored = {str(row.id) for row in Projects(database).revisions(said[0][0])}
    database.close()
    assert {number for _, number in said} <= stored


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("nonsense", "is no URL"),
        ("mysql://me@here/studio", "sqlite or postgresql"),
        ("sqlite:////no/such/folder/studio.db", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_is_refused_in_words(url, wanted):
    """Who mistypes an address learns what to type."""
    with pytest.raises(StudioError, match=wanted):
        Database(url)


def test_a_password_is_not_told():
    """The address of a database ends up in logs and on screens."""
    url = "postgresql://me:secret@127.0.0.1:1/none"
    with pytest.raises(StudioError) as error:
        Database(url)
    assert "secret" not in str(error.value)


def test_a_file_has_its_address_whatever_it_is_called(tmp_path):
    """Folders of users have spaces, signs and letters of all languages."""
    path = tmp_path / "Ella's #1 100% säng?.db"
    Database(file_url(path)).close()
    assert path.exists()
