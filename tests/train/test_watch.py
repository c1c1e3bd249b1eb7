"""Early warnings: said when there is something to say, and only then."""

import numpy as np

from sideman.tokens.vocabulary import N_COLUMNS, N_SLOTS, Kind
from sideman.train.watch import USUAL_OF, Watch, guess_bits
from sideman.train.windows import Batch


def batch_of(values):
    """Return a batch whose first slot decides `values`, and the others nothing."""
    targets = np.full((1, len(values), N_SLOTS), -1)
    targets[0, :, 0] = values
    shape = (1, len(values))
    ids = np.zeros((*shape, N_COLUMNS), np.int64)
    return Batch(ids, np.zeros(shape, int), targets, np.zeros(shape, int))


def row(norm=1.0, **figures):
    return {"step": 7, "gradient_norm": norm, **figures}


def test_guess_is_the_entropy_of_the_values():
    """Two notes and two ends: one bit for each of the four decisions."""
    bits = guess_bits(batch_of([Kind.NOTE, Kind.NOTE, Kind.END, Kind.END]))

    np.testing.assert_allclose(bits, [4 * 1 / 2, *[0] * (N_SLOTS - 1)])


def test_steep_gradient_is_told_once_there_is_something_usual():
    """The first steps of a run are steep, all of them."""
    watch = Watch(batch_of([4, 2]))

    assert not any(watch.look(row(norm), 0.0) for norm in (900.0, *[1.0] * USUAL_OF))
    assert watch.look(row(19.0), 0.0) == []
    (warning,) = watch.look(row(50.0), 0.0)
    assert warning.startswith("the gradient of step 7 is 50 times the usual; it was cut")


def test_head_that_has_learned_nothing_is_named():
    """Better told at a tenth of the run than heard at its end."""
    watch = Watch(batch_of([Kind.NOTE, Kind.NOTE, Kind.END, Kind.END]))

    assert watch.look(row(valid_kind=2.0), 0.05) == []
    assert watch.look(row(valid_kind=1.9), 0.5) == []
    assert watch.look(row(valid_kind=2.0), 0.5) == [
        "the head of kind has learned nothing yet but how frequent its values are"
    ]
