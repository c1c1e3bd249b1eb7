"""The studio: an app of routes behind a guard, over a database and a queue of jobs."""

import socket as sockets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from errno import EADDRINUSE
from http import HTTPStatus
from importlib import resources
from pathlib import Path

import uvicorn
from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from sideman import __version__
from sideman.bundle import load_bundle
from sideman.errors import StudioError
from sideman.studio.config import StudioConfig
from sideman.studio.jobs import KnownTaste
from sideman.studio.limits import Slots
from sideman.studio.metrics import Metrics
from sideman.studio.pairs import Pairs
from sideman.studio.recordings import Recordings
from sideman.studio.routes import about, files, jobs, live, projects, socket, takes, votes
from sideman.studio.routes.refusals import add_refusals
from sideman.studio.schemas import Refusal
from sideman.studio.security import Connection, Guard
from sideman.studio.state import JobQueue, State
from sideman.studio.store.database import Database
from sideman.studio.store.jobs import JobStore
from sideman.studio.store.projects import Projects
from sideman.studio.store.votes import Votes
from sideman.studio.tastes import Tastes
from sideman.studio.uploads import Uploads
from sideman.studio.watching import Watch

ASSETS = "assets/"
"""Files of the page whose names change with what is in them."""

FOREVER = "public, max-age=31536000, immutable"
RECORDINGS = "played"
"""Folder of what is played, in that of the studio."""

LOCK = "studio.lock"
"""File in the folder of the studio that a studio holds while it runs."""

NO_PAGE = "the page is not in this installation; run `make page-build`\n"

MOST_MESSAGE_BYTES = 65_536
"""Size of a message that a page may send over a socket."""

MOST_WAITING = 200
"""Requests whose threads wait for other processes; more wait for a thread."""

LEAVE_S = 5
"""How long requests may take to end when the studio is stopped."""

MakeJobs = Callable[[Database, Projects, StudioConfig, KnownTaste], JobQueue]
"""Makes who carries out jobs."""


def make_app(config: StudioConfig, make_jobs: MakeJobs) -> FastAPI:
    """Return the studio as an app for an ASGI server.

    Args:
        config: How it is set up; its folder is made, and its database brought up to date.
        make_jobs: Makes who carries out jobs; `serve` starts it, and it ends with the app.

    Raises:
        StudioError: If the database cannot be opened.
        BundleError: If the model cannot be opened.
    """
    config.folder.mkdir(parents=True, exist_ok=True)
    state = _state(config, make_jobs)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            state.jobs.stop()
            state.tastes.close()
            state.uploads.close()
            state.database.close()

    app = bare_app(lifespan=lifespan)
    app.state.studio = state
    app.mount("/", _page())
    add_refusals(app)

    def refused(code: str) -> None:
        state.metrics.refusals.labels(code).inc()

    app.add_middleware(Watch, metrics=state.metrics)
    app.add_middleware(Guard, config=config, refused=refused)  # the outermost
    return app


def bare_app(
    lifespan: Callable[[FastAPI], object] | None = None,
) -> FastAPI:
    """Return an app with all routes and nothing behind them: what OpenAPI tells of."""
    app = FastAPI(
        title="Sideman Studio",
        version=__version__,
        docs_url=None,  # they load from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,  # type: ignore[arg-type]
        generate_unique_id_function=lambda route: route.name,
        responses={"4XX": {"model": Refusal}},
    )
    for module in (about, projects, jobs, takes, files, votes, socket, live):
        app.include_router(module.router)
    return app


