"""The database: opened by URL, brought up to date, the same code for SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from sideman.errors import MissingExtra, StudioError

SQLITE, POSTGRESQL = "sqlite", "postgresql"

BUSY_MS = 10_000
"""How long a writer waits for one of another process; SQLite has one at a time."""

POOL_SIZE = 8
"""Connections that stay open; more are opened while more threads want one."""

MIGRATIONS = Path(__file__).parents[1] / "migrations"

_WRITING = "sideman_writing"
"""Name of the option that marks connections that write."""


def file_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return URL.create(SQLITE, database=str(path)).render_as_string()


class Database:
    """Where the studio keeps what it must not lose.

    A change is stored when `writing` is left: SQLite then has it in its write-ahead log on the
    disk, PostgreSQL in its own. A process that is killed loses what it was about to say, and
    nothing it has said.
    """

    def __init__(self, url: str) -> None:
        """Open the database at `url`, and bring its tables up to date.

        Raises:
            StudioError: If the URL is none, or nobody answers there.
            MissingExtra: If the driver is not installed.
        """
        self._engine = _engine(url)
        self._readers = sessionmaker(self._engine, expire_on_commit=False)
        writing = self._engine.execution_options(**{_WRITING: True})
        self._writers = sessionmaker(writing, expire_on_commit=False)
        is_sqlite = self._engine.dialect.name == SQLITE
        self._turn: AbstractContextManager[object] = Lock() if is_sqlite else nullcontext()
        try:
            migrate(writing)
        except OperationalError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            msg = f"the database {where} cannot be opened: {error.orig}"
            raise StudioError(msg) from error

    @property
    def engine(self) -> Engine:
        """What SQLAlchemy connects with."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that only reads."""
        with self._readers() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a session; what it changes is stored, all or none, when it is left.

        SQLite has one writer at a time and lets others sleep and look again, who may be
        overtaken for seconds; our threads take turns before they come to it.
        """
        with self._turn, self._writers.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def migrate(engine: Engine) -> None:
    """Bring the tables up to date: make them, or change those of an older version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
    except ArgumentError as error:
        msg = (
            f"the database {url!r} is no URL; "
            "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        )
        raise StudioError(msg) from error
    pool = {"pool_size": POOL_SIZE, "max_overflow": -1, "pool_pre_ping": True}
    if dialect == SQLITE:
        engine = create_engine(parsed, **pool)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if dialect != POSTGRESQL:
        msg = f"the database is {dialect}; Sideman keeps its data in sqlite or postgresql"
        raise StudioError(msg)
    try:
        return create_engine(parsed.set(drivername=f"{POSTGRESQL}+psycopg"), **pool)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        msg = "PostgreSQL needs a driver: pip install 'sideman[postgres]'"
        raise MissingExtra(msg) from error


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 (a DBAPI's own)
    """Let readers go on while one writes, and check references (sqlite.org/wal.html)."""
    connection.isolation_level = None  # `_begin_sqlite` begins, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")  # first: the next one needs a lock
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a vote outlives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the right to write at once: who reads first and writes then may be refused."""
    is_writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
