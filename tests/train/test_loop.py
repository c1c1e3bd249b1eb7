"""The training loop: it learns, goes on where it was, and leaves a trail."""

import json
import math
from dataclasses import replace

import pytest
import torch

from sideman.errors import CorpusError, RecipeError
from sideman.model.checkpoint import load_checkpoint, save_checkpoint
from sideman.model.network import PRESETS, Network, NetworkConfig
from sideman.train import loop
from sideman.train.folder import RunFolder
from sideman.train.loop import train
from sideman.train.processes import Processes
from sideman.train.recipe import Recipe
from sideman.train.schedule import learning_rate_share
from sideman.train.speed import choose_speed

RECIPE = Recipe(
    preset="nano",
    context=48,
    batch_rows=2,
    steps=12,
    validate_every=4,
    validation_rows=2,
    threads=1,
    precision="fp32",
)


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch):
    """A step of the real one takes a tenth of a second."""
    monkeypatch.setitem(
        PRESETS, "nano", NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2)
    )


@pytest.fixture
def run(corpus, tmp_path):
    """Return a function that trains into a run folder with changes to the recipe."""

    def train_with(name="run", recipe=RECIPE, **options):
        return train(recipe, corpus.folder, tmp_path / name, progress=False, **options)

    return train_with


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_learns(run, tmp_path):
    """What says the same over and over is soon foretold."""
    report = run(recipe=replace(RECIPE, steps=60, batch_rows=4, validate_every=30))

    rows = metrics(tmp_path / "run")
    first, last = (sum(r["bits_per_note"] for r in part) / 5 for part in (rows[:5], rows[-5:]))
    assert last < 0.7 * first
    assert rows[-1]["valid_bits_per_note"] < 0.8 * rows[0]["bits_per_note"]
    assert report.valid_bits_per_note == rows[-1]["valid_bits_per_note"]
    assert report.step == 60


def test_run_leaves_checkpoint_recipe_and_a_line_of_metrics_a_step(run, tmp_path, corpus):
    """All it takes to go on, to make it again, and to draw its curve."""
    report = run()

    folder = tmp_path / "run"
    assert sorted(entry.name for entry in folder.iterdir() if entry.is_file()) == [
        "best.pt",
        "checkpoint.pt",
        "metrics.jsonl",
        "run.json",
    ]
    rows = metrics(folder)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert [row["step"] for row in rows if "valid_bits_per_note" in row] == [4, 8, 12]
    assert all(row["gradient_norm"] > 0 and row["notes_per_s"] > 0 for row in rows)
    assert json.loads((folder / "run.json").read_text())["recipe"]["steps"] == 12
    checkpoint = load_checkpoint(report.checkpoint)
    assert (checkpoint.step, checkpoint.corpus_hash) == (12, corpus.hash())
    assert checkpoint.network().n_parameters() > 0


def test_killed_run_goes_on_as_if_it_had_not_been(run, tmp_path, monkeypatch):
    """Same weights, same figures: nothing is learned twice and nothing is lost."""
    run("whole")
    one_step = loop.Run._one_step

    def killed_at_step_10(self, batch):
        if self.step == 9:
            raise KeyboardInterrupt
        return one_step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Run, "_one_step", killed_at_step_10)
        with pytest.raises(KeyboardInterrupt):
            run("killed")
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1')  # a line that was being written
    run("killed")

    whole, killed = (
        load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed")
    )
    assert killed.step == whole.step == 12
    for name, weights in whole.weights.items():
        assert torch.equal(weights, killed.weights[name]), name
    timeless = [
        [{key: row[key] for key in ("step", "bits_per_note", "gradient_norm")} for row in rows]
        for rows in (metrics(tmp_path / "whole"), metrics(tmp_path / "killed"))
    ]
    assert timeless[0] == timeless[1]


def test_run_that_is_done_is_only_measured(run, tmp_path):
    """Asking again costs nothing and changes nothing."""
    first = run()
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    again = run()

    assert again == first
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_minutes_end_a_run_as_well(run):
    """They are the everyday limit: a person knows how long the machine is free."""
    report = run(recipe=replace(RECIPE, minutes=0.002, steps=0))

    assert report.step > 0
    assert load_checkpoint(report.checkpoint).minutes >= 0.002
    assert not math.isnan(report.valid_bits_per_note)


def test_rate_of_a_resumed_run_is_the_recipes(run, corpus, tmp_path, monkeypatch):
    """An optimiser's state holds the old one, and a rate that was too high is to be lowered."""
    run()
    rates = []
    one_step = loop.Run._one_step

    def watched(self, batch):
        row = one_step(self, batch)
        rates.append([group["lr"] for o in self.optimizers for group in o.param_groups])
        return row

    monkeypatch.setattr(loop.Run, "_one_step", watched)
    run(recipe=replace(RECIPE, steps=13, learning_rate=1e-5, matrix_learning_rate=2e-5))

    share = learning_rate_share(12 / 13, RECIPE)
    assert rates == [[2e-5 * share, 1e-5 * share]]


def test_run_folder_is_not_overwritten(run):
    """Who wants to start anew names another folder."""
    run()

    with pytest.raises(RecipeError, match=r"checkpoint\.pt exists already; resume it, or name"):
        run(resume=False)


@pytest.mark.parametrize("changed", [{"preset": "small"}, {"context": 64}])
def test_other_sizes_cannot_go_on_from_a_checkpoint(run, changed):
    """The message says what it was and what was asked for."""
    run()

    with pytest.raises(RecipeError, match="was begun with preset 'nano' and context 48, the"):
        run(recipe=replace(RECIPE, **changed))


