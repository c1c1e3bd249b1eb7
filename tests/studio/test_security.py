"""Each rule of who may talk to the studio."""

import json
import socket
import stat
import threading
import time
from contextlib import suppress
from urllib.parse import unquote

import pytest
import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect
from structlog.testing import capture_logs

from sideman.errors import StudioError
from sideman.studio import security
from sideman.studio.config import StudioConfig
from sideman.studio.schemas import MOST_FIELDS, JobRequest, NewProject, PairRequest
from sideman.studio.security import GUESSES_AT_ONCE, HEADERS, KEY_FILE, Connection

TOKEN = "correct horse battery"
EVIL = "http://evil.example"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def shared(open_studio):
    """Open a studio that is shared with the network."""
    return open_studio(host="0.0.0.0", token=TOKEN, base_url="http://192.168.1.5:8765")


# ------------------------------------------------------------------------------ host


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST", "localhost.", "[::1]"],
)
def test_the_studio_answers_to_its_own_names(studio, host):
    """However the person typed the address."""
    assert studio.get("/api/projects", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "",
        "0.0.0.0:8765",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[::1",
        "::1",
        "somebody@127.0.0.1",
        "127.0.0.1/",
        "127.0.0.1#.evil.example",
        "127.0.0.1?.evil.example",
        "127.0.0.1:port",
        "127.0.0.1..",
        "evil.example, 127.0.0.1",
    ],
)
def test_a_rebound_name_reaches_nothing(studio, problem, host):
    """DNS rebinding: a page's own name is made to lead here."""
    for path in ("/", "/api/projects", "/healthz", "/metrics"):
        code, message = problem(studio.get(path, headers={"host": host}), 421)
        assert code == "wrong_host"
        assert "--allow-host" in message


def test_a_request_has_one_host(studio, problem):
    """Else a proxy could look at one of them and we at the other."""
    hosts = [("host", "127.0.0.1:8765"), ("host", "evil.example")]
    assert problem(studio.get("/api/projects", headers=hosts), 421)[0] == "wrong_host"


def test_a_private_studio_does_not_answer_to_addresses_of_the_network(studio, problem):
    """Nobody can come that way but through something that forwards."""
    problem(studio.get("/api/projects", headers={"host": "192.168.1.5:8765"}), 421)


def test_a_shared_studio_answers_to_any_address_but_not_to_any_name(shared, problem):
    """Rebinding needs a name; which address a machine has, nobody knows beforehand."""
    assert shared.get("/api/projects", headers=BEARER).status_code == 200
    problem(shared.get("/api/projects", headers={**BEARER, "host": "evil.example"}), 421)


def test_names_can_be_allowed(open_studio):
    """Behind a proxy, or in a classroom with its own names."""
    studio = open_studio(allowed_hosts=("Music.School.example",))
    reply = studio.get("/api/projects", headers={"host": "music.school.example"})
    assert reply.status_code == 200


