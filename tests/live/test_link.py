"""Ableton Link: with a session that is played by the test, and with real ones."""

import importlib.util
import shutil
import subprocess
import sys

import pytest

from sideman.errors import MissingExtra
from sideman.live.link import LinkFollower, open_link
from sideman.live.timeline import Timeline

AHEAD_S = 1000.0
"""How far the clock of the fake session is ahead of ours."""


class Session:
    """What a follower needs of Link: one tempo from beat 0 at second 0, a clock of its own."""

    def __init__(self, tempo_bpm=120.0):
        self.tempo_bpm, self.now_s, self.enabled = tempo_bpm, 0.0, True
        self.clock = self.captureAppSessionState = lambda: self
        self.commitAppSessionState = id
        self.tempo = lambda: self.tempo_bpm
        self.micros = lambda: round((self.now_s + AHEAD_S) * 1e6)

    def setTempo(self, tempo_bpm, at_us):  # noqa: ARG002, N802
        """Change the tempo, as if it had always been so."""
        self.tempo_bpm = tempo_bpm

    def phaseAtTime(self, at_us, quantum):  # noqa: N802
        """Return the place in a bar of `quantum` quarters."""
        return (at_us / 1e6 - AHEAD_S) * self.tempo_bpm / 60 % quantum


def test_tempo_and_place_in_the_bar_are_those_of_the_session():
    """Which bar it is, is our own: it stays."""
    session, timeline = Session(97.0), Timeline(120.0, (3, 4), start_s=-6.1)
    follower = LinkFollower(timeline, session)
    bar = timeline.bar_of(timeline.ticks_at(0.1))
    for step in range(1, 200):
        session.now_s = step * 0.05 + 0.003 * (step % 5)  # held up now and then
        follower.follow(step * 0.05)
    place = timeline.ticks_at(9.95) - timeline.bar_start(
        timeline.bar_of(timeline.ticks_at(9.95))
    )
    assert place == pytest.approx(9.95 * 97 / 60 % 3 * 24, abs=0.1)
    assert timeline.tempo_at(9.95) == pytest.approx(97.0, rel=1e-3)
    assert abs(timeline.bar_of(timeline.ticks_at(9.95)) - bar - 5) <= 1


def test_a_tempo_of_ours_is_asked_of_the_session():
    """In a Link session everybody may turn the knob."""
    session, timeline = Session(97.0), Timeline()
    follower = LinkFollower(timeline, session)
    follower.set_tempo(0.0, 133.0)
    follower.follow(0.01)
    assert follower.tempo_bpm == 133.0
    assert timeline.tempo_at(0.01) == pytest.approx(133.0, rel=0.03)
    follower.close()
    assert not session.enabled


def test_its_absence_is_one_line_with_the_way_out(monkeypatch):
    """Link is an extra that few have."""
    monkeypatch.setitem(sys.modules, "link", None)
    with pytest.raises(MissingExtra, match=r"pip install .sideman\[link\]"):
        open_link(120.0)


TWO_PEERS = """
import time
from sideman.live.link import LinkFollower, open_link
from sideman.live.timeline import Timeline

timelines = [Timeline(120.0), Timeline(97.0, start_s=time.monotonic())]
one, other = followers = [LinkFollower(t, open_link(t.tempo_at(0.0))) for t in timelines]
end_s = time.monotonic() + 20
while not (one.n_peers and other.n_peers) and time.monotonic() < end_s:
    time.sleep(0.02)
one.set_tempo(time.monotonic(), 133.0)
settled_s = time.monotonic() + 3
while time.monotonic() < settled_s:
    for follower in followers:
        follower.follow(time.monotonic())
    time.sleep(0.02)
now_s = time.monotonic()
places = [t.ticks_at(now_s) % 96 for t in timelines]
apart = abs(places[0] - places[1])
print(one.n_peers, other.n_peers, other.tempo_bpm, min(apart, 96 - apart))
"""

LOOPBACK_ONLY = (
    "ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo"
)


@pytest.mark.slow
def test_two_sessions_find_each_other_and_share_tempo_and_bar():
    """The real protocol, in a network of its own: Link speaks to whoever is near."""
    if importlib.util.find_spec("link") is None:
        pytest.skip("LinkPython-extern is not installed")
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("needs unshare and ip, for a network with nobody else in it")
    alone = ["unshare", "--net", "bash", "-c"]
    if subprocess.run([*alone, LOOPBACK_ONLY], capture_output=True).returncode:
        pytest.skip("this system lets nobody make a network of their own")
    done = subprocess.run(
        [*alone, f'{LOOPBACK_ONLY} && exec "$0" -c "$1"', sys.executable, TWO_PEERS],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    peers, others_peers, tempo_bpm, apart = map(float, done.stdout.split())
    assert (peers, others_peers) == (1, 1)
    assert tempo_bpm == pytest.approx(133.0, abs=0.01)
    assert apart < 2
