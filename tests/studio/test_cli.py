"""The command that opens the studio, and where it keeps things."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from sideman.cli.options import EXTRAS
from sideman.cli.studio import studio
from sideman.errors import StudioError
from sideman.folders import data_folder
from sideman.studio import app
from sideman.studio.config import StudioConfig
from sideman.studio.uploads import Uploads


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs the command and returns its output and configuration."""
    monkeypatch.setitem(EXTRAS, "studio", ("the studio", frozenset({"fastapi"})))
    monkeypatch.delenv("SIDEMAN_TOKEN", raising=False)
    monkeypatch.delenv("SIDEMAN_DATABASE", raising=False)
    served = []
    monkeypatch.setattr(app, "serve", lambda config, _: served.append(config))

    def command(*args):
        options = ["--folder", str(tmp_path), *args]
        result = CliRunner().invoke(studio, options, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output, served[-1]

    return command


def test_by_default_only_this_machine_reaches_it(run):
    """What is not asked for is not shared."""
    output, config = run()
    assert config.is_private
    assert config.database_url.endswith("studio.db")
    assert "http://127.0.0.1:8765/ " in output


def test_who_shares_it_gets_a_link_with_the_token(run):
    """One link to send around."""
    output, config = run("--host", "0.0.0.0", "--token", "correct horse battery")
    assert not config.is_private
    assert "http://127.0.0.1:8765/?token=correct+horse+battery" in output
    with pytest.raises(StudioError, match="--token"):
        run("--host", "0.0.0.0")


def test_it_shows_how_it_is_used():
    """The first thing that anybody types."""
    output = CliRunner().invoke(studio, ["--help"]).output
    assert "sideman studio --host 0.0.0.0 --token" in output


@pytest.mark.parametrize(
    ("platform", "environ", "wanted"),
    [
        ("linux", {}, "/home/ella/.local/share/sideman"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/sideman"),
        ("linux", {"XDG_DATA_HOME": "data"}, "/home/ella/.local/share/sideman"),
        ("darwin", {}, "/home/ella/Library/Application Support/sideman"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/sideman/Data"),
        ("win32", {}, "/home/ella/AppData/Local/sideman/Data"),
    ],
)
def test_data_lies_where_each_system_wants_it(platform, environ, wanted):
    """Back-ups and other programs look there."""
    found = data_folder(platform=platform, environ=environ, home=Path("/home/ella"))
    assert found.as_posix() == wanted


def test_an_address_of_the_new_kind_is_written_in_brackets(tmp_path):
    """Else a browser takes it for a search."""
    config = StudioConfig(tmp_path, host="::1", port=80)
    assert config.link == "http://[::1]:80/"


# ------------------------------------------------------------------ two at the same time


def untouched(*_: object) -> NoReturn:
    """Make no jobs."""
    pytest.fail("the jobs of the studio that runs were touched")


@pytest.fixture
def config(tmp_path):
    """Return a studio at a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return StudioConfig(tmp_path, port=port)


def test_a_second_studio_at_the_same_port_touches_nothing(config):
    """Its jobs are written by the first, and the way out is said."""
    with (
        app.listening(config),
        pytest.raises(StudioError, match=rf"port {config.port} is taken.*--port"),
    ):
        app.serve(config, untouched)


def test_a_second_studio_in_the_same_folder_touches_nothing(config):
    """At another port it would take the jobs of the first as well."""
    with (
        app.alone_in(config.folder),
        pytest.raises(StudioError, match=r"another studio has the folder.*--folder"),
    ):
        app.serve(config, untouched)
    with app.alone_in(config.folder):
        pass


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    """That is not another studio."""
    with (
        pytest.raises(StudioError, match=r"none' cannot be written to \(.*--folder"),
        app.alone_in(tmp_path / "none"),
    ):
        pytest.fail("it was entered")


def test_a_place_where_it_cannot_listen_is_said(tmp_path):
    """An address of another machine, for one."""
    config = StudioConfig(tmp_path, host="192.0.2.1", token="correct horse battery")
    with pytest.raises(StudioError, match=r"cannot listen at 192\.0\.2\.1, port 8765"):
        app.serve(config, untouched)


def test_why_it_cannot_start_is_one_error(config, monkeypatch):
    """Not a traceback out of the server; and nothing is left that runs."""
    closed: list[None] = []
    close = Uploads.close
    monkeypatch.setattr(Uploads, "close", lambda uploads: closed.append(close(uploads)))

    class Homeless:
        queue_length = 0
        run_now = None

        def start(self):
            msg = "the cluster has no room"
            raise StudioError(msg)

    def homeless(*_: object) -> Any:
        return Homeless()

    with pytest.raises(StudioError, match="the cluster has no room"):
        app.serve(config, homeless)
    assert closed == [None]
    app.listening(config).close()
