"""Sound: MIDI files made audible. Needs the extra `audio`."""

from importlib.util import find_spec

from sideman.errors import MissingExtra

if find_spec("soundfile") is None:
    _msg = 'sound needs the extra: pip install "sideman[audio]"'
    raise MissingExtra(_msg)
