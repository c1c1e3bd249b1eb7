"""The errors that are raised on purpose: one tree, and what each carries."""

import inspect
import pickle
from pathlib import Path

import pytest

from sideman import errors
from sideman.errors import MidiFileError, MissingExtra, OutputExists, ScoreError, SidemanError

ALL_ERRORS = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if value.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", ALL_ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_one_base_so_that_an_edge_catches_one(error):
    """An edge that catches `SidemanError` lets none through."""
    assert issubclass(error, SidemanError)


@pytest.mark.parametrize("error", ALL_ERRORS, ids=lambda error: error.__name__)
def test_every_error_stands_in_the_tree_under_its_own_parent(error):
    """The tree in the docstring is what a reader looks at, so it must not drift."""
    lines = (errors.__doc__ or "").splitlines()

    def depth(name: str) -> int:
        (line,) = [line for line in lines if line.strip("│├└─ ").split(" ")[0] == name]
        return line.index(name)

    if error is SidemanError:
        assert depth("SidemanError") == 4
    else:
        assert depth(error.__name__) == depth(error.__bases__[0].__name__) + 4


@pytest.mark.parametrize("error", ALL_ERRORS, ids=lambda error: error.__name__)
def test_every_error_says_what_it_was_told(error):
    """Some are built-in errors too, which have ways of their own to make text."""
    assert str(error("note pitch is 128; it must be 0 to 127")).startswith("note pitch is 128;")


@pytest.mark.parametrize(
    ("error", "built_in"),
    [(ScoreError, ValueError), (OutputExists, FileExistsError), (MissingExtra, ImportError)],
)
def test_errors_that_python_has_a_name_for_are_caught_by_it(error, built_in):
    """Who uses the library need not learn our names to write `except ValueError`."""
    assert issubclass(error, built_in)


def test_midi_file_error_keeps_reason_and_path_across_processes():
    """A corpus is read by worker processes: what they raise comes back pickled."""
    error = MidiFileError("a.mid: is a web page", reason="not-midi", path=Path("a.mid"))

    copy = pickle.loads(pickle.dumps(error))

    assert (str(copy), copy.reason, copy.path) == (str(error), "not-midi", Path("a.mid"))
