"""Bootstrap intervals and paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from humanbench.metrics.scores import Scores
from humanbench.stats import Metric, bootstrap, paired_draws


def mean_scores(values: NDArray[np.float64]) -> Scores:
    def reduce(parts: NDArray[np.float64], counts: NDArray[np.int64]) -> dict[str, float]:
        return {"mean": float(parts @ counts / counts.sum()), "sum": float(parts @ counts)}

    return Scores(values, reduce, n=len(values), unit="image")


def rare_scores(n: int) -> Scores:
    """`rare` is 1 when unit 0 was drawn and nan otherwise; `never` is always nan."""
    return Scores(None, lambda _, c: {"rare": 1.0 if c[0] else math.nan, "never": math.nan}, n=n, unit="image")


def paired_difference(base: Scores, new: Scores, rng: np.random.Generator) -> dict[str, Metric]:
    """Intervals of `new - base` for every metric that both have."""
    names = [name for name in base if name in new]
    ends = np.quantile(paired_draws([base], [new], names, rng, 1000), [0.025, 0.975], axis=0)
    return {
        name: Metric(value=new[name] - base[name], low=ends[0, i], high=ends[1, i], n=base.n)
        for i, name in enumerate(names)
    }


def test_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(1).gamma(2.0, 10.0, 137)
    found = bootstrap(mean_scores(values), np.random.default_rng(5))["mean"]
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=1000, method="percentile", rng=np.random.default_rng(5), vectorized=True
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.n == 137


def test_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(2).normal(50.0, 8.0, 2500)
    found = bootstrap(mean_scores(values), np.random.default_rng(0))["mean"]
    half = 1.96 * values.std() / 50  # sqrt(2500)
    assert found.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_equal_seeds_give_equal_intervals() -> None:
    scores = mean_scores(np.arange(20.0))
    first, again, other = (bootstrap(scores, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_undefined_resamples_are_left_out_and_all_undefined_is_nan() -> None:
    found = bootstrap(rare_scores(8), np.random.default_rng(0))
    assert (found["rare"].value, found["rare"].low, found["rare"].high) == (1.0, 1.0, 1.0)
    assert all(math.isnan(v) for v in (found["never"].value, found["never"].low, found["never"].high))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_interval_lies_within_the_values(values: list[float], seed: int) -> None:
    found = bootstrap(mean_scores(np.array(values)), np.random.default_rng(seed), resamples=50)["mean"]
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_paired_difference_is_much_tighter_than_the_intervals_of_both() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(50.0, 20.0, 400)
    new = base + 1.0 + rng.normal(0.0, 0.5, 400)
    found = paired_difference(mean_scores(base), mean_scores(new), rng)["mean"]
    assert found.value == pytest.approx((new - base).mean())
    # The difference is itself a mean over units, so its interval is the bootstrap interval of the differences.
    half = 1.96 * (new - base).std() / 20
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.2 * half)
    assert found.low > 0


def test_a_model_does_not_differ_from_itself() -> None:
    scores = mean_scores(np.arange(9.0))
    found = paired_difference(scores, scores, np.random.default_rng(0))
    assert {(f.value, f.low, f.high) for f in found.values()} == {(0.0, 0.0, 0.0)}


def test_only_metrics_of_both_are_compared() -> None:
    found = paired_difference(mean_scores(np.arange(8.0)), rare_scores(8), np.random.default_rng(0))
    assert found == {}


def test_different_units_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="not paired: 5 x image against 6 x image"):
        paired_difference(mean_scores(np.zeros(5)), mean_scores(np.zeros(6)), np.random.default_rng(0))
