"""Who may talk to the studio: everything that is checked before a route is reached.

A page on another site can make a browser send requests here. It cannot say another `Origin`
than its own, nor, after DNS rebinding, another `Host` than its own name; so both are checked.
See the OWASP cheat sheets on cross-site request forgery and WebSockets.

A browser that has come by the link with the token gets a code of it as a cookie. The code can
only be made with a key that never leaves the folder of the studio, so to try out tokens one has
to say them; and an address that says many wrong ones has to wait. Browsers with the cookie do
not: people who come from the same address go on.

What is served is told to the browser to be framed by nobody, to load from nowhere else, and to
be taken for nothing but what it says it is.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import h11
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from uvicorn.protocols.http.h11_impl import H11Protocol

from sideman.studio.config import LOOPBACK, StudioConfig
from sideman.studio.limits import Limits, Pace
from sideman.studio.logs import LOG
from sideman.studio.uploads import too_large

TOKEN_COOKIE, CLIENT_COOKIE = "sideman_token", "sideman_client"
TOKEN_PARAMETER = "token"

KEY_FILE, KEY_BYTES = "cookie.key", 32
"""In the folder of the studio: what codes of tokens are made with."""

GUESSES_PER_SECOND, GUESSES_AT_ONCE = 0.1, 20
"""How many wrong tokens may come from an address."""

HEADERS_S = 20.0
"""How long the headers of a request may take to come: over the slowest line, a second."""

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

MOST_SHOWN = 40
"""Characters of a wrong name that are shown."""

MULTIPART_MARGIN = 4_096
"""Bytes that a form adds to the file in it."""

_CLIENT = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+?)\.?)(?::[0-9]{1,5})?", re.IGNORECASE)
"""A `Host` header (RFC 9110, 7.2): an address of the new kind, or another or a name; a port."""

_WELCOME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sideman</title>
<meta http-equiv="refresh" content="0; url=./"><a href="./">Go on</a></html>"""
"""After a link with the token: a redirect would not take a strict cookie along where the link
was on another site; a page that goes on by itself does."""