# ---------------------------------------------------------------------------- origin


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8765"},
        {"origin": ""},
        {"origin": "http://[::1"},
        {"origin": "http://127.0.0.1:8765.evil.example"},
        {"origin": "http://somebody@127.0.0.1:8765"},
        {"origin": "chrome-extension://127.0.0.1:8765"},
        [("origin", "http://127.0.0.1:8765"), ("origin", EVIL)],
        {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(studio, problem, headers):
    """Cross-site request forgery, with every header that a browser sends of itself."""
    for method, path in (
        ("POST", "/api/projects"),
        ("POST", "/api/projects/upload"),
        ("PUT", "/api/projects/0/head"),
        ("PATCH", "/api/takes/0"),
        ("DELETE", "/api/projects/0"),
    ):
        code, _ = problem(studio.request(method, path, headers=headers), 403)
        assert code == "wrong_origin"
    assert studio.get("/api/projects").json() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"},
        {"origin": "https://127.0.0.1:8765"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_page_and_programs_may(studio, headers):
    """A program sends no origin; a browser always does."""
    assert studio.post("/api/projects", json={}, headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/api/socket", "/api/live"])
@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:8765", "http://[::1"])
def test_a_page_of_another_site_opens_no_socket(studio, path, origin):
    """Cross-site WebSocket hijacking: sockets know no same-origin policy."""
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        studio.websocket_connect(path, headers={"origin": origin}),
    ):
        pass
    assert "another site" in refused.value.reason


def test_our_own_page_opens_a_socket(studio):
    """The rule above must not close it for everybody."""
    headers = {"origin": "http://127.0.0.1:8765", "host": "127.0.0.1:8765"}
    with studio.websocket_connect("/api/socket", headers=headers):
        pass


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
def test_other_sites_are_told_that_they_may_nothing(studio, method):
    """What a browser asks before it lets a foreign page through finds no permission."""
    asked = {"origin": EVIL, "access-control-request-method": "PUT"}
    for path in ("/", "/api/projects", "/healthz", "/metrics"):
        reply = studio.request(method, path, headers=asked)
        assert 400 <= reply.status_code < 500
        assert not [name for name in reply.headers if name.startswith("access-control")]


# ----------------------------------------------------------------------------- token


def test_who_shares_without_a_token_is_stopped(tmp_path):
    """The mistake that would open the studio to the whole network."""
    for host in ("0.0.0.0", "::", "192.168.1.5", "studio.example"):
        with pytest.raises(StudioError, match="--token"):
            StudioConfig(tmp_path, host=host)
    with pytest.raises(StudioError, match="16 or more"):
        StudioConfig(tmp_path, host="0.0.0.0", token="short")


def test_a_token_is_not_shown_with_the_settings(tmp_path):
    """Settings end up in tracebacks and logs."""
    assert TOKEN not in repr(StudioConfig(tmp_path, token=TOKEN))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer "},
        {"cookie": "sideman_token="},
        {"cookie": f"sideman_token={TOKEN}"},
        {"cookie": f"sideman_token={'0' * 64}"},
        {"cookie": "sideman_token=%C3%A4"},
        {"authorization": "Bearer \xe4".encode("latin-1")},
    ],
)
def test_without_the_token_nothing_is_told(shared, problem, headers):
    """Neither music nor page nor figures."""
    for path in ("/", "/api/projects", "/api/info", "/metrics", "/sound/bank.sf3"):
        code, message = problem(shared.get(path, headers=headers), 401)
        assert code == "no_token"
        assert "open the link" in message
    problem(shared.post("/api/projects", json={}, headers=headers), 401)
    for path in ("/api/socket", "/api/live", f"/api/socket?token={TOKEN}"):
        with pytest.raises(WebSocketDisconnect), shared.websocket_connect(path):
            pass


def test_only_whether_it_is_up_is_told_to_everybody(shared):
    """What watches servers has no token."""
    reply = shared.get("/healthz")
    assert (reply.status_code, reply.text) == (200, "ok\n")


def test_the_link_with_the_token_lets_a_browser_in(shared):
    """A person opens one link, once."""
    reply = shared.get("/", params={"token": TOKEN})
    assert reply.status_code == 200
    assert 'http-equiv="refresh"' in reply.text
    (cookie,) = [c for c in reply.headers.get_list("set-cookie") if "sideman_token" in c]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie  # or it would not come back without https
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert shared.get("/api/projects").status_code == 200
    with shared.websocket_connect("/api/socket"):
        pass


def test_a_wrong_link_lets_nobody_in(shared, problem):
    """Neither another token, nor the right one at an address that is no page."""
    problem(shared.get("/", params={"token": TOKEN + "x"}), 401)
    problem(shared.get("/api/projects", params={"token": TOKEN}), 401)
    problem(shared.post("/", params={"token": TOKEN}), 401)
    assert not shared.cookies.get("sideman_token")


def test_a_cookie_does_not_tell_the_token(shared, tmp_path):
    """Who finds one cannot let others in, nor try out tokens without asking the studio."""
    shared.get("/", params={"token": TOKEN})
    assert TOKEN not in shared.cookies["sideman_token"]
    key = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_cookie_is_good_until_there_is_another_token(open_studio, shared, problem):
    """A studio that is started again knows its browsers; a new token shuts all of them out."""
    shared.get("/", params={"token": TOKEN})
    cookie = {"cookie": f"sideman_token={shared.cookies['sideman_token']}"}
    base_url = "http://192.168.1.5:8765"
    again = open_studio(host="0.0.0.0", token=TOKEN, base_url=base_url)
    assert again.get("/api/projects", headers=cookie).status_code == 200
    other = open_studio(host="0.0.0.0", token=f"{TOKEN} staple", base_url=base_url)
    problem(other.get("/api/projects", headers=cookie), 401)


