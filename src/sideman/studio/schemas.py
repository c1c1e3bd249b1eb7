"""What travels between page and server, checked: the shapes that OpenAPI tells of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from sideman.score.types import MAX_DATA_BYTE
from sideman.studio.store.tables import NAME_LENGTH, JobRow, ProjectRow, RevisionRow, TakeRow

MAX_TICK = 2**31 - 1
"""Latest tick a note or a change may stand at."""

MAX_INT16 = 2**15 - 1
MOST_SYMBOL = 40
MOST_TEXT = 20_000
MOST_SEED = 2**63 - 1
LONGEST_S = 86_400.0
"""Longest time that somebody looked at a pair: a day."""


def _printable(text: str) -> str:
    """Return a text without signs that cannot be shown, which no database keeps alike."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


Name = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(_printable)]
Tick = Annotated[int, Field(ge=0, le=MAX_TICK)]
DataByte = Annotated[int, Field(ge=0, le=MAX_DATA_BYTE)]
Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: f"{at.isoformat(timespec='microseconds')}Z", return_type=str),
]
"""UTC; texts of two moments sort as the moments do."""


class Shape(BaseModel):
    """Of everything here: no field more than is known, no number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


# ----------------------------------------------------------------------------- music


class Note(Shape):
    """A note; its id is unique in a score and the same over edits."""

    id: int = Field(ge=-MAX_TICK, le=MAX_TICK)
    onset: Tick
    duration: int = Field(ge=1, le=MAX_TICK)
    pitch: DataByte
    velocity: int = Field(ge=1, le=MAX_DATA_BYTE)
    part: int = Field(ge=0, le=MAX_INT16)
    locked: bool = False


class Part(Shape):
    """Who plays; of drums `program` is the kit."""

    program: DataByte
    is_drum: bool
    name: Name


class Tempo(Shape):
    """Quarter notes a minute, from a tick on."""

    onset: Tick
    bpm: float = Field(gt=0)


class TimeSignature(Shape):
    """The metre from a tick on."""

    onset: Tick
    numerator: int = Field(ge=1, le=MAX_INT16)
    denominator: int = Field(ge=1, le=MAX_INT16)


class Key(Shape):
    """The key from a tick on; the tonic is a pitch class, 0 for C."""

    onset: Tick
    tonic: int = Field(ge=0, le=11)
    is_minor: bool


class Chord(Shape):
    """A chord from a tick on, as people write it."""

    onset: Tick
    symbol: str = Field(max_length=MOST_SYMBOL)


class Score(Shape):
    """A piece; times in ticks."""

    tpq: Literal[24] = 24
    n_bars: int = Field(ge=1, le=MAX_TICK)
    parts: list[Part]
    notes: list[Note]
    tempos: list[Tempo] = []
    time_signatures: list[TimeSignature] = []
    keys: list[Key] = []
    chords: list[Chord] = []


# -------------------------------------------------------------------------- projects


class ProjectSummary(Shape):
    """A project in a list."""

    id: str
    name: str
    created: Moment
    changed: Moment


class RevisionInfo(Shape):
    """A state of a project; the first has no parent."""

    id: str
    parent: str | None
    label: str
    created: Moment


class TakeInfo(Shape):
    """An answer; bars from 0, `end_bar` is the one after the last."""

    id: str
    job: str
    number: int
    parent_revision: str
    name: str
    kept: bool
    first_bar: int
    end_bar: int
    n_notes: int
    created: Moment
    recipe: dict[str, Any]


class Take(TakeInfo):
    """An answer with its music."""

    score: Score


class Project(Shape):
    """A project with the music of its head."""

    id: str
    name: str
    head: str
    score: Score
    revisions: list[RevisionInfo]
    takes: list[TakeInfo]


class NewProject(Shape):
    """What a project begins with."""

    name: Name = ""
    score: Score | None = None


class NewName(Shape):
    """Another name for a project."""

    name: Annotated[Name, Field(min_length=1)]


class NewRevision(Shape):
    """An edit: what a revision became."""

    parent: str
    label: Name
    score: Score


class RevisionId(Shape):
    """A revision that was stored."""

    id: str


class NewHead(Shape):
    """The revision that is to be seen."""

    revision: str


class Head(Shape):
    """The revision that is seen."""

    head: str
    score: Score


class TakeChange(Shape):
    """A name for a take, or whether it is kept; what is left out stays."""

    name: Name | None = None
    kept: bool | None = None


class UsedTake(Shape):
    """The revision that was made of a take."""

    id: str
    score: Score


# ------------------------------------------------------------------------------ jobs

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Bar = Annotated[int, Field(ge=0, le=MAX_TICK)]


class Selection(Shape):
    """Where something is asked for: bars (first and the one after the last), parts, notes."""

    bars: tuple[Bar, Bar] | None = None
    parts: list[int] | None = Field(default=None, max_length=MAX_DATA_BYTE)
    notes: list[int] | None = None


class JobRequest(Shape):
    """What is asked for; options as in `sideman.engine.options.Options`."""

    task: Annotated[str, Field(max_length=40)]
    revision: str
    options: dict[str, bool | int | float | Text | list[Text]] = {}
    selection: Selection | None = None
    locks: list[int] = []
    takes: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)


class Job(Shape):
    """Music that is asked for; `position` is how many wait before it."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int
    task: str
    created: Moment
    takes: list[str]
    message: str


