"""What is done stays done; what was made of something else is done again."""

import errno

import pyarrow as pa
import pytest

from sideman.corpus.workspace import Workspace, going_on
from sideman.errors import CorpusError

ROWS = pa.table({"path": ["a", "b"]})


def done(space, step, **inputs):
    space.begin(step, **inputs)
    space.write_chunk(step, 0, ROWS)
    space.finish(step)


@pytest.fixture
def space(tmp_path):
    """Return a workspace whose first two steps are done."""
    space = Workspace(tmp_path / "out")
    done(space, "scan", files="x")
    done(space, "annotate")
    return space


def test_step_that_is_done_is_not_begun_again(space):
    """Running the same command twice costs nothing."""
    assert space.begin("scan", files="x")
    assert space.missing("scan", 1) == []


def test_step_made_of_other_files_is_done_again_with_those_after_it(space):
    """A new file in the folder must not meet yesterday's annotations."""
    assert not space.begin("scan", files="y")
    assert space.missing("scan", 1) == [0]
    assert not space.is_done("annotate")


def test_step_that_was_stopped_goes_on(space, tmp_path):
    """The chunks that were written are kept, half-written ones are not."""
    space.begin("dedupe")
    space.write_chunk("dedupe", 0, ROWS)
    half = space.folder("dedupe") / ".00001.parquet.abcd.part"
    half.write_bytes(b"half")

    again = Workspace(tmp_path / "out")

    assert not again.begin("dedupe")
    assert again.missing("dedupe", 2) == [1]
    assert not half.exists()


def test_step_out_of_turn_is_refused_with_the_way_out(space):
    """Nobody knows the order by heart."""
    with pytest.raises(
        CorpusError, match=r"step 'split' of .* run 'sideman corpus split' first"
    ):
        space.begin("shard")


def test_folder_of_something_else_is_left_alone(tmp_path):
    """Nobody loses their holiday pictures to a corpus."""
    (tmp_path / "picture.png").write_bytes(b"png")

    with pytest.raises(CorpusError, match="no corpus of steps; name another folder"):
        Workspace(tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "disk is full.*goes on from here"), (errno.EROFS, "cannot be written")],
)
def test_disk_that_fails_is_one_line_with_the_way_out(tmp_path, code, message):
    """Nights of work are not lost to a traceback."""
    with pytest.raises(CorpusError, match=message), going_on(tmp_path):
        raise OSError(code, "")


def test_other_failures_of_the_system_are_not_dressed_up(tmp_path):
    """What we do not understand keeps its traceback."""
    with pytest.raises(OSError, match="strange"), going_on(tmp_path):
        raise OSError(errno.EIO, "strange")