@pytest.mark.parametrize("by_link", [True, False])
def test_tokens_cannot_be_tried_out(open_studio, problem, by_link):
    """After some wrong ones not even the right one is looked at, but who is in stays in."""

    def say(studio, token):
        if by_link:
            return studio.get("/", params={"token": token})
        return studio.get("/api/info", headers={"authorization": f"Bearer {token}"})

    shared = {"host": "0.0.0.0", "token": TOKEN, "base_url": "http://192.168.1.5:8765"}
    inside = open_studio(**shared)
    inside.get("/", params={"token": TOKEN})
    attacker = open_studio(**shared)
    for number in range(GUESSES_AT_ONCE):
        problem(say(attacker, f"wrong {number}"), 401)
    reply = say(attacker, TOKEN)
    code, message = problem(reply, 429)
    assert code == "too_many_guesses"
    assert "try again in" in message
    assert int(reply.headers["retry-after"]) > 0
    attacker.cookies = inside.cookies
    assert attacker.get("/api/projects").status_code == 200
    assert attacker.get("/", params={"token": TOKEN}).status_code == 200


def test_many_who_know_the_token_come_in_at_once(shared):
    """A class opens the link in the same minute, from one address."""
    for _ in range(2 * GUESSES_AT_ONCE):
        shared.cookies.clear()
        assert shared.get("/", params={"token": TOKEN}).status_code == 200
        assert shared.get("/api/info", headers=BEARER).status_code == 200


def test_logs_say_who_was_refused_and_never_the_token(shared):
    """Logs are read by many, and kept for long."""
    with capture_logs() as logs:
        shared.get("/", params={"token": TOKEN})
        shared.cookies.clear()
        shared.get("/api/info", headers={"authorization": "Bearer wrong but long"})
        shared.get("/api/info", headers=BEARER)
    text = json.dumps(logs)
    assert TOKEN not in unquote(text).replace("+", " ")
    assert "wrong but long" not in text
    (refused,) = [line for line in logs if line["event"] == "refused"]
    assert refused["code"] == "no_token"
    assert refused["address"] == "127.0.0.1"


def test_cookies_go_over_https_only_where_there_is_https(open_studio):
    """On a network a proxy with a certificate may stand in front."""
    studio = open_studio(token=TOKEN, base_url="https://127.0.0.1:8765")
    reply = studio.get("/", params={"token": TOKEN})
    assert len(reply.headers.get_list("set-cookie")) == 2
    assert all("Secure" in cookie for cookie in reply.headers.get_list("set-cookie"))


# --------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", None),
        ("/api/projects", 200),
        ("/api/none", 404),
        ("/api/projects/0", 404),
        ("/assets/none.js", 404),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/sound/bank.sf3", 200),
    ],
)
def test_every_reply_says_what_the_browser_must_not_do(studio, path, status):
    """Frames, foreign scripts, guessed types: none of it, on errors as well."""
    reply = studio.get(path)
    assert status in (None, reply.status_code)
    for name, value in HEADERS.items():
        assert reply.headers[name] == value
    policy = reply.headers["content-security-policy"]
    for rule in ("default-src 'self'", "frame-ancestors 'none'", "object-src 'none'"):
        assert rule in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy


def test_refusals_have_the_headers_too(studio):
    """A refused page could still be framed."""
    reply = studio.get("/", headers={"host": "evil.example"})
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_music_is_not_kept_by_caches(studio):
    """What one person made is not for the next at that machine."""
    assert studio.get("/api/projects").headers["cache-control"] == "no-store"


def test_a_bug_tells_nothing_of_the_inside(studio, problem, monkeypatch):
    """Traces and paths are for the log."""

    def fail():
        msg = "/home/ella/secret"
        raise RuntimeError(msg)

    monkeypatch.setattr(studio.state.projects, "all", fail)
    code, message = problem(studio.get("/api/projects"), 500)
    assert code == "internal"
    assert "ella" not in message


