"""Calibration: whether what is predicted with probability p comes true in a share p of the cases.

A probability's case is its bin, one of equal width over [0, 1], the upper edge in it (Naeini et al., AAAI 2015; Guo et
al., ICML 2017). The expected calibration error is the mean over cases of the gap between what was predicted and what
was observed in the case's bin. Measured on few cases it is above zero even for a perfect predictor (Kumar et al.,
NeurIPS 2019; Roelofs et al., AISTATS 2022): `ReliabilityBins.by_chance` says by how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from humanbench.arrays import Bools, Floats, Ints, ratio
from humanbench.metrics.scores import ALL, DrawCounts, ReliabilityBins


@dataclass(frozen=True)
class Cases:
    """Probabilities and what came true, as sums that any draw of units weighs again.

    `gaps` (parts x bins, units): predicted minus observed, summed. `asked` (units x parts): how many cases.
    """

    gaps: csr_array
    asked: Floats
    bins: int


def bin_of(probabilities: ArrayLike, bins: int) -> Ints:
    """The bin 0 … bins - 1 of each probability: (0, 1/bins] and so on, 0 itself in the first.

    >>> bin_of([0.0, 0.5, 0.50001, 1.0], 2).tolist()
    [0, 0, 1, 1]
    """
    edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.searchsorted(edges, np.asarray(probabilities, dtype=np.float64), side="left")


def cases(probabilities: Floats, observed: Floats, unit: Ints, part: Ints, units: int, parts: int, bins: int) -> Cases:
    """Cases from four arrays with one value a case: what was predicted, 1 where it came true, of which unit and
    of which part."""
    row = part * bins + bin_of(probabilities, bins)
    gaps = csr_array((probabilities - observed, (row, unit)), shape=(parts * bins, units))
    asked = np.bincount(unit * parts + part, minlength=units * parts).reshape(units, parts).astype(np.float64)
    return Cases(gaps, asked, bins)


def errors(sums: Cases, counts: DrawCounts) -> Floats:
    """The calibration error of each part in percent, unit `i` drawn `counts[i]` times; `nan` without a case.

    A row of counts for each of several draws gives a row of errors for each.
    """
    weights = np.atleast_2d(counts).astype(np.float64)
    gaps = np.ascontiguousarray(np.abs(sums.gaps @ weights.T).T)
    total = gaps.reshape(len(weights), -1, sums.bins).sum(axis=2)
    asked = weights @ sums.asked
    return ratio(100 * total, asked).reshape(*counts.shape[:-1], -1)


def mean(values: Floats, defined: Bools) -> Floats:
    """The mean of the defined values of each row; `nan` without any."""
    means = np.asarray(values.mean(axis=1))
    for row in np.flatnonzero(~defined.all(axis=1)):
        known = values[row, defined[row]]
        means[row] = known.mean() if len(known) else math.nan
    return means


def reliability(
    probabilities: Floats, observed: Floats, part: Ints, names: Sequence[str], bins: int
) -> dict[str, ReliabilityBins]:
    """The curve of all cases together (`ALL`) and of each named part, cases as in `cases`."""
    where = bin_of(probabilities, bins)
    curves = {ALL: _curve(probabilities, observed, where, bins)}
    for number, name in enumerate(names):
        chosen = part == number
        curves[name] = _curve(probabilities[chosen], observed[chosen], where[chosen], bins)
    return curves


def _curve(probabilities: Floats, observed: Floats, where: Ints, bins: int) -> ReliabilityBins:
    n = np.bincount(where, minlength=bins)
    filled = np.flatnonzero(n)
    predicted, true = (np.bincount(where, of, minlength=bins)[filled] / n[filled] for of in (probabilities, observed))
    return ReliabilityBins(
        bins=tuple(filled.tolist()),
        n=tuple(n[filled].tolist()),
        predicted=tuple((100 * predicted).tolist()),
        observed=tuple((100 * true).tolist()),
        of=bins,
    )
