"""What is said when something is not done: one line each, as `{"error": {code, message}}`."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from sideman.errors import SidemanError
from sideman.studio.limits import LimitReached
from sideman.studio.logs import LOG
from sideman.studio.state import State
from sideman.studio.store.problems import Unknown, UnknownRevision

CODES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
"""Codes of what the framework refuses; anything else is a bad request."""

BAD_REQUEST = "bad_request"

MOST_SHOWN = 40
"""Characters of a wrong value that are shown."""


def add_refusals(app: FastAPI) -> None:
    """Let an app answer errors that are made on purpose."""
    app.add_exception_handler(SidemanError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_shape)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(OperationalError, _refuse_for_now)


def refusal(status: int, code: str, message: str) -> JSONResponse:
    """Return a reply that says what is wrong."""
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _refuse(request: Request, error: Exception) -> JSONResponse:
    """Say an error of ours as it is: it was written for people."""
    if isinstance(error, LimitReached):
        return _counted(request, error.status, error.code, str(error))
    if isinstance(error, UnknownRevision):
        return _counted(request, HTTPStatus.CONFLICT, "unknown_revision", str(error))
    if isinstance(error, Unknown):
        return _counted(request, HTTPStatus.NOT_FOUND, "not_found", str(error))
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    return _counted(request, HTTPStatus.UNPROCESSABLE_ENTITY, code, str(error))


def _refuse_shape(request: Request, error: Exception) -> JSONResponse:
    """Say the first thing that is wrong with the shape of a request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        said = f"what was sent is no JSON: {first['ctx']['error']}"
        return _counted(request, HTTPStatus.UNPROCESSABLE_ENTITY, BAD_REQUEST, said)
    where = ".".join(str(word) for word in first["loc"][1:]) or "the request"
    rule = first["msg"][:1].lower() + first["msg"][1:]
    shown = repr(first.get("input"))
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
    return _counted(
        request, HTTPStatus.UNPROCESSABLE_ENTITY, BAD_REQUEST, f"{where} is {shown}: {rule}"
    )


def _refuse_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, BAD_REQUEST)
    message = f"{request.method} {request.url.path[:MOST_SHOWN]}: {error.detail}"
    return _counted(request, error.status_code, code, message)


def _refuse_for_now(request: Request, error: Exception) -> JSONResponse:
    """Say that the database does not answer; what it says of itself is for the log."""
    LOG.error("the database does not answer", path=request.url.path, error=str(error))
    message = "the database does not answer, so nothing was stored; try again in a moment"
    return _counted(request, HTTPStatus.SERVICE_UNAVAILABLE, "no_database", message)


def _counted(request: Request, status: int, code: str, message: str) -> JSONResponse:
    state: State = request.app.state.studio
    state.metrics.refusals.labels(code).inc()
    return refusal(status, code, message)
