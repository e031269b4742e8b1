"""What the engine is given: what all cells of a run share, and which cell to compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from humanbench.cards import DatasetCard
from humanbench.data.corruptions import Corruption
from humanbench.data.few_labels import FewLabels
from humanbench.data_root import DataRoot
from humanbench.engine.run_folder import RunFolder
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone


class ReadyHeads(Protocol):
    """Heads that were trained elsewhere and are tested as they are, each on its own backbone: a pretraining's, say."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Ids of the datasets that there is a head for."""

    def overrides(self, card: DatasetCard) -> Mapping[str, Any]:
        """What the dataset's recipe must be for its head to fit: dotted keys with values."""

    def backbone(self, card: DatasetCard) -> Backbone:
        """The backbone that the dataset's head was trained on."""

    def fill(self, card: DatasetCard, head: nn.Module) -> None:
        """Put the trained head into a fresh one for this dataset."""


@dataclass(frozen=True)
class CellSpec:
    """One cell to compute: a dataset, its recipe and a seed, and which part of the training data, if not all of it.

    `corruption`: what the test pictures are shown through, if not as they are; `trained` is the cell whose finetuned
    network is tested then. `name` tells it from the others of a run.
    """

    card: DatasetCard
    recipe: Recipe
    seed: int
    few: FewLabels | None = None
    corruption: Corruption | None = None

    @property
    def trained(self) -> CellSpec:
        """The cell that trains: this one, or the same with its test pictures as they are."""
        return replace(self, corruption=None)

    @property
    def name(self) -> str:
        words = [self.recipe.variant or "", self.few.name if self.few else ""]
        words.append(self.corruption.file if self.corruption else "")
        return "-".join([self.card.id, self.recipe.regime, *filter(None, words), f"s{self.seed}"])


@dataclass(frozen=True)
class RunContext:
    """What all cells of a run share.

    `checkpoint`: where the backbone's weights came from, as it was asked for. `subset`: a file that names samples of
    the one dataset of this run. `inputs`: the files that recipes declare, by name. `workers`: processes that read
    images. `cache`: whether anything may be kept in the cache folder. `command`: what made the run. `heads`: heads that
    are tested as they are, with their own backbones; None where a fresh head is fitted on `backbone`. `pretrained_on`:
    what the backbone has seen, as it is said for this run; None where nobody says. `trackers`: what follows the run
    beside its CSV files, by accelerate's names. `weights`: whether what was finetuned is kept.
    """

    backbone: Backbone
    checkpoint: str | None
    folder: RunFolder
    log: RunLog
    data_root: DataRoot
    subset: Path | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    device: str | None = None
    workers: int = 0
    cache: bool = True
    command: str = ""
    heads: ReadyHeads | None = None
    pretrained_on: tuple[str, ...] | None = None
    trackers: tuple[str, ...] = ()
    weights: bool = True

    def backbone_for(self, card: DatasetCard) -> Backbone:
        """The backbone of a dataset's cells: the run's, or the one that its ready-made head was trained on."""
        return self.backbone if self.heads is None else self.heads.backbone(card)
