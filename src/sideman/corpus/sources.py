"""Where the files are: a folder on disk or in object storage, and archives in it.

Everything is listed first, in one order, so that the work can be cut into the same pieces
again; then it is read in that order. Only this module touches the files of the user.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem

from sideman.corpus.formats import SUFFIXES
from sideman.errors import CorpusError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

MAX_FILE_BYTES = 64 * 2**20
"""Largest file that is taken into memory; what is larger is refused as `too-large`."""

PROBLEMS = {
    "unreadable-folder": "the folder may not be listed",
    "unreadable": "the file may not be read",
    "broken-archive": "the archive cannot be read",
    "locked": "the file is locked with a password",
    "too-large": f"the file has more than {MAX_FILE_BYTES // 2**20} MiB",
    "not-a-file": "it is a pipe or a device, not a file",
}
"""What each code of a problem says to people."""

NOT_IN_ARCHIVE = -1

_N_NAMED = 5
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    pa.ArrowInvalid,
)
"""What the libraries raise for archives that are cut short or no archives."""

_LOCKED = 0x1  # general purpose flag of a ZIP entry (APPNOTE.TXT 4.4.4)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was found, or a place where files could not be looked for.

    Attributes:
        path: Relative to the folder, with forward slashes; inside an archive `a.zip/x.mid`.
        size: Bytes.
        modified_ns: When it was last written, nanoseconds since 1970; for a file in an archive
            when the archive was.
        archive: Path of the archive it lies in; "" for a plain file.
        member: Its place in the archive's own order, or `NOT_IN_ARCHIVE`.
        problem: Code of what keeps it from being read, one of `PROBLEMS`; "" where nothing.
    """

    path: str
    size: int = 0
    modified_ns: int = 0
    archive: str = ""
    member: int = NOT_IN_ARCHIVE
    problem: str = ""


FOUND_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("modified_ns", pa.int64()),
        ("archive", pa.string()),
        ("member", pa.int64()),
        ("problem", pa.string()),
    ]
)
"""The fields of `Found` as columns."""


