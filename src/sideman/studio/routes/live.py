"""Playing: what is played on a page goes to an improviser of its own, and back comes sound.

What was played is recorded; a piece can be made of it, also after the page has gone.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Literal

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, Response
from starlette.websockets import WebSocketState

from sideman.errors import LiveError
from sideman.score.midi import midi_bytes
from sideman.studio.exports import MEDIA_TYPES, plain
from sideman.studio.limits import LimitReached, Pace
from sideman.studio.playing import Said, Seat
from sideman.studio.schemas import Begin, ProjectSummary, project_summary
from sideman.studio.score_json import json_of
from sideman.studio.state import State, StudioState

router = APIRouter(tags=["live"])

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 200.0, 400
"""What a page may say: faster than ten fingers, and a knob that is turned."""

UNREADABLE = "the page said what nobody can read; load it again"

SLOW = ("set", "act")
"""What a page says that may take a moment, and has a thread for it; keys are in a hurry."""

MOST_UNSENT = 200
"""Messages that wait for a page that does not read; views beyond are left out, sound never."""

MOST_REASON_BYTES = 123
"""Length of the reason for which a socket is closed (RFC 6455, 5.5)."""


@router.websocket("/api/live")
async def play(websocket: WebSocket, state: StudioState) -> None:
    """Play with a page until it goes."""
    await websocket.accept()  # or the page would not be told why not
    try:
        with state.player_slots.take(), state.metrics.sockets.track_inprogress():
            await _play(websocket, state)
    except LimitReached as error:
        await _close(websocket, status.WS_1013_TRY_AGAIN_LATER, str(error))


@router.post("/api/live/recordings/{recording}/keep", status_code=HTTPStatus.CREATED)
def keep_recording(recording: str, state: StudioState) -> ProjectSummary:
    """Make a project of what was played, also while it is still going on."""
    score = state.recordings.score(recording)
    state.limits.check_score(score)
    name = state.recordings.name(recording)
    return project_summary(state.projects.create(name, json_of(score)))


@router.get("/api/live/recordings/{recording}/export", response_class=Response)
def export_recording(
    recording: str, state: StudioState, format: Literal["mid", "session"] = "mid"
) -> Response:
    """Take what was played home: as MIDI, or as the session that `sideman replay` reads."""
    path = state.recordings.path(recording)
    name = plain(state.recordings.name(recording))
    headers = {"content-disposition": f'attachment; filename="{name}.{format}"'}
    if format == "session":
        return FileResponse(path, headers=headers)
    data = midi_bytes(state.recordings.score(recording))
    return Response(data, media_type=MEDIA_TYPES["mid"], headers=headers)


@router.delete("/api/live/recordings/{recording}", status_code=HTTPStatus.NO_CONTENT)
def delete_recording(recording: str, state: StudioState) -> Response:
    """Forget what was played."""
    state.recordings.remove(recording)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _play(websocket: WebSocket, state: State) -> None:
    """Send and receive until the page goes, or playing cannot go on."""
    unsent: asyncio.Queue[Said] = asyncio.Queue()
    seat = Seat(
        state.config.bundle,
        state.bundle,
        state.recordings,
        _into(unsent),
        most_voices=state.limits.voices,
    )
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_send, websocket, unsent)
            await _receive(websocket, seat)
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(seat.end)


def _into(unsent: asyncio.Queue[Said]) -> Callable[[Said], None]:
    """Return a function that puts what is said into a queue of this loop, from any thread."""
    loop = asyncio.get_running_loop()

    def put(said: Said) -> None:
        if said["type"] != "view" or unsent.qsize() < MOST_UNSENT:
            unsent.put_nowait(said)

    def tell(said: Said) -> None:
        with suppress(RuntimeError):  # the studio was stopped
            loop.call_soon_threadsafe(put, said)

    return tell


async def _send(websocket: WebSocket, unsent: asyncio.Queue[Said]) -> None:
    with suppress(WebSocketDisconnect):  # who receives notices it as well
        while (said := await unsent.get())["type"] != "over":
            await websocket.send_json(said)
        await _close(websocket, status.WS_1011_INTERNAL_ERROR, said["reason"])


async def _receive(websocket: WebSocket, seat: Seat) -> None:
    """Let the improviser hear the page; return when it goes, or says what it may not say."""
    pace = Pace(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
    reason = ""
    try:
        while not reason:
            reason = await _hear(await websocket.receive_text(), seat, pace)
    except KeyError:  # bytes
        reason = UNREADABLE
    except (WebSocketDisconnect, RuntimeError):  # the page has closed it, or we have
        return
    await _close(websocket, status.WS_1008_POLICY_VIOLATION, reason)


async def _hear(text: str, seat: Seat, pace: Pace) -> str:
    """Let the improviser hear what a page says; return why the page has to go, if it has to."""
    if pace.step(""):
        return "the page says more than the studio can hear; play a little less"
    try:
        said = json.loads(text)
        kind = said.get("type") if isinstance(said, dict) else None
        if kind == "begin":
            await run_in_threadpool(seat.begin, Begin.model_validate(said))
        elif kind in SLOW:
            await run_in_threadpool(seat.hear, said)
        else:
            seat.hear(said)
    except LiveError as error:
        return str(error)
    except (ValueError, RecursionError):
        return UNREADABLE
    return ""


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close the socket, and say why."""
    states = {websocket.application_state, websocket.client_state}
    if states == {WebSocketState.CONNECTED}:
        short = reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
        await websocket.close(code, short)
