"""What travels between page and server, checked: the shapes that OpenAPI tells of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from sideman.score.types import MAX_DATA_BYTE
from sideman.studio.asking import PAGE_TASKS
from sideman.studio.score_json import PAN, VOLUME
from sideman.studio.store.tables import NAME_LENGTH, JobRow, ProjectRow, RevisionRow, TakeRow

MAX_TICK = 2**31 - 1
"""Latest tick a note or a change may stand at."""

MAX_INT16 = 2**15 - 1
MOST_SYMBOL = 40
MOST_TASK = 40
MOST_TEXT = 20_000
MOST_SEED = 2**63 - 1
LONGEST_S = 86_400.0
"""Longest time that somebody looked at a pair: a day."""


MOST_FIELDS = 64
"""Fields of an object; each one more would be a mistake to be told of."""


def _few_fields(said: object) -> object:
    """Refuse an object with more fields than any has, before each is looked at."""
    if isinstance(said, dict) and len(said) > MOST_FIELDS:
        msg = f"an object has {len(said):,} fields; write at most {MOST_FIELDS}"
        raise ValueError(msg)
    return said


def _printable(text: str) -> str:
    """Return a text without signs that cannot be shown, which no database keeps alike."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


Name = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(_printable)]
Item = TypeVar("Item")
Many = Annotated[list[Item], Field(fail_fast=True)]
"""A list of a request: one mistake is told, not millions, which would take all memory."""

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

    _few = model_validator(mode="before")(_few_fields)


# ----------------------------------------------------------------------------- music


class Note(Shape):
    """A note; its id is unique in a score and the same over edits. `part` counts from 0."""

    id: int = Field(ge=-MAX_TICK, le=MAX_TICK)
    onset: Tick
    duration: int = Field(ge=1, le=MAX_TICK)
    pitch: DataByte
    velocity: int = Field(ge=1, le=MAX_DATA_BYTE)
    part: int = Field(ge=0, le=MAX_INT16)
    locked: bool = False


class Part(Shape):
    """Who plays; of drums `program` is the kit. Volume and pan as MIDI has them."""

    program: DataByte
    is_drum: bool
    name: Name
    volume: DataByte = VOLUME
    pan: DataByte = PAN


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
    parts: Many[Part]
    notes: Many[Note]
    tempos: Many[Tempo] = []
    time_signatures: Many[TimeSignature] = []
    keys: Many[Key] = []
    chords: Many[Chord] = []


# -------------------------------------------------------------------------- projects


class ProjectSummary(Shape):
    """A project in a list."""

    id: str
    name: str
    created: Moment
    changed: Moment


class RevisionInfo(Shape):
    """A state of a project; the first has no parent, an edit was made of no take."""

    id: str
    parent: str | None
    label: str
    take: str | None
    created: Moment


class TakeInfo(Shape):
    """An answer; bars from 0, `end_bar` is the one after the last.

    The higher its `liking`, the more it is to the taste that there was when it was written,
    among the takes of its job; null where there was none.
    """

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
    liking: float | None


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
Task = Annotated[str, Field(max_length=MOST_TASK, json_schema_extra={"enum": list(PAGE_TASKS)})]
"""What can be asked for; anything else is refused by `asking`, which says what is near."""

Options = Annotated[
    dict[str, bool | int | float | Text | Many[Text]], BeforeValidator(_few_fields)
]
"""As in `sideman.engine.options.Options`."""

Bar = Annotated[int, Field(ge=0, le=MAX_TICK)]


class Selection(Shape):
    """Where something is asked for: bars (first and the one after the last), parts, notes."""

    bars: tuple[Bar, Bar] | None = None
    parts: Many[int] | None = Field(default=None, max_length=MAX_DATA_BYTE)
    notes: Many[int] | None = None


class JobRequest(Shape):
    """What is asked for; options as in `sideman.engine.options.Options`."""

    task: Task
    revision: str
    options: Options = {}
    selection: Selection | None = None
    locks: Many[int] = []
    takes: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)


class Job(Shape):
    """Music that is asked for; `position` is how many wait before it."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int
    task: Task
    created: Moment
    takes: list[str]
    message: str


# ----------------------------------------------------------------------------- votes

Answer = Literal["left", "right", "tie", "both_bad", "skip"]
"""Which of two is better."""


class PairRequest(Shape):
    """What a pair is to be about; nothing of it: an example, continued."""

    project: str | None = None
    revision: str | None = None
    task: Task = "continue"
    options: Options = {}


class Pair(Shape):
    """Two answers to a prompt; nothing says which is which."""

    id: str
    left: Score
    right: Score
    prompt: Score


class Vote(Shape):
    """Which is better, and how long somebody thought."""

    answer: Answer
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


class LearnedTaste(Shape):
    """What a taste was learned from, and how often it foretells votes it was not learned from.

    The share has a 95 % interval.
    """

    votes: int
    rate: float
    low: float
    high: float


class TasteProgress(Shape):
    """How far it is with what is liked.

    It can be learned from as many votes as are `wanted`, of which `decided` are there; `heard`
    of them have been heard while it is learned, else null. What is `learned` is used. The
    message says why nothing is.
    """

    decided: int
    wanted: int
    heard: int | None
    learned: LearnedTaste | None
    message: str


class VoteSummary(Shape):
    """What all votes say."""

    votes: int
    answers: dict[Answer, int]
    win_rates: list[WinRate]
    repeats: Repeats
    median_seconds: float
    taste: TasteProgress


# ------------------------------------------------------------------------------ play


class Begin(Shape):
    """With whom a page plays from now on: a preset, "" for none, and what is to differ from it.

    Voices are written as for `sideman live --voice`; none said, those of the preset. `goes_on`:
    bars go on, and what voices of the same name have played is remembered.
    """

    type: Literal["begin"]
    preset: Annotated[str, Field(max_length=MOST_SYMBOL)] = ""
    voices: list[Annotated[str, Field(max_length=NAME_LENGTH)]] | None = Field(
        default=None, max_length=MAX_DATA_BYTE
    )
    settings: dict[str, Text] = {}
    goes_on: bool = False


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
    """Whether one can play, and with what; instruments are named family by family."""

    available: bool
    reason: str | None = None
    modes: list[Help]
    settings: list[Setting]
    actions: list[Help]
    presets: list[Help]
    instruments: dict[str, list[str]]


class Info(Shape):
    """What this studio is."""

    version: str
    bundle: str
    styles: list[str]
    tasks: list[Task]
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
    return RevisionInfo(
        id=str(row.id), parent=parent, label=row.label, take=row.take, created=row.created
    )


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
        liking=row.liking,
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
