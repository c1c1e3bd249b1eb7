"""Votes: pairs to be judged, and what was said of them."""

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from sideman.studio.routes.checks import revision_number
from sideman.studio.schemas import (
    Pair,
    PairRequest,
    Score,
    TasteProgress,
    Vote,
    VoteSummary,
)
from sideman.studio.state import Client, State, StudioState
from sideman.studio.votes import export_lines, summary

router = APIRouter(prefix="/api", tags=["votes"])


@router.post("/pairs", status_code=HTTPStatus.CREATED)
async def show_pair(wish: PairRequest, state: StudioState, client: Client) -> Pair:
    """Show two answers to one prompt; all about them is stored before they are seen."""
    with state.pair_slots.take(client), state.metrics.pair_seconds.time():
        return await state.wait_for(partial(_pair, state, wish, client))


def _pair(state: State, wish: PairRequest, client: str) -> Pair:
    prompt, about = _prompt(state, wish)
    row = state.pairs.show(
        client, prompt=prompt, task=wish.task, options=wish.options, about=about
    )
    return Pair(
        id=row.id,
        left=Score.model_validate(row.left),
        right=Score.model_validate(row.right),
        prompt=Score.model_validate(row.prompt),
    )


@router.post("/pairs/{pair}/vote", status_code=HTTPStatus.NO_CONTENT)
def vote(pair: str, said: Vote, state: StudioState) -> Response:
    """Say which is better; it is stored when the reply comes."""
    state.votes.vote(pair, said.answer, said.seconds)
    state.metrics.votes.labels(said.answer).inc()
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/votes/summary")
def summarise_votes(state: StudioState) -> VoteSummary:
    """Say what all votes say."""
    judged = state.votes.judged()
    return VoteSummary(**summary(judged), taste=TasteProgress(**state.tastes.told(judged)))


@router.get("/votes/export", response_class=StreamingResponse)
def export_votes(state: StudioState) -> StreamingResponse:
    """Return every vote with its pair, a line of JSON each."""
    headers = {"content-disposition": "attachment; filename=votes.jsonl"}
    lines = export_lines(state.votes.judged_with_music())
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


@router.post("/taste", status_code=HTTPStatus.ACCEPTED)
def learn_taste(state: StudioState) -> TasteProgress:
    """Begin to learn from all votes what is liked; the summary says how far it is."""
    judged = state.votes.judged()
    state.tastes.learn(judged)
    return TasteProgress(**state.tastes.told(judged))


@router.delete("/taste", status_code=HTTPStatus.NO_CONTENT)
def forget_taste(state: StudioState) -> Response:
    """Forget what is liked; the votes stay."""
    state.tastes.forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _prompt(state: State, wish: PairRequest) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the music that is asked about, None for an example, and what to keep of it."""
    if wish.project is None:
        return None, {}
    head = state.projects.get(wish.project).head or 0
    number = head if wish.revision is None else revision_number(wish.revision)
    music = state.projects.revision(wish.project, number).score
    return music, {"project": wish.project, "revision": number}
