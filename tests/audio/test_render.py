"""The contract that every synthesizer must keep, checked on each that is installed."""

import struct
from collections import Counter

import numpy as np
import pytest
import soundfile

from sideman.audio import bank as bank_room
from sideman.audio.render import (
    CEILING_DB,
    ENGINES,
    FORMATS,
    SAMPLE_RATE_HZ,
    TAIL_S,
    FluidSynth,
    _read_music,
    _safe_gain,
    find_engine,
    render_file,
)
from sideman.errors import AudioError, MissingExtra, OutputExists
from sideman.score import smf

ALTO_SAX = 65  # counted from 0
PITCHES = (53, 55, 58, 60, 63, 67, 70, 75)
FIRST_ONSET_S = 0.5
STEP_S = 0.5
NOTE_S = 0.4
TPQ = 480
TICKS_PER_S = 2 * TPQ  # at 120 bpm, the tempo of a file that names none
END_S = FIRST_ONSET_S + (len(PITCHES) - 1) * STEP_S + NOTE_S


def midi_bytes(pitches=PITCHES, *, kind=0, velocity=100, channels=(0,)) -> bytes:
    """Return a MIDI file of one track: notes half a second apart, from half a second on.

    It ends with the last note-off, as many real files do.
    """
    events = [(0, bytes([0xC0 | channel, ALTO_SAX])) for channel in channels]
    for index, pitch in enumerate(pitches):
        onset = round((FIRST_ONSET_S + index * STEP_S) * TICKS_PER_S)
        for channel in channels:
            events.append((onset, bytes([0x90 | channel, pitch, velocity])))
            end = onset + round(NOTE_S * TICKS_PER_S)
            events.append((end, bytes([0x80 | channel, pitch, 0])))
    track, now = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track += smf.quantity(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, kind, 1, TPQ)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Decode the bank once for all tests, and never into the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bank_room, "cache_folder", lambda: folder)
        yield folder


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request) -> str:
    if not request.param.is_installed():
        pytest.skip(f"{request.param.name} is not installed here")
    return str(request.param.name)


@pytest.fixture
def midi(tmp_path):
    path = tmp_path / "sax.mid"
    path.write_bytes(midi_bytes())
    return path


def fundamental_hz(audio: np.ndarray, *, low_hz: float = 80, high_hz: float = 1000) -> float:
    """Return the pitch of a steady mono sound by YIN (de Cheveigné & Kawahara 2002)."""
    longest = round(SAMPLE_RATE_HZ / low_hz)
    window = len(audio) - longest
    difference = np.array(
        [np.square(audio[:window] - audio[lag : lag + window]).sum() for lag in range(longest)]
    )
    normalised = np.ones(longest)
    running = np.maximum(np.cumsum(difference[1:]), 1e-12)
    normalised[1:] = difference[1:] * np.arange(1, longest) / running
    shortest = round(SAMPLE_RATE_HZ / high_hz)
    below = np.flatnonzero(normalised[shortest:] < 0.15)
    lag = shortest + int(below[0] if len(below) else np.argmin(normalised[shortest:]))
    while lag + 1 < longest and normalised[lag + 1] < normalised[lag]:
        lag += 1
    return SAMPLE_RATE_HZ / lag


def test_yin_of_the_test_finds_a_known_pitch():
    """A measuring stick that is itself wrong would prove nothing."""
    times_s = np.arange(9_600) / SAMPLE_RATE_HZ
    tone = np.sin(np.outer([1, 2, 3], 2 * np.pi * 311.13 * times_s)).sum(axis=0)

    assert 12 * np.log2(fundamental_hz(tone) / 311.13) == pytest.approx(0, abs=0.1)


# ------------------------------------------------------------------ the contract


