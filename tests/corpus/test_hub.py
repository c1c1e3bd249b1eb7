"""An export reaches the hub whole, and what keeps it from that is one line.

The client is the real one; the hub it talks to is a little server on this machine.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sideman.corpus.hub import push
from sideman.errors import CorpusError, MissingExtra

TOKEN = "hf_little"


class FakeHub(ThreadingHTTPServer):
    """A hub that has the data sets of `me`; keeps what it is asked for and given."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[dict[str, str]] = []
        self.commits: list[list[dict[str, dict[str, str]]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """Answers what the client asks when a folder is pushed."""

    server: FakeHub

    def do_GET(self):
        """Answer what is in a data set."""
        is_tree = "/tree/main" in self.path
        old = [{"type": "file", "path": "data/old.parquet", "size": 1, "oid": "0"}]
        self._answer(old if is_tree else {}, 200 if is_tree else 404)

    def do_POST(self):
        """Make a data set, check a card, say how files come, take a commit."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}" and "/api/repos" in self.path:
            self._answer({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            self.server.asked.append(asked)
            url = f"{self.server.url}/datasets/{asked['organization']}/{asked['name']}"
            is_ours = asked["organization"] == "me"
            self._answer({"url": url, "error": "no right"}, 200 if is_ours else 403)
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            self._answer({"files": [{"path": file["path"], **mode} for file in files]})
        else:
            self.server.commits.append([json.loads(line) for line in body.splitlines()])
            url = f"{self.server.url}/datasets/me/tunes/commit/1"
            self._answer({"commitUrl": url, "commitOid": "1"})

    def _answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch):
    """Start the fake hub, and nothing in the environment but its address."""
    server = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def export(tmp_path):
    """Return a function that makes what looks like an export, with pieces of some licences."""

    def make(*licences):
        folder = tmp_path / "tunes"
        (folder / "data").mkdir(parents=True)
        rows = pa.table({"licence": pa.array(licences, pa.string())})
        pq.write_table(rows, folder / "data" / "train-00000-of-00001.parquet")
        (folder / "README.md").write_text("---\nlicense:\n- mit\n---\n")
        (folder / "vocabulary.json").write_text("{}")
        return folder

    return make


def test_export_is_pushed_whole_in_one_commit(hub, export):
    """Every file arrives as it is; what an earlier export left there goes."""
    folder = export("MIT", "CC BY 4.0")

    url = push(folder, "me/tunes", token=TOKEN, private=True)

    assert url == f"{hub.url}/datasets/me/tunes"
    assert [(asked["type"], asked["name"]) for asked in hub.asked] == [("dataset", "tunes")]
    (commit,) = hub.commits
    files = {
        row["value"]["path"]: base64.b64decode(row["value"]["content"])
        for row in commit
        if row["key"] == "file"
    }
    assert files == {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }
    assert {"key": "deletedFile", "value": {"path": "data/old.parquet"}} in commit


def test_token_may_come_from_the_environment(hub, export, monkeypatch):
    """As every tool of the hub takes it."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    push(export("MIT"), "me/tunes")

    assert len(hub.commits) == 1


def test_without_a_token_the_way_out_is_named(hub, export):
    """Nothing is sent."""
    with pytest.raises(CorpusError, match=r"no token for the hub; make one .* set HF_TOKEN"):
        push(export("MIT"), "me/tunes")

    assert hub.asked == []


@pytest.mark.parametrize(
    ("licences", "n_unstated"),
    [(("MIT", "unstated", "unstated"), 2), (("tunes free; transcriber's terms unstated",), 1)],
)
def test_music_without_a_licence_is_not_published_by_accident(
    hub, export, licences, n_unstated
):
    """The message counts the pieces and says how to go on; who means it can."""
    folder = export(*licences)

    with pytest.raises(CorpusError, match=rf"^{n_unstated} pieces in .*--allow-unstated"):
        push(folder, "me/tunes", token=TOKEN)
    assert hub.asked == []

    push(folder, "me/tunes", token=TOKEN, allow_unstated=True)
    assert len(hub.commits) == 1


@pytest.mark.parametrize(
    ("repo", "token", "reason"),
    [
        ("me/tunes", "hf_wrong", "the hub does not know the token"),
        ("you/tunes", TOKEN, "the token may not write there"),
        ("no name!", TOKEN, "Repo id must use alphanumeric chars"),
        ("me/my/tunes", TOKEN, "Repo id must be in the form"),
    ],
)
def test_what_the_hub_refuses_is_one_line(hub, export, repo, token, reason):
    """It names the folder, the data set and what was wrong."""
    with pytest.raises(CorpusError) as caught:
        push(export("MIT"), repo, token=token)

    assert f"was not pushed to {repo!r}: {reason}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert hub.commits == []


def test_hub_that_cannot_be_reached_is_one_line(hub, export, monkeypatch):
    """No network is no traceback."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(CorpusError, match=r"was not pushed to 'me/tunes': .*refused"):
        push(export("MIT"), "me/tunes", token=TOKEN)


@pytest.mark.parametrize("damage", ["empty", "broken"])
def test_folder_that_is_no_export_is_refused(export, tmp_path, damage):
    """Before anything is asked of the hub."""
    folder = tmp_path
    if damage == "broken":
        folder = export("MIT")
        next((folder / "data").iterdir()).write_bytes(b"PAR1")

    with pytest.raises(CorpusError, match=r"holds no export; make one with|export the corpus"):
        push(folder, "me/tunes", token=TOKEN)


def test_without_the_client_the_way_out_is_named(export, monkeypatch):
    """Who never pushes needs no client."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(MissingExtra, match=r'pip install "sideman\[hub\]"'):
        push(export("MIT"), "me/tunes", token=TOKEN)
