"""Routes: how a batch goes through a trunk, so that any layer group can be the place where it is parted."""

from __future__ import annotations

from torch import nn

from humanbench.backbones.routes.base import Route, State, Visit
from humanbench.backbones.routes.plain import PlainRoute
from humanbench.backbones.routes.sequence import SequenceRoute
from humanbench.backbones.routes.whole import WholeRoute


def find_route(trunk: nn.Module, input_size: tuple[int, int]) -> Route:
    """The finest route that the trunk's class allows."""
    if PlainRoute.fits(trunk):
        return PlainRoute(trunk)  # type: ignore[arg-type]
    return SequenceRoute(trunk) if SequenceRoute.fits(trunk) else WholeRoute(trunk, input_size)


__all__ = ["PlainRoute", "Route", "SequenceRoute", "State", "Visit", "WholeRoute", "find_route"]
