"""Playing: what is played on a page goes to an improviser of its own, and back comes sound."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect, status
from fastapi.concurrency import run_in_threadpool
from starlette.websockets import WebSocketState

from sideman.errors import LiveError
from sideman.studio.limits import LimitReached, Pace
from sideman.studio.playing import Partner, Said
from sideman.studio.state import State, StudioState

router = APIRouter()

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 200.0, 400
"""What a page may say: faster than ten fingers, and a knob that is turned."""

UNREADABLE = "the page said what nobody can read; load it again"

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


async def _play(websocket: WebSocket, state: State) -> None:
    """Send and receive until the page goes, or playing cannot go on."""
    unsent: asyncio.Queue[Said] = asyncio.Queue()
    partner = await run_in_threadpool(Partner, state.config.bundle, _into(unsent))
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_send, websocket, unsent)
            await _receive(websocket, partner)
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(partner.end)


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


async def _receive(websocket: WebSocket, partner: Partner) -> None:
    """Let the improviser hear the page; return when it goes, or says what it may not say."""
    pace = Pace(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
    reason = ""
    try:
        while not reason:
            reason = _hear(await websocket.receive_text(), partner, pace)
    except KeyError:  # bytes
        reason = UNREADABLE
    except (WebSocketDisconnect, RuntimeError):  # the page has closed it, or we have
        return
    await _close(websocket, status.WS_1008_POLICY_VIOLATION, reason)


def _hear(text: str, partner: Partner, pace: Pace) -> str:
    """Let the improviser hear what a page says; return why the page has to go, if it has to."""
    if pace.step(""):
        return "the page says more than the studio can hear; play a little less"
    try:
        partner.hear(json.loads(text))
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
