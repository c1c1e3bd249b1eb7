"""What the page may ask, and what it gets."""

import io
import json
import zipfile
from importlib import resources
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sideman.score.midi import parse_midi, read_midi
from sideman.studio.score_json import empty_json, json_of

EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"


@pytest.fixture
def project(studio, piece):
    """Return a project with the piece, as the page gets it."""
    return studio.post("/api/projects", json={"name": "Song", "score": piece}).json()


@pytest.fixture
def ask(studio, project):
    """Return a function that asks for music."""

    def send(**changes):
        wish = {
            "task": "continue",
            "revision": project["head"],
            "options": {"bars": "4"},
            "locks": [],
            "takes": 2,
            "seed": 5,
        }
        return studio.post(f"/api/projects/{project['id']}/jobs", json={**wish, **changes})

    return send


@pytest.fixture
def take(studio, ask, piece):
    """Return a take of the project."""
    return studio.state.jobs.finish(ask().json()["id"], {**piece, "n_bars": 12})


def test_a_session_is_the_same_on_either_database(open_studio, database_url, piece, problem):
    """From the first note to the last vote."""
    studio = open_studio(database=database_url)
    project = studio.post("/api/projects", json={"name": "Zoë\x00", "score": piece}).json()
    path = f"/api/projects/{project['id']}"
    edit = {"parent": project["head"], "label": "Draw", "score": {**piece, "n_bars": 9}}
    studio.post(f"{path}/revisions", json=edit)
    wish = {"task": "continue", "revision": project["head"], "locks": [1]}
    job = studio.post(f"{path}/jobs", json=wish).json()
    made = studio.state.jobs.finish(job["id"], piece)
    assert studio.post(f"/api/takes/{made.id}/use").status_code == 201
    assert studio.put(f"{path}/head", json={"revision": project["head"]}).status_code == 200
    pair = studio.post("/api/pairs", json={"project": project["id"]}).json()
    said = {"answer": "right", "seconds": 2.5}
    assert studio.post(f"/api/pairs/{pair['id']}/vote", json=said).status_code == 204
    found = studio.get(path).json()
    assert (found["name"], found["head"]) == ("Zoë", project["head"])
    assert (len(found["revisions"]), len(found["takes"])) == (3, 1)
    assert studio.get("/api/votes/summary").json()["answers"]["right"] == 1
    assert len(studio.get("/api/votes/export").text.splitlines()) == 1
    for nothing in ("%00", "%ed%a0%80", "x" * 1000, "0" * 16):
        problem(studio.get(f"/api/projects/{nothing}"), 404)
        problem(studio.delete(f"/api/projects/{nothing}"), 404)
        problem(studio.get(f"/api/jobs/{nothing}"), 404)
        problem(studio.post(f"/api/pairs/{nothing}/vote", json=said), 404)
    assert studio.delete(path).status_code == 204


# -------------------------------------------------------------------------- projects


def test_a_project_begins_empty_or_with_a_score(studio, piece):
    """Both buttons of the page."""
    empty = studio.post("/api/projects", json={}).json()
    assert (empty["name"], empty["score"]) == ("Untitled", empty_json())
    full = studio.post("/api/projects", json={"name": "Song", "score": piece}).json()
    assert full["score"] == piece
    assert full == studio.get(f"/api/projects/{full['id']}").json()
    assert [row["name"] for row in studio.get("/api/projects").json()] == ["Song", "Untitled"]


def test_edits_undo_and_redo_survive_a_reload(studio, project, piece):
    """What is stored is the whole tree."""
    path = f"/api/projects/{project['id']}"
    edited = {**piece, "notes": piece["notes"][1:]}
    edit = {"parent": project["head"], "label": "Delete a note", "score": edited}
    revision = studio.post(f"{path}/revisions", json=edit).json()["id"]
    assert studio.get(path).json()["score"] == edited
    undone = studio.put(f"{path}/head", json={"revision": project["head"]}).json()
    assert undone == {"head": project["head"], "score": piece}
    found = studio.get(path).json()
    assert (found["head"], found["score"]) == (project["head"], piece)
    first, second = found["revisions"]
    assert (first["parent"], second["id"], second["parent"]) == (None, revision, first["id"])
    assert first["created"] < second["created"]


