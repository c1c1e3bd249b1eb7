"""The studio is killed: a real server, its real processes, and what people were told before."""

import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import httpx2
import pytest

PATIENCE_S = 60.0
HOST = "127.0.0.1"
LONG, SHORT = "900", "2"
"""Bars: more than are ever written here, and few."""


class Server:
    """A studio in a process, always on the same port and in the same folder."""

    def __init__(self, folder, bundle):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        self._command = [
            *(sys.executable, "-m", "sideman", "studio", "--no-open", "--log", "errors"),
            *("--port", str(port), "--folder", str(folder), "--model", str(bundle)),
        ]
        self.client = httpx2.Client(base_url=f"http://{HOST}:{port}", timeout=PATIENCE_S)
        self._process: Any = None

    def start(self):
        """Start it; when this returns it is about to open its database."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout.readline().startswith("the studio is at")

    def until_healthy(self):
        """Wait until it answers."""

        def is_healthy():
            try:
                return self.client.get("/healthz").is_success
            except httpx2.TransportError:
                return False

        until(is_healthy)

    def kill(self):
        """Kill it without a word, and wait for all that it has started to end by itself.

        Those hold the end of a pipe that we read: it ends when the last of them is gone.
        """
        self._process.kill()
        self._process.communicate(timeout=PATIENCE_S)

    def stop(self):
        """Stop it as the system does; return what it said was wrong."""
        self._process.terminate()
        return self._process.communicate(timeout=PATIENCE_S)[0]

    # ------------------------------------------------------------------- what people do

    def send(self, method, path, **body):
        """Send a request; return the JSON of its reply."""
        reply = self.client.request(method, f"/api{path}", json=body or None)
        assert reply.is_success, reply.text
        is_json = reply.headers.get("content-type") == "application/json"
        return reply.json() if is_json else reply.text

    def ask(self, project, bars, takes=1):
        """Ask for a continuation; return the job."""
        wish = {"task": "continue", "revision": project["head"], "options": {"bars": bars}}
        return self.send("POST", f"/projects/{project['id']}/jobs", takes=takes, **wish)["id"]

    def job(self, job):
        """Return what became of a job."""
        return self.send("GET", f"/jobs/{job}")

    def until_state(self, job, state):
        """Wait until a job is so; return it."""
        until(lambda: self.job(job)["state"] == state)
        return self.job(job)


def until(condition):
    """Wait until something holds."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, "it never came to be"
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path, tiny_bundles):
    """Give a studio with the tiny model."""
    server = Server(tmp_path, tiny_bundles["fp32"])
    server.start()
    server.until_healthy()
    yield server
    server.client.close()
    server.kill()


def test_a_killed_studio_has_lost_nothing_that_it_said(server, piece, tmp_path):
    """Votes, edits and takes are there; what was asked for is written, or was stopped."""
    project = server.send("POST", "/projects", name="Song", score=piece)
    at = f"/projects/{project['id']}"
    edit = {**piece, "notes": piece["notes"][1:]}
    head = server.send("POST", f"{at}/revisions", parent=project["head"], label="-", score=edit)
    pair = server.send("POST", "/pairs", task="continue")["id"]
    server.send("POST", f"/pairs/{pair}/vote", answer="tie", seconds=1.5)
    done = server.until_state(server.ask(project, SHORT, takes=2), "done")
    kept = done["takes"][1]
    server.send("PATCH", f"/takes/{kept}", kept=True)
    long, short, unwanted = (server.ask(project, bars) for bars in (LONG, SHORT, SHORT))
    server.until_state(long, "running")
    server.send("DELETE", f"/jobs/{unwanted}")
    server.kill()

    server.start()
    server.kill()  # while it opens its database
    server.start()
    server.until_healthy()
    found = server.send("GET", at)
    assert (found["head"], found["score"]["notes"]) == (head["id"], edit["notes"])
    assert [take["id"] for take in found["takes"]] == done["takes"]
    assert [take["kept"] for take in found["takes"]] == [False, True]
    assert [f'"id":"{pair}"' in line for line in _votes(server)] == [True]
    assert server.job(unwanted)["state"] == "cancelled"

    server.until_state(long, "running")  # anew
    server.send("DELETE", f"/jobs/{long}")
    server.until_state(long, "cancelled")
    assert len(server.until_state(short, "done")["takes"]) == 1
    assert server.stop() == ""
    _check(tmp_path / "studio.db")


def _votes(server):
    return server.send("GET", "/votes/export").splitlines()


def _check(path):
    """Say that a database is whole, and that takes are there once and of jobs that ended."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        states = {state for (state,) in database.execute("SELECT state FROM jobs")}
        takes = database.execute("SELECT job, number FROM takes").fetchall()
    assert states == {"done", "cancelled"}
    assert len(set(takes)) == len(takes) >= 3
