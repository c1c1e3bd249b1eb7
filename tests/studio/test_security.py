"""Each rule of who may talk to the studio."""

import pytest
from starlette.websockets import WebSocketDisconnect

from sideman.errors import StudioError
from sideman.studio.config import StudioConfig
from sideman.studio.security import HEADERS

TOKEN = "correct horse battery"
EVIL = "http://evil.example"


@pytest.fixture
def shared(open_studio):
    """Open a studio that is shared with the network."""
    return open_studio(host="0.0.0.0", token=TOKEN, base_url="http://192.168.1.5:8765")


# ------------------------------------------------------------------------------ host


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST"]
)
def test_the_studio_answers_to_its_own_names(studio, host):
    """However the person typed the address."""
    assert studio.get("/api/projects", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""]
)
def test_a_rebound_name_reaches_nothing(studio, problem, host):
    """DNS rebinding: a page's own name is made to lead here."""
    for path in ("/", "/api/projects", "/healthz", "/metrics"):
        code, message = problem(studio.get(path, headers={"host": host}), 421)
        assert code == "wrong_host"
        assert "--allow-host" in message


def test_a_private_studio_does_not_answer_to_addresses_of_the_network(studio, problem):
    """Nobody can come that way but through something that forwards."""
    problem(studio.get("/api/projects", headers={"host": "192.168.1.5:8765"}), 421)


def test_a_shared_studio_answers_to_any_address_but_not_to_any_name(shared, problem):
    """Rebinding needs a name; which address a machine has, nobody knows beforehand."""
    auth = {"authorization": f"Bearer {TOKEN}"}
    assert shared.get("/api/projects", headers=auth).status_code == 200
    problem(shared.get("/api/projects", headers={**auth, "host": "evil.example"}), 421)


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
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_page_and_programs_may(studio, headers):
    """A program sends no origin; a browser always does."""
    assert studio.post("/api/projects", json={}, headers=headers).status_code == 201


def test_a_page_of_another_site_opens_no_socket(studio):
    """Cross-site WebSocket hijacking: sockets know no same-origin policy."""
    with (
        pytest.raises(WebSocketDisconnect),
        studio.websocket_connect("/api/socket", headers={"origin": EVIL}),
    ):
        pass


def test_our_own_page_opens_a_socket(studio):
    """The rule above must not close it for everybody."""
    headers = {"origin": "http://127.0.0.1:8765", "host": "127.0.0.1:8765"}
    with studio.websocket_connect("/api/socket", headers=headers):
        pass


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
        {"cookie": f"sideman_token={TOKEN[:-1]}"},
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
    with pytest.raises(WebSocketDisconnect), shared.websocket_connect("/api/socket"):
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
    assert shared.get("/api/projects").status_code == 200
    with shared.websocket_connect("/api/socket"):
        pass


def test_a_wrong_link_lets_nobody_in(shared, problem):
    """Neither another token, nor the right one at an address that is no page."""
    problem(shared.get("/", params={"token": TOKEN + "x"}), 401)
    problem(shared.get("/api/projects", params={"token": TOKEN}), 401)
    problem(shared.post("/", params={"token": TOKEN}), 401)
    assert not shared.cookies.get("sideman_token")


def test_cookies_go_over_https_only_where_there_is_https(open_studio):
    """On a network a proxy with a certificate may stand in front."""
    studio = open_studio(token=TOKEN, base_url="https://127.0.0.1:8765")
    reply = studio.get("/", params={"token": TOKEN})
    assert all("Secure" in cookie for cookie in reply.headers.get_list("set-cookie"))


# --------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", None), ("/api/projects", 200), ("/api/none", 404), ("/api/projects/0", 404)],
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
