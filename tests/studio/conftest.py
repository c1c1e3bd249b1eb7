"""A studio to be tested: with a queue that does what it is told, over either database."""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from sideman.studio.app import make_app
from sideman.studio.asking import prepare
from sideman.studio.config import StudioConfig
from sideman.studio.score_json import empty_json
from sideman.studio.state import State
from sideman.studio.store.database import Database, file_url
from sideman.studio.store.jobs import DONE, Answer, JobStore

DEBIAN_SERVERS = Path("/usr/lib/postgresql")
ORIGIN = "http://127.0.0.1:8765"

# ------------------------------------------------------------------------ databases


class PostgresServer:
    """A PostgreSQL server of our own: in a temporary folder, at a port that is free."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder / "data"
        self._as_user = []
        self._password = secrets.token_hex(8)
        secret = folder / "secret"
        secret.write_text(self._password)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "nobody")
            shutil.chown(secret, "nobody")
            self._as_user = ["runuser", "-u", "nobody", "--"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._run(
            "initdb",
            *("-U", "studio", "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "-N"),
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": folder,
            "fsync": "off",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")

    @property
    def url(self) -> str:
        """URL of its database."""
        return f"postgresql://studio:{self._password}@127.0.0.1:{self._port}/postgres"

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *options: str) -> None:
        command = [str(self._programs / program), "-D", str(self._folder), *options]
        done = subprocess.run(
            [*self._as_user, *command], capture_output=True, text=True, cwd="/", check=False
        )
        assert done.returncode == 0, done.stderr


def _postgres_programs() -> Path | None:
    """Return where the programs of a PostgreSQL server are; Debian keeps them off the path."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(DEBIAN_SERVERS.glob("*/bin"))
    return places[-1] if places and (places[-1] / "initdb").exists() else None


@pytest.fixture(scope="session")
def postgres():
    """Start a PostgreSQL server; skip where none is installed."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed; on Debian: apt-get install postgresql")
    with TemporaryDirectory(prefix="sideman-") as folder:  # pytest's own only root may enter
        server = PostgresServer(programs, Path(folder))
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Give the URL of an empty database of either kind."""
    if request.param == "sqlite":
        return file_url(tmp_path / "studio.db")
    url = request.getfixturevalue("postgres").url
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def database(database_url):
    """Open an empty database of either kind."""
    database = Database(database_url)
    yield database
    database.close()


# ---------------------------------------------------------------------------- music


@pytest.fixture(scope="session")
def piece():
    """Return the JSON of a piece of eight bars with two parts and four notes."""
    notes = [(1, 0, 60, 0), (2, 96, 64, 0), (3, 0, 36, 1), (4, 192, 43, 1)]
    return {
        **empty_json(),
        "parts": [
            {"program": 0, "is_drum": False, "name": "Piano", "volume": 100, "pan": 64},
            {"program": 32, "is_drum": False, "name": "Bass", "volume": 80, "pan": 40},
        ],
        "notes": [
            {
                "id": number,
                "onset": onset,
                "duration": 24,
                "pitch": pitch,
                "velocity": 80,
                "part": part,
                "locked": False,
            }
            for number, onset, pitch, part in notes
        ],
    }


# --------------------------------------------------------------------------- studio


@dataclass(frozen=True)
class Made:
    """An answer of the queue below."""

    recipe: dict[str, Any]
    score: dict[str, Any]
    liking: float | None = None


class TellingFeed:
    """Messages that the test puts in."""

    def __init__(self) -> None:
        self.watched: list[str] = []
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def watch(self, job):
        """Note the job, and say that it is followed."""
        self.watched.append(job)
        self._messages.put_nowait({"type": "job", "job": {"id": job}})

    async def get(self):
        """Wait for a message."""
        return await self._messages.get()


class ToldQueue:
    """A queue of jobs that are done when the test says so; answers add one note."""

    def __init__(self, database, _projects, _config, _taste) -> None:
        self.store = JobStore(database)
        self.cancelled: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.problem: Exception | None = None

    def start(self):
        """Do nothing."""

    def stop(self):
        """Do nothing."""

    @property
    def queue_length(self):
        """Count what waits."""
        return len(self.store.unfinished())

    def ask(self, project, revision, task, *, request, locks, client):
        """Store a job."""
        if self.problem:
            raise self.problem
        return self.store.add(
            project, revision, task, request=request, locks=locks, client=client
        )

    def cancel(self, job):
        """Note it."""
        self.store.cancel(job)
        self.cancelled.append(job)

    def get(self, job):
        """Return a job as it is stored."""
        return self.store.get(job), 0, [take.id for take in self.store.takes(job)]

    @contextmanager
    def listen(self):
        """Open a feed."""
        yield TellingFeed()

    def run_now(self, task, score, request, locks=(), client=""):
        """Return the piece with one note more, whose pitch is chance."""
        del client
        if self.problem:
            raise self.problem
        self.asked.append(request)
        options = prepare(task, score, request, locks).options
        return [Made({"task": task, **asdict(options)}, with_note(score))]

    def finish(self, job, music):
        """End a job with one take."""
        take = Answer(
            number=0,
            first_bar=8,
            end_bar=12,
            n_notes=1,
            recipe={"task": "continue", "seed": 3},
            score=music,
            liking=None,
        )
        return self.store.finish(job, DONE, takes=[take])[0]


def with_note(score):
    """Return some JSON with one note more."""
    new_id = 1 + max((note["id"] for note in score["notes"]), default=0)
    note = {
        "id": new_id,
        "onset": 96 * score["n_bars"],
        "duration": 24,
        "pitch": secrets.randbelow(128),
        "velocity": 80,
        "part": 0,
        "locked": False,
    }
    return {**score, "notes": [*score["notes"], note], "n_bars": score["n_bars"] + 1}


class Client(TestClient):
    """A client whose sockets go where its requests go."""

    state: State

    def websocket_connect(self, url, subprotocols=None, **options):
        """Open a socket."""
        base = str(self.base_url).rstrip("/").replace("http", "ws", 1)
        return super().websocket_connect(f"{base}{url}", subprotocols, **options)


@pytest.fixture
def open_studio(tmp_path):
    """Return a function that opens a studio; its client's `state` is what the routes share."""
    clients = []
    quiet = ExitStack()
    quiet.enter_context(capture_logs())

    def open_one(address=("127.0.0.1", 50000), base_url=ORIGIN, **changes):
        limits = changes.pop("limits", {})
        config = StudioConfig(folder=tmp_path / "data", **changes)
        config = replace(config, limits=replace(config.limits, **limits))
        app = make_app(config, ToldQueue)
        client = Client(app, base_url=base_url, client=address, raise_server_exceptions=False)
        client.state = app.state.studio
        clients.append(client)
        return client

    yield open_one
    quiet.close()
    for client in clients:
        client.state.uploads.close()
        client.state.database.close()


@pytest.fixture
def studio(open_studio):
    """Open a studio as it is by default."""
    return open_studio()


@pytest.fixture
def problem():
    """Return a function that checks the form of a refusal and returns code and message."""

    def check(reply, status):
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert reply.json().keys() == {"error"}
        assert error.keys() == {"code", "message"}
        assert "\n" not in error["message"]
        return error["code"], error["message"]

    return check
