"""MIDI files made audible: rendered by a synthesizer, written as WAV, FLAC, OGG or MP3.

The synthesizers stand behind one small interface, `Engine`, and one contract test runs on each
that is installed; above all it checks the pitch of an alto saxophone, which two other
engines got wrong. What differs between them:

    fluidsynth    the `fluidsynth` program: SoundFont 2 and 3, reverb and chorus, renders in
                  floating point, so that a loud passage can be turned down without damage
    midirenderer  a Python package, nothing to install beside it: SoundFont 2 only (a SoundFont
                  3 is decoded once, see `sideman.audio.bank`), renders 16-bit, so that what is
                  too loud is clipped before we see it
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from sideman.audio.bank import DEFAULT_BANK, check_bank, read_sf2
from sideman.errors import AudioError, MissingExtra, ScoreError
from sideman.files import refuse_existing, whole_file
from sideman.score import smf
from sideman.score.midi import midi_bytes, read_midi
from sideman.score.time import ticks_to_seconds

SAMPLE_RATE_HZ = 48_000
"""The only rate midirenderer renders at; fluidsynth is asked for the same."""

TAIL_S = 2.0
"""Time after the last note ends, for it to ring out."""

FADE_S = 0.25
"""The end of the tail, faded out so that what still rings does not stop with a click."""

CEILING_DB = -1.0
"""Peak, relative to full scale, that audio is turned down to if it would clip."""

MAX_LENGTH_S = 2 * 3600.0
"""Longest music that is rendered; one note at tick two billion must not fill the disk."""

BLOCK_FRAMES = 65_536
"""Frames read or written at once; libsndfile 1.2.2 crashes on minutes of Vorbis in one go."""

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""File endings and what libsndfile calls the format and the encoding."""

FLUIDSYNTH_GAIN = 0.8
"""Brings a quiet pop arrangement near -6 dBFS; a dense one goes over 0 and is turned down."""

FLUIDSYNTH_SETTINGS = (
    "synth.dynamic-sample-loading=1",  # only what the music needs: a second less to start
    "synth.chorus.level=0.6",
    "synth.reverb.room-size=0.5",
    "synth.reverb.damp=0.3",
    "synth.reverb.width=0.8",
    "synth.reverb.level=0.7",
)
"""Effects as FluidSynth 2.4 has them; older versions drown a part that asks for chorus."""

