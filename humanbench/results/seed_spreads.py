"""What training seeds were seen to do: standard deviations from many real trainings of one recipe, shipped as a table.

`baselines/seed_spread.csv` is written by `python -m tools.seed_spread`. A row holds for exactly the procedural copy and
the recipe whose hash it names: for other pictures, and for a recipe with another key changed, the spread is assumed.
"""

from __future__ import annotations

import csv
from functools import cache

from humanbench.errors import HumanbenchError
from humanbench.paths import shipped
from humanbench.results.record import Result

TABLE = "seed_spread.csv"

COLUMNS = ("dataset", "procedural", "regime", "metric", "sd", "counted_in", "trainings", "backbones", "recipe_sha256")
"""`sd` is counted in `points` of a metric in percent, else in `percent` of the value; `trainings` over all seeds and
backbones that it was measured with."""


def measured_spread(result: Result, metric: str) -> float | None:
    """Standard deviation over seeds of this metric, in points (a metric in percent) or percent of the value, else None.

    Raises `HumanbenchError` where the shipped table is not one.
    """
    return _table().get((result.dataset, result.copy_of_data, result.cell.recipe_sha256, metric))


@cache
def _table() -> dict[tuple[str, ...], float]:
    path = shipped("baselines") / TABLE
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise HumanbenchError(f"{path}: its columns must be {', '.join(COLUMNS)}")
        keys = ("dataset", "procedural", "recipe_sha256", "metric")
        return {tuple(row[key] for key in keys): float(row["sd"]) for row in rows}
