"""Numbers of a comparison by hand: errors of training seeds, few test units, margins, unpaired draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from humanbench.comparison.draws import _unpaired
from humanbench.comparison.overall import judge_together
from humanbench.comparison.verdicts import Measured, _seed_errors, draw, judge
from humanbench.results.apart import widening
from humanbench.results.cells import t_quantile
from humanbench.results.noise import Trained, seed_noise


def measured(
    base: Sequence[float],
    new: Sequence[float],
    *,
    units: int = 1000,
    metric: str = "mAP",
    spread: float = 1.0,
    trained: bool = False,
    draws: int = 20_000,
) -> Measured:
    """A cell whose draws over test units are normal around the difference, with this standard deviation."""
    rng = np.random.default_rng(0)
    drawn = np.mean(new) - np.mean(base) + spread * rng.standard_normal(draws)
    return Measured(Trained(metric, "humanbench-v1", tuple(base), tuple(new), trained), drawn, units, rng)


def test_the_error_of_seeds_counts_those_of_each_run() -> None:
    """BASE has one seed, NEW four that are all equal: 3 degrees of freedom without a deviation.

    0.3 points are assumed with 8 degrees, so the factor is 8 / 11, the variance 8 x 8 / 11 x 0.09 / 11 and its root
    0.3 x 8 / 11. The error of both means is that times sqrt(1 / 1 + 1 / 4), drawn from a t distribution of 11 degrees,
    whose variance is 11 / 9.
    """
    cell = measured([80.0], [80.0] * 4, trained=True, draws=200_000)
    (noise,) = seed_noise([cell.values])
    assert (noise.sd, noise.freedom) == (pytest.approx(0.3 * 8 / 11), 11)
    assert _seed_errors(cell, noise).std() == pytest.approx(0.3 * 8 / 11 * (5 / 4) ** 0.5 * (11 / 9) ** 0.5, rel=0.02)


def test_few_units_widen_by_the_t_distribution() -> None:
    """12 units: the 97.5 % quantiles of t with 11 degrees and of the normal, and sqrt(n / (n - 1))."""
    assert widening(12, 0.05) == pytest.approx(2.200985 / 1.959964 * (12 / 11) ** 0.5, rel=1e-5)


def test_quantiles_are_those_of_scipy_stats() -> None:
    for level in (1e-9, 0.003, 0.05, 0.5, 1.0):
        assert t_quantile(math.inf, level) == norm.isf(level / 2)
        assert [t_quantile(n, level) for n in (0.5, 1, 11, 4999)] == list(t.isf(level / 2, [0.5, 1, 11, 4999]))
    assert t_quantile(3.0, 0.0) == t_quantile(math.inf, 0.0) == math.inf


@pytest.mark.parametrize(("cells", "expected"), [(1, 0.0266), (19, 0.0527)])
def test_p_values_of_few_units_are_widened_for_the_corrected_level(cells: int, expected: float) -> None:
    """12 units, a difference of 2.6 standard deviations; the p-value is two-sided, 2 x normal tail.

    One cell, level 0.05: draws 2.200985 / 1.959964 x sqrt(12 / 11) = 1.17291 times as wide, tail beyond 2.2167.
    19 cells, level 0.05 / 19: 3.864766 / 3.007787 x sqrt(12 / 11) = 1.34206, tail beyond 1.9373.
    The interval is one of 95 % either way: 2.6 -+ 1.959964 x 1.17291.
    """
    others = [measured([80.0], [80.0])] * (cells - 1)
    found = judge(draw([measured([80.0], [82.6], units=12, draws=200_000), *others]))[0]
    assert found.p == pytest.approx(expected, rel=0.05)
    assert (found.low, found.high) == pytest.approx((2.6 - 2.2989, 2.6 + 2.2989), abs=0.03)


@pytest.mark.parametrize(
    ("metric", "margin", "expected"),
    [("mAP", 3.0, 3.0), ("mAP", None, 1.0), ("MSE", 10.0, 5.0), ("MSE", None, 2.5), ("EPE", None, 2.5)],
)
def test_margins_are_points_or_percent_of_the_base_s_error(metric: str, margin: float | None, expected: float) -> None:
    """BASE is 50: 10 percent of an error of 50 is 5, the default 5 percent 2.5; points of a metric in percent stay."""
    (found,) = judge(draw([measured([50.0], [60.0], metric=metric)]), margin)
    assert found.margin == pytest.approx(expected)


def test_the_drop_that_could_have_been_found() -> None:
    """One cell of 1,000 units, spread 1 point: significant from 1.96 (level 0.05, p-values count the data as one draw
    more) x 1.0016 (Hesterberg's allowance) on; 80 % of the measured differences exceed that where the true one is 0.84
    standard deviations larger. A margin above the least significant difference takes its place. Of 19 cells the first
    needs 2 (1 + draws beyond zero) / 1141 < 0.05 / 19, so none of 1,140 draws, about half a draw: 2 x 0.5013 / 1140.
    """
    (found,) = judge(draw([measured([80.0], [80.0])]))
    assert found.detectable == pytest.approx(1.96 + 0.8416, rel=0.02)
    (found,) = judge(draw([measured([80.0], [80.0])]), margin=5.0)
    assert found.detectable == pytest.approx(5.0 + 0.8416, rel=0.01)
    (many, *_) = judge(draw([measured([80.0], [80.0])] * 19))
    assert many.detectable == pytest.approx(3.325 + 0.8416, rel=0.01)


def test_that_many_differences_of_the_detectable_size_are_found() -> None:
    """True drop as large as said, 400 comparisons: 80 % of them are regressions (standard error 2 %)."""
    rng = np.random.default_rng(3)
    (about,) = judge(draw([measured([80.0], [80.0], draws=2000)]))
    seen = [80.0 - about.detectable + rng.normal() for _ in range(400)]
    found = [judge(draw([measured([80.0], [value], draws=2000)]))[0].regression for value in seen]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_cells_together_by_hand() -> None:
    """mAP 80 -> 76 (- 5 %) and MSE 50 -> 51 (- 2 %), spreads of 1 point (1.25 %) and 1 person (2 %).

    Weights 1 / (1.25^2 + 1) = 0.390244 and 1 / (2^2 + 1) = 0.2, together 0.590244: 0.661157 and 0.338843.
    Change - 5 x 0.661157 - 2 x 0.338843 = - 3.983471 %; standard deviation
    sqrt((0.661157 x 1.25)^2 + (0.338843 x 2)^2) = 1.068716 %, so the interval reaches 1.96 of it to either side.
    """
    reid, counts = measured([80.0], [76.0]), measured([50.0], [51.0], metric="MSE")
    zero = measured([0.0], [1.0])  # a change of what is 0 has no percent
    groups = {"overall": draw([reid, counts, zero]), "reid": draw([reid, zero])}
    (overall,) = judge_together(groups).values()
    assert (overall.cells, overall.margin, overall.verdict, overall.regression) == (2, 1.0, "worse", True)
    assert overall.change == pytest.approx(-3.983471, rel=1e-3)
    # the generators of both cells are alike, so the draws are made apart
    other = Measured(counts.values, np.random.default_rng(1).permutation(counts.units), counts.n, counts.rng)
    (overall,) = judge_together({"overall": draw([reid, other])}).values()
    assert overall.low == pytest.approx(-3.983471 - 1.96 * 1.068716, abs=0.06)
    assert overall.high == pytest.approx(-3.983471 + 1.96 * 1.068716, abs=0.06)
    assert overall.detectable == pytest.approx((1.96 + 0.8416) * 1.068716, rel=0.03)
    (excused,) = judge_together({"overall": draw([reid, other])}, margin=4.0).values()
    assert (excused.verdict, excused.regression) == ("worse", False)


def test_the_miss_rate_of_the_paper_is_as_noisy_as_any() -> None:
    """1 point, not the 0.3 of other metrics in percent."""
    assert seed_noise([Trained("MR-2-paper", "humanbench-v1", (40.0,), (41.0,))])[0].sd == pytest.approx(1.0)


def test_unpaired_draws_have_the_spread_of_both_intervals() -> None:
    """Half widths 5.88 and 7.84 of 95 % are 1.96 standard deviations of 3 and 4: together sqrt(9 + 16) = 5."""

    def cell(value: float, half: float, units: int) -> Any:
        metric = SimpleNamespace(low=value - half, high=value + half, n=units)
        entry = SimpleNamespace(result=SimpleNamespace(main="mA", metrics={"mA": metric}, unit="image"))
        return SimpleNamespace(entries=(entry,), values=(value,), first=entry)

    found = _unpaired(cell(70.0, 5.88, 40), cell(72.0, 7.84, 30), np.random.default_rng(0), 200_000, "no data")
    assert (found.method, found.n, found.unit, found.notes) == ("unpaired", 30, "image", ("unpaired: no data",))
    assert found.draws.mean() == pytest.approx(2.0, abs=0.05)
    assert found.draws.std() == pytest.approx(5.0, rel=0.01)
