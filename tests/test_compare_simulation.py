"""The gate on simulated runs: how often it fails for nothing, how often it finds what is there.

A unit (image) of a cell scores its difficulty plus what a training makes of it; the metric is the mean over units. A
training's seed moves the whole cell. All runs of a comparison are tested on the same units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from humanbench.comparison.overall import judge_together
from humanbench.comparison.verdicts import Measured, draw, judge
from humanbench.results.apart import resamples_for
from humanbench.results.noise import Trained, seed_noise

Floats = NDArray[np.float64]

MINI = (78, 99, 45, 17, 63, 56, 60, 141, 68, 136, 12, 78, 38, 55, 40, 80, 160, 60, 71)
"""Test units of the 19 cells of the embedded suite."""

LARGE = (1000,) * 4 + (300,) * 11 + (150,) * 4

SEED_SD = {"humanbench-v1": 0.3, "mini": 1.2}


class World:
    """19 cells, and the draws over their test units, which are the same in all repetitions."""

    def __init__(self, sizes: Sequence[int], suite: str, seeds: int, seed_sd: float) -> None:
        self.sizes, self.suite, self.seeds, self.seed_sd = sizes, suite, seeds, seed_sd
        self.rng = np.random.default_rng(5)
        draws = resamples_for(len(sizes))
        self.weights = {n: self.rng.multinomial(n, np.full(n, 1 / n), draws) / n for n in set(sizes)}

    def failures(self, repeats: int, effect: float = 0.0, margin: float | None = None) -> list[set[int]]:
        """The cells a gate fails for in each comparison; the true effect is on the first cell."""
        found = []
        for _ in range(repeats):
            cells = [self.cell(n, effect if i == 0 else 0.0) for i, n in enumerate(self.sizes)]
            found.append({i for i, judged in enumerate(judge(draw(cells), margin)) if judged.regression})
        return found

    def together(self, repeats: int, effect: float) -> float:
        """How often the gate fails for the cells together, with the true effect on each of them."""
        found = []
        for _ in range(repeats):
            cells = draw([self.cell(n, effect) for n in self.sizes])
            groups = {"overall": cells, **{str(i): cells[i : i + 3] for i in range(0, 18, 3)}}
            found.append(
                any(group.regression for group in judge_together(groups, 0.0 if not effect else None).values())
            )
        return float(np.mean(found))

    def cell(self, n: int, effect: float) -> Measured:
        difficulty = self.rng.normal(70, 20, n)
        base, new = (self.trainings(difficulty + shift) for shift in (0.0, effect))
        drawn = self.weights[n] @ (new.mean(axis=0) - base.mean(axis=0))
        values = Trained("mAP", self.suite, tuple(base.mean(axis=1)), tuple(new.mean(axis=1)))
        return Measured(values, drawn, n, self.rng)

    def trainings(self, expected: Floats) -> Floats:
        """Scores of each unit under each seed."""
        moved = self.rng.normal(0, self.seed_sd, (self.seeds, 1))
        return expected + moved + self.rng.normal(0, 5, (self.seeds, len(expected)))


@pytest.mark.parametrize(
    ("sizes", "suite", "seeds", "factor"),
    [
        pytest.param(LARGE, "humanbench-v1", 1, 1.0, id="one seed, noise as assumed"),
        pytest.param(MINI, "mini", 1, 1.0, id="one seed, few units"),
        pytest.param(LARGE, "humanbench-v1", 3, 4.0, id="three seeds, four times the noise"),
        pytest.param(MINI, "mini", 2, 2.0, id="two seeds, few units, twice the noise"),
    ],
)
def test_runs_that_differ_in_their_seed_alone_pass(sizes: Sequence[int], suite: str, seeds: int, factor: float) -> None:
    """At least 95 of 100, even with no margin at all, which can only excuse."""
    world = World(sizes, suite, seeds, factor * SEED_SD[suite])
    failed = world.failures(150, margin=0.0)
    assert np.mean([not cells for cells in failed]) >= 0.95


@pytest.mark.parametrize(("seeds", "effect"), [(1, -4.0), (3, -3.0)])
def test_a_regression_beyond_the_margin_is_found(seeds: int, effect: float) -> None:
    world = World(LARGE, "humanbench-v1", seeds, SEED_SD["humanbench-v1"])
    failed = world.failures(60, effect)
    assert np.mean([0 in cells for cells in failed]) >= 0.95
    assert np.mean([bool(cells - {0}) for cells in failed]) <= 0.05


def test_a_small_drop_in_all_cells_is_found_together_and_in_none_alone() -> None:
    """2 % of 70 in each of 19 cells, training noise as assumed; no drop: at most 5 of 100, even without a margin."""
    world = World(LARGE, "humanbench-v1", 1, SEED_SD["humanbench-v1"])
    assert world.together(20, -1.4) >= 0.95
    assert np.mean([len(cells) / 19 for cells in world.failures(5, -1.4)]) <= 0.2
    for sizes, suite in ((LARGE, "humanbench-v1"), (MINI, "mini")):
        assert World(sizes, suite, 2, SEED_SD[suite]).together(60, 0.0) <= 0.05


def test_a_certain_difference_within_the_margin_passes() -> None:
    world = World(LARGE, "humanbench-v1", 5, 0.05)
    assert all(not cells for cells in world.failures(30, -2.0, margin=3.0))
    assert np.mean([0 in cells for cells in world.failures(30, -2.0, margin=1.0)]) >= 0.95


def test_seed_noise_moves_from_what_is_assumed_to_what_is_seen() -> None:
    def noise(*cells: Trained) -> list[float]:
        return [one.sd for one in seed_noise(cells)]

    one = Trained("mAP", "humanbench-v1", (80.0,), (81.0,))
    assert noise(one) == pytest.approx([0.3])
    assert noise(Trained("mAP", "mini", (80.0,), (81.0,))) == pytest.approx([1.2])
    assert noise(Trained("MR-2", "humanbench-v1", (40.0,), (41.0,))) == pytest.approx([1.0])
    assert noise(Trained("MSE", "humanbench-v1", (100.0,), (90.0,))) == pytest.approx([4.0])
    assert noise(Trained("mAP", "humanbench-v1", (80.0,), (81.0,), trained=False)) == [0.0]
    # Two seeds a side, 2 degrees of freedom, squares 2 x 2 x 0.6^2 = 1.44; ratio 1.44 / 0.09 = 16.
    # Factor (8 + 16) / (8 + 2) = 2.4; variance (8 x 2.4 x 0.09 + 1.44) / 10 = 0.3168.
    several = Trained("mAP", "humanbench-v1", (79.4, 80.6), (80.4, 81.6))
    assert noise(several) == pytest.approx([0.3168**0.5])
    # What moves by more than ten times as assumed counts as ten times for others: squares 2 x 2 x 1^2 of an assumed
    # 0.08, factor (8 + 2 x 100) / (8 + 2) = 20.8, not (8 + 4 / 0.0064) / 10 = 63.3.
    odd = Trained("MSE", "humanbench-v1", (1.0, 3.0), (1.0, 3.0))
    assert noise(one, odd)[0] == pytest.approx((20.8 * 0.09) ** 0.5)
    # A cell without a spread of its own takes the factor: variance 2.4 x 0.09.
    assert noise(several, one) == pytest.approx([0.3168**0.5, (2.4 * 0.09) ** 0.5])
