"""A studio in a process of its own, and people who use it over HTTP and a socket.

People do what the page does for them: they open it, drop a MIDI file on it, ask for music and
follow how it is written, edit meanwhile, keep takes or go on from them, and vote on pairs. They
remember what they were told was stored; `problems` says what of that is not true. Where the
studio may be killed they try again as the page does, and otherwise nothing may fail.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
from sqlalchemy import select, text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from sideman.studio.store.database import SQLITE, Database
from sideman.studio.store.jobs import CANCELLED, DONE, FAILED, JobStore
from sideman.studio.store.tables import JobRow, RevisionRow, TakeRow

Json = dict[str, Any]

HOST = "127.0.0.1"
ENDED = (DONE, FAILED, CANCELLED)

HEALTHY_S = 120.0
"""How long a studio may take to start."""

REPLY_S = 300.0
"""How long a reply may take: that of a pair waits in the queue."""

END_S = 600.0
"""How long a job may take to end, killed studios and all."""

RETRY_S = 2.0
"""How long the page waits when the studio does not answer."""

RECONNECT_S = 0.5
"""How long the page waits before it opens its socket anew."""

HEARING_S = (2.0, 8.0)
"""How long somebody listens, thinks, or looks for the next thing to do."""

EDITING_S = (1.0, 4.0)
"""How long an edit takes."""

MOST_BARS = 48
"""Longer pieces are taken back to what was opened."""

WISHES: Mapping[str, Json] = {
    "continue": {"options": {"bars": "8"}},
    "infill": {"options": {}},
    "vary": {"options": {"change": 50}},
    "accompany": {"options": {"parts": ["bass"]}},
}
CHANCES = (0.4, 0.3, 0.15, 0.15)
"""What people ask for, and how often each."""

STOPPED, VOTED, RELOADED = 0.1, 0.5, 0.2
"""How often a request is stopped, a pair voted on after it, and the page loaded anew."""

ANSWERS = ("left", "right", "tie", "both_bad", "skip")


# -------------------------------------------------------------------------- the studio


class Server:
    """A studio in a process.

    Args:
        folder: Where it keeps what it is given; its log is there, too.
        options: More options for `sideman studio`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._log = folder / "log"
        self._command = [
            *(sys.executable, "-m", "sideman", "studio", "--no-open", "--log", "errors"),
            *("--port", str(self.port), "--folder", str(folder), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> psutil.Process:
        """Start it; it takes a moment to be healthy."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return psutil.Process(self._process.pid)

    async def healthy(self) -> None:
        """Wait until it answers.

        Raises:
            TimeoutError: If it never does.
        """
        async with httpx2.AsyncClient(base_url=self.url) as client:
            until_s = time.monotonic() + HEALTHY_S
            while time.monotonic() < until_s:
                with contextlib.suppress(httpx2.TransportError):
                    if (await client.get("/healthz")).is_success:
                        return
                await asyncio.sleep(0.02)
        raise TimeoutError(self._log.read_text())

    def family(self) -> list[psutil.Process]:
        """Return its process and those that it started."""
        if self._process is None:
            return []
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    def kill(self) -> list[psutil.Process]:
        """Kill it as the system does, without a word; return the processes it leaves behind."""
        _, *others = self.family()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        return others

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it as the system does when it shuts down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def errors(self) -> list[str]:
        """Return what it logged as errors."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if '"level": "error"' in line or "Traceback" in line]


# -------------------------------------------------------------------------- the people


@dataclass(slots=True)
class Ledger:
    """What people were told, and how long it took.

    Attributes:
        votes: The answer to each pair whose vote was acknowledged.
        edits: Notes of each revision that was acknowledged.
        takes: Each take that was told of, and whether it was kept.
        jobs: Each job that was acknowledged, and its state and message, as told last.
        errors: What went wrong.
        seconds: Times by what was waited for.
        waits: How long each person waited for each turn, in seconds.
        n_retries: How often somebody tried again.
    """

    votes: dict[str, str] = field(default_factory=dict)
    edits: dict[int, list[Json]] = field(default_factory=dict)
    takes: dict[str, bool] = field(default_factory=dict)
    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    n_retries: int = 0

    def lines(self) -> list[str]:
        """Return how much was done, and how long it took."""
        ends = Counter(state for state, _ in self.jobs.values())
        lines = [
            f"acknowledged       {len(self.votes)} votes, {len(self.edits)} edits, "
            f"{len(self.takes)} takes, {sum(self.takes.values())} of them kept",
            f"  tried again      {self.n_retries} times",
            f"  jobs             {', '.join(f'{n} {state}' for state, n in ends.items())}",
            "times, ms                  n       p50       p99   longest",
        ]
        for what, seconds in sorted(self.seconds.items()):
            p50, p99, longest = 1000 * np.percentile(seconds, [50, 99, 100])
            lines.append(f"  {what:16} {len(seconds):9} {p50:9.0f} {p99:9.0f} {longest:9.0f}")
        return lines


class Person:
    """Somebody with a browser of their own.

    Args:
        name: For messages.
        url: Address of the studio.
        ledger: Where they note what they are told.
        rng: Where their choices come from.
        is_patient: Whether they try again when the studio does not answer.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        ledger: Ledger,
        rng: np.random.Generator,
        is_patient: bool,
    ) -> None:
        self._name = name
        self._url = url
        self._ledger = ledger
        self._rng = rng
        self._is_patient = is_patient
        self._client = httpx2.AsyncClient(base_url=url, timeout=REPLY_S)
        self._news = asyncio.Condition()
        self._moments_s: dict[tuple[str, str], float] = {}
        self._takes: dict[str, list[str]] = {}
        self._project = ""
        self._head = self._opened = ""
        self._score: Json = {}

    async def live(self, until_s: float) -> None:
        """Use the studio until some time, and until all that was asked for has ended."""
        try:
            async with self._client:
                await self._call("page", "GET", "/")  # gives the cookie
                listening = asyncio.create_task(self._listen())
                await self._upload()
                while time.monotonic() < until_s:
                    await self._round()
                listening.cancel()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is to be told)
            self._ledger.errors.append(f"{self._name} gave up: {error!r}")

    async def _round(self) -> None:
        """Ask for something, use it or not, and vote now and then."""
        job = await self._ask()
        if self._rng.random() < STOPPED:
            await self._pause(HEARING_S)
            await self._call("stop", "DELETE", f"/api/jobs/{job}")
        else:
            await self._edit()
        await self._until_ended(job)
        await self._pause(HEARING_S)
        await self._choose(self._takes.get(job, []))
        if self._rng.random() < VOTED:
            await self._vote()
        if self._rng.random() < RELOADED:
            await self._load()

    # ------------------------------------------------------------------- what they do

    async def _load(self) -> None:
        await self._call("page", "GET", "/")
        await self._call("info", "GET", "/api/info")
        self._open(await self._call("project", "GET", f"/api/projects/{self._project}"))

    async def _upload(self) -> None:
        midi = (resources.files("sideman") / "examples" / "prompt.mid").read_bytes()
        files = {"file": (f"{self._name}.mid", midi)}
        project = await self._call("upload", "POST", "/api/projects/upload", files=files)
        self._project, self._opened = project["id"], project["head"]
        self._open(project)

    def _open(self, project: Json) -> None:
        self._head, self._score = project["head"], project["score"]

    async def _ask(self) -> str:
        task = str(self._rng.choice(list(WISHES), p=CHANCES))
        first = int(self._rng.integers(self._score["n_bars"] - 2))
        wish = {
            **WISHES[task],
            "task": task,
            "revision": self._head,
            "selection": {"bars": [first, first + 2]} if task == "infill" else None,
            "takes": int(self._rng.integers(1, 4)),
            "seed": int(self._rng.integers(2**31)),
        }
        asked_s = time.monotonic()
        job = await self._call("ask", "POST", f"/api/projects/{self._project}/jobs", json=wish)
        number = str(job["id"])
        self._moments_s[number, "asked"] = asked_s
        self._ledger.jobs.setdefault(number, (job["state"], ""))  # the socket may know more
        return number

    async def _edit(self) -> None:
        """Move a note."""
        await self._pause(EDITING_S)
        notes = [dict(note) for note in self._score["notes"]]
        note = notes[int(self._rng.integers(len(notes)))]
        note["pitch"] = int(np.clip(note["pitch"] + self._rng.choice([-2, 2]), 0, 127))
        score = {**self._score, "notes": notes}
        path = f"/api/projects/{self._project}/revisions"
        edit = {"parent": self._head, "label": "Moved a note", "score": score}
        stored = await self._call("edit", "POST", path, json=edit)
        self._head, self._score = stored["id"], score
        self._ledger.edits[int(stored["id"])] = notes

    async def _choose(self, takes: list[str]) -> None:
        """Keep a take, and go on from another, or from what was opened."""
        if not takes:
            return
        kept, used = self._rng.choice(takes, 2).tolist()
        await self._call("keep", "PATCH", f"/api/takes/{kept}", json={"kept": True})
        self._ledger.takes[kept] = True
        await self._call("take", "GET", f"/api/takes/{used}")
        revision = await self._call("use", "POST", f"/api/takes/{used}/use")
        self._head, self._score = revision["id"], revision["score"]
        self._ledger.edits[int(self._head)] = self._score["notes"]
        if self._score["n_bars"] > MOST_BARS:
            path = f"/api/projects/{self._project}/head"
            self._open(await self._call("undo", "PUT", path, json={"revision": self._opened}))

    async def _vote(self) -> None:
        pair = await self._call("pair", "POST", "/api/pairs", json={})
        await self._pause(HEARING_S)
        answer = str(self._rng.choice(ANSWERS))
        said = {"answer": answer, "seconds": 5.0}
        await self._call("vote", "POST", f"/api/pairs/{pair['id']}/vote", json=said)
        self._ledger.votes[pair["id"]] = answer

    async def _pause(self, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._rng.uniform(*seconds))

    async def _call(self, what: str, method: str, path: str, **said: Any) -> Json:  # noqa: ANN401
        """Send a request until it is answered; return the JSON of the reply.

        Raises:
            httpx2.HTTPError: If it is refused, or not answered and somebody is not patient.
        """
        while True:
            began_s = time.perf_counter()
            try:
                reply = await self._client.request(method, path, **said)
            except httpx2.TransportError:
                if not self._is_patient:
                    raise
                self._ledger.n_retries += 1
                await asyncio.sleep(RETRY_S)
                continue
            if not reply.is_success:
                self._ledger.errors.append(f"{method} {path}: {reply.status_code} {reply.text}")
                reply.raise_for_status()
            self._ledger.seconds[what].append(time.perf_counter() - began_s)
            is_json = reply.headers.get("content-type") == "application/json"
            return dict(reply.json()) if is_json else {}

    # ------------------------------------------------------------------- what they hear

    async def _until_ended(self, job: str) -> None:
        """Wait for the end of a job, and note how long it took to begin."""
        async with self._news:
            has_ended = self._news.wait_for(lambda: self._ledger.jobs[job][0] in ENDED)
            await asyncio.wait_for(has_ended, END_S)
        state, message = self._ledger.jobs[job]
        if state == FAILED and not self._is_patient:  # else it may have been begun too often
            self._ledger.errors.append(f"job {job}: {message}")
        asked_s = self._moments_s[job, "asked"]
        if (job, "running") in self._moments_s:
            self._ledger.waits[self._name].append(self._moments_s[job, "running"] - asked_s)
        if (job, "notes") in self._moments_s:
            self._ledger.seconds["first notes"].append(self._moments_s[job, "notes"] - asked_s)
        self._ledger.seconds["answer"].append(time.monotonic() - asked_s)

    async def _listen(self) -> None:
        """Follow all jobs; open the socket anew when it is lost, as the page does."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())
        headers = {"cookie": cookies, "origin": self._url}
        url = f"{self._url.replace('http', 'ws', 1)}/api/socket"
        while True:
            try:
                async with connect(url, additional_headers=headers, max_size=None) as opened:
                    for job in self._open_jobs():
                        await opened.send(json.dumps({"type": "watch", "job": job}))
                    async for message in opened:
                        await self._hear(json.loads(message))
            except (OSError, ConnectionClosed, InvalidHandshake) as error:
                if not self._is_patient:
                    self._ledger.errors.append(f"{self._name}'s socket: {error!r}")
            await asyncio.sleep(RECONNECT_S)

    def _open_jobs(self) -> list[str]:
        """Return what this person asked for and has not heard the end of."""
        mine = [job for job, what in self._moments_s if what == "asked"]
        return [job for job in mine if self._ledger.jobs[job][0] not in ENDED]

    async def _hear(self, message: Json) -> None:
        now_s = time.monotonic()
        if message["type"] == "notes":
            self._moments_s.setdefault((message["job"], "notes"), now_s)
        elif message["type"] == "takes":
            takes = [take["id"] for take in message["takes"]]
            self._takes[message["job"]] = takes
            for take in takes:
                self._ledger.takes.setdefault(take, False)
        else:
            job = message["job"]
            self._moments_s.setdefault((job["id"], job["state"]), now_s)
            async with self._news:
                self._ledger.jobs[job["id"]] = job["state"], job["message"]
                self._news.notify_all()


def people(
    url: str, ledger: Ledger, n_people: int, rng: np.random.Generator, *, are_patient: bool
) -> list[Person]:
    """Return people who share a ledger."""
    return [
        Person(f"person {number}", url, ledger=ledger, rng=each, is_patient=are_patient)
        for number, each in enumerate(rng.spawn(n_people), 1)
    ]


# ---------------------------------------------------------------------- what was stored


async def problems(server: Server, database: Database, ledger: Ledger) -> list[str]:
    """Return what is not as people were told, and what should not be in a database.

    What nobody knows of, since its asking was not acknowledged, is waited for before.
    """
    until_s = time.monotonic() + END_S
    while JobStore(database).unfinished() and time.monotonic() < until_s:
        await asyncio.sleep(RETRY_S)
    async with httpx2.AsyncClient(base_url=server.url, timeout=REPLY_S) as client:
        lines = (await client.get("/api/votes/export")).text.splitlines()
    votes = {vote["id"]: vote["answer"] for vote in map(json.loads, lines)}
    return [
        *(
            f"vote on {pair}: {votes.get(pair)} for {answer}"
            for pair, answer in ledger.votes.items()
            if votes.get(pair) != answer
        ),
        *_wrong_edits(database, ledger),
        *_wrong_takes(database, ledger),
        *_wrong_jobs(database, ledger),
        *_damage(database),
    ]


def _wrong_edits(database: Database, ledger: Ledger) -> Iterator[str]:
    with database.reading() as session:
        for number, notes in ledger.edits.items():
            row = session.get(RevisionRow, number)
            if row is None or row.score["notes"] != notes:
                yield f"revision {number}: {'other notes' if row else 'lost'}"


def _wrong_takes(database: Database, ledger: Ledger) -> Iterator[str]:
    """Yield takes that are lost, twice there, or without a job that has ended."""
    with database.reading() as session:
        stored = {take.id: take for take in session.scalars(select(TakeRow))}
        states = {job.id: job.state for job in session.scalars(select(JobRow))}
    for told, is_kept in ledger.takes.items():
        if told not in stored:
            yield f"take {told}: lost"
        elif is_kept and not stored[told].kept:
            yield f"take {told}: not kept"
    times = Counter((take.job, take.number) for take in stored.values())
    for take in stored.values():
        if states[take.job] not in (DONE, CANCELLED):
            yield f"take {take.id}: its job is {states[take.job]}"
        if times[take.job, take.number] > 1:
            yield f"take {take.id}: there more than once"
        if len(take.score["notes"]) < take.n_notes:
            yield f"take {take.id}: not all of its {take.n_notes} notes are there"


def _wrong_jobs(database: Database, ledger: Ledger) -> Iterator[str]:
    """Yield jobs that are lost, did not end as was told, or never, or failed without a word."""
    with database.reading() as session:
        stored = {job.id: job for job in session.scalars(select(JobRow))}
    for job, (state, _) in ledger.jobs.items():
        if job not in stored:
            yield f"job {job}: lost"
        elif state in ENDED and stored[job].state != state:
            yield f"job {job}: {stored[job].state}, said to be {state}"
    for row in stored.values():
        if row.state not in ENDED:
            yield f"job {row.id}: {row.state} for ever"
        elif row.state == FAILED and not row.message:
            yield f"job {row.id}: failed without a word"


def _damage(database: Database) -> Iterator[str]:
    if database.engine.dialect.name == SQLITE:
        with database.reading() as session:
            for found in session.scalars(text("PRAGMA integrity_check")):
                if found != "ok":
                    yield f"database: {found}"
