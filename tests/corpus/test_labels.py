"""Styles, licences and sources come from tables beside the files, or are not stated."""

import pytest

from sideman.corpus.labels import MAX_STYLES, label
from sideman.errors import CorpusError

PATHS = ["bach/1.mid", "bach/organ/2.mid", "jazz/3.mid", "4.mid"]


def write_table(path, *rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_first_folder_is_the_style_where_nothing_else_is_said():
    """That is how people sort their files."""
    labels, remarks = label(PATHS, styles=None, licences=None)

    assert labels["style"].to_pylist() == ["bach", "bach", "jazz", "unnamed"]
    assert set(labels["licence"].to_pylist()) == {"unstated"}
    assert remarks == []


def test_longest_prefix_of_a_table_counts(tmp_path):
    """A source may be of one style but for a folder or a file in it."""
    styles = write_table(
        tmp_path / "s.tsv", ("prefix", "style"), ("bach", "chorale"), ("bach/organ", "organ")
    )

    labels, _ = label(PATHS, styles=styles, licences=None)

    assert labels["style"].to_pylist() == ["chorale", "organ", "other", "other"]


def test_licence_table_states_licence_and_source_and_its_misses_are_remarked(tmp_path):
    """A mistyped path in the table would leave files unlicensed without a word."""
    licences = write_table(
        tmp_path / "l.tsv",
        ("prefix", "licence", "source"),
        ("jazz/3.mid", "CC0 1.0", "a friend"),
        ("bahc", "CC BY 4.0", "github"),
    )

    labels, remarks = label(PATHS, styles=None, licences=licences)

    assert labels["licence"].to_pylist() == ["unstated"] * 2 + ["CC0 1.0", "unstated"]
    assert labels["source"].to_pylist()[2] == "a friend"
    assert remarks == [f"{licences} names what is not there: 'bahc'"]


def test_more_folders_than_styles_name_none_and_say_so():
    """A folder for each of a thousand artists is no reason to stop."""
    labels, remarks = label(
        [f"{n}/x.mid" for n in range(MAX_STYLES + 1)], styles=None, licences=None
    )

    assert set(labels["style"].to_pylist()) == {"unnamed"}
    assert "64 first folders" in remarks[0]


def test_table_with_more_styles_than_there_is_room_for_is_refused(tmp_path):
    """There the person has asked for each by name."""
    rows = [(f"{n}/", f"style {n}") for n in range(MAX_STYLES + 1)]
    styles = write_table(tmp_path / "s.tsv", ("prefix", "style"), *rows)

    with pytest.raises(CorpusError, match="names 64 styles; the vocabulary has 63"):
        label([f"{n}/x.mid" for n in range(MAX_STYLES + 1)], styles=styles, licences=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [("path\tstyle\n", "it needs prefix, style"), (None, "cannot be read")],
)
def test_table_that_cannot_be_used_is_refused_by_name(tmp_path, text, message):
    """The line names the table and what it lacks."""
    table = tmp_path / "styles.tsv"
    if text is not None:
        table.write_text(text)

    with pytest.raises(CorpusError, match=rf"styles\.tsv.*{message}"):
        label(PATHS, styles=table, licences=None)
