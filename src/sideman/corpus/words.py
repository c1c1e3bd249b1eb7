"""How numbers, and names from anywhere, are told to people."""

COMPACT_FROM = 10_000
ROUNDED_TO_MILLIONS = 999_500
"""From where on a number is told in thousands, and in millions."""

UNSEEN = "\N{REPLACEMENT CHARACTER}"
"""Stands for a sign that cannot be seen."""


def plural(n: int, word: str) -> str:
    """Return a number and what it counts: `1 file`, `1,200 files`."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def more(n: int) -> str:
    """Return the end of a list that leaves out `n` of its items."""
    return f"and {n:,} more"


def compact(n: float) -> str:
    """Return a number in about three digits.

    Example:
        >>> compact(22_420_729), compact(734_700), compact(24_340), compact(9_999)
        ('22.4 M', '735 k', '24.3 k', '9,999')
    """
    if n < COMPACT_FROM:
        return f"{n:,.0f}"
    unit, shown = ("M", n / 1e6) if n >= ROUNDED_TO_MILLIONS else ("k", n / 1e3)
    n_decimals = 0 if shown >= 100 else 1  # noqa: PLR2004 (three digits)
    return f"{shown:,.{n_decimals}f} {unit}"


def percent(n: float, total: float) -> str:
    """Return a share in whole percent.

    Example:
        >>> percent(1, 3), percent(1, 1000), percent(0, 0)
        ('33 %', '<1 %', '0 %')
    """
    share = 100 * n / max(total, 1)
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"


def playing_time(hours: float) -> str:
    """Return a time in hours, or in minutes where it is less than one.

    Example:
        >>> playing_time(1234.5), playing_time(1.26), playing_time(0.5)
        ('1,234 hours', '1.3 hours', '30 minutes')
    """
    if hours >= 10:  # noqa: PLR2004 (from here on tenths say nothing)
        return f"{hours:,.0f} hours"
    return f"{hours:.1f} hours" if hours >= 1 else plural(round(hours * 60), "minute")


def shorten(text: str, n_letters: int) -> str:
    """Return `text` on one line, without signs that cannot be seen, cut in the middle.

    Paths and licences come from anywhere: what would steer a terminal or turn the direction
    of a line becomes `UNSEEN`.

    Example:
        >>> shorten("a-very-long-name.mid", 11)
        'a-ver…e.mid'
    """
    visible = "".join(sign if sign.isprintable() else UNSEEN for sign in text)
    if len(visible) <= n_letters:
        return visible
    tail = (n_letters - 1) // 2
    return f"{visible[: n_letters - 1 - tail]}…{visible[-tail:]}"
