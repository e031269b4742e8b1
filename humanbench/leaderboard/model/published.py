"""The numbers of the paper's table 3, as published."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from humanbench.errors import HumanbenchError
from humanbench.paths import shipped

SOURCE = "arXiv 2303.05675, table 3"
NAME = "humanbench-cvpr2023"
_NAMES = ("method", "backbone", "regime", "dataset", "metric")


@dataclass(frozen=True)
class Published:
    """One number: `method` and `backbone` as the paper names them; `text` is the value as printed there.

    `regime` is full, partial, head, none (without finetuning), or `published` for the rows of other authors.
    """

    method: str
    backbone: str
    regime: str
    dataset: str
    metric: str
    higher_is_better: bool
    text: str

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def row(self) -> tuple[str, str, str]:
        """What the paper's table has one row for."""
        return self.method, self.backbone, self.regime


@lru_cache(maxsize=4)
def load_published(path: Path | None = None) -> tuple[Published, ...]:
    """All numbers, in the order of the file (the paper's); `HumanbenchError` for a file that is none of this kind."""
    path = path or shipped("baselines") / "published" / f"{NAME}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return tuple(
            Published(
                **{name: row[name] for name in _NAMES},
                higher_is_better=row["higher_is_better"] == "true",
                text=row["value"],
            )
            for row in rows
        )
    except KeyError as error:
        raise HumanbenchError(f"{path}: has no column {error}; a table of published numbers has one") from error


def published_rows() -> dict[tuple[str, str, str], dict[str, Published]]:
    """By row of the table, its numbers by dataset; rows and numbers in the paper's order."""
    rows: dict[tuple[str, str, str], dict[str, Published]] = {}
    for number in load_published():
        rows.setdefault(number.row, {})[number.dataset] = number
    return rows
