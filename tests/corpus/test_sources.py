"""Every file is found once, wherever it lies, or the place says why not."""

import io
import os
import tarfile
import zipfile
from collections import Counter

import pytest

from sideman.corpus import sources
from sideman.corpus.sources import Source, describe_others
from sideman.errors import CorpusError


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two files of music and one of text."""
    folder = tmp_path / "music"
    (folder / "a").mkdir(parents=True)
    (folder / "b.mid").write_bytes(b"bee")
    (folder / "a" / "c.MIDI").write_bytes(b"sea")
    (folder / "a" / "read.me").write_bytes(b"text")
    return folder


def write_tar(path, members, mode):
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def contents(folder, **options):
    source = Source(folder)
    found, _ = source.find(**options)
    return {file.path: data or problem for file, data, problem in source.read(found)}


def test_files_are_found_in_order_of_their_paths(folder):
    """The order of a folder listing is the disk's; ours must be the same everywhere."""
    found, others = Source(folder).find()

    assert [file.path for file in found] == ["a/c.MIDI", "b.mid"]
    assert [file.size for file in found] == [3, 3]
    assert others == Counter({".me": 1})


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.txz", "w:xz")]
)
def test_archives_are_looked_into(folder, name, mode):
    """Lakh comes as a .tar.gz; nobody wants to unpack it first."""
    write_tar(folder / name, [("z/2.mid", b"two"), ("1.mid", b"one"), ("n.txt", b"no")], mode)

    got = contents(folder)

    assert got[f"{name}/z/2.mid"] == b"two"
    assert got[f"{name}/1.mid"] == b"one"
    assert len(got) == 4


def test_zip_files_are_looked_into(folder):
    """What the web offers is mostly zipped."""
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/1.mid", b"one")
        archive.writestr("deep/readme.txt", b"text")

    assert contents(folder)["x.zip/deep/1.mid"] == b"one"


def test_one_name_twice_in_an_archive_is_two_files(folder):
    """A tar file that was appended to holds old and new; no row stands for both."""
    write_tar(folder / "x.tar", [("1.mid", b"old"), ("1.mid", b"new")], "w")

    got = contents(folder)

    assert (got["x.tar/1.mid"], got["x.tar/1#2.mid"]) == (b"old", b"new")


def test_broken_archive_is_a_row_and_not_a_crash(folder):
    """A download that stopped half way."""
    write_tar(folder / "x.tar.gz", [(f"{n}.mid", os.urandom(9999)) for n in range(9)], "w:gz")
    whole = (folder / "x.tar.gz").read_bytes()
    (folder / "x.tar.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "y.zip").write_bytes(b"PK no zip")

    got = contents(folder)

    assert got["y.zip"] == "broken-archive"
    assert "broken-archive" in {problem for path, problem in got.items() if "x.tar.gz" in path}
    assert got["b.mid"] == b"bee"


def test_locked_zip_member_says_so(folder):
    """A password is asked of nobody."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("1.mid", b"one")
    raw = bytearray(data.getvalue())
    for signature, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + flags_at] |= 1
    (folder / "x.zip").write_bytes(raw)

    assert contents(folder)["x.zip/1.mid"] == "locked"


def test_zip_bomb_is_not_unpacked(folder, monkeypatch):
    """Four kilobytes that claim to be little and unpack to gigabytes."""
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 1000)
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.mid", bytes(2000))
    source = Source(folder)
    found, _ = source.find()
    honest = [file for file in found if file.archive]
    liars = [sources.Found(f.path, 10, 0, f.archive, f.member) for f in honest]

    assert [file.problem for file in honest] == ["too-large"]
    assert [problem for _, _, problem in source.read(liars)] == ["too-large"]


def test_link_in_a_circle_is_gone_round_once(folder):
    """A link to the folder above would otherwise be followed for ever."""
    (folder / "a" / "up").symlink_to(folder, target_is_directory=True)

    assert sorted(contents(folder)) == ["a/c.MIDI", "b.mid"]


def test_pipe_is_not_waited_for(folder):
    """Opening it would block for ever."""
    os.mkfifo(folder / "pipe.mid")

    assert contents(folder)["pipe.mid"] == "not-a-file"


def test_file_that_goes_away_before_it_is_read_is_unreadable(folder):
    """Hours may lie between listing and reading."""
    source = Source(folder)
    found, _ = source.find()
    (folder / "b.mid").unlink()

    assert [problem for _, _, problem in source.read(found)] == ["", "unreadable"]


def test_folder_that_may_not_be_listed_is_a_row(folder, monkeypatch):
    """Root reads everything, so the file system is made to refuse."""
    source = Source(folder)
    listing = source._files

    class Refusing:
        def get_file_info(self, selector):
            if selector.base_dir.endswith("/a"):
                raise PermissionError(13, "Permission denied")
            return listing.get_file_info(selector)

    monkeypatch.setattr(source, "_files", Refusing())
    found, _ = source.find()

    assert [(file.path, file.problem) for file in found] == [
        ("a", "unreadable-folder"),
        ("b.mid", ""),
    ]


def test_output_inside_the_folder_is_not_read(folder):
    """A corpus may lie beside the files it is made of."""
    assert list(contents(folder, leave_out=folder / "a")) == ["b.mid"]


def test_sources_can_be_chosen(folder):
    """Some folders of a collection are not wanted."""
    assert list(contents(folder, only=["a"])) == ["a/c.MIDI"]


def test_files_are_read_through_an_address(folder):
    """Object storage is opened the same way; `file://` stands for it here."""
    assert contents(folder.as_uri())["b.mid"] == b"bee"


@pytest.mark.parametrize("name", ["gone", "b.mid", "nothing://at/all"])
def test_what_is_no_folder_is_refused_by_name(folder, name):
    """A mistyped path is the commonest mistake."""
    place = name if "://" in name else folder / name

    with pytest.raises(CorpusError, match=name):
        Source(place)


def test_other_files_are_named_by_their_kind():
    """Nobody should wonder where their .gp5 files went."""
    others = Counter({".txt": 3, ".gp5": 2})

    assert describe_others(others) == "5 files of other kinds were passed over: 3 .txt, 2 .gp5"
    assert describe_others(Counter()) == ""