def serve(config: StudioConfig, make_jobs: MakeJobs) -> None:
    """Run the studio until it is stopped.

    It has its port and its folder before it touches what may be another studio's: jobs that
    are left are taken up, and those of a studio that runs would be taken from it.

    Raises:
        StudioError: If it cannot start; so do the next two.
        BundleError: If the model cannot be opened.
        MissingExtra: If what it is to work with is not installed.
    """
    config.folder.mkdir(parents=True, exist_ok=True)
    with listening(config) as listener, alone_in(config.folder):
        app = make_app(config, make_jobs)
        _start(app.state.studio)
        settings = uvicorn.Config(
            app,
            http=Connection,
            access_log=False,
            log_config=None,
            server_header=False,
            ws_max_size=MOST_MESSAGE_BYTES,
            timeout_graceful_shutdown=LEAVE_S,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listener])


def listening(config: StudioConfig) -> sockets.socket:
    """Return a socket that listens where the studio is to be reached.

    Raises:
        StudioError: If it cannot.
    """
    family = sockets.AF_INET6 if ":" in config.host else sockets.AF_INET
    try:
        return sockets.create_server((config.host, config.port), family=family)
    except OSError as error:
        if error.errno == EADDRINUSE:
            msg = (
                f"port {config.port} is taken, perhaps by another studio: "
                "open that one, or say another --port"
            )
        else:
            msg = (
                f"the studio cannot listen at {config.host}, port {config.port}: "
                f"{error.strerror}; say another --host or --port"
            )
        raise StudioError(msg) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have a folder for one studio; when its process ends, however, the next may have it.

    Raises:
        StudioError: If another has it, or it cannot be written to.
    """
    with ExitStack() as held:
        try:
            lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
            held.enter_context(closing(lock))
            lock.execute("BEGIN EXCLUSIVE")  # a lock that each system has
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                msg = f"another studio has the folder '{folder}'; close it, or"
            else:
                msg = f"the folder '{folder}' cannot be written to ({error});"
            msg += " say another --folder"
            raise StudioError(msg) from error
        yield


def _start(state: State) -> None:
    """Start what works in other processes: all of it or nothing."""
    try:
        state.uploads.start()
        state.jobs.start()
    except BaseException:
        state.uploads.close()
        state.database.close()
        raise


def _state(config: StudioConfig, make_jobs: MakeJobs) -> State:
    limits = config.limits
    bundle = load_bundle(config.bundle)
    database = Database(config.database_url)
    projects, votes, tastes = Projects(database), Votes(database), Tastes(config, bundle)
    jobs = make_jobs(database, projects, config, tastes.kept)
    return State(
        config=config,
        bundle=bundle,
        database=database,
        projects=projects,
        job_store=JobStore(database),
        jobs=jobs,
        votes=votes,
        tastes=tastes,
        pairs=Pairs(votes, bundle, jobs.run_now, taste=tastes.kept),
        uploads=Uploads(limits),
        recordings=Recordings(config.folder / RECORDINGS, limits),
        metrics=Metrics(lambda: jobs.queue_length),
        waiters=CapacityLimiter(MOST_WAITING),
        sounds=Slots(
            limits.sounds,
            "busy",
            f"{limits.sounds} pieces are being made audible; try again in a moment",
        ),
        pair_slots=Slots(
            limits.pairs,
            "too_many_pairs",
            f"{limits.pairs} pairs are being written for you; wait for one of them",
        ),
        socket_slots=Slots(
            limits.sockets,
            "too_many_sockets",
            f"{limits.sockets} pages of yours are open; close one of them",
        ),
        player_slots=Slots(
            limits.players,
            "too_many_players",
            f"{limits.players} people play here already, as many as may; "
            "you come in by yourself when one leaves",
        ),
    )


class _Page(StaticFiles):
    """The page: what changes its name with its content may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file of the page."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = FOREVER if path.startswith(ASSETS) else "no-cache"
        return response


def _page() -> StaticFiles | PlainTextResponse:
    """Return what serves the page; where it was not built, what says so."""
    folder = Path(str(resources.files("sideman"))) / "studio" / "static"
    if not (folder / "index.html").is_file():
        return PlainTextResponse(NO_PAGE, HTTPStatus.NOT_FOUND)
    return _Page(directory=folder, html=True)
