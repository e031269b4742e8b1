"""Learning rates over iterations: an entry for each shape.

Another package adds one as an entry point of the group `humanbench.schedules` that names a `ScheduleShape`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from humanbench.catalogue import Catalogue
from humanbench.optim.sections import Section
from humanbench.schema import Fraction, NotNegative, Record

if TYPE_CHECKING:
    from torch.optim import Optimizer


@dataclass(frozen=True)
class ScheduleShape:
    """What becomes of the rate after the warm-up.

    `about`: a line for the pages. `options`: the keys that `[schedule]` of a recipe has for it beside those of all.
    `factor`: the factor on the peak rate, from the options and how far the run is, 0 .. 1 excluded: counted from the
    end of the warm-up, or over all iterations (`whole`). `with_warmup`: it runs from the first iteration on and is
    multiplied with the warm-up. `words`: how tables of recipes put it.
    """

    name: str
    about: str
    options: type[Record]
    factor: Callable[[Any, RunPosition], float]
    with_warmup: bool = False
    words: Callable[[Any], str] | None = None

    def text(self, options: Any) -> str:
        """The shape with its options in a few words."""
        return self.words(options) if self.words else self.name


@dataclass(frozen=True)
class RunPosition:
    """How far a run is: `iteration` of `total`, the first `warmup` of which were the warm-up."""

    iteration: int
    total: int
    warmup: int

    @property
    def after_warmup(self) -> float:
        """The share of the iterations after the warm-up that is done."""
        return (self.iteration - self.warmup) / max(1, self.total - self.warmup)


class Steps(Record):
    """Options of `step`.

    `milestones` are shares of all iterations; from each on the rate is multiplied by `gamma`, or by its own of
    `factors` where they are given.
    """

    milestones: tuple[Fraction, ...] = ()
    gamma: Fraction = 0.1
    factors: tuple[NotNegative, ...] = ()

    @model_validator(mode="after")
    def _as_many(self) -> Steps:
        if self.factors and len(self.factors) != len(self.milestones):
            raise PydanticCustomError(
                "unfit", f"{len(self.factors)} factors for {len(self.milestones)} milestones; give one for each"
            )
        return self


class Ending(Record):
    """Options of the cosines: the share of the peak rate that they end at."""

    end: Fraction = 0.0


def _step(options: Steps, run: RunPosition) -> float:
    passed = [run.iteration >= share * run.total for share in options.milestones]
    if options.factors:
        return math.prod(factor for factor, is_past in zip(options.factors, passed, strict=True) if is_past)
    return options.gamma ** sum(passed)


def _step_words(options: Steps) -> str:
    steps = ", ".join(f"{share:.0%}" for share in options.milestones)
    return f"× {', '.join(f'{factor:g}' for factor in options.factors or (options.gamma,))} at {steps}"


def _cosine(end: float, done: float) -> float:
    return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2


SCHEDULES = Catalogue(
    "schedule",
    "humanbench.schedules",
    [
        ScheduleShape("constant", "the peak rate to the end", Record, lambda options, run: 1.0),
        ScheduleShape("step", "times a factor from each milestone on", Steps, _step, words=_step_words),
        ScheduleShape(
            "cosine",
            "half a cosine from the end of the warm-up to `end` of the peak",
            Ending,
            lambda options, run: _cosine(options.end, run.after_warmup),
        ),
        ScheduleShape(
            "warmup_cosine",
            "half a cosine over all iterations, multiplied with the warm-up, as in the released code",
            Ending,
            lambda options, run: _cosine(options.end, run.iteration / run.total),
            with_warmup=True,
            words=lambda options: "cosine × warm-up",
        ),
    ],
)


class ScheduleSection(Section):
    """`[schedule]` of a recipe: linear warm-up from `start` x lr, and the shape that the rate has then."""

    catalogue = SCHEDULES
    name: Annotated[str, AfterValidator(SCHEDULES.checked)]
    warmup: int = Field(default=0, ge=0)
    start: Fraction = 0.0


def rate(schedule: ScheduleSection, iteration: int, total: int) -> float:
    """The factor on the peak learning rate at an iteration (0 .. total - 1).

    Linear from `start` over the first `warmup` iterations (never more than half of all, so that short runs reach the
    peak), then what the schedule's shape says.

    >>> Schedule = ScheduleSection
    >>> [round(rate(Schedule(name="cosine", warmup=2), i, 6), 2) for i in range(6)]
    [0.0, 0.5, 1.0, 0.85, 0.5, 0.15]
    >>> [round(rate(Schedule(name="warmup_cosine", warmup=2), i, 6), 2) for i in range(6)]
    [0.0, 0.47, 0.75, 0.5, 0.25, 0.07]
    >>> [rate(Schedule(name="step", milestones=(0.5,)), i, 4) for i in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    >>> step = Schedule(name="step", warmup=2, start=0.5, milestones=(0.5, 0.75), factors=(0.5, 0.2))
    >>> [rate(step, i, 8) for i in range(8)]
    [0.5, 0.75, 1.0, 1.0, 0.5, 0.5, 0.1, 0.1]
    """
    shape = SCHEDULES[schedule.name]
    warmup = min(schedule.warmup, total // 2)
    warming = iteration < warmup
    ramp = schedule.start + (1 - schedule.start) * iteration / warmup if warming else 1.0
    if warming and not shape.with_warmup:
        return ramp
    return ramp * shape.factor(schedule.options, RunPosition(iteration, total, warmup))


class Rates:
    """Sets the rates of an optimiser's groups, whose peaks are what they have when this is made."""

    def __init__(self, optimiser: Optimizer, schedule: ScheduleSection, total: int) -> None:
        self._optimiser, self._schedule, self._total = optimiser, schedule, total
        self.peaks = [group["lr"] for group in optimiser.param_groups]

    def set(self, iteration: int) -> None:
        """The rates of an iteration; beyond the last one those of the last."""
        factor = rate(self._schedule, min(iteration, self._total - 1), self._total)
        for group, peak in zip(self._optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
