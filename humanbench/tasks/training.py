"""What the engine needs from a task: data sets, head, decoding.

- Randomness: a data set draws augmentations from a generator seeded by (seed, epoch or view, index), so that a sample
  does not depend on workers or on what was drawn before.
- Samples are dicts of tensors and plain values. `image` is a uint8 3 x H x W tensor, which the engine normalises in a
  batch on the network's device (a float tensor is taken as it is); everything else is the task's own (targets, and what
  decoding needs to get back to original pixels). `index` is the table's row.
- With a frozen trunk the engine stores trunk outputs instead of images; so nothing but the trunk may look at `image`,
  and `batch["input_size"]` (H, W of the batch's images) is there for heads that need it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast

from humanbench.errors import RecipeError
from humanbench.tasks.base import Tables
from humanbench.tasks.options import RecipeSections
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import Tensor

    from humanbench.backbones.backbone import Backbone
    from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
    from humanbench.cards import DatasetCard
    from humanbench.recipes import Recipe

Sample = dict[str, Any]
Batch = dict[str, Any]
Inputs = Mapping[str, Path]
"""Declared files that a test needs besides the dataset, by name."""


class TaskDataset(Protocol):
    """A map-style torch data set over the rows (or pictures) of sample tables."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """The sample with image and targets."""

    def set_epoch(self, epoch: int) -> None:
        """Which augmentation the next samples get: the epoch, or the number of a fixed view."""

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        """The epoch's batches of indices in training (shuffled; identity-balanced for reid), all processes together."""


class TaskHead(Protocol):
    """The part on top of the backbone, an nn.Module.

    `needs` says what of the features it reads (`Backbone.feature_level`), so that nothing else is computed or stored;
    without it all levels are.
    """

    needs: FeatureLevel

    def __call__(self, features: Features, batch: Batch) -> Any:
        """Raw outputs for a batch."""

    def loss(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Named loss terms; the engine minimises their sum."""

    def decode(self, outputs: Sequence[Any], batch: Batch) -> list[Any]:
        """One prediction per sample in original pixels, from the outputs of each test view (see `test_views`)."""


class FolderPicture(NamedTuple):
    """A picture of a folder, whose labels nobody knows: its id, file, width and height in pixels, and the people in it.

    `people`: boxes [x, y, w, h] with a score each, None where nobody said where they are.
    """

    id: str
    path: str
    size: tuple[int, int]
    people: tuple[tuple[tuple[float, float, float, float], float], ...] | None = None

    @property
    def boxes(self) -> tuple[tuple[tuple[float, float, float, float], float], ...]:
        """The people, or the whole picture as one."""
        width, height = self.size
        return (((0.0, 0.0, float(width), float(height)), 1.0),) if self.people is None else self.people


class TaskTraining(ABC):
    """The trainable half of a task.

    `fits` are the values of a recipe's `input.fit` that the task knows, `sections` the typed options of a recipe's
    `augment`, `head`, `loss` and `test`. `whole_batches`: the batches of its training data belong together as they are
    (so many people, so many pictures of each) and are never cut to another size. `decoded` is the class of what a head
    decodes, where that is a dataclass or a named tuple; `takes_boxes`: a sample of it is a person in a box, so that
    pictures without labels need boxes.
    """

    fits: ClassVar[tuple[str, ...]]
    sections: ClassVar[type[RecipeSections]]
    whole_batches: ClassVar[bool] = False
    decoded: ClassVar[type | None] = None
    takes_boxes: ClassVar[bool] = False

    def check(self, recipe: Recipe) -> None:
        """`RecipeError` for a fit that the task has not, or a key or value that does not belong in its sections.

        `HumanbenchError` where the recipe's library of pictures is not installed.
        """
        from humanbench.data.rasters import check_library

        if recipe.input.fit not in self.fits:
            raise RecipeError(
                f"{recipe.task} recipe: input.fit is {recipe.input.fit!r}, it must be {' or '.join(self.fits)}"
            )
        self.sections.of(recipe)
        check_library(recipe.input.library)

    @abstractmethod
    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> TaskDataset:
        """Training samples of these splits (filtered as the recipe says: people without joints, empty pictures …)."""

    @abstractmethod
    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> TaskDataset:
        """Test samples; `inputs` are declared files a protocol needs (the person boxes of a detector)."""

    def picture_tables(self, card: DatasetCard, pictures: Sequence[FolderPicture]) -> dict[str, pd.DataFrame]:
        """Sample tables, under the names of the card's test splits, of pictures without labels.

        A task whose predictions need label columns to be read, written or drawn fills in empty ones.
        """
        assert card.evaluation is not None
        return {card.evaluation.test[0]: picture_table(card, pictures)}

    def picture_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing
    ) -> TaskDataset:
        """Test samples of the tables that `picture_tables` gave."""
        return self.test_data(card, tables, recipe, preprocessing, {})

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Samples as a batch (images padded right and bottom with zeros where sizes differ)."""
        from humanbench.data.collate import collate

        return collate(samples)

    @abstractmethod
    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> torch.nn.Module:
        """A fresh head for these training tables (classes, identities, positive ratios) on this backbone's features.

        Where the head has a method `set_reference_features`, the engine gives it the decoded features of the training
        pictures when nothing is finetuned.
        """

    def test_views(self, recipe: Recipe) -> Sequence[str]:
        """Names of test-time views: `("plain",)`, or `("plain", "flip")` when the mirrored picture is averaged in."""
        return ("plain", "flip") if recipe.test.get("flip") else ("plain",)

    @abstractmethod
    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[Any]) -> Any:
        """What `TaskPredictions.write` takes, from the decoded predictions in sample order."""


def picture_table(card: DatasetCard, pictures: Sequence[FolderPicture]) -> pd.DataFrame:
    """Columns `id` and `image` of pictures without labels, and what a table says of itself."""
    import pandas as pd

    table = pd.DataFrame({"id": [p.id for p in pictures], "image": [p.path for p in pictures]}, dtype=object)
    table.attrs |= {"dataset": card.id, "split": "pictures", "synthetic": False, "subset": None, "remarks": []}
    return table


def training_of(card: DatasetCard) -> TaskTraining:
    """The trainable half of the card's task; loading it imports torch."""
    return cast(TaskTraining, task_for(card).part("training"))
