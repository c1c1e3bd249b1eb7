"""Real ends for live play: a JACK server of our own, which needs no sound card."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from sideman.live.inout import SWITCH_S

PATIENCE_S = 60.0


class JackServer:
    """A JACK server with the dummy driver, under a name that no other run has.

    A period of 256 frames: with shorter ones Python's callbacks miss periods when nothing runs
    with real-time priority, and messages are lost. That priority is taken where it may be.
    """

    def __init__(self, name: str, log) -> None:
        self.name = name
        self.environment = {
            **os.environ,
            "JACK_NO_START_SERVER": "1",
            "JACK_DEFAULT_SERVER": name,
        }
        self._log = log
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it takes clients."""
        may_run_first = hasattr(os, "geteuid") and os.geteuid() == 0
        priority = ("-R", "-P", "10") if may_run_first else ("-r",)
        server = ("jackd", "-n", self.name, *priority, "-t", "5000")  # ms: patient with clients
        driver = ("-d", "dummy", "-r", "48000", "-p", "256")
        self._process = subprocess.Popen((*server, *driver), stdout=self._log, stderr=self._log)
        self.run("jack_wait", "-w", "-t", "20")

    def kill(self) -> None:
        """Take the server away, as a crash would; wait, since its name must be free again."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let the server end by itself, which waits for clients that died.

        One that is killed keeps its place among the eight that JACK has for a machine, until a
        server of the same name ends by itself.
        """
        self._process.terminate()
        self._process.wait(timeout=60)

    def run(self, *command: str) -> str:
        """Run a command as a client of this server, and return what it prints."""
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout


@pytest.fixture(scope="module")
def jack_server(tmp_path_factory):
    """Start a server that clients of this process find, and end it afterwards."""
    if shutil.which("jackd") is None or shutil.which("jack_wait") is None:
        pytest.skip("needs jackd2: apt-get install jackd2")
    pytest.importorskip("jack")
    name = f"sideman-{uuid.uuid4().hex[:12]}"
    log_path = tmp_path_factory.mktemp("jack") / "jackd.log"
    with pytest.MonkeyPatch.context() as patch, log_path.open("wb") as log:
        patch.setenv("JACK_NO_START_SERVER", "1")
        patch.setenv("JACK_DEFAULT_SERVER", name)
        server = JackServer(name, log)
        usual_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)  # as the process of the ports does
        yield server
        sys.setswitchinterval(usual_s)
        server.stop()


@pytest.fixture
def fluidsynth(jack_server, tmp_path):
    """FluidSynth as a client of JACK, rendering what it hears to a raw file."""
    bank = next(Path("/usr/share/sounds/sf2").glob("*.sf2"), None)
    if shutil.which("fluidsynth") is None or bank is None:
        pytest.skip("needs FluidSynth and a sound bank: apt-get install fluidsynth")
    raw = tmp_path / "played.raw"
    options = {
        "midi.jack.server": jack_server.name,
        "midi.jack.id": "fluid",
        "audio.file.name": raw,
        "audio.file.type": "raw",
    }
    settings = [part for pair in options.items() for part in ("-o", "{}={}".format(*pair))]
    drivers = ("-m", "jack", "-a", "file", "-r", "48000", "-z", "64", "-R", "0", "-C", "0")
    process = subprocess.Popen(
        ("fluidsynth", "-q", *drivers, *settings, str(bank)),
        env=jack_server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until_s = time.monotonic() + PATIENCE_S
    while "fluid:midi" not in jack_server.run("jack_lsp") and time.monotonic() < until_s:
        time.sleep(0.1)
    yield raw
    process.communicate(b"quit\n", timeout=PATIENCE_S)  # or JACK would wait for it
