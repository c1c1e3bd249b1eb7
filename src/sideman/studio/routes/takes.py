"""Takes: answers that were given."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from sideman.studio.schemas import Score, Take, TakeChange, TakeInfo, UsedTake, take_info
from sideman.studio.state import StudioState
from sideman.studio.store.tables import TakeRow

router = APIRouter(prefix="/api/takes", tags=["takes"])


@router.get("/{take}")
def get_take(take: str, state: StudioState) -> Take:
    """Return a take with its music."""
    row = state.projects.take(take)
    return Take(**dict(take_info(row)), score=Score.model_validate(row.score))


@router.patch("/{take}")
def change_take(take: str, change: TakeChange, state: StudioState) -> TakeInfo:
    """Name a take, keep it, or keep it no longer."""
    return take_info(state.projects.change_take(take, name=change.name, kept=change.kept))


@router.post("/{take}/use", status_code=HTTPStatus.CREATED)
def use_take(take: str, state: StudioState) -> UsedTake:
    """Go on from a take: it becomes a revision, and the head."""
    number, row = state.projects.use_take(take, take_title(state.projects.take(take)))
    return UsedTake(id=str(number), score=Score.model_validate(row.score))


@router.delete("/{take}", status_code=HTTPStatus.NO_CONTENT)
def delete_take(take: str, state: StudioState) -> Response:
    """Forget a take; revisions that were made of it stay."""
    state.projects.remove_take(take)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def take_title(row: TakeRow) -> str:
    """Return what a take is called."""
    return row.name or f"Take {row.number + 1}"
