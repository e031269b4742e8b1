"""Learning rates over iterations."""

from __future__ import annotations

import math

from humanbench.recipes import Schedule


def rate(schedule: Schedule, iteration: int, total: int) -> float:
    """The factor on the peak learning rate at an iteration (0 .. total - 1).

    Linear from `start` over the first `warmup` iterations (never more than half of all, so that short runs reach the
    peak), then what the schedule's name says.

    >>> [round(rate(Schedule(name="cosine", warmup=2), i, 6), 2) for i in range(6)]
    [0.0, 0.5, 1.0, 0.85, 0.5, 0.15]
    >>> [round(rate(Schedule(name="warmup_cosine", warmup=2), i, 6), 2) for i in range(6)]
    [0.0, 0.47, 0.75, 0.5, 0.25, 0.07]
    >>> [rate(Schedule(name="step", milestones=(0.5,)), i, 4) for i in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    warmup = min(schedule.warmup, total // 2)
    ramp = schedule.start + (1 - schedule.start) * iteration / warmup if iteration < warmup else 1.0
    if schedule.name == "warmup_cosine":
        return ramp * _cosine(schedule.end, iteration / total)
    if iteration < warmup:
        return ramp
    if schedule.name == "step":
        return schedule.gamma ** sum(iteration >= share * total for share in schedule.milestones)
    if schedule.name == "cosine":
        return _cosine(schedule.end, (iteration - warmup) / max(1, total - warmup))
    return 1.0


def _cosine(end: float, done: float) -> float:
    return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2
