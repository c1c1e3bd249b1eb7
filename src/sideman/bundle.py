"""The bundle: what training hands over to the engine, as a folder of plain files.

    card.json         name, version, licences, figures, and the SHA-256 of every other file
    vocabulary.json   the event language and the style labels
    step.onnx         run new events and choose the next one
    prefill.onnx      run many events and tell how likely they were
    choose.onnx       choose the next event by what is known and what is remembered
    weights.bin       the weights of the graphs, each stored once
    originality.npz   what it was trained on, to look for copies in; may be left out

Nothing in it is code, nothing is pickled. It is written whole or not at all.
"""

import hashlib
import io
import json
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from sideman.errors import BundleError
from sideman.files import refuse_existing
from sideman.tokens.vocabulary import Vocabulary

BUNDLE_FORMAT = 2
"""Version of the layout of a bundle and of the inputs of its graphs; any other is refused."""

CARD, VOCABULARY, STEP, PREFILL, CHOOSE, WEIGHTS = (
    "card.json",
    "vocabulary.json",
    "step.onnx",
    "prefill.onnx",
    "choose.onnx",
    "weights.bin",
)
PAYLOAD = (VOCABULARY, STEP, PREFILL, CHOOSE, WEIGHTS)

ORIGINALITY = "originality.npz"
"""Index of the training corpus (see `sideman.engine.originality`), if there is one."""

ABOUT = "about"
"""What such an index says of itself, the `corpus_hash` among it: JSON, as an array of bytes."""

NO_INDEX = (
    AttributeError,  # a single array, in Python 3.10
    EOFError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
"""What reading a file raises that is no index."""

REQUIRED = ("name", "precision", "parameters", "network", "ring_slack", "sha256")
"""What a card must say."""

SIZES = ("d_model", "n_layers", "n_heads", "n_kv_heads", "window", "global_every", "context")
"""What it must say of the network."""

BUNDLED, SMALLER = BUNDLES = ("base", "small")
"""Names of the bundles that come with the package: the one that plays, and a quicker one."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found whole.

    Attributes:
        folder: Where it lies.
        card: What its makers say about it; see `write_bundle`.
        vocabulary: The event language, with the style labels the model knows.
    """

    folder: Path
    card: Mapping[str, Any]
    vocabulary: Vocabulary

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.card["name"])

    @property
    def hash(self) -> str:
        """Fingerprint of everything that plays in it: 16 hexadecimal digits."""
        text = json.dumps({name: self.card["sha256"][name] for name in sorted(PAYLOAD)})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def bundled_path(name: str = BUNDLED) -> Path:
    """Return the folder of a bundle that comes with the package, one of `BUNDLES`.

    Raises:
        BundleError: If this installation has it not.
    """
    folder = Path(str(resources.files("sideman"))) / "bundles" / name
    if not folder.is_dir():
        msg = f"this installation has no bundle {name!r}; name one, or install sideman again"
        raise BundleError(msg)
    return folder


def load_bundle(path: Path | None = None) -> Bundle:
    """Open a bundle and verify every file in it.

    Args:
        path: Its folder. None: the one that comes with the package.

    Raises:
        BundleError: If it is missing, damaged, or of another format than this sideman's.
    """
    folder = bundled_path() if path is None else path
    card = _read_card(folder)
    for name in _files(card):
        if _sha256(folder / name) != card["sha256"].get(name):
            msg = (
                f"{folder / name} is not the file its card names: "
                "the bundle is damaged; copy it anew"
            )
            raise BundleError(msg)
    vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_text(encoding="utf-8"))
    return Bundle(folder, card, vocabulary)


def describe(bundle: Bundle) -> list[str]:
    """Return what a person wants to know of a bundle, line by line."""
    card = bundle.card
    size = sum((bundle.folder / name).stat().st_size for name in _files(card)) / 2**20
    lines = [
        f"{bundle.name}: {card['parameters']:,} weights in {card['precision']}, {size:.1f} MiB",
        f"folder      {bundle.folder}",
        f"hash        {bundle.hash} (every file is as the card says)",
        f"context     {card['network']['context']} events",
        f"styles      {', '.join(bundle.vocabulary.styles) or 'none'}",
        f"index       {_index_size(bundle)}",
    ]
    lines += [f"{key:<11} {value}" for key, value in card.get("about", {}).items()]
    lines += [f"data        {row['source']}: {row['licence']}" for row in card.get("data", ())]
    lines += [
        f"bits/note   {style}: {bits:.2f}"
        for style, bits in card.get("bits_per_note", {}).items()
    ]
    return lines