def test_notes_sound_when_and_as_high_as_written(engine, midi, tmp_path):
    """Right length, silence before the first note, then eight saxophone notes in tune.

    Two other engines played this very instrument a key or two off.
    """
    report = render_file(midi, tmp_path / "sax.wav", engine=engine)

    audio, rate_hz = soundfile.read(report.path)
    assert (rate_hz, audio.shape[1]) == (SAMPLE_RATE_HZ, 2)
    assert report.seconds == pytest.approx(END_S + TAIL_S, abs=0.02)
    assert len(audio) == round(report.seconds * SAMPLE_RATE_HZ)
    mono = audio.mean(axis=1)

    def between(from_s, to_s):
        return mono[round(from_s * SAMPLE_RATE_HZ) : round(to_s * SAMPLE_RATE_HZ)]

    assert np.abs(between(0, FIRST_ONSET_S - 0.02)).max() < 1e-4
    assert np.abs(mono).max() > 0.02
    assert np.abs(between(END_S + TAIL_S - 0.2, END_S + TAIL_S)).max() < 1e-2
    for index, pitch in enumerate(PITCHES):
        onset_s = FIRST_ONSET_S + index * STEP_S
        heard_hz = fundamental_hz(between(onset_s + 0.12, onset_s + 0.34))
        heard_pitch = 69 + 12 * np.log2(heard_hz / 440)
        assert heard_pitch == pytest.approx(pitch, abs=0.5), f"note {index}"


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_can_be_read_back(engine, midi, tmp_path, suffix):
    report = render_file(midi, tmp_path / f"sax{suffix}", engine=engine)

    info = soundfile.info(str(report.path))
    assert info.format == FORMATS[suffix][0]
    audio, _ = soundfile.read(report.path)
    assert len(audio) / SAMPLE_RATE_HZ == pytest.approx(END_S + TAIL_S, abs=0.1)
    assert np.abs(audio).max() > 0.02
    assert [path.name for path in tmp_path.iterdir() if path != midi] == [f"sax{suffix}"]


def test_same_music_renders_to_the_same_bytes(engine, midi, tmp_path):
    """So that a take rendered again next year is the same file."""
    first = render_file(midi, tmp_path / "a.wav", engine=engine).path.read_bytes()
    second = render_file(midi, tmp_path / "b.wav", engine=engine).path.read_bytes()

    assert first == second


def test_bank_that_is_none_is_one_line_and_leaves_nothing(engine, midi, tmp_path):
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(b"not a bank")

    with pytest.raises(AudioError, match="not a SoundFont") as caught:
        render_file(midi, tmp_path / "out.wav", engine=engine, bank=broken)

    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.sf2", "sax.mid"]


def test_music_of_many_minutes_can_be_written_as_vorbis(engine, tmp_path):
    """The encoder crashes when given a long buffer at once; blocks are the way round it."""
    long = tmp_path / "long.mid"
    long.write_bytes(midi_bytes([60] * 200))

    report = render_file(long, tmp_path / "long.ogg", engine=engine)

    assert report.seconds == pytest.approx(102.4, abs=0.1)


# --------------------------------------------------------------- whatever plays


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "broken"),
        (b"<html>not found</html>", "broken"),
        (midi_bytes()[:20], "broken"),
        (midi_bytes([]), "no note"),
    ],
)
def test_file_that_is_no_music_is_one_line_and_leaves_nothing(tmp_path, content, reason):
    midi = tmp_path / "broken.mid"
    midi.write_bytes(content)

    with pytest.raises(AudioError, match=reason) as caught:
        render_file(midi, tmp_path / "out.wav")

    assert "\n" not in str(caught.value)
    assert "broken.mid" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mid"]


def test_missing_file_is_an_audio_error(tmp_path):
    with pytest.raises(AudioError, match=r"nowhere\.mid"):
        render_file(tmp_path / "nowhere.mid", tmp_path / "out.wav")


def test_file_that_is_there_is_overwritten_only_by_force(midi, tmp_path):
    out = tmp_path / "out.wav"
    out.write_bytes(b"precious")

    with pytest.raises(OutputExists, match="--force"):
        render_file(midi, out)
    assert out.read_bytes() == b"precious"

    render_file(midi, out, force=True)
    assert soundfile.info(str(out)).format == "WAV"


@pytest.mark.parametrize(
    ("name", "reason"), [("out.aac", "must end in .wav"), ("nowhere/out.wav", "no folder")]
)
def test_output_that_cannot_be_written_is_refused_at_once(midi, tmp_path, name, reason):
    with pytest.raises(AudioError, match=reason):
        render_file(midi, tmp_path / name)