_SHORTFALL_S = 1.0  # engines round times; if more than this is missing, one gave up half-way


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What was rendered.

    Attributes:
        path: The file that was written.
        seconds: Its length, the tail included.
        engine: Name of the synthesizer.
        bank: File name of the sound bank.
    """

    path: Path
    seconds: float
    engine: str
    bank: str


class Engine(Protocol):
    """A synthesizer that turns a MIDI file into a WAV file."""

    name: str

    def is_installed(self) -> bool:
        """Whether it can be used here."""

    def render(self, midi: Path, bank: Path, wav: Path) -> None:
        """Play `midi` with the sounds of `bank` into `wav`, stereo at `SAMPLE_RATE_HZ`.

        Raises:
            AudioError: If it cannot.
        """


class FluidSynth:
    """The `fluidsynth` program, run as a process of its own."""

    name = "fluidsynth"

    def is_installed(self) -> bool:
        """Whether the program is on the search path."""
        return shutil.which(self.name) is not None

    def render(self, midi: Path, bank: Path, wav: Path) -> None:
        """Play `midi` into `wav`, in 32-bit floating point, faster than it sounds.

        Raises:
            AudioError: If the program fails or finds nothing in the bank.
        """
        settings = wav.with_suffix(".settings")
        settings.touch()  # empty: the user's own settings would change what is heard
        done = subprocess.run(
            [
                shutil.which(self.name) or self.name,
                *("-n", "-i", "-q"),  # no MIDI input, no shell, no banner
                *("-f", str(settings)),
                *("-r", str(SAMPLE_RATE_HZ), "-g", str(FLUIDSYNTH_GAIN)),
                *(word for setting in FLUIDSYNTH_SETTINGS for word in ("-o", setting)),
                *("-T", "wav", "-O", "float", "-F", str(wav)),
                str(bank.resolve()),  # absolute, so that no name looks like an option
                str(midi.resolve()),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MAX_LENGTH_S,
            check=False,
        )
        # It also ends with status 0 when it could not load the bank, and plays silence.
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        bank_failed = any("soundfont" in line.lower() for line in errors)
        if done.returncode or bank_failed or not wav.is_file():
            reason = errors[0] if errors else f"exit status {done.returncode}"
            msg = f"fluidsynth failed: {reason.removeprefix('fluidsynth: error: ')}"
            raise AudioError(msg)


class MidiRenderer:
    """The `midirenderer` package (the rustysynth synthesizer, compiled)."""

    name = "midirenderer"

    def is_installed(self) -> bool:
        """Whether the package can be imported."""
        try:
            import midirenderer  # noqa: F401, PLC0415 -- loaded only if it is to play
        except ModuleNotFoundError:
            return False
        return True

    def render(self, midi: Path, bank: Path, wav: Path) -> None:
        """Play `midi` into `wav`, in 16 bits.

        Raises:
            AudioError: If the package refuses the bank or the music.
        """
        import midirenderer  # noqa: PLC0415 -- optional

        sounds = read_sf2(bank)
        try:
            wav.write_bytes(midirenderer.render_wave_from(sounds, midi.read_bytes()))
        except RuntimeError as cause:
            msg = f"midirenderer failed: {cause}"
            raise AudioError(msg) from cause


ENGINES: tuple[Engine, ...] = (FluidSynth(), MidiRenderer())
"""All engines, the best first."""


def render_file(
    midi: Path,
    out: Path,
    *,
    engine: str = "auto",
    bank: Path | None = None,
    force: bool = False,
) -> RenderReport:
    """Make a MIDI file audible.

    Silence before the first note is kept, and `TAIL_S` seconds follow the last. Loudness is
    left alone, unless the audio would clip: then all of it is turned down until its peak is
    at `CEILING_DB`.

    Args:
        midi: The MIDI file.
        out: The audio file; its ending says the format, see `FORMATS`. It is written whole or
            not at all.
        engine: `"auto"` for the best that is installed, or the name of one.
        bank: A SoundFont, `.sf2` or `.sf3`; `DEFAULT_BANK` if None.
        force: Overwrite `out` if it is there.

    Raises:
        OutputExists: If `out` is there and `force` is False.
        AudioError: If the music cannot be read, played or written.
        MissingExtra: If no engine is installed.
    """
    _check_output(out, force=force)
    player = find_engine(engine)
    bank = bank or DEFAULT_BANK
    check_bank(bank)
    music = _read_music(midi)
    n_frames = round((music.end_s + TAIL_S) * SAMPLE_RATE_HZ)
    with tempfile.TemporaryDirectory(prefix="sideman-") as folder:
        wav = Path(folder, "music.wav")
        try:
            _play(music, player, bank, wav)
            with whole_file(out) as part:
                n_written = _encode(wav, part, suffix=out.suffix.lower(), n_frames=n_frames)
        except soundfile.LibsndfileError as cause:
            msg = f"{out}: cannot be written: {cause}"
            raise AudioError(msg) from cause
        except AudioError as cause:
            msg = f"{midi}: {cause}"
            raise AudioError(msg) from cause
    return RenderReport(out, n_written / SAMPLE_RATE_HZ, player.name, bank.name)


def find_engine(name: str = "auto") -> Engine:
    """Return the engine of that name, or the best one installed for `"auto"`.

    Raises:
        AudioError: If there is no such engine.
        MissingExtra: If it is not installed.
    """
    named = [engine for engine in ENGINES if name in ("auto", engine.name)]
    if not named:
        known = ", ".join(engine.name for engine in ENGINES)
        msg = f"there is no engine {name!r}; there are auto, {known}"
        raise AudioError(msg)
    for engine in named:
        if engine.is_installed():
            return engine
    if name == FluidSynth.name:
        msg = "the program fluidsynth is not installed; on Debian: apt-get install fluidsynth"
    else:
        msg = 'nothing here can play MIDI; get it with pip install "sideman[audio]"'
    raise MissingExtra(msg)


def _check_output(out: Path, *, force: bool) -> None:
    """Refuse what cannot be written before the work begins."""
    if out.suffix.lower() not in FORMATS:
        msg = f"{out}: the name must end in {', '.join(FORMATS)}"
        raise AudioError(msg)
    if not out.parent.is_dir():
        msg = f"{out}: there is no folder {out.parent}"
        raise AudioError(msg)
    refuse_existing(out, force=force)


@dataclass(frozen=True, slots=True)
class _Music:
    """A MIDI file, ready to be played.

    Attributes:
        versions: Bytes of MIDI files that last long enough to ring out: first the file as it
            is, pedals and bends included; then its notes alone, written anew.
        end_s: When its last note ends.
    """

    versions: tuple[bytes, ...]
    end_s: float


def _read_music(midi: Path) -> _Music:
    """Return a MIDI file in the forms in which to offer it to an engine."""
    try:
        score = read_midi(midi)
        file = smf.split(midi.read_bytes(), midi, Counter())
    except ScoreError as cause:
        raise AudioError(str(cause)) from cause
    if score.end == 0:
        msg = f"{midi}: there is no note in it to play"
        raise AudioError(msg)
    end_s, later_s = ticks_to_seconds(score, [score.end, score.end + 1]).tolist()
    if end_s > MAX_LENGTH_S:
        msg = f"{midi}: lasts {end_s:.0f} s; at most {MAX_LENGTH_S:.0f} s are rendered"
        raise AudioError(msg)
    end = min(score.end + round(TAIL_S / (later_s - end_s)), smf.MAX_QUANTITY)
    # Metres and keys make no sound, and not every one that can be read can be written.
    heard = replace(score, time_signatures=score.time_signatures[:0], keys=score.keys[:0])
    rewritten = smf.split(midi_bytes(heard), midi, Counter())
    # Of several pieces in a file the score is the first that has notes; engines play all.
    files = [rewritten] if file.format == smf.SEVERAL_PIECES else [file, rewritten]
    return _Music(tuple(_with_silent_track(version, end) for version in files), end_s)


def _with_silent_track(file: smf.Smf, end: int) -> bytes:
    """Return a MIDI file with a track in front that does nothing but end at tick `end`.

    Engines stop where the file does, often right with the last note.
    """
    silent_track = smf.track([(end, smf.meta(smf.TEXT, b""))])
    return smf.join(file.division, (silent_track, *file.tracks))


def _play(music: _Music, player: Engine, bank: Path, wav: Path) -> None:
    """Play the first version of the music that the engine can.

    Our reader puts up with more than engines do, such as a track without an end.

    Raises:
        AudioError: If the engine can play none.
    """
    failures = []
    for version in music.versions:
        midi = wav.with_suffix(".mid")
        midi.write_bytes(version)
        wav.unlink(missing_ok=True)  # of an attempt before this one
        try:
            player.render(midi, bank, wav)
            length_s = soundfile.info(str(wav)).duration
        except (AudioError, soundfile.LibsndfileError) as error:
            failures.append(error)
            continue
        if length_s >= music.end_s - _SHORTFALL_S:
            return
        msg = f"{player.name} stopped at {length_s:.1f} s of {music.end_s:.1f} s"
        failures.append(AudioError(msg))
    raise AudioError(str(failures[-1])) from failures[-1]


def _encode(wav: Path, out: Path, *, suffix: str, n_frames: int) -> int:
    """Write the first `n_frames` of `wav` in another format, turned down if it would clip.

    Returns:
        How many frames were written; fewer than `n_frames` if `wav` is a little shorter.
    """
    n_frames = min(n_frames, soundfile.info(str(wav)).frames)
    gain = _safe_gain(max(float(np.abs(block).max()) for block in _blocks(wav, n_frames)))
    file_format, encoding = FORMATS[suffix]
    fade_frames = round(FADE_S * SAMPLE_RATE_HZ)
    n_written = 0
    with soundfile.SoundFile(
        out, "w", SAMPLE_RATE_HZ, channels=2, format=file_format, subtype=encoding
    ) as sink:
        for block in _blocks(wav, n_frames):
            left = n_frames - n_written - np.arange(len(block))  # (B,) frames to the end
            fade = np.minimum(left / fade_frames, 1.0).astype(np.float32)
            sink.write(block * (gain * fade)[:, None])
            n_written += len(block)
    return n_written


def _blocks(wav: Path, n_frames: int) -> Iterator[NDArray[np.float32]]:
    """Yield the first `n_frames` of a stereo file in blocks, each (B, 2)."""
    with soundfile.SoundFile(wav) as source:
        while n_frames > 0:
            block = source.read(min(n_frames, BLOCK_FRAMES), dtype="float32", always_2d=True)
            yield block
            n_frames -= len(block)


def _safe_gain(peak: float) -> float:
    """Return the factor that keeps audio with that peak (1 is full scale) from clipping."""
    if peak <= 1.0:
        return 1.0
    ceiling: float = 10 ** (CEILING_DB / 20)
    return ceiling / peak
