"""Where the pieces of a corpus come from, as its manifest says."""

from pathlib import Path

from sideman.corpus.manifest import read_manifest


def read_origins(corpus: Path) -> dict[str, tuple[str, str]]:
    """Return the licence and the source of each file of a corpus by its path.

    Raises:
        CorpusError: If the folder has no manifest or a broken one.
    """
    rows = read_manifest(corpus, ["path", "licence", "source"]).to_pylist()
    return {row["path"]: (row["licence"], row["source"]) for row in rows}
