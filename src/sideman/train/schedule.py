"""The learning rate over a run."""

import math

from sideman.train.recipe import Recipe

LOWEST_WARMUP = 0.01
"""Share of the peak learning rate that the first step has."""


def learning_rate_share(progress: float, recipe: Recipe) -> float:
    """Return the share of the peak learning rate at a point of a run.

    It rises linearly. Then a `cosine` falls to the end, or, as a `trapezoid`, it stays at the
    peak and falls with the root of the time over the last `cooldown` (Hägele et al. 2024,
    arXiv:2405.18392): a run may then be made longer without having been planned so.

    Args:
        progress: Share of the run that is done, 0 to 1.
        recipe: Says how long the warm-up is and what is left at the end.

    Example:
        >>> recipe = Recipe(warmup=0.5, final_rate=0.1)
        >>> [round(learning_rate_share(p, recipe), 3) for p in (0, 0.25, 0.5, 0.75, 1)]
        [0.01, 0.5, 1.0, 0.55, 0.1]
        >>> recipe = Recipe(schedule="trapezoid", warmup=0.1, cooldown=0.4, final_rate=0)
        >>> [round(learning_rate_share(p, recipe), 3) for p in (0.1, 0.6, 0.7, 1)]
        [1.0, 1.0, 0.5, 0.0]
    """
    if progress < recipe.warmup:
        return max(progress / recipe.warmup, LOWEST_WARMUP)
    if recipe.schedule == "trapezoid":
        along = max(1 - (1 - progress) / recipe.cooldown, 0.0)
        fallen = math.sqrt(min(along, 1.0))
    else:
        along = min((progress - recipe.warmup) / (1 - recipe.warmup), 1.0)
        fallen = (1 - math.cos(math.pi * along)) / 2
    return 1 - (1 - recipe.final_rate) * fallen