@pytest.mark.parametrize("parent", ["999999", "draft-1", "", "-1", "1e3", "9" * 40, "²"])
def test_an_edit_of_an_unknown_revision_is_a_conflict(studio, project, piece, problem, parent):
    """The page and the server do not mean the same piece."""
    path = f"/api/projects/{project['id']}"
    edit = {"parent": parent, "label": "Draw", "score": piece}
    assert problem(studio.post(f"{path}/revisions", json=edit), 409)[0] == "unknown_revision"
    problem(studio.put(f"{path}/head", json={"revision": parent}), 409)


def test_projects_are_renamed_and_removed(studio, project, problem):
    """And then they are gone."""
    path = f"/api/projects/{project['id']}"
    assert studio.patch(path, json={"name": "Träume\n2"}).json()["name"] == "Träume 2"
    assert studio.delete(path).status_code == 204
    assert problem(studio.get(path), 404)[0] == "not_found"
    problem(studio.delete(path), 404)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"notes": [{"id": 1}]}, "score.notes.0.onset"),
        ({"tpq": 480}, "score.tpq is 480"),
        ({"tempos": [{"onset": 0, "bpm": float("inf")}]}, "score.tempos.0.bpm is inf"),
        ({"chords": [{"onset": 0, "symbol": "H7"}]}, "chord is 'H7'; known kinds are"),
        ({"parts": []}, "note part is 1"),
        ({"more": 1}, "score.more is 1: extra inputs"),
    ],
)
def test_a_score_that_cannot_be_is_refused_in_words(studio, piece, problem, change, wanted):
    """Whoever writes a program for the studio wants to know what is wrong with what."""
    body = json.dumps({"score": {**piece, **change}})
    headers = {"content-type": "application/json"}
    reply = studio.post("/api/projects", content=body, headers=headers)
    assert wanted in problem(reply, 422)[1]


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "[" * 5000, '{"name": "\\ud800"}'])
def test_what_is_no_request_is_refused_quietly(studio, problem, body):
    """Broken programs must not fill the log with traces."""
    reply = studio.post(
        "/api/projects", content=body, headers={"content-type": "application/json"}
    )
    problem(reply, 400 if body.startswith("[[") else 422)


def test_two_notes_with_one_id_are_refused(studio, piece, problem):
    """Locks and selections name notes by id."""
    twice = {**piece, "notes": [*piece["notes"], piece["notes"][0]]}
    assert "same id" in problem(studio.post("/api/projects", json={"score": twice}), 422)[1]


@pytest.mark.slow
def test_a_midi_file_becomes_a_project(studio, problem):
    """The first thing that anybody does."""
    files = {"file": ("My Song.MID", EXAMPLE.read_bytes(), "audio/midi")}
    made = studio.post("/api/projects/upload", files=files)
    assert made.status_code == 201
    assert made.json()["name"] == "My Song"
    assert made.json()["score"] == json_of(read_midi(EXAMPLE))
    files = {"file": ("a.mid", b"<html>", "audio/midi")}
    code, message = problem(studio.post("/api/projects/upload", files=files), 422)
    assert (code, message) == (
        "midi_file_error",
        "a.mid: it is a web page or XML, not a MIDI file",
    )


# ------------------------------------------------------------------------------ jobs


def test_a_request_is_stored_as_it_was_said(studio, ask, project):
    """What is asked for is done after a restart as well."""
    reply = ask(task="infill", options={}, selection={"bars": [0, 2]}, locks=[1])
    job = reply.json()
    assert (reply.status_code, job["state"], job["takes"]) == (201, "queued", [])
    stored = studio.state.job_store.get(job["id"])
    assert stored.request == {
        "options": {},
        "selection": {"bars": [0, 2], "parts": None, "notes": None},
        "takes": 2,
        "seed": 5,
    }
    assert (stored.locks, stored.revision) == ([1], int(project["head"]))
    assert studio.get(f"/api/jobs/{job['id']}").json() == job


