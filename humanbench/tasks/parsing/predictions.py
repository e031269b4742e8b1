"""Human parsing: a body part or piece of clothing for every pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.data.labels import Map, load_label
from humanbench.predictions.maps import SUFFIX, MapFile, find_maps, write_maps
from humanbench.predictions.names import align
from humanbench.progress import track
from humanbench.tasks.base import Tables, TaskPredictions, only
from humanbench.threads import in_threads


class ParsingPredictions(TaskPredictions):
    """Predictions of human parsing: label maps."""

    suffix = ""

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> list[MapFile]:
        """Find `<image id>.png` for every image in a folder or .zip: 8-bit class indices of the card, original size.

        The maps are not decoded here: 20,000 of them do not fit into memory, and decoding each twice would take as
        long as scoring. `score` checks a map's size and classes when it comes to it, and gives no number if any map is
        wrong.
        """
        maps = find_maps(path)
        order = align(list(only(tables)["id"]), [m.name[: -len(SUFFIX)] for m in maps], path)
        return [maps[i] for i in order]

    def write(self, card: DatasetCard, tables: Tables, predictions: Iterable[Map], path: Path) -> None:
        """Write one H x W map of class indices per row of the table, into a folder or (by its suffix) a .zip."""
        write_maps(path, zip(only(tables)["id"], predictions, strict=True))

    def score(self, card: DatasetCard, tables: Tables, predictions: Sequence[MapFile]) -> metrics.Scores:
        """One confusion matrix per image, several images at a time (`humanbench.metrics.parsing`).

        Raises `PredictionError` for a map of another size than its ground truth, or with a class that the card has not.
        """
        classes = len(card.labels.classes)

        def counted(pair: tuple[MapFile, str]) -> NDArray[np.int64]:
            predicted, label = pair
            truth = load_label(card, label)
            return metrics.confusion(predicted.load(truth.shape, classes), truth, classes)

        pairs = list(zip(predictions, only(tables)["label"], strict=True))
        counts = track(in_threads(counted, pairs), f"comparing {card.id} label maps", total=len(pairs))
        return metrics.parsing(counts, classes)


predictions = ParsingPredictions()
