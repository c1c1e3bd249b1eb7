"""An export on its way to the Hugging Face hub."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq

from sideman.corpus.export import CARD_NAME, DATA_FOLDER
from sideman.corpus.manifest import UNSTATED
from sideman.errors import CorpusError, MissingExtra

TOKEN_VARIABLE = "HF_TOKEN"
ENDPOINT_VARIABLE = "HF_ENDPOINT"

WAYS_OUT = {
    401: "the hub does not know the token; make a new one and set HF_TOKEN",
    403: "the token may not write there; make one that may, or name a data set of your own",
}
"""What to do about an answer of the hub, by its HTTP status."""


def push(
    dest: Path,
    repo: str,
    *,
    token: str | None = None,
    private: bool = True,
    allow_unstated: bool = False,
) -> str:
    """Put an export on the hub, in one commit; what an earlier one left there is replaced.

    Args:
        dest: What `sideman.corpus.export.export_parquet` made.
        repo: Name of the data set there, as `user/name`; it is made if need be.
        token: Says who pushes. None: the environment's HF_TOKEN.
        private: Make a new data set that only its owner sees.
        allow_unstated: Push although the licence of some pieces is not stated.

    Returns:
        The address of the data set.

    Raises:
        CorpusError: If `dest` is no export, licences are not stated, there is no token, or
            the hub refuses or cannot be reached.
        MissingExtra: If huggingface_hub is not installed.
    """
    n_unstated = _n_unstated(dest)
    if n_unstated and not allow_unstated:
        msg = (
            f"{n_unstated} pieces in {dest} have a licence that is unstated, so nobody knows "
            f"whether they may be given away; name it in a table of licences and build again, "
            f"or pass --allow-unstated"
        )
        raise CorpusError(msg)
    hub = _hub()
    token = token or os.environ.get(TOKEN_VARIABLE)
    if not token:
        msg = (
            f"there is no token for the hub; make one that may write at "
            f"https://huggingface.co/settings/tokens and set {TOKEN_VARIABLE}"
        )
        raise CorpusError(msg)
    api = hub.HfApi(endpoint=os.environ.get(ENDPOINT_VARIABLE), token=token)
    try:
        url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=url.repo_id,
            folder_path=dest,
            repo_type="dataset",
            commit_message="Export of a Sideman corpus",
            delete_patterns=f"{DATA_FOLDER}/*",
        )
    except (OSError, ValueError, hub.utils.httpx.HTTPError) as error:
        msg = f"{dest} was not pushed to {repo!r}: {_why(error)}"
        raise CorpusError(msg) from error
    return str(url)


def _hub() -> ModuleType:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        msg = 'huggingface_hub, which pushes, is missing; pip install "sideman[hub]"'
        raise MissingExtra(msg) from error


def _n_unstated(dest: Path) -> int:
    """Return how many pieces have a licence that is unstated, or says that of a part."""
    paths = sorted((dest / DATA_FOLDER).glob("*.parquet"))
    if not paths or not (dest / CARD_NAME).is_file():
        msg = f"{dest} holds no export; make one with 'sideman corpus export'"
        raise CorpusError(msg)
    try:
        licences = Counter(pq.read_table(paths, columns=["licence"])["licence"].to_pylist())
    except (OSError, pa.ArrowException, KeyError) as error:
        msg = f"{dest} cannot be read: {error}; export the corpus again"
        raise CorpusError(msg) from error
    return sum(n for licence, n in licences.items() if UNSTATED in licence.lower())


def _why(error: Exception) -> str:
    """Return what the client says in one line, and the way out where we know it."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status in WAYS_OUT:
        return WAYS_OUT[status]
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
