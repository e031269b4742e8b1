"""The optimisers: an entry each, with all that is to be known about it.

Another package adds one as an entry point of the group `humanbench.optimisers` that names an `Optimiser`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from humanbench.catalogue import Catalogue
from humanbench.optim.sections import Section
from humanbench.schema import Fraction, NotNegative, Positive, Record

if TYPE_CHECKING:
    from torch.optim import Optimizer

Groups = list[dict[str, Any]]
"""Parameter groups: dicts of `params`, `lr` and `weight_decay`, and of what an optimiser does not look at."""


@dataclass(frozen=True)
class Optimiser:
    """An optimiser.

    `about`: a line for the pages. `options`: the keys that `[optim]` of a recipe has for it beside those of all.
    `build`: makes it over groups that have rates and decays of their own, from the peak rate and the options.
    `values`: how many values it keeps per parameter, for estimates of memory.
    """

    name: str
    about: str
    options: type[Record]
    build: Callable[[Groups, float, Any], Optimizer]
    values: int


class Momentum(Record):
    """Options of `sgd`."""

    momentum: Fraction = 0.0


class Betas(Record):
    """Options of `adamw`: decays of the two running means."""

    betas: tuple[Fraction, Fraction] = (0.9, 0.999)


class ClippedBetas(Betas):
    """Options of `adafactor`: decay of the momentum, largest decay of the mean square; largest RMS of an update."""

    clip_threshold: Positive = 1.0


def _sgd(groups: Groups, lr: float, options: Momentum) -> Optimizer:
    import torch

    return torch.optim.SGD(groups, lr=lr, momentum=options.momentum)


def _adamw(groups: Groups, lr: float, options: Betas) -> Optimizer:
    import torch

    return torch.optim.AdamW(groups, lr=lr, betas=options.betas)


def _adafactor(groups: Groups, lr: float, options: ClippedBetas) -> Optimizer:
    from humanbench.optim.adafactor import Adafactor

    beta1, clip_beta2 = options.betas
    return Adafactor(groups, lr=lr, beta1=beta1, clip_beta2=clip_beta2, clip_threshold=options.clip_threshold)


OPTIMISERS = Catalogue(
    "optimiser",
    "humanbench.optimisers",
    [
        Optimiser("sgd", "stochastic gradient descent with plain momentum", Momentum, _sgd, values=1),
        Optimiser("adamw", "Adam with decoupled weight decay", Betas, _adamw, values=2),
        Optimiser(
            "adafactor",
            "Adafactor of the released PATH code: a rate from outside, momentum of the scaled update, capped beta2",
            ClippedBetas,
            _adafactor,
            values=1,  # the momentum; rows and columns of the mean square are few
        ),
    ],
)


class OptimSection(Section):
    """`[optim]` of a recipe: the optimiser's name, peak rate, decays, and its own options."""

    catalogue = OPTIMISERS
    name: Annotated[str, AfterValidator(OPTIMISERS.checked)]
    lr: Positive
    weight_decay: NotNegative = 0.0
    layer_decay: Positive = 1.0


def build_optimiser(section: OptimSection, groups: Groups) -> Optimizer:
    """The recipe's optimiser over groups that have their own rates and weight decays."""
    return OPTIMISERS[section.name].build(groups, section.lr, section.options)
