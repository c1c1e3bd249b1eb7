"""A manifest is there and whole, or the way out is named."""

import pytest

from sideman.corpus.manifest import MANIFEST_NAME, read_manifest
from sideman.errors import CorpusError


def test_folder_without_a_manifest_says_how_to_make_one(tmp_path):
    """The way out is in the message."""
    with pytest.raises(
        CorpusError, match=r"no manifest.parquet; make one with 'sideman corpus"
    ):
        read_manifest(tmp_path, ["path"])


@pytest.mark.parametrize("data", [b"", b"PAR1 and nothing else"])
def test_broken_manifest_is_refused(tmp_path, data):
    """It names the file, whatever is wrong with it."""
    (tmp_path / MANIFEST_NAME).write_bytes(data)

    with pytest.raises(CorpusError, match=r"manifest.parquet cannot be read: "):
        read_manifest(tmp_path, ["path"])
