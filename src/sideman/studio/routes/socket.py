"""The socket: what happens to jobs, told as it happens.

A client hears of the jobs that it asked for, on all its sockets and also after it was away, and
of those that it says it watches.
"""

import json
from contextlib import suppress

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect, status
from fastapi.concurrency import run_in_threadpool
from starlette.websockets import WebSocketState

from sideman.studio.limits import LimitReached, Pace
from sideman.studio.state import Client, Messages, State, StudioState
from sideman.studio.store.problems import Unknown

router = APIRouter()


@router.websocket("/api/socket")
async def follow(websocket: WebSocket, state: StudioState, client: Client) -> None:
    """Tell a page what happens to its jobs."""
    try:
        slot = state.socket_slots.take(client)
        with slot, state.metrics.sockets.track_inprogress(), state.jobs.listen() as messages:
            await websocket.accept()
            feeds = state.feeds.setdefault(client, set())
            feeds.add(messages)
            try:
                await _follow(websocket, state, client, messages)
            finally:
                feeds.discard(messages)
                if not feeds:
                    state.feeds.pop(client, None)
    except LimitReached as error:
        await websocket.close(status.WS_1013_TRY_AGAIN_LATER, str(error))


async def _follow(websocket: WebSocket, state: State, client: str, messages: Messages) -> None:
    """Send and receive until the page goes."""
    for job in await run_in_threadpool(state.job_store.unfinished):
        if job.client == client:
            messages.watch(job.id)
    async with anyio.create_task_group() as group:
        group.start_soon(_send, websocket, messages)
        await _receive(websocket, state, messages)
        group.cancel_scope.cancel()
    if websocket.client_state is WebSocketState.CONNECTED:
        await websocket.close(status.WS_1008_POLICY_VIOLATION)


async def _send(websocket: WebSocket, messages: Messages) -> None:
    with suppress(WebSocketDisconnect):  # who receives notices it as well
        while True:
            await websocket.send_json(await messages.get())


async def _receive(websocket: WebSocket, state: State, messages: Messages) -> None:
    """Watch what the page wants to watch; return when it sends anything else, or too much."""
    limits = state.limits
    pace = Pace(limits.requests_per_second, limits.requests_at_once)
    while True:
        try:
            said = json.loads(await websocket.receive_text())
        except (WebSocketDisconnect, ValueError, KeyError, RecursionError):
            return
        is_watch = isinstance(said, dict) and said.get("type") == "watch"
        if not is_watch or pace.step(""):
            return
        try:
            job = await run_in_threadpool(state.job_store.get, str(said.get("job")))
        except Unknown:
            continue
        messages.watch(job.id)
