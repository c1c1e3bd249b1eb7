"""Who may talk to the studio: everything that is checked before a route is reached.

A page on another site can make a browser send requests here. It cannot say another `Origin`
than its own, nor, after DNS rebinding, another `Host` than its own name; so both are checked.
See the OWASP cheat sheets on cross-site request forgery and WebSockets.

What is served is told to the browser to be framed by nobody, to load from nowhere else, and to
be taken for nothing but what it says it is.
"""

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from sideman.studio.config import LOOPBACK, StudioConfig
from sideman.studio.limits import Limits, Pace
from sideman.studio.uploads import too_large

TOKEN_COOKIE, CLIENT_COOKIE = "sideman_token", "sideman_client"
TOKEN_PARAMETER = "token"

YEAR_S = 365 * 24 * 3600

OPEN_PATHS = ("/healthz",)
"""What may be asked without a token, and without a limit."""

API = "/api/"
SOUND = "/sound/"
UPLOAD_PATH = "/api/projects/upload"

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Those that change nothing (RFC 9110, 9.2.1)."""

OUR_SITES = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` of our own page, and of what a person typed."""

CONTENT_SOURCES = {
    "default-src": "'self'",
    "script-src": "'self' 'wasm-unsafe-eval'",  # the synthesizer has a decoder in it
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""Where the page may load what from (Content Security Policy Level 3)."""

HEADERS = {
    "content-security-policy": "; ".join(map(" ".join, CONTENT_SOURCES.items())),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), midi=(self)",
}
"""Of every reply."""

MULTIPART_MARGIN = 4_096
"""Bytes that a form adds to the file in it."""

_CLIENT = re.compile(r"[0-9a-f]{32}")
_WELCOME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sideman</title>
<meta http-equiv="refresh" content="0; url=./"><a href="./">Go on</a></html>"""
"""After a link with the token: a redirect would not take a strict cookie along where the link
was on another site; a page that goes on by itself does."""

Refuse = Callable[[str], None]


class Refusal(Exception):
    """Why a request is not let through.

    Attributes:
        status: Of the reply.
        code: For programs.
        retry_after_s: When to try again; 0: it would not help.
    """

    def __init__(
        self, message: str, *, status: HTTPStatus, code: str, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class Guard:
    """Lets through who may talk to the studio, and says who it is in `sideman.client`.

    Args:
        app: What is guarded.
        config: How the studio is set up.
        refused: Told the code of each refusal.
    """

    def __init__(self, app: ASGIApp, config: StudioConfig, refused: Refuse) -> None:
        self._app = app
        self._config = config
        self._refused = refused
        self._hosts = _hosts(config)
        self._pace = Pace(config.limits.requests_per_second, config.limits.requests_at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        send = _with_headers(scope, send, self._new_cookies(scope, cookies))
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            if scope["path"] not in OPEN_PATHS:
                if self._is_welcome(scope):
                    await HTMLResponse(_WELCOME)(scope, receive, send)
                    return
                self._check_token(headers, cookies)
                self._check_pace(scope)
            receive = _limited(scope, receive, self._config.limits)
        except Refusal as refusal:
            self._refused(refusal.code)
            await _refuse(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    # ------------------------------------------------------------------- rules

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that are not ours: after DNS rebinding a page has its own site's."""
        name = _host_name(headers.get("host", ""))
        if name in self._hosts or (not self._config.is_private and _is_address(name)):
            return
        msg = f"this studio is not called {name!r}; start it with --allow-host to call it so"
        raise Refusal(msg, status=HTTPStatus.MISDIRECTED_REQUEST, code="wrong_host")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse what other sites' pages make a browser do."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        is_ours = origin is None or urlsplit(origin).netloc == headers.get("host")
        if is_ours and site in (None, *OUR_SITES):
            return
        msg = "this came from a page of another site; only the studio's own page may do that"
        raise Refusal(msg, status=HTTPStatus.FORBIDDEN, code="wrong_origin")

    def _is_welcome(self, scope: Scope) -> bool:
        """Whether somebody comes by the link with the right token."""
        if not self._config.token or scope["type"] != "http" or scope["method"] != "GET":
            return False
        said = QueryParams(scope["query_string"]).get(TOKEN_PARAMETER)
        return said is not None and scope["path"] == "/" and self._is_token(said)

    def _check_token(self, headers: Headers, cookies: Mapping[str, str]) -> None:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if not self._config.token or any(
            self._is_token(said) for said in (cookies.get(TOKEN_COOKIE, ""), bearer)
        ):
            return
        msg = "the studio asks for its token; open the link that it printed when it started"
        raise Refusal(msg, status=HTTPStatus.UNAUTHORIZED, code="no_token")

    def _is_token(self, said: str) -> bool:
        """Compare in a time that does not say how much is right."""
        return hmac.compare_digest(said.encode(), self._config.token.encode())

    def _check_pace(self, scope: Scope) -> None:
        early_s = self._pace.step(scope["sideman.client"])
        if not early_s:
            return
        msg = f"requests come faster than the studio takes them; try again in {early_s:.1f} s"
        raise Refusal(
            msg, status=HTTPStatus.TOO_MANY_REQUESTS, code="too_fast", retry_after_s=early_s
        )

    # ------------------------------------------------------------------ cookies

    def _new_cookies(self, scope: Scope, cookies: Mapping[str, str]) -> list[str]:
        """Say in the scope who it is; return the cookies that are to be set.

        A browser is known by a cookie of its own, anybody else by the address.
        """
        known = cookies.get(CLIENT_COOKIE, "")
        address = scope["client"][0] if scope.get("client") else "somebody"
        scope["sideman.client"] = known if _CLIENT.fullmatch(known) else address
        if scope["type"] != "http":
            return []
        reply = Response()
        strict: dict[str, Any] = {
            "httponly": True,
            "samesite": "strict",
            "secure": scope["scheme"] == "https",
            "max_age": YEAR_S,
        }
        if scope["path"] == "/" and not _CLIENT.fullmatch(known):
            reply.set_cookie(CLIENT_COOKIE, secrets.token_hex(16), **strict)
        if self._is_welcome(scope):
            reply.set_cookie(TOKEN_COOKIE, self._config.token, **strict)
        return reply.headers.getlist("set-cookie")


def _hosts(config: StudioConfig) -> frozenset[str]:
    """Return the names under which a studio may be reached; addresses come on top."""
    own = () if config.is_private else (socket.gethostname(), f"{socket.gethostname()}.local")
    names = (*LOOPBACK, config.host, *own, *config.allowed_hosts)
    return frozenset(name.lower() for name in names)


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port; "" where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is a number: rebinding needs a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(scope: Scope, send: Send, cookies: list[str]) -> Send:
    """Return a `send` that adds our headers to a reply."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith(API):
                headers.setdefault("cache-control", "no-store")
            for cookie in cookies:
                headers.append("set-cookie", cookie)
        await send(message)

    return send_with_headers


def _limited(scope: Scope, receive: Receive, limits: Limits) -> Receive:
    """Return a `receive` that refuses a body that is too large, whatever it says it is.

    Raises:
        Refusal: If it says already that it is.
    """
    if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
        return receive
    is_upload = scope["path"] == UPLOAD_PATH
    most = limits.upload_bytes + MULTIPART_MARGIN if is_upload else limits.body_bytes
    problem = too_large("what was sent", limits.upload_bytes if is_upload else most)
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdigit() or int(length) > most:
        raise Refusal(str(problem), status=HTTPStatus(problem.status), code=problem.code)
    n_received = 0

    async def receive_limited() -> Message:
        nonlocal n_received
        message = await receive()
        n_received += len(message.get("body", b""))
        if n_received > most:
            raise HTTPException(problem.status, str(problem))
        return message

    return receive_limited


def _refuse(refusal: Refusal) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the reply to who is not let through; a WebSocket is closed before it opens."""

    async def reply(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(reason=str(refusal))(scope, receive, send)
            return
        body = {"error": {"code": refusal.code, "message": str(refusal)}}
        wait = {"retry-after": f"{refusal.retry_after_s:.0f}"} if refusal.retry_after_s else {}
        await JSONResponse(body, refusal.status, headers=wait)(scope, receive, send)

    return reply
