"""The value every metric returns: the numbers, and the per-unit parts they were reduced from."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from humanbench.arrays import Floats, Ints

DrawCounts = Ints
"""How often each unit was drawn."""

Reduce = Callable[[Any, DrawCounts], Mapping[str, float]]
ReduceMany = Callable[[Any, DrawCounts], Mapping[str, Floats]]
"""The values of several draws, from a row of counts of each."""

_BLOCK = 2**20
"""Counts of draws that are reduced together."""

Single = Mapping[str, Callable[[Any, DrawCounts], float]]


@dataclass(frozen=True)
class UnitErrors:
    """How far off each unit is: what people look at first who ask where a model fails.

    `compute` gives N floats, more is worse, `nan` where there is nothing to get wrong; `what` and its `unit` (`%`,
    `px`, `people`) say it in words. It is one number per unit beside the metric, which need not be a mean of them.
    """

    compute: Callable[[], Floats]
    what: str
    unit: str

    def text(self, value: float) -> str:
        """The error of a unit in words.

        >>> UnitErrors(lambda: np.zeros(1), "off by", "people").text(12.25)
        'off by: 12.2 people'
        """
        return f"{self.what}: {value:.1f} {self.unit}"


ALL = "all"
"""The name of the reliability curve over all parts of the labels together."""


@dataclass(frozen=True)
class ReliabilityBins:
    """A reliability curve: of the filled ones of `of` bins of equal width (by number from 0) the cases, and in percent
    what was predicted on average and what was observed."""

    bins: tuple[int, ...]
    n: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    of: int = 0

    def by_chance(self) -> float:
        """The calibration error in percent that remains on average where every probability is right, on so few cases.

        What is observed in a bin of n cases then deviates as their mean does, whose absolute error is on average
        sqrt(2 / pi) standard deviations.

        >>> round(ReliabilityBins((7,), (100,), (50.0,), (40.0,)).by_chance(), 2)
        3.99
        """
        bins = [(n, p) for n, p in zip(self.n, self.predicted, strict=True) if 0 < p < 100]
        each = [math.sqrt(2 / math.pi * n * p * (100 - p)) for n, p in bins]
        return sum(each) / sum(self.n) if self.n else math.nan


@dataclass(eq=False, repr=False)
class Scores(Mapping[str, float]):
    """Metric values by name (percent 0-100 unless the metric says otherwise; `nan` where undefined).

    `parts` holds what was measured per unit (`unit`: query, image, person ...; `n` units). `reduce(parts, counts)`
    turns parts into values, with `counts[i]` the number of times unit `i` was drawn: all ones for the plain values, the
    draw's histogram for a resample. So an interval or a paired test needs no second pass over the predictions.
    `reduce_many`, where a metric has it, turns rows of counts, one of each draw, into the same values as arrays.
    `errors` says how far off each unit is, where a metric can say that; `reliability` gives curves by name where
    probabilities were scored; resamples carry neither. `centred` are values that few units move in one direction, as
    they do a calibration error: what their resamples have too much on average is taken off their intervals. `single`
    holds a reduction of its own for each value that takes less work alone than with all others; it gives the same.
    `info` says what a reader of the number must know (queries dropped, images without ground truth ...). `index`: of a
    resample, which of the `n` units were drawn, and `n` is their number then.

    >>> import numpy as np
    >>> mean = lambda x, c: {"mean": float((x * c).sum() / c.sum())}
    >>> s = Scores(np.array([1.0, 2.0, 6.0]), mean, n=3, unit="image")
    >>> dict(s), s.resample([0, 0, 1])["mean"]
    ({'mean': 3.0}, 1.3333333333333333)
    """

    parts: Any
    reduce: Reduce
    _: KW_ONLY
    n: int
    unit: str
    info: Mapping[str, Any] = field(default_factory=dict)
    errors: UnitErrors | None = None
    reliability: Callable[[], Mapping[str, ReliabilityBins]] | None = None
    centred: Collection[str] = ()
    reduce_many: ReduceMany | None = None
    single: Single = field(default_factory=dict)
    index: Ints | None = None

    def __post_init__(self) -> None:
        self._units = self.n
        self.n = self.n if self.index is None else len(self.index)
        self.info, self.single = dict(self.info or {}), self.single or {}  # packages may give None for nothing
        self.centred = frozenset(self.centred)

    @cached_property
    def _values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.reduce(self.parts, self._counts()).items()}

    def _counts(self) -> DrawCounts:
        if self.index is None:
            return np.ones(self._units, np.int64)
        return np.bincount(self.index, minlength=self._units).astype(np.int64)

    def only(self, name: str) -> float:
        """`self[name]` for callers that want no other value: computed alone where that takes less work."""
        if name not in self.single:
            return self[name]
        return float(self.single[name](self.parts, self._counts()))

    def resample(self, index: ArrayLike) -> Scores:
        """The scores of the units `index` (with repeats), numbered as in this object; raises IndexError outside."""
        chosen = np.asarray(index, dtype=np.int64).ravel()
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= self.n):
            raise IndexError(f"units are numbered 0..{self.n - 1}")
        if self.index is not None:
            chosen = self.index[chosen]
        return self._of(chosen)

    def for_draws(self) -> Scores:
        """The same without `errors` and `reliability`, which may hold all predictions."""
        return self._of(self.index, self.centred)

    def _of(self, index: Ints | None, centred: Collection[str] = ()) -> Scores:
        """What resamples are computed from, for these of all units."""
        return Scores(
            self.parts, self.reduce, n=self._units, unit=self.unit, info=self.info, centred=centred,
            reduce_many=self.reduce_many, single=self.single, index=index,
        )  # fmt: skip

    def resampled(self, draws: Iterable[ArrayLike], names: Sequence[str]) -> Iterator[Sequence[float]]:
        """The values `names` of each draw, as `resample` has them; many draws at a time where the metric can."""
        if self.reduce_many is None or self.index is not None:
            for index in draws:
                again = self.resample(index)
                yield [again.only(names[0])] if len(names) == 1 else [again[name] for name in names]
            return
        size = max(1, _BLOCK // max(1, self._units))
        rest = iter(draws)
        while block := list(islice(rest, size)):
            counts = np.stack([np.bincount(index, minlength=self._units) for index in block]).astype(np.int64)
            values = self.reduce_many(self.parts, counts)
            yield from np.array([values[name] for name in names]).reshape(len(names), len(block)).T.tolist()

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        body = ", ".join(f"{k}={v:.4g}" for k, v in self.items())
        return f"Scores({body}; n={self.n} {self.unit})"
