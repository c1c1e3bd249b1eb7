"""Files: what is taken home, and the sounds that the browser plays with."""

import re
import shutil
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from sideman.audio.bank import DEFAULT_BANK
from sideman.studio.exports import (
    MEDIA_TYPES,
    Format,
    file_name,
    midi_file,
    recipe_of,
    sound_file,
)
from sideman.studio.limits import LimitReached
from sideman.studio.routes.checks import revision_number
from sideman.studio.routes.takes import take_title
from sideman.studio.score_json import Json
from sideman.studio.state import State, StudioState

router = APIRouter(tags=["files"])

DAY_S = 86_400
_PARTS = re.compile(r"[0-9]{1,4}(?:,[0-9]{1,4})*")

Parts = Annotated[str | None, Query(description="Parts from 0, such as 0,2; all if left out.")]


@router.get("/api/projects/{project}/export", response_class=Response)
def export_project(
    project: str,
    state: StudioState,
    revision: str | None = None,
    format: Format = "mid",
    parts: Parts = None,
) -> Response:
    """Take a revision home; the head if none is named."""
    row = state.projects.get(project)
    number = row.head or 0 if revision is None else revision_number(revision)
    music = state.projects.revision(project, number).score
    return _saved_as(row.name, format, _file(state, music, format, _numbers(parts)))


@router.get("/api/takes/{take}/export", response_class=Response)
def export_take(
    take: str,
    state: StudioState,
    format: Format = "mid",
    parts: Parts = None,
) -> Response:
    """Take a take home; a MIDI file says how it was made."""
    row = state.projects.take(take)
    name = f"{state.projects.get(row.project).name} - {take_title(row)}"
    recipe = recipe_of(row.recipe, row.first_bar, row.end_bar)
    return _saved_as(name, format, _file(state, row.score, format, _numbers(parts), recipe))


@router.get("/sound/bank.sf3", response_class=FileResponse)
def sound_bank() -> FileResponse:
    """Return the sound bank that comes with Sideman."""
    headers = {"cache-control": f"max-age={DAY_S}"}
    return FileResponse(DEFAULT_BANK, media_type="application/octet-stream", headers=headers)


def _file(
    state: State,
    music: Json,
    form: Format,
    parts: Sequence[int] | None,
    recipe: Json | None = None,
) -> Response:
    """Return music as a file."""
    if form == "mid":
        return Response(midi_file(music, parts, recipe), media_type=MEDIA_TYPES[form])
    with state.sounds.take():
        folder = Path(mkdtemp(prefix="sideman-"))
        try:
            path = sound_file(music, parts, form, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(path, media_type=MEDIA_TYPES[form], background=done)


def _saved_as(name: str, form: Format, response: Response) -> Response:
    """Let a browser keep a file under a name."""
    kept_as = quote(file_name(name, form))
    response.headers["content-disposition"] = f"attachment; filename*=UTF-8''{kept_as}"
    return response


def _numbers(parts: str | None) -> list[int] | None:
    """Return the parts that an address names."""
    if parts is None:
        return None
    if not _PARTS.fullmatch(parts):
        msg = f"parts is {parts[:40]!r}; write numbers from 0 with commas, as in 0,2"
        raise LimitReached(msg, code="bad_request", status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return [int(part) for part in parts.split(",")]
