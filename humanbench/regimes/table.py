"""The regimes: an entry each, with all that is to be known about it. It imports neither torch nor
pydantic: the command line's help names regimes.

Another package adds one as an entry point of the group `humanbench.regimes` that names a `Regime`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from humanbench.catalogue import Catalogue

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone
    from humanbench.regimes.record import Freezing
    from humanbench.tasks.base import Task


@dataclass(frozen=True)
class Regime:
    """How much of a network a finetuning trains.

    `title`: in headings, small letters; `short`: in narrow columns. `about`: what it trains, for the pages: "every
    parameter". `whole`: all of the backbone trains. `groups`: indices of the layer groups that train as a whole;
    `opens`: whether a parameter outside them trains too, from its name in the backbone, itself and the module that
    holds it; both are given the recipe's `Freezing`, as is `insert`: what is added to the backbone before anything is
    frozen, and `check`, which raises `HumanbenchError` for a backbone that the regime is not for, before any data is
    read. `head`: whether the head trains. `in_paper`: whether the paper has it; recipes of another one are ours.
    `fits`: whether there is a fit. `for_task`: whether it is for a task, None for all; `otherwise` goes on about a
    dataset of another one.
    """

    name: str
    title: str
    short: str
    about: str
    whole: bool = False
    groups: Callable[[Backbone, Freezing], Sequence[int]] | None = None
    opens: Callable[[str, nn.Parameter, nn.Module, Freezing], bool] | None = None
    insert: Callable[[Backbone, Freezing], None] | None = None
    check: Callable[[Backbone, Freezing], None] | None = None
    head: bool = True
    fits: bool = True
    for_task: Callable[[Task], bool] | None = None
    otherwise: str = ""
    in_paper: bool = False

    @property
    def trains_backbone(self) -> bool:
        """Whether anything of the backbone trains."""
        return self.whole or self.groups is not None or self.opens is not None

    def suits(self, task: Task) -> bool:
        """Whether datasets of the task can be tested in it."""
        return self.for_task is None or self.for_task(task)


def _last_groups(backbone: Backbone, freezing: Freezing) -> Sequence[int]:
    """The last layer groups that hold more than norms, and those of norms alone between and after them."""
    from humanbench.regimes.parameters import weighty_groups

    return range(weighty_groups(backbone)[-freezing.last :][0], len(backbone.layer_groups))


def _opened_norms(name: str, parameter: nn.Parameter, owner: nn.Module, freezing: Freezing) -> bool:
    from humanbench.regimes.parameters import is_norm

    return freezing.open_norms and is_norm(owner)


def _insert_low_rank(backbone: Backbone, freezing: Freezing) -> None:
    from humanbench.regimes.lora import insert

    insert(backbone, freezing)


def _check_low_rank(backbone: Backbone, freezing: Freezing) -> None:
    from humanbench.regimes.lora import projections

    projections(backbone, freezing)


def _low_rank(name: str, parameter: nn.Parameter, owner: nn.Module, freezing: Freezing) -> bool:
    from humanbench.regimes.lora import LowRank

    return isinstance(owner, LowRank)


REGIMES = Catalogue(
    "regime",
    "humanbench.regimes",
    [
        Regime("full", "full finetuning", "full", "every parameter", whole=True, in_paper=True),
        Regime(
            "partial",
            "partial finetuning",
            "partial",
            "the last two layers, the final norm and the head",
            groups=_last_groups,
            opens=_opened_norms,
            in_paper=True,
        ),
        Regime(
            "lora",
            "low-rank adaptation",
            "LoRA",
            "a low-rank sum on the projections of attention and MLP, and the head",
            insert=_insert_low_rank,
            check=_check_low_rank,
            opens=_low_rank,
        ),
        # Re-identification is ranked by features from under the head, so there this equals `none`; the paper leaves
        # it out.
        Regime("head", "head finetuning", "head", "the head alone, on a frozen backbone", in_paper=True),
        Regime(
            "none",
            "without finetuning",
            "w/o finetuning",
            "nothing: the backbone as it is",
            head=False,
            fits=False,
            in_paper=True,
            for_task=lambda task: task.answers_headless or task.answers_untrained,
            otherwise=(
                "is tested through a head, which without finetuning only the dumps of a pretraining bring along "
                "(--checkpoint DIR); take full, partial or head"
            ),
        ),
    ],
)


def fits(name: str) -> bool:
    """Whether cells of the regime are trained; those of one that is not known here are taken to be."""
    return name not in REGIMES or REGIMES[name].fits


DEFAULT_REGIME = "partial"
"""The regime where none is asked for."""
