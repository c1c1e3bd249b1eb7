"""Projects and their revisions."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Response, UploadFile

from sideman.studio.routes.checks import checked_score, revision_number
from sideman.studio.schemas import (
    Head,
    NewHead,
    NewName,
    NewProject,
    NewRevision,
    Project,
    ProjectSummary,
    RevisionId,
    Score,
    project_summary,
    revision_info,
    take_info,
)
from sideman.studio.score_json import empty_json
from sideman.studio.state import State, StudioState
from sideman.studio.store.tables import ProjectRow
from sideman.studio.uploads import UNNAMED, title

router = APIRouter(prefix="/api/projects", tags=["projects"])


@router.get("")
def list_projects(state: StudioState) -> list[ProjectSummary]:
    """List all projects, what was worked on last first."""
    return [project_summary(row) for row in state.projects.all()]


@router.post("", status_code=HTTPStatus.CREATED)
def create_project(wish: NewProject, state: StudioState) -> Project:
    """Begin a project, with a score or with none."""
    music = empty_json() if wish.score is None else checked_score(wish.score, state.limits)
    return _project(state, state.projects.create(wish.name or UNNAMED, music))


@router.post("/upload", status_code=HTTPStatus.CREATED)
async def upload_project(file: UploadFile, state: StudioState) -> Project:
    """Begin a project with a MIDI file."""
    return await state.wait_for(partial(_uploaded, state, file))


@router.get("/{project}")
def get_project(project: str, state: StudioState) -> Project:
    """Return a project with the music of its head."""
    return _project(state, state.projects.get(project))


@router.patch("/{project}")
def rename_project(project: str, wish: NewName, state: StudioState) -> ProjectSummary:
    """Give a project another name."""
    return project_summary(state.projects.rename(project, wish.name))


@router.delete("/{project}", status_code=HTTPStatus.NO_CONTENT)
def delete_project(project: str, state: StudioState) -> Response:
    """Forget a project and all that belongs to it."""
    state.projects.remove(project)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/{project}/revisions", status_code=HTTPStatus.CREATED)
def add_revision(project: str, edit: NewRevision, state: StudioState) -> RevisionId:
    """Store an edit; it is the head from now on."""
    music = checked_score(edit.score, state.limits)
    parent = revision_number(edit.parent)
    number = state.projects.add_revision(project, parent, edit.label, music)
    return RevisionId(id=str(number))


@router.put("/{project}/head")
def set_head(project: str, wish: NewHead, state: StudioState) -> Head:
    """Go to another revision: undo, redo, go back to any."""
    row = state.projects.set_head(project, revision_number(wish.revision))
    return Head(head=str(row.id), score=Score.model_validate(row.score))


def _uploaded(state: State, file: UploadFile) -> Project:
    name = file.filename or ""
    data = file.file.read(state.limits.upload_bytes + 1)
    music = state.uploads.read(data, name)
    return _project(state, state.projects.create(title(name), music))


def _project(state: State, row: ProjectRow) -> Project:
    head = state.projects.revision(row.id, row.head or 0)
    return Project(
        id=row.id,
        name=row.name,
        head=str(row.head),
        score=Score.model_validate(head.score),
        revisions=[revision_info(item) for item in state.projects.revisions(row.id)],
        takes=[take_info(item) for item in state.projects.takes(row.id)],
    )