class Source:
    """A folder to read: a path on disk, or an address such as `s3://bucket/folder`.

    Raises:
        CorpusError: If there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.name = str(folder)
        self._files, self._root = _open(folder)

    def find(
        self, *, leave_out: Path | None = None, only: Sequence[str] | None = None
    ) -> tuple[list[Found], Counter[str]]:
        """List every file of music, in order of path; those in an archive in its own order.

        Args:
            leave_out: A folder on disk that is not looked into.
            only: First folders to look into. None: all.

        Returns:
            The files, and how many others were passed over, by suffix.
        """
        found: list[Found] = []
        others: Counter[str] = Counter()
        for entry in self._walk(leave_out):
            if only is not None and entry.path.split("/")[0] not in only:
                continue
            suffix = PurePosixPath(entry.path).suffix.lower()
            if entry.problem == "unreadable-folder" or suffix in SUFFIXES:
                found.append(entry)
            elif entry.path.lower().endswith(ARCHIVE_SUFFIXES):
                found += self._members(entry, others)
            else:
                others[suffix or "no suffix"] += 1
        found.sort(key=lambda file: (file.archive or file.path, file.member))
        return found, others

    def read(self, found: Iterable[Found]) -> Iterator[tuple[Found, bytes | None, str]]:
        """Read files in the order given; an archive is opened once for those that follow.

        Yields:
            The file, its bytes or None, and the code of the problem that it has, or "".
        """
        current = ""
        with ExitStack() as stack:
            read_member: Callable[[int], bytes] | None = None
            for file in found:
                try:
                    if file.problem:
                        raise _Problem(file.problem)
                    if file.archive != current:
                        stack.close()
                        current, read_member = "", None
                        if file.archive:
                            read_member = stack.enter_context(self._members_of(file.archive))
                            current = file.archive
                    data = read_member(file.member) if read_member else self._read(file.path)
                except (OSError, _Problem, *_BROKEN) as error:  # noqa: PERF203 (a file each)
                    yield file, None, _problem_of(error)
                else:
                    yield file, data, ""

    def _walk(self, leave_out: Path | None) -> Iterator[Found]:
        """Yield all files and the folders that cannot be listed."""
        is_local = isinstance(self._files, LocalFileSystem)
        seen = {str(leave_out.resolve())} if leave_out else set()
        folders = [self._root]
        while folders:
            folder = folders.pop()
            if is_local:  # a link may lead back to where we were
                real = str(Path(folder).resolve())
                if real in seen:
                    continue
                seen.add(real)
            try:
                entries = self._files.get_file_info(FileSelector(folder))
            except OSError:
                yield Found(self._relative(folder), problem="unreadable-folder")
                continue
            folders += [info.path for info in entries if info.type == FileType.Directory]
            yield from (
                self._found(info) for info in entries if info.type != FileType.Directory
            )

    def _found(self, info: FileInfo) -> Found:
        problem = ""
        if info.type != FileType.File:
            problem = "not-a-file" if info.type == FileType.Unknown else "unreadable"
        elif info.size > MAX_FILE_BYTES and not info.path.lower().endswith(ARCHIVE_SUFFIXES):
            problem = "too-large"
        return Found(
            self._relative(info.path), info.size or 0, info.mtime_ns or 0, problem=problem
        )

    def _relative(self, path: str) -> str:
        return PurePosixPath(path).relative_to(self._root).as_posix()

    def _members(self, archive: Found, others: Counter[str]) -> Iterator[Found]:
        """Yield the files of music in an archive; one that is broken is itself a problem."""
        names: Counter[str] = Counter()
        try:
            for member, name, size in self._listed(archive.path):
                suffix = PurePosixPath(name).suffix.lower()
                if suffix not in SUFFIXES:
                    others[suffix or "no suffix"] += 1
                    continue
                names[name] += 1
                yield Found(
                    path=f"{archive.path}/{_numbered(name.lstrip('/'), names[name])}",
                    size=size,
                    modified_ns=archive.modified_ns,
                    archive=archive.path,
                    member=member,
                    problem="too-large" if size > MAX_FILE_BYTES else "",
                )
        except (OSError, *_BROKEN):
            yield Found(
                archive.path, archive.size, archive.modified_ns, problem="broken-archive"
            )

    def _listed(self, archive: str) -> Iterator[tuple[int, str, int]]:
        """Yield place, name and size of each file in an archive."""
        with self._files.open_input_file(self._at(archive)) as stream:
            if archive.lower().endswith(".zip"):
                with zipfile.ZipFile(stream) as opened:
                    for place, entry in enumerate(opened.infolist()):
                        if not entry.is_dir():
                            yield place, entry.filename, entry.file_size
            else:
                with tarfile.open(fileobj=stream, mode="r:*") as opened_tar:
                    for place, member in enumerate(opened_tar):
                        if member.isfile():
                            yield place, member.name, member.size

    @contextmanager
    def _members_of(self, archive: str) -> Iterator[Callable[[int], bytes]]:
        """Give a function that reads a member by its place; places only go up."""
        with ExitStack() as stack:
            stream = stack.enter_context(self._files.open_input_file(self._at(archive)))
            if archive.lower().endswith(".zip"):
                yield _zip_reader(stack.enter_context(zipfile.ZipFile(stream)))
            else:
                yield _tar_reader(stack.enter_context(tarfile.open(fileobj=stream, mode="r:*")))

    def _read(self, path: str) -> bytes:
        with self._files.open_input_file(self._at(path)) as stream:
            data: bytes = stream.read()
        return data

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


class _Problem(Exception):
    """A file cannot be read; the message is the code."""


def _problem_of(error: Exception) -> str:
    if isinstance(error, _Problem):
        return str(error)
    return "unreadable" if isinstance(error, OSError) else "broken-archive"


def _zip_reader(archive: zipfile.ZipFile) -> Callable[[int], bytes]:
    infos = archive.infolist()

    def read(place: int) -> bytes:
        info = infos[place]
        if info.flag_bits & _LOCKED:
            raise _Problem("locked")  # noqa: EM101 (a code, not a sentence)
        with archive.open(info) as stream:
            return _at_most(stream.read(MAX_FILE_BYTES + 1))

    return read


def _tar_reader(archive: tarfile.TarFile) -> Callable[[int], bytes]:
    members = enumerate(archive)

    def read(place: int) -> bytes:
        for at, info in members:
            if at == place:
                stream = archive.extractfile(info)
                return stream.read() if stream else b""
        raise tarfile.ReadError

    return read


def _numbered(name: str, times: int) -> str:
    """Return a name of its own for a file that an archive holds again under the same name."""
    if times == 1:
        return name
    path = PurePosixPath(name)
    return path.with_name(f"{path.stem}#{times}{path.suffix}").as_posix()


def _at_most(data: bytes) -> bytes:
    """Return `data`; what a ZIP file says of its size may be a lie."""
    if len(data) > MAX_FILE_BYTES:
        raise _Problem("too-large")  # noqa: EM101 (a code, not a sentence)
    return data


def _open(folder: str | Path) -> tuple[FileSystem, str]:
    """Return the file system a folder lies on, and its path there."""
    if "://" in str(folder):
        try:
            files, root = FileSystem.from_uri(str(folder))
            kind = files.get_file_info(root).type
        except (OSError, pa.ArrowException, ValueError) as error:
            msg = f"'{folder}' cannot be opened: {error}"
            raise CorpusError(msg) from error
    else:
        files, root = LocalFileSystem(), Path(folder).absolute().as_posix()
        kind = files.get_file_info(root).type
    if kind != FileType.Directory:
        msg = f"'{folder}' is not a folder; name one with files of music in it"
        raise CorpusError(msg)
    return files, root.rstrip("/") or "/"


def describe_others(others: Counter[str]) -> str:
    """Say how many files were passed over, and of which suffixes; "" if there were none."""
    if not others:
        return ""
    named = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(_N_NAMED))
    rest = " …" if len(others) > _N_NAMED else ""
    return f"{others.total()} files of other kinds were passed over: {named}{rest}"