def test_a_database_that_is_gone_is_told_in_plain_words(studio, problem, monkeypatch):
    """Also to who watches the server; its address and the query are for the log."""

    def fail():
        query = "SELECT secret"
        raise OperationalError(query, {}, Exception("10.0.0.1 refused"))

    monkeypatch.setattr(studio.state.database, "reading", fail)
    for path in ("/healthz", "/api/projects"):
        code, message = problem(studio.get(path), 503)
        assert code == "no_database"
        assert "try again" in message
        assert not {"secret", "10.0.0.1"} & set(message.split())


def test_nothing_that_a_client_names_becomes_a_path(studio, piece, tmp_path):
    """Names of files, projects, parts and ids are texts, wherever they point."""
    before = sorted(tmp_path.rglob("*"))
    nasty = "../../../../etc/passwd"
    named = {**piece, "parts": [{**part, "name": nasty} for part in piece["parts"]]}
    made = studio.post("/api/projects", json={"name": nasty, "score": named}).json()
    reply = studio.get(f"/api/projects/{made['id']}/export")
    assert reply.status_code == 200
    kept_as = reply.headers["content-disposition"]
    assert "/" not in kept_as
    assert "%2F" not in kept_as
    for path in ("/..%2f..%2fapp.py", "/assets/..%2f..%2f..%2fapp.py"):
        assert studio.get(path).status_code == 404
    assert {path.name for path in sorted(tmp_path.rglob("*")) if path not in before} == set()


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ('a"; filename="b.exe', "a__ filename__b_exe.mid"),
        ("a\r\nSet-Cookie: b=c", "a  Set-Cookie_ b_c.mid"),
        ("Étude ☃ 100%", "Étude _ 100_.mid"),
        ("..", "__.mid"),
    ],
)
def test_a_name_stays_a_name_in_a_header(studio, name, kept_as):
    """Header injection; other alphabets as RFC 5987 has them."""
    made = studio.post("/api/projects", json={"name": name}).json()
    reply = studio.get(f"/api/projects/{made['id']}/export")
    said = reply.headers["content-disposition"]
    assert said.isascii()
    assert unquote(said) == f"attachment; filename*=UTF-8''{kept_as}"
    assert "set-cookie" not in reply.headers


# ----------------------------------------------------------------------- what is sent


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b'{"name": "\\ud800"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"score":' * 100_000,
        b'{"score": {"n_bars": ' + b"9" * 5_000 + b"}}",
        b'{"score": {"n_bars": 1e309, "parts": [], "notes": []}}',
        b'{"score": {"n_bars": NaN, "parts": [], "notes": []}}',
        b'{"score": {"n_bars": 1, "parts": [], "notes": [], "tempos": [{"bpm": 1e309}]}}',
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(studio, problem, body):
    """Whatever it is, it is the fault of who sent it."""
    headers = {"content-type": "application/json"}
    reply = studio.post("/api/projects", content=body, headers=headers)
    _, message = problem(reply, 400 if reply.status_code == 400 else 422)
    assert len(message) < 300


NUMBERED = {f"{number:x}": None for number in range(100_000)}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (NewProject, {"score": {"n_bars": 1, "parts": [], "notes": [{}] * 100_000}}),
        (NewProject, {"score": {"n_bars": 1, "parts": [], "notes": [NUMBERED]}}),
        (NewProject, NUMBERED),
        (JobRequest, {"task": "continue", "revision": "1", "options": NUMBERED}),
        (JobRequest, {"task": "continue", "revision": "1", "locks": [None] * 100_000}),
        (PairRequest, {"options": {"parts": [None] * 100_000}}),
    ],
)
def test_a_million_mistakes_are_a_few(shape, said):
    """To find words for each took minutes, in which nobody was answered, and gigabytes."""
    with pytest.raises(ValidationError) as mistakes:
        shape.model_validate(said)
    assert mistakes.value.error_count() <= 2 * MOST_FIELDS


@pytest.mark.parametrize("number", ["9" * 5_000, "²", "-1", "1e3", "0x1", " 1", "1_0", ""])
def test_a_number_that_is_none_is_refused(studio, piece, problem, number):
    """Python reads more as numbers than it can, and breaks off at the longest."""
    project = studio.post("/api/projects", json={"score": piece}).json()
    at = f"/api/projects/{project['id']}"
    problem(studio.put(f"{at}/head", json={"revision": number}), 409)
    problem(studio.get(f"{at}/export", params={"revision": number}), 409)
    problem(studio.get(f"{at}/export", params={"parts": number}), 422)
    asked = {"task": "continue", "revision": number}
    problem(studio.post(f"{at}/jobs", json=asked), 409)