def test_other_styles_cannot_go_on_from_a_checkpoint(run):
    """Label 1 would mean another style."""
    report = run()
    checkpoint = load_checkpoint(report.checkpoint)
    save_checkpoint(replace(checkpoint, styles=("jazz",)), report.checkpoint)

    with pytest.raises(
        RecipeError, match="begun with the styles jazz, the corpus has rest, rock"
    ):
        run()


def test_other_corpus_is_told(run, capsys):
    """It may be meant, such as more of the same music; the curve is not one any more."""
    report = run()
    assert "corpus" not in capsys.readouterr().err
    checkpoint = load_checkpoint(report.checkpoint)
    save_checkpoint(replace(checkpoint, corpus_hash="0" * 16), report.checkpoint)

    run(recipe=replace(RECIPE, steps=13))

    assert "this is not the corpus that" in capsys.readouterr().err


def test_unknown_preset_lists_ours(run):
    """A recipe cannot know them: it is read without PyTorch."""
    with pytest.raises(
        RecipeError, match="no preset 'huge'; there are nano, small, base, large"
    ):
        run(recipe=replace(RECIPE, preset="huge"))


def test_corpus_without_validation_piece_is_an_error(corpus, monkeypatch, tmp_path):
    """Before a run folder is made."""
    for split in ("train", "valid"):
        kept = tuple(piece for piece in corpus.pieces if piece.split != split)
        monkeypatch.setattr(
            loop, "open_corpus", lambda _, kept=kept: replace(corpus, pieces=kept)
        )
        with pytest.raises(CorpusError, match=f"has no piece in its {split} split; add files"):
            train(RECIPE, corpus.folder, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_gradient_that_is_not_finite_stops_the_run(run, monkeypatch):
    """Rather than spend the night on a network that is lost."""
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(math.nan))

    with pytest.raises(RecipeError, match="the gradient is nan at step 0; lower the learning"):
        run()


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_choice_of_precision_teaches_nothing(precision):
    """Trying which is faster must not leave a gradient behind."""
    network = Network(PRESETS["nano"])
    alone = Processes(0, 1, torch.device("cpu"))

    speed = choose_speed(
        network, replace(RECIPE, precision=precision), alone, seconds_left=lambda _: 0.0
    )

    assert all(parameter.grad is None for parameter in network.parameters())
    assert precision == "auto" or speed.use_bf16 == (precision == "bf16")
    assert not speed.is_compiled


def test_progress_is_shown_if_asked_for(corpus, tmp_path, capsys):
    """On stderr: stdout is for results."""
    train(replace(RECIPE, steps=2), corpus.folder, tmp_path / "run")

    captured = capsys.readouterr()
    assert "100.0%" in captured.err
    assert "bits/note" in captured.err
    assert captured.out == ""


def test_best_and_every_so_many_steps_are_kept(run, tmp_path):
    """The last one is not always the one to play."""
    run(recipe=replace(RECIPE, keep_every=5))

    rows = metrics(tmp_path / "run")
    measured = {r["step"]: r["valid_bits_per_note"] for r in rows if "valid_bits_per_note" in r}
    best = load_checkpoint(tmp_path / "run" / "best.pt")
    assert best.step == min(measured, key=measured.__getitem__)
    kept = sorted(path.name for path in (tmp_path / "run").glob("step-*.pt"))
    assert kept == ["step-10.pt", "step-5.pt"]


def test_checkpoint_is_written_between_measurements(run, tmp_path, monkeypatch):
    """A kill costs minutes, however seldom a run is measured."""

    def killed(self, batch):
        if self.step == 3:
            raise KeyboardInterrupt
        return one_step(self, batch)

    one_step = loop.Run._one_step
    monkeypatch.setattr(loop.Run, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(recipe=replace(RECIPE, save_minutes=0, validate_every=100))

    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt").step == 3


def test_measurement_says_what_each_head_costs(run, tmp_path):
    """Pitch may go on learning while rhythm has long stopped."""
    run()

    row = metrics(tmp_path / "run")[-1]
    heads = ("kind", "beat", "tick", "part", "pitch", "duration", "velocity")
    assert sum(row[f"valid_{name}"] for name in heads) == pytest.approx(
        row["valid_bits_per_note"]
    )


def test_rows_must_be_shared_evenly(corpus, tmp_path):
    """Else some processes would wait for others."""
    network = loop.new_network(RECIPE, corpus)
    lesson = loop.corpus_lesson(RECIPE, corpus)
    three = Processes(0, 3, torch.device("cpu"))

    with pytest.raises(RecipeError, match="batch_rows is 2; 3 processes cannot share that"):
        loop.Run(RECIPE, network, lesson, RunFolder(tmp_path / "run"), three)


def test_model_is_heard_while_it_learns(run, tmp_path):
    """Bits per note do not say that every phrase ends on the same pitch."""
    heard = []

    run(
        recipe=replace(RECIPE, rehearse_every=6),
        rehearse=lambda checkpoint, out: heard.append((load_checkpoint(checkpoint).step, out)),
    )

    samples = tmp_path / "run" / "samples"
    assert heard == [(6, samples / "step-6"), (12, samples / "step-12")]


def test_curves_are_left_for_tensorboard(run, tmp_path):
    """Where people who train look first."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run()

    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    curve = [(scalar.step, scalar.value) for scalar in events.Scalars("bits_per_note")]
    assert [step for step, _ in curve] == list(range(1, 13))
    assert curve[-1][1] == pytest.approx(metrics(tmp_path / "run")[-1]["bits_per_note"])
