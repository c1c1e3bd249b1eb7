"""What the studio is, and how it does."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import select

from sideman.studio.about import info
from sideman.studio.schemas import Info
from sideman.studio.state import StudioState

router = APIRouter(tags=["about"])


@router.get("/api/info")
def get_info(state: StudioState) -> Info:
    """Say what this studio is."""
    return info(state.bundle, state.limits)


@router.get("/healthz", response_class=PlainTextResponse)
def health(state: StudioState) -> PlainTextResponse:
    """Say that it is up: the database answers."""
    with state.database.reading() as session:
        session.execute(select(1))
    return PlainTextResponse("ok\n")


@router.get("/metrics", response_class=Response)
def metrics(state: StudioState) -> Response:
    """Return what is counted, for Prometheus."""
    return Response(state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
