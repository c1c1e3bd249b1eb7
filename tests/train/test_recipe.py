"""A recipe that cannot be is refused before a night is spent on it."""

from importlib import resources

import pytest

from sideman.corpus.augment import Augmentation
from sideman.errors import RecipeError
from sideman.model.network import PRESETS
from sideman.train.recipe import N_TASKS, Recipe, load_recipe, parse_recipe
from sideman.train.windows import TASKS

OURS = sorted(
    entry.name.removesuffix(".toml")
    for entry in (resources.files("sideman.train") / "recipes").iterdir()
)


@pytest.mark.parametrize("name", OURS)
def test_our_recipes_load(name):
    """All that are shipped, each of a preset that there is."""
    assert load_recipe(name).preset in PRESETS


def test_our_recipes_augment_alike():
    """They are for other machines, not for other music."""
    first, *others = (load_recipe(name) for name in OURS)

    for recipe in others:
        assert recipe.augmentation == first.augmentation
        assert recipe.task_weights == first.task_weights
    assert first.augmentation == Augmentation(
        transpose=6,
        tempo_change=0.1,
        velocity_curve=0.3,
        part_dropout=0.1,
        permute_parts=True,
    )


def test_old_recipe_asks_for_what_it_did():
    """What came later is off where it is not named, a fifth task among it."""
    old = parse_recipe("transpose = 3\ntask_weights = [0.6, 0.15, 0.15, 0.1]", "a.toml")

    assert old.augmentation == Augmentation(transpose=3, permute_parts=True)
    assert old.chord_share == old.open_share == 0
    assert len(old.task_weights) == 4


def test_there_is_a_recipe_for_each_everyday_preset():
    """The large preset has none yet."""
    assert OURS == ["base", "nano", "small"]


def test_file_is_read_and_what_it_leaves_out_keeps_its_default(tmp_path):
    """A whole number will do where a fraction may stand."""
    path = tmp_path / "mine.toml"
    path.write_text('preset = "nano"\nminutes = 3\ntask_weights = [1, 0, 0, 0.5]\n')

    recipe = load_recipe(str(path))

    assert recipe == Recipe(preset="nano", minutes=3, task_weights=(1.0, 0.0, 0.0, 0.5))


def test_misspelt_setting_is_put_right():
    """Else a typo trains a night with the default."""
    with pytest.raises(
        RecipeError,
        match=r"a\.toml: there is no setting 'learing_rate'; did you mean 'learning_rate'",
    ):
        parse_recipe("learing_rate = 1", "a.toml")


def test_unlike_setting_gets_no_guess():
    """A wrong guess is worse than none."""
    with pytest.raises(RecipeError, match=r"there is no setting 'zzz'$"):
        parse_recipe("zzz = 1", "a.toml")


def test_unknown_name_lists_ours():
    """And says how to name a file."""
    with pytest.raises(
        RecipeError, match=r"no recipe 'huge'; ours are base, nano, small, or name a \.toml"
    ):
        load_recipe("huge")


def test_missing_file_is_named(tmp_path):
    """It names the path."""
    with pytest.raises(RecipeError, match=r"there is no recipe .*gone\.toml"):
        load_recipe(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minutes = ", "a.toml is not TOML: "),
        ('minutes = "ten"', "a.toml: minutes is 'ten'; it must be a number"),
        ("seed = 1.5", "a.toml: seed is 1.5; it must be a whole number"),
        ("seed = true", "a.toml: seed is True; it must be a whole number"),
        ("preset = 3", "a.toml: preset is 3; it must be text"),
        ("task_weights = 1", "a.toml: task_weights is 1; it must be a list of numbers"),
        ("minutes = 0", "a.toml: minutes is 0; it must be more than 0"),
        ("minutes = nan", "minutes is nan; it must be more than 0"),
        ("held_share = 2", "held_share is 2; it must be at least 0 and at most 1"),
        ("batch_rows = 0", "batch_rows is 0; it must be at least 1"),
        ("warmup = 1", "warmup is 1; it must be at least 0 and at most 0.99"),
        ('precision = "fp8"', "precision is 'fp8'; it must be one of auto, fp32, bf16"),
        ("permute_parts = 1", "a.toml: permute_parts is 1; it must be true or false"),
        ("part_dropout = 2", "part_dropout is 2; it must be at least 0 and at most 1"),
        ("task_weights = []", r"task_weights are \(\); they must be 1 to 7 numbers"),
        ("task_weights = [1, 1, 1, 1, 1, 1, 1, 1]", "task_weights are .*; they must be 1 to 7"),
        (
            "task_weights = [1, -1]",
            "task_weights are .*; they must be 1 to 7 numbers, none neg",
        ),
        ("task_weights = [0, 0, 0, 0]", "task_weights are .*; they must be .*, not all 0"),
    ],
)
def test_value_that_cannot_be_is_refused(text, message):
    """With source, setting, value and rule."""
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text, "a.toml")


def test_task_weights_are_those_of_the_tasks():
    """The recipe cannot import them: windows are made after it."""
    assert len(TASKS) == N_TASKS


def test_recipe_goes_through_a_dictionary():
    """Checkpoints and run folders hold it as one."""
    recipe = Recipe(minutes=7, task_weights=(1, 0, 0, 0))

    assert Recipe(**recipe.to_dict()) == recipe
