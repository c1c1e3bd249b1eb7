"""Numbers and names are told shortly, and harmlessly."""

from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus.words import compact, plural, shorten


@given(st.text(), st.integers(3, 40))
def test_shortened_text_is_harmless_in_a_terminal(text, n_letters):
    """A path cannot turn the line round, clear the screen or fill it."""
    found = shorten(text, n_letters)

    assert found.isprintable()
    assert len(found) <= n_letters


@given(st.integers(0, 999_999_999))
def test_compact_number_is_near_the_number(n):
    """It is off by a twentieth at most; what is short enough is exact."""
    number, _, unit = compact(n).partition(" ")

    told = float(number.replace(",", "")) * {"": 1, "k": 1e3, "M": 1e6}[unit]

    assert abs(told - n) <= (n / 20 if unit else 0)


def test_one_of_a_kind_is_no_plural():
    """A page that says "1 files" looks unfinished."""
    assert [plural(n, "file") for n in (0, 1, 1200)] == ["0 files", "1 file", "1,200 files"]