def test_loud_music_is_turned_down_instead_of_clipped(tmp_path):
    """Fifteen saxophones at full force go far over full scale in floating point."""
    if not FluidSynth().is_installed():
        pytest.skip("fluidsynth, the engine that renders in floating point, is not installed")
    loud = tmp_path / "loud.mid"
    channels = tuple(channel for channel in range(16) if channel != 9)
    loud.write_bytes(midi_bytes(velocity=127, channels=channels))

    report = render_file(loud, tmp_path / "loud.wav", engine="fluidsynth")

    audio, _ = soundfile.read(report.path)
    assert np.abs(audio).max() == pytest.approx(10 ** (CEILING_DB / 20), abs=1e-3)


def test_music_that_does_not_clip_is_left_as_loud_as_it_is():
    assert _safe_gain(0.2) == _safe_gain(1.0) == 1.0
    assert _safe_gain(2.0) * 2.0 == pytest.approx(0.891, abs=1e-3)


def test_engine_is_found_by_name_and_the_best_first(monkeypatch):
    """`auto` is the first that is installed; an unknown name says which ones there are."""
    installed = [engine.name for engine in ENGINES if engine.is_installed()]
    assert find_engine().name == installed[0]
    with pytest.raises(AudioError, match="there are auto, fluidsynth, midirenderer"):
        find_engine("timidity")

    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(MissingExtra, match="apt-get install fluidsynth"):
        find_engine("fluidsynth")
    assert "fluidsynth" not in find_engine().name


@pytest.mark.parametrize("kind", [0, 1])
def test_file_goes_on_after_its_last_note_and_its_own_track_is_not_touched(tmp_path, kind):
    """Engines stop where the file does; pedals and bends must get to them as they are."""
    midi = tmp_path / "sax.mid"
    midi.write_bytes(midi_bytes(kind=kind))

    music = _read_music(midi)

    file = smf.split(music.versions[0], midi, Counter())
    assert (file.format, file.division, len(file.tracks)) == (1, TPQ, 2)
    assert file.tracks[1] == midi.read_bytes()[14 + 8 :]
    assert music.end_s == pytest.approx(END_S)
    last_tick = round((END_S + TAIL_S) * TICKS_PER_S)
    assert file.tracks[0].startswith(smf.quantity(last_tick))


def test_file_of_several_pieces_is_played_as_it_is_read(tmp_path):
    """Format 2: the first piece that has notes, not all of them at once."""
    midi = tmp_path / "pieces.mid"
    midi.write_bytes(midi_bytes(kind=2) + midi_bytes([100])[14:])

    (only,) = _read_music(midi).versions

    file = smf.split(only, midi, Counter())
    assert not any(bytes([0x90, 100]) in track for track in file.tracks)


def test_file_inside_another_format_is_unwrapped(engine, tmp_path):
    """Windows kept MIDI files in RIFF (.rmi); the reader takes that, so must the engines."""
    midi = tmp_path / "sax.rmi"
    midi.write_bytes(b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + midi_bytes([60]))

    report = render_file(midi, tmp_path / "sax.flac", engine=engine)

    assert np.abs(soundfile.read(report.path)[0]).max() > 0.02


def test_file_whose_track_has_no_end_is_played_all_the_same(engine, tmp_path):
    """The reader takes it, so a user may expect to hear it; one engine gives up on it."""
    midi = tmp_path / "sax.mid"
    track = midi_bytes([60, 62])[22:-4]
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TPQ)
    midi.write_bytes(header + b"MTrk" + struct.pack(">I", len(track)) + track)

    report = render_file(midi, tmp_path / "sax.flac", engine=engine)

    assert report.seconds == pytest.approx(FIRST_ONSET_S + STEP_S + NOTE_S + TAIL_S, abs=0.02)
    assert np.abs(soundfile.read(report.path)[0]).max() > 0.02


def test_engine_that_stops_half_way_is_an_error(midi, tmp_path, monkeypatch):
    """Half a song must not pass for a whole one."""

    class Quitter(FluidSynth):
        name = "quitter"

        def is_installed(self):
            return True

        def render(self, *paths):
            *_, wav = paths
            soundfile.write(wav, np.zeros((SAMPLE_RATE_HZ, 2)), SAMPLE_RATE_HZ)

    monkeypatch.setattr("sideman.audio.render.ENGINES", (Quitter(),))

    with pytest.raises(AudioError, match=r"quitter stopped at 1\.0 s of 4\.4 s"):
        render_file(midi, tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["sax.mid"]
