"""Position embeddings of plain transformers: which of a file's positions are a grid."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from humanbench.backbones.grouped_forward.vit import Grid
from humanbench.errors import BackboneError

_ASPECTS = ((4, 3), (3, 2), (2, 1))
"""Rectangles that networks for people are trained with, upright or lying: 256x192, 384x256, 256x128 ..."""


@dataclass(frozen=True)
class PositionLayout:
    """`prefix`: positions of class and register tokens, which come first; `grid`: rows and columns of the others.

    `guess`: in words, what was assumed, empty where the size was stated.
    """

    prefix: int
    grid: Grid
    guess: str = ""


def position_layout(count: int, prefixes: tuple[int, ...], stated: Grid | None, source: str) -> PositionLayout:
    """How `count` stored positions are laid out.

    `prefixes`: how many of them may be of class and register tokens, the likeliest first. `stated`: a grid that is
    believed where it fits. Without it only a square is assumed, and only where no rectangle fits as likely (rectangles
    of networks whose registers have positions are unknown): else, and where there is no square, a `BackboneError` asks
    for the size.

    >>> position_layout(197, (1, 0), None, "a.pth").grid
    (14, 14)
    >>> position_layout(289, (1, 0), (24, 12), "a.pth")
    PositionLayout(prefix=1, grid=(24, 12), guess='')
    """
    if stated is not None:
        fitting = [prefix for prefix in prefixes if count - prefix == stated[0] * stated[1]]
        if fitting:
            return PositionLayout(fitting[0], stated)
    squares = [(prefix, isqrt(count - prefix)) for prefix in prefixes if count > prefix and _square(count - prefix)]
    others = [prefix for prefix in prefixes if prefix <= 1 and count > prefix and _rectangle(count - prefix)]
    if len(squares) == 1:  # a rectangle that needs an unlikelier number of first tokens is no doubt: 50 are 7x7 and 1
        others = [prefix for prefix in others if prefixes.index(prefix) <= prefixes.index(squares[0][0])]
    if len(squares) != 1 or others:
        choices = [f"{side}x{side} and {prefix}" for prefix, side in squares]
        choices += [f"an upright or lying rectangle of {count - prefix} and {prefix}" for prefix in others]
        fits = f"fits {', '.join(choices)} of class and register tokens" if choices else "fits no square grid"
        raise BackboneError(
            f"{source}: {count} positions: {fits}; give the size that the network was trained at, "
            "--arch img_size=[HEIGHT, WIDTH]"
        )
    prefix, side = squares[0]
    return PositionLayout(prefix, (side, side), f"{count} positions are a square grid of {side}x{side} and {prefix}")


def _square(cells: int) -> bool:
    return isqrt(cells) ** 2 == cells


def _rectangle(cells: int) -> bool:
    """Whether the cells fill a rectangle of a usual form."""
    return any(cells % (a * b) == 0 and _square(cells // (a * b)) for a, b in _ASPECTS)
