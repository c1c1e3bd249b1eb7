"""The tables of the studio.

A *project* is a piece that somebody works on. Each change of it is a *revision* that names the
one it was made from, so that history is a tree; the project's *head* is the revision that is
seen. A *job* asks for music, a *take* is an answer. A *pair* is two answers to one prompt that
are shown without names, and a *vote* says which was better.

Music is kept as the JSON that the page sends and gets (`sideman.studio.score_json`), and
compressed: a piece is edited many times a minute, and every revision is whole.
"""

import json
import re
import secrets
import zlib
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_BYTES = 8
"""Random bytes of an id: nobody guesses one, and none comes twice."""

NAME_LENGTH = 200
"""Most characters of a name."""

CLIENT_LENGTH = 64
"""Most characters of what a browser is known by."""


_ID_FORM = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")

_FAST = 1  # zlib's level: a third larger than at 6, four times as fast


class PackedJson(TypeDecorator[dict[str, Any]]):
    """A JSON object, compressed."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(
        self, value: dict[str, Any] | None, dialect: Dialect
    ) -> bytes | None:
        """Return what is stored."""
        del dialect
        if value is None:
            return None
        return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), _FAST)

    def process_result_value(
        self, value: bytes | None, dialect: Dialect
    ) -> dict[str, Any] | None:
        """Return what was meant."""
        del dialect
        if value is None:
            return None
        found: dict[str, Any] = json.loads(zlib.decompress(value))
        return found


def new_id() -> str:
    """Return an id nobody has yet."""
    return secrets.token_hex(ID_BYTES)


def is_id(key: object) -> bool:
    """Whether something can be an id: not every text can be looked for in every database."""
    return isinstance(key, str) and _ID_FORM.fullmatch(key) is not None


def now() -> datetime:
    """Return the moment, as it is stored: UTC, without its zone, which SQLite cannot keep."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Of all tables."""

    metadata = MetaData(
        naming_convention={  # names that both databases use, so that migrations can
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (as SQLAlchemy reads it)
        dict[str, Any]: JSON,
        list[int]: JSON,
    }


_Id = String(2 * ID_BYTES)


class ProjectRow(Base):
    """A piece that somebody works on."""

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    head: Mapped[int | None]
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now)


class RevisionRow(Base):
    """A state of a project; `take` is the one it was made of, also when that is gone."""

    __tablename__ = "revisions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    project: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    parent: Mapped[int | None]
    label: Mapped[str] = mapped_column(String(NAME_LENGTH))
    take: Mapped[str | None] = mapped_column(_Id)
    score: Mapped[dict[str, Any]] = mapped_column(PackedJson)
    created: Mapped[datetime] = mapped_column(default=now)


class JobRow(Base):
    """Music that is asked for; `request` and `locks` are read by `sideman.studio.asking`."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    revision: Mapped[int]
    task: Mapped[str] = mapped_column(String(40))
    request: Mapped[dict[str, Any]]
    locks: Mapped[list[int]]
    client: Mapped[str] = mapped_column(String(CLIENT_LENGTH))
    state: Mapped[str] = mapped_column(String(20), index=True)
    message: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(default=now)
    finished: Mapped[datetime | None]


class TakeRow(Base):
    """An answer to a job."""

    __tablename__ = "takes"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    parent_revision: Mapped[int]
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    kept: Mapped[bool] = mapped_column(default=False)
    first_bar: Mapped[int]
    end_bar: Mapped[int]
    n_notes: Mapped[int]
    recipe: Mapped[dict[str, Any]]
    score: Mapped[dict[str, Any]] = mapped_column(PackedJson)
    liking: Mapped[float | None]
    created: Mapped[datetime] = mapped_column(default=now)


class PairRow(Base):
    """Two answers to one prompt, as they were shown.

    `request` is what was asked for, a recipe how either side was made; `repeats` names the
    pair that is shown again with its sides swapped.
    """

    __tablename__ = "pairs"
    __table_args__ = (Index("ix_pairs_listener_created", "listener", "created"),)

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    task: Mapped[str] = mapped_column(String(40))
    request: Mapped[dict[str, Any]]
    prompt: Mapped[dict[str, Any]] = mapped_column(PackedJson)
    left: Mapped[dict[str, Any]] = mapped_column(PackedJson)
    right: Mapped[dict[str, Any]] = mapped_column(PackedJson)
    left_recipe: Mapped[dict[str, Any]]
    right_recipe: Mapped[dict[str, Any]]
    bundle: Mapped[str] = mapped_column(String(NAME_LENGTH))
    bundle_hash: Mapped[str] = mapped_column(String(64))
    latency_s: Mapped[float]
    repeats: Mapped[str | None] = mapped_column(_Id)
    listener: Mapped[str] = mapped_column(String(CLIENT_LENGTH))
    created: Mapped[datetime] = mapped_column(default=now)


class VoteRow(Base):
    """What somebody said about a pair; the last word counts."""

    __tablename__ = "votes"

    pair: Mapped[str] = mapped_column(
        ForeignKey("pairs.id", ondelete="CASCADE"), primary_key=True
    )
    answer: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[float]
    created: Mapped[datetime] = mapped_column(default=now)