_NOT_KEPT = {"cache-control": "no-store"}

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
        self._code = _code(config) if config.token else ""
        self._guesses = Pace(GUESSES_PER_SECOND, GUESSES_AT_ONCE)
        self._pace = Pace(config.limits.requests_per_second, config.limits.requests_at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        address = scope["client"][0] if scope.get("client") else "somebody"
        known = cookies.get(CLIENT_COOKIE, "")
        is_known = _CLIENT.fullmatch(known) is not None
        scope["sideman.client"] = known if is_known else address
        given: dict[str, str] = {}
        if scope["type"] == "http" and scope["path"] == "/" and not is_known:
            given[CLIENT_COOKIE] = secrets.token_hex(16)
        send = _with_headers(scope, send, given)
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            if scope["path"] not in OPEN_PATHS:
                if self._is_welcome(scope, cookies, address):
                    given[TOKEN_COOKIE] = self._code
                    await HTMLResponse(_WELCOME, headers=_NOT_KEPT)(scope, receive, send)
                    return
                self._check_token(headers, cookies, address)
                self._check_pace(scope)
            receive = _limited(scope, receive, self._config.limits)
        except Refusal as refusal:
            LOG.warning("refused", code=refusal.code, path=scope["path"], address=address)
            self._refused(refusal.code)
            await _refuse(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    # ------------------------------------------------------------------- rules

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that are not ours: after DNS rebinding a page has its own site's."""
        said = headers.getlist("host")
        name = _host_name(said[0]) if len(said) == 1 else ""
        if name in self._hosts or (not self._config.is_private and _is_address(name)):
            return
        shown = ", ".join(said)[:MOST_SHOWN]
        msg = f"this studio is not called {shown!r}; start it with --allow-host to call it so"
        raise Refusal(msg, status=HTTPStatus.MISDIRECTED_REQUEST, code="wrong_host")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse what other sites' pages make a browser do.

        Ours may be https where the studio speaks http: a proxy is in front.
        """
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return
        ours = {f"{scheme}://{headers.get('host')}".lower() for scheme in ("http", "https")}
        is_ours = {origin.lower() for origin in headers.getlist("origin")} <= ours
        if is_ours and headers.get("sec-fetch-site") in (None, *OUR_SITES):
            return
        msg = "this came from a page of another site; only the studio's own page may do that"
        raise Refusal(msg, status=HTTPStatus.FORBIDDEN, code="wrong_origin")

    def _is_welcome(self, scope: Scope, cookies: Mapping[str, str], address: str) -> bool:
        """Whether somebody comes by the link with the right token, or by any who is in."""
        if not self._config.token or scope["type"] != "http" or scope["method"] != "GET":
            return False
        said = QueryParams(scope["query_string"]).get(TOKEN_PARAMETER)
        if said is None or scope["path"] != "/":
            return False
        return self._is_in(cookies) or self._is_token(said, address)

    def _is_in(self, cookies: Mapping[str, str]) -> bool:
        """Whether a browser has come in before, where a token is asked for."""
        return _is_same(cookies.get(TOKEN_COOKIE, ""), self._code)

    def _check_token(self, headers: Headers, cookies: Mapping[str, str], address: str) -> None:
        """Refuse who has neither the cookie nor, as programs do it, the token in a header."""
        if not self._config.token or self._is_in(cookies):
            return
        scheme, _, said = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(said, address):
            return
        msg = "the studio asks for its token; open the link that it printed when it started"
        raise Refusal(msg, status=HTTPStatus.UNAUTHORIZED, code="no_token")

    def _is_token(self, said: str, address: str) -> bool:
        """Whether somebody knows the token.

        Raises:
            Refusal: If too many wrong ones came from the address.
        """
        wait_s = self._guesses.wait_s(address)
        if wait_s:
            msg = f"too many wrong tokens came from your address; try again in {wait_s:.0f} s"
            raise _too_often(msg, "too_many_guesses", wait_s)
        is_right = _is_same(said, self._config.token)
        if not is_right:
            self._guesses.step(address)
        return is_right

    def _check_pace(self, scope: Scope) -> None:
        early_s = self._pace.step(scope["sideman.client"])
        if not early_s:
            return
        msg = f"requests come faster than the studio takes them; try again in {early_s:.1f} s"
        raise _too_often(msg, "too_fast", early_s)


class Connection(H11Protocol):
    """A connection that is closed when the headers of a request do not come to an end.

    uvicorn waits for them for ever, so that some thousand connections which say nothing would
    leave none for others. Nor does it limit their size with the parser that it prefers.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        super().data_received(data)
        self._watch()

    def _watch(self) -> None:
        """Give up in a while if a request has not come as far as its body."""
        is_waiting = self.conn.their_state is h11.IDLE
        if is_waiting and self._late is None:
            self._late = self.loop.call_later(HEADERS_S, self.transport.close)
        elif not is_waiting and self._late is not None:
            self._late.cancel()
            self._late = None


def _hosts(config: StudioConfig) -> frozenset[str]:
    """Return the names under which a studio may be reached; addresses come on top."""
    own = () if config.is_private else (socket.gethostname(), f"{socket.gethostname()}.local")
    names = (*LOOPBACK, config.host, *own, *config.allowed_hosts)
    return frozenset(name.lower() for name in names)


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port; "" where it is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _is_address(name: str) -> bool:
    """Whether it is a number: rebinding needs a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _code(config: StudioConfig) -> str:
    """Return what a browser is given that knows the token."""
    path = config.folder / KEY_FILE
    if not path.is_file():
        _write_secret(path, secrets.token_bytes(KEY_BYTES))
    return hmac.new(path.read_bytes(), config.token.encode(), hashlib.sha256).hexdigest()


def _write_secret(path: Path, secret: bytes) -> None:
    """Write a file that only its owner reads; whole, whenever this process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(secret)
    new.replace(path)


def _is_same(said: str, known: str) -> bool:
    """Compare in a time that does not say how much is right."""
    return hmac.compare_digest(said.encode(), known.encode())


def _with_headers(scope: Scope, send: Send, given: Mapping[str, str]) -> Send:
    """Return a `send` that adds our headers and the cookies in `given` to a reply."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith(API):
                headers.setdefault("cache-control", "no-store")
            for cookie in _cookies(scope, given):
                headers.append("set-cookie", cookie)
        await send(message)

    return send_with_headers


def _cookies(scope: Scope, given: Mapping[str, str]) -> list[str]:
    """Return headers that let a browser keep something for this site alone."""
    reply = Response()
    for name, value in given.items():
        reply.set_cookie(
            name,
            value,
            max_age=YEAR_S,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
    return reply.headers.getlist("set-cookie")


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
    if not (length.isascii() and length.isdigit()) or int(length) > most:
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


def _too_often(message: str, code: str, wait_s: float) -> Refusal:
    return Refusal(
        message, status=HTTPStatus.TOO_MANY_REQUESTS, code=code, retry_after_s=wait_s
    )


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
