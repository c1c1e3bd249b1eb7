"""Labels: the style, licence and source of each file, as tables beside the files state them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sideman.corpus.manifest import UNSTATED
from sideman.corpus.tables import Prefixes, read_table
from sideman.errors import CorpusError
from sideman.tokens.vocabulary import N_STYLES

NO_FOLDER_STYLE = "unnamed"
"""Style of files that lie in no folder, or in too many, where no table names styles."""

NO_PREFIX_STYLE = "other"
"""Style of files that no prefix of the table fits."""

MAX_STYLES = N_STYLES - 1

_N_NAMED = 3

LABEL_SCHEMA = pa.schema(
    [("style", pa.string()), ("licence", pa.string()), ("source", pa.string())]
)


def label(
    paths: Sequence[str], *, styles: Path | None, licences: Path | None
) -> tuple[pa.Table, list[str]]:
    """Return the labels of files, and what is to be remarked about the tables.

    Args:
        paths: Relative to the folder.
        styles: Table (tab-separated, columns `prefix` and `style`): the longest prefix of a
            path gives its style; `other` where none fits. None: the first folder of each.
        licences: Table (columns `prefix`, `licence` and `source`): as for styles, `unstated`
            where none fits.

    Returns:
        A table of `LABEL_SCHEMA`, a row a path; and lines for people.

    Raises:
        CorpusError: If a table cannot be used, or names more styles than there is room for.
    """
    found_styles, remarks = _styles(paths, styles)
    rows = read_table(licences, ("prefix", "licence", "source")) if licences else []
    table = Prefixes(rows)
    stated = [table.of(path) or (UNSTATED, UNSTATED) for path in paths]
    remarks += _unused(licences, table)
    columns = {
        "style": found_styles,
        "licence": [licence or UNSTATED for licence, _ in stated],
        "source": [source or UNSTATED for _, source in stated],
    }
    return pa.table(columns, LABEL_SCHEMA), remarks


def _styles(paths: Sequence[str], styles: Path | None) -> tuple[list[str], list[str]]:
    if styles is None:
        found = [path.split("/")[0] if "/" in path else NO_FOLDER_STYLE for path in paths]
        n_styles = len(set(found))
        if n_styles <= MAX_STYLES:
            return found, []
        remark = (
            f"there are {n_styles} first folders and room for {MAX_STYLES} styles: no style is "
            f"named; give a table with --styles"
        )
        return [NO_FOLDER_STYLE] * len(paths), [remark]
    table = Prefixes(read_table(styles, ("prefix", "style")))
    found = [(table.of(path) or (NO_PREFIX_STYLE,))[0] for path in paths]
    n_styles = len(set(found))
    if n_styles > MAX_STYLES:
        msg = f"{styles} names {n_styles} styles; the vocabulary has {MAX_STYLES}: join some"
        raise CorpusError(msg)
    return found, _unused(styles, table)


def _unused(path: Path | None, table: Prefixes) -> list[str]:
    """Remark on the rows of a table that no file needs: mistyped, or gone."""
    unused = table.unused()
    if not unused:
        return []
    named = ", ".join(repr(prefix) for prefix in unused[:_N_NAMED])
    rest = f" and {len(unused) - _N_NAMED} more" if len(unused) > _N_NAMED else ""
    return [f"{path} names what is not there: {named}{rest}"]
