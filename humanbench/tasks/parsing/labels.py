"""Labels of parsing: a map of classes per picture, which is looked at together with its picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.labels import load_label
from humanbench.tasks.base import Tables, TaskLabels


class ParsingLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        """Opens the label maps of the drawn pictures, and where they lack a class, others until it is found."""
        missing = set(range(len(card.labels.classes)))
        for path in _maps(drawn):
            if not missing:
                return ""
            missing -= set(np.unique(load_label(card, path)).tolist())
        known = set(_maps(drawn))
        for path in _maps(whole):
            undrawn_classes = missing & set(np.unique(load_label(card, path)).tolist()) if path not in known else set()
            if undrawn_classes:
                return f"no {card.labels.classes[min(undrawn_classes)]}"
        return ""


def _maps(tables: Tables) -> Iterator[str]:
    return (str(path) for table in tables.values() for path in table["label"])


labels = ParsingLabels()