# ----------------------------------------------------------------------------- votes


class PairRequest(Shape):
    """What a pair is to be about; nothing of it: an example, continued."""

    project: str | None = None
    revision: str | None = None
    task: Annotated[str, Field(max_length=40)] = "continue"
    options: dict[str, bool | int | float | Text | list[Text]] = {}


class Pair(Shape):
    """Two answers to a prompt; nothing says which is which."""

    id: str
    left: Score
    right: Score
    prompt: Score


class Vote(Shape):
    """Which is better, and how long somebody thought."""

    answer: Literal["left", "right", "tie", "both_bad", "skip"]
    seconds: float = Field(ge=0, le=LONGEST_S)


class WinRate(Shape):
    """How often answers with a setting won against others, with a 95 % interval."""

    setting: str
    value: str
    wins: int
    losses: int
    ties: int
    rate: float
    low: float
    high: float
    p: float


class Repeats(Shape):
    """How many pairs that came again were judged the same, with a 95 % interval."""

    n: int
    same: int
    rate: float
    low: float
    high: float


class VoteSummary(Shape):
    """What all votes say."""

    votes: int
    answers: dict[str, int]
    win_rates: list[WinRate]
    repeats: Repeats
    median_seconds: float


# ----------------------------------------------------------------------------- about


class Setting(Shape):
    """Something a player may turn."""

    name: str
    help: str
    kind: Literal["number", "choice", "switch", "text"]
    value: str
    low: float | None = None
    high: float | None = None
    choices: list[str] | None = None
    unit: str | None = None
    group: str


class Help(Shape):
    """Something there is, and what it does."""

    name: str
    help: str


class LiveInfo(Shape):
    """Whether one can play, and with what."""

    available: bool
    reason: str | None = None
    modes: list[Help]
    settings: list[Setting]
    actions: list[Help]


class Info(Shape):
    """What this studio is."""

    version: str
    bundle: str
    styles: list[str]
    tasks: list[str]
    limits: dict[str, float]
    live: LiveInfo


class Problem(Shape):
    """What is wrong: a code for programs, a line for people."""

    code: str
    message: str


class Refusal(Shape):
    """Every reply of 4xx or 5xx."""

    error: Problem


# ------------------------------------------------------------------------- from rows


def project_summary(row: ProjectRow) -> ProjectSummary:
    """Return a project as the page lists it."""
    return ProjectSummary(id=row.id, name=row.name, created=row.created, changed=row.changed)


def revision_info(row: RevisionRow) -> RevisionInfo:
    """Return a revision as the page lists it."""
    parent = None if row.parent is None else str(row.parent)
    return RevisionInfo(id=str(row.id), parent=parent, label=row.label, created=row.created)


def take_info(row: TakeRow) -> TakeInfo:
    """Return a take as the page lists it."""
    return TakeInfo(
        id=row.id,
        job=row.job,
        number=row.number,
        parent_revision=str(row.parent_revision),
        name=row.name,
        kept=row.kept,
        first_bar=row.first_bar,
        end_bar=row.end_bar,
        n_notes=row.n_notes,
        created=row.created,
        recipe=row.recipe,
    )


def job_info(row: JobRow, position: int, take_ids: Sequence[str]) -> Job:
    """Return a job as the page follows it."""
    return Job.model_validate(
        {
            "id": row.id,
            "state": row.state,
            "position": position,
            "task": row.task,
            "created": row.created,
            "takes": list(take_ids),
            "message": row.message,
        }
    )
