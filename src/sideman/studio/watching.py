"""Each request is timed, counted and logged; what goes wrong by mistake stays here."""

import time
from contextlib import suppress

from starlette.status import WS_1011_INTERNAL_ERROR
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from structlog.typing import FilteringBoundLogger

from sideman.studio.logs import LOG
from sideman.studio.metrics import Metrics
from sideman.studio.routes.refusals import refusal

SERVER_ERROR = 500
INTERNAL = "internal"
INTERNAL_MESSAGE = "something went wrong in the studio; its log says more"

CLIENT_DIGITS = 8
"""So much of what a browser is known by is logged: enough to follow it, not to be it."""


class Watch:
    """Times, counts and logs requests.

    Args:
        app: What is watched.
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:  # noqa: BLE001 (a bug costs one request, and is logged)
            self._log(scope).error("failed", exc_info=error)
            if scope["type"] == "websocket":
                with suppress(RuntimeError):  # it is closed already
                    await WebSocketClose(WS_1011_INTERNAL_ERROR)(scope, receive, send)
            elif not status:
                status = SERVER_ERROR
                reply = refusal(SERVER_ERROR, INTERNAL, INTERNAL_MESSAGE)
                await reply(scope, receive, send)
        seconds = time.perf_counter() - begin
        self._log(scope).info("request", status=status, ms=round(seconds * 1000, 1))
        if scope["type"] == "http":
            labels = scope["method"], _route(scope), str(status)
            self._metrics.replies.labels(*labels).observe(seconds)

    @staticmethod
    def _log(scope: Scope) -> FilteringBoundLogger:
        bound: FilteringBoundLogger = LOG.bind(
            method=scope.get("method", "SOCKET"),
            path=scope["path"],
            client=scope["sideman.client"][:CLIENT_DIGITS],
        )
        return bound


def _route(scope: Scope) -> str:
    """Return the pattern of a path: paths themselves are too many to count by."""
    return str(getattr(scope.get("route"), "path", "/"))
