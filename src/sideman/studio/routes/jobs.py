"""Jobs: asking for music, and what becomes of it."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from sideman.engine.tasks import bars_behind
from sideman.studio.asking import prepare
from sideman.studio.routes.checks import revision_number
from sideman.studio.schemas import Job, JobRequest, job_info
from sideman.studio.state import Client, State, StudioState

router = APIRouter(prefix="/api", tags=["jobs"])


@router.post("/projects/{project}/jobs", status_code=HTTPStatus.CREATED)
async def ask(project: str, wish: JobRequest, state: StudioState, client: Client) -> Job:
    """Ask for music; the client's sockets tell what becomes of it."""
    job = await run_in_threadpool(_ask, state, project, wish, client)
    for feed in state.feeds.get(client, ()):
        feed.watch(job.id)
    return job


@router.get("/jobs/{job}")
def get_job(job: str, state: StudioState) -> Job:
    """Return what has become of a job."""
    return job_info(*state.jobs.get(job))


@router.delete("/jobs/{job}", status_code=HTTPStatus.NO_CONTENT)
def cancel_job(job: str, state: StudioState) -> Response:
    """Stop a job; what is written stays as a take."""
    state.jobs.cancel(job)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _ask(state: State, project: str, wish: JobRequest, client: str) -> Job:
    """Queue a job, if it is one that can be done."""
    state.limits.check_takes(wish.takes)
    revision = state.projects.revision(project, revision_number(wish.revision))
    request = wish.model_dump(include={"options", "selection", "takes", "seed"})
    prepared = prepare(wish.task, revision.score, request, wish.locks)
    if wish.task == "continue":
        first, n_new = bars_behind(prepared.options)
        first = revision.score["n_bars"] if first is None else first
        state.limits.check_bars(first + n_new)
    row = state.jobs.ask(
        project, revision.id, wish.task, request=request, locks=wish.locks, client=client
    )
    return job_info(*state.jobs.get(row.id))