def test_so_many_bars_that_they_are_no_number_are_refused(studio, piece, problem):
    """The digits of a wish have an end too."""
    project = studio.post("/api/projects", json={"score": piece}).json()
    wish = {"task": "continue", "revision": project["head"], "options": {"bars": "9" * 5_000}}
    problem(studio.post(f"/api/projects/{project['id']}/jobs", json=wish), 422)


def test_signs_that_databases_do_not_take_are_left_out(open_studio, piece, database_url):
    """PostgreSQL knows no NUL, SQLite ends texts there: names have none, on either."""
    studio = open_studio(database=database_url)
    named = {**piece, "parts": [{**part, "name": "a\0b"} for part in piece["parts"]]}
    project = studio.post("/api/projects", json={"name": "c\0d", "score": named}).json()
    assert project["name"] == "c d"
    assert {part["name"] for part in project["score"]["parts"]} == {"a b"}
    at = f"/api/projects/{project['id']}"
    assert studio.patch(at, json={"name": "e\0f"}).json()["name"] == "e f"
    edit = {"parent": project["head"], "label": "g\0h", "score": named}
    assert studio.post(f"{at}/revisions", json=edit).status_code == 201
    assert studio.get(at).json()["revisions"][1]["label"] == "g h"
    for path in ("projects/%00", "takes/%00", "jobs/%00", "projects/%00/export"):
        assert studio.get(f"/api/{path}").status_code == 404
    assert (
        studio.post("/api/pairs/%00/vote", json={"answer": "tie", "seconds": 1}).status_code
        == 404
    )


@pytest.mark.parametrize("key", ["' OR 1=1 --", "%", "_", "0; DROP TABLE projects", "../0"])
def test_a_key_is_looked_up_and_nothing_else(studio, piece, key):
    """Neither SQL nor a pattern."""
    made = studio.post("/api/projects", json={"score": piece}).json()
    for kind in ("projects", "takes", "jobs"):
        assert studio.get(f"/api/{kind}/{key}").status_code == 404
    assert studio.delete(f"/api/projects/{key}").status_code in (404, 405)
    assert [each["id"] for each in studio.get("/api/projects").json()] == [made["id"]]


# ------------------------------------------------------------------------ connections


@pytest.fixture
def connect(monkeypatch):
    """Return a function that connects to a server in whose way the studio is served."""
    monkeypatch.setattr(security, "HEADERS_S", 0.2)
    config = uvicorn.Config(
        PlainTextResponse("hello"),
        port=0,
        http=Connection,
        timeout_keep_alive=1,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    opened = []

    def open_one():
        connection = socket.create_connection(listening.getsockname()[:2], timeout=10)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()
    server.should_exit = True
    thread.join()
    listening.close()


HELLO = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def received(connection):
    """Return all that comes until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def send_until_closed(connection, part, most):
    """Send something again and again; it is wrong to be able to do so `most` times."""
    with suppress(ConnectionError):
        for _ in range(most):
            connection.sendall(part)
            time.sleep(0.001)
        pytest.fail("the other side listens for ever")


@pytest.mark.parametrize("begun", [b"", HELLO[:20], HELLO + HELLO[:20]])
def test_who_does_not_end_a_request_has_to_go(connect, begun):
    """Some thousand connections that say nothing would leave none for others (slow loris)."""
    connection = connect()
    connection.sendall(begun)
    assert received(connection).count(b"hello") == begun.count(HELLO)


def test_who_sends_headers_letter_by_letter_has_to_go(connect):
    """A letter now and then is not a request."""
    send_until_closed(connect(), b"G", most=10_000)


def test_who_asks_is_answered(connect):
    """Also after a while, and again."""
    connection = connect()
    for _ in range(2):
        connection.sendall(HELLO)
        assert connection.recv(65_536).endswith(b"hello")


def test_headers_have_an_end(connect):
    """They are kept in memory until they do."""
    connection = connect()
    connection.sendall(HELLO[:-2])
    send_until_closed(connection, b"X-Long: " + b"x" * 65_536, most=1_000)