@pytest.mark.parametrize(
    ("change", "status", "wanted"),
    [
        ({"task": "fly"}, 422, "there is no task 'fly'"),
        ({"options": {"bars": "many"}}, 422, "bars is 'many'"),
        ({"task": "infill", "options": {"bars": "many"}}, 201, ""),
        ({"options": {"temprature": 1}}, 422, "did you mean 'temperature'"),
        ({"revision": "77777"}, 409, "there is no revision 77777"),
        ({"selection": {"bars": [7, 99]}}, 422, "the piece has 8"),
        ({"locks": [1234]}, 422, "there is no note 1234"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(ask, problem, change, status, wanted):
    """What only the engine can see is refused there."""
    reply = ask(**change)
    assert reply.status_code == status
    if wanted:
        assert wanted in problem(reply, status)[1]


def test_a_job_can_be_stopped(studio, ask, problem):
    """A person has heard enough."""
    job = ask().json()["id"]
    assert studio.delete(f"/api/jobs/{job}").status_code == 204
    assert studio.state.jobs.cancelled == [job]
    problem(studio.delete("/api/jobs/0000"), 404)


def test_a_socket_hears_of_what_its_own_client_asked_for(studio, ask):
    """Also of what was asked for before it was open."""
    studio.get("/")  # gets the cookie by which a browser is known
    early = ask().json()["id"]
    with studio.websocket_connect("/api/socket") as socket:
        assert socket.receive_json() == {"type": "job", "job": {"id": early}}
        late = ask().json()["id"]
        assert socket.receive_json() == {"type": "job", "job": {"id": late}}
        studio.cookies.clear()
        foreign = ask().json()["id"]
        socket.send_json({"type": "watch", "job": "0000"})
        socket.send_json({"type": "watch", "job": foreign})
        assert socket.receive_json() == {"type": "job", "job": {"id": foreign}}
    assert studio.state.feeds == {}


# ----------------------------------------------------------------------------- takes


def test_takes_are_named_kept_used_and_removed(studio, project, take, problem):
    """Everything that the list of takes does."""
    path = f"/api/takes/{take.id}"
    info = studio.patch(path, json={"kept": True, "name": "The one"}).json()
    assert (info["kept"], info["name"]) == (True, "The one")
    assert info["parent_revision"] == project["head"]
    assert studio.get(path).json() == {**info, "score": take.score}
    used = studio.post(f"{path}/use").json()
    found = studio.get(f"/api/projects/{project['id']}").json()
    assert (found["head"], found["score"]) == (used["id"], used["score"])
    assert found["revisions"][-1]["label"] == "The one"
    assert [revision["take"] for revision in found["revisions"]] == [None, take.id]
    assert found["takes"] == [info]
    assert studio.delete(path).status_code == 204
    problem(studio.get(path), 404)


# ----------------------------------------------------------------------------- files


def test_a_project_goes_home_as_midi(studio, project):
    """All of it, or some of its parts."""
    path = f"/api/projects/{project['id']}/export"
    reply = studio.get(path, params={"revision": project["head"], "format": "mid"})
    assert reply.headers["content-type"] == "audio/midi"
    assert "Song.mid" in reply.headers["content-disposition"]
    assert len(parse_midi(reply.content, EXAMPLE).notes) == 4
    bass = parse_midi(studio.get(path, params={"parts": "1"}).content, EXAMPLE)
    assert [part.name for part in bass.parts] == ["Bass"]
    assert bass.notes["pitch"].tolist() == [36, 43]


def test_a_take_goes_home_with_its_recipe(studio, take, tmp_path):
    """Every file says how it was made."""
    reply = studio.get(f"/api/takes/{take.id}/export")
    assert b'"seed": 3' in reply.content
    assert b'"first_new_bar": 9' in reply.content
    assert "Song%20-%20Take%201.mid" in reply.headers["content-disposition"]


@pytest.mark.parametrize("parts", ["7", "x", "1,,2", "-1", "1;2"])
def test_parts_that_are_not_there_are_refused(studio, project, problem, parts):
    """Whatever stands in the address."""
    problem(studio.get(f"/api/projects/{project['id']}/export", params={"parts": parts}), 422)


def test_midi_goes_home_with_its_mix(studio, project):
    """How loud a part is and where it sounds are controllers 7 and 10."""
    path = f"/api/projects/{project['id']}/export"
    whole, bass = studio.get(path).content, studio.get(path, params={"parts": "1"}).content
    assert bytes([0xB0, 7, 100, 0, 0xB0, 10, 64]) in whole
    assert bytes([0xB1, 7, 80, 0, 0xB1, 10, 40]) in whole
    assert bytes([0xB0, 7, 80, 0, 0xB0, 10, 40]) in bass


@pytest.mark.slow
def test_a_project_goes_home_as_sound(studio, project):
    """Mixed, and part by part."""
    pytest.importorskip("soundfile")
    path = f"/api/projects/{project['id']}/export"
    wav = studio.get(path, params={"format": "wav"})
    assert wav.content[:4] == b"RIFF"
    assert studio.get(path, params={"format": "flac"}).content[:4] == b"fLaC"
    stems = studio.get(path, params={"format": "stems"})
    archive = zipfile.ZipFile(io.BytesIO(stems.content))
    assert archive.namelist() == ["01 Piano.wav", "02 Bass.wav"]


@pytest.mark.slow
def test_stems_lie_above_each_other_as_they_are(studio, project):
    """A DAW puts files at its beginning and wants them equally long; the mix is in them."""
    soundfile = pytest.importorskip("soundfile")
    path = f"/api/projects/{project['id']}/export"
    stems = studio.get(path, params={"format": "stems"})
    archive = zipfile.ZipFile(io.BytesIO(stems.content))
    sounds = [soundfile.read(io.BytesIO(archive.read(name)))[0] for name in archive.namelist()]
    mixed = soundfile.read(io.BytesIO(studio.get(path, params={"format": "wav"}).content))[0]
    assert {len(sound) for sound in sounds} == {len(mixed)}
    assert abs(mixed - sum(sounds)).max() < 0.02 < abs(mixed).max()
    left, right = abs(sounds[1]).sum(axis=0)
    assert left > right  # the bass stands to the left


def test_silence_is_not_made_audible(studio, problem):
    """There is a word for it, and no crash."""
    empty = studio.post("/api/projects", json={}).json()["id"]
    reply = studio.get(f"/api/projects/{empty}/export", params={"format": "wav"})
    assert "there are no notes to play" in problem(reply, 422)[1]


def test_the_bank_is_there_for_the_browser(studio):
    """The browser plays without the internet."""
    reply = studio.get("/sound/bank.sf3", headers={"range": "bytes=0-3"})
    assert reply.content == b"RIFF"


# ----------------------------------------------------------------------------- about


def test_the_page_learns_what_there_is(studio):
    """It draws its controls from this."""
    info = studio.get("/api/info").json()
    assert info["bundle"] == studio.state.bundle.name
    assert "continue" in info["tasks"]
    assert info["limits"]["notes"] == 50_000
    tempo = next(item for item in info["live"]["settings"] if item["name"] == "tempo")
    assert (tempo["kind"], tempo["unit"]) == ("number", "bpm")
    assert {item["kind"] for item in info["live"]["settings"]} == {
        "number",
        "switch",
        "choice",
        "text",
    }
    assert info["live"]["available"]


def test_figures_are_told_in_the_form_of_prometheus(studio, project):
    """By the pattern of a route, never by who or what."""
    studio.get("/api/none")
    text = studio.get("/metrics").text
    labels = 'method="POST",route="/api/projects",status="201"'
    assert f"sideman_reply_seconds_count{{{labels}}} 1.0" in text
    assert 'sideman_refusals_total{code="not_found"} 1.0' in text
    assert "sideman_jobs_waiting 0.0" in text
    assert project["id"] not in text


def test_each_request_is_one_line_in_the_log(studio, project):
    """With what an administrator needs, and without secrets in addresses."""
    with capture_logs() as lines:
        studio.get(f"/api/projects/{project['id']}?token=secret")
    (line,) = lines
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 200)
    assert line["path"] == f"/api/projects/{project['id']}"
    assert line["ms"] > 0


def test_a_bug_is_in_the_log(studio, monkeypatch):
    """The reply says nothing, so the log must."""
    monkeypatch.setattr(studio.state.projects, "all", lambda: 1 / 0)
    with capture_logs() as lines:
        studio.get("/api/projects")
    failed, request = lines
    assert isinstance(failed["exc_info"], ZeroDivisionError)
    assert request["status"] == 500