def read_index(path: Path, corpus_hash: str) -> bytes:
    """Return the contents of an index that is to go into a bundle.

    Args:
        path: The index.
        corpus_hash: Fingerprint of the corpus that the bundle's model learned from.

    Raises:
        BundleError: If it is no index, or that of another corpus.
    """
    try:
        contents = path.read_bytes()
        with np.load(io.BytesIO(contents)) as arrays:
            found = json.loads(arrays[ABOUT].tobytes())["corpus_hash"]
    except NO_INDEX as error:
        msg = f"{path} is no index or a broken one ({error}); build it again"
        raise BundleError(msg) from error
    if found != corpus_hash:
        msg = (
            f"{path} is the index of the corpus {found}; the model learned from {corpus_hash}: "
            "make that one's with 'sideman corpus index CORPUS OUT'"
        )
        raise BundleError(msg)
    return contents


def write_bundle(
    folder: Path,
    card: Mapping[str, Any],
    vocabulary: Vocabulary,
    files: Mapping[str, bytes],
    *,
    force: bool = False,
) -> Bundle:
    """Write a bundle, whole or not at all.

    Args:
        folder: Where to.
        card: At least what is `REQUIRED`, `sha256` apart; by custom also `about`, `data`,
            `recipe`, `bits_per_note`. Format and checksums are added.
        vocabulary: The event language.
        files: Contents of `STEP`, `PREFILL`, `CHOOSE` and `WEIGHTS`; of `ORIGINALITY` if there
            is one.
        force: Replace a bundle that is there.

    Raises:
        OutputExists: If `folder` exists and `force` is not given.
    """
    refuse_existing(folder, force=force)
    contents = {**files, VOCABULARY: vocabulary.to_json().encode()}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    said = {"format": BUNDLE_FORMAT, **card, "sha256": sums}
    text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    with _whole_folder(folder) as part:
        for name, data in contents.items():
            (part / name).write_bytes(data)
        (part / CARD).write_text(text, encoding="utf-8")
    return load_bundle(folder)


def _index_size(bundle: Bundle) -> str:
    """Say whether takes can be compared with the training music."""
    if ORIGINALITY not in bundle.card["sha256"]:
        return "none of the training music; 'sideman corpus index' makes one from its corpus"
    size = (bundle.folder / ORIGINALITY).stat().st_size / 2**20
    return f"of the training music, {size:.1f} MiB of the above"


def _files(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the files that a bundle has beside its card."""
    return (*PAYLOAD, ORIGINALITY) if ORIGINALITY in card["sha256"] else PAYLOAD


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Give the path of a temporary folder that takes the place of `folder` on success.

    What was there is moved aside first and removed last, so that it is not lost half way.
    """
    token = secrets.token_hex(4)
    part = folder.with_name(f".{folder.name}.{token}.part")
    aside = folder.with_name(f".{folder.name}.{token}.old")
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            folder.replace(aside)
        try:
            part.replace(folder)
        except OSError:
            if aside.exists():
                aside.replace(folder)
            raise
    finally:
        for left in (part, aside):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        msg = f"{folder} is no bundle: {CARD} is missing"
        raise BundleError(msg) from None
    except ValueError as error:
        msg = f"{path} is not readable as a card: {error}"
        raise BundleError(msg) from error
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        msg = f"{path} is not the card of a bundle: it names no format"
        raise BundleError(msg)
    if card["format"] != BUNDLE_FORMAT:
        is_newer = card["format"] > BUNDLE_FORMAT
        way_out = "upgrade to play it" if is_newer else "export it anew from its checkpoint"
        msg = (
            f"{folder} has bundle format {card['format']}; this sideman reads "
            f"{BUNDLE_FORMAT}: {way_out}"
        )
        raise BundleError(msg)
    missing = [key for key in REQUIRED if key not in card]
    missing += [f"network {size}" for size in SIZES if size not in card.get("network", SIZES)]
    if missing:
        msg = f"{path} does not say {', '.join(missing)}; the bundle is damaged; copy it anew"
        raise BundleError(msg)
    return card


def _sha256(path: Path) -> str:
    if not path.is_file():
        msg = f"{path} is missing: the bundle is damaged; copy it anew"
        raise BundleError(msg)
    return hashlib.sha256(path.read_bytes()).hexdigest()
