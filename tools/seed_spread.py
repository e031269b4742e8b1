"""How much training seeds move each cell: `python -m tools.seed_spread RUN...`.

RUN are run folders of `humanbench eval --suite mini --seeds 20` (one backbone each). Writes
`baselines/seed_spread.csv`: per dataset, procedural copy and recipe the standard deviation of the main metric over
seeds, the variances of several backbones weighted by their degrees of freedom. Rows of recipes that are no longer the
shipped ones are left out; those of these copies and recipes are replaced. docs/compare.md says what is done with it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable

import numpy as np

from humanbench.cards import load_card
from humanbench.files import replacing
from humanbench.metrics.directions import direction
from humanbench.paths import shipped
from humanbench.recipes import load_recipe
from humanbench.results.cells import CellRuns, grouped
from humanbench.results.seed_spreads import COLUMNS, TABLE
from humanbench.results.stored import read_stored

TRAININGS = 10
"""Trainings of one backbone below which a cell is left out."""


def main(runs: list[str]) -> None:
    """Measure and write."""
    if not runs:
        sys.exit("python -m tools.seed_spread RUN... (run folders of `humanbench eval --suite mini --seeds 20`)")
    measured = rows(cell for run in runs for cell in grouped(read_stored([run])).values())
    target = shipped("baselines") / TABLE
    known = {_key(row): row for row in csv.DictReader(target.open(encoding="utf-8"))} if target.exists() else {}
    known |= {_key(row): row for row in measured}
    known = {key: row for key, row in known.items() if _is_todays(row)}
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known[key] for key in sorted(known))
    for row in measured:
        print(f"{row['dataset']:18}{row['regime']:8}{row['metric']:10}{row['sd']:>8} {row['counted_in']}")
    print(f"{target}: {len(measured)} of {len(known)} rows are new")


def rows(cells: Iterable[CellRuns]) -> list[dict[str, str]]:
    """A row per dataset and recipe of the cells with enough trainings."""
    groups: dict[tuple[str, str, str, str], list[CellRuns]] = {}
    for cell in cells:
        result = cell.first.result
        if cell.problem:
            sys.exit(f"{result.dataset}: {cell.problem}")
        if not result.synthetic:
            sys.exit(f"{result.dataset}: real data; the table is for the embedded suite")
        if len(cell.values) >= TRAININGS:
            key = result.dataset, result.copy_of_data, result.cell.recipe_sha256, result.main
            groups.setdefault(key, []).append(cell)
    return [_row(*key, members) for key, members in groups.items()]


def _row(dataset: str, copy: str, recipe: str, metric: str, cells: list[CellRuns]) -> dict[str, str]:
    points = direction(metric).unit == "%"
    values = [np.array(cell.values) * (1 if points else 100 / np.mean(cell.values)) for cell in cells]
    freedom = sum(len(one) - 1 for one in values)
    variance = sum(float(((one - one.mean()) ** 2).sum()) for one in values) / freedom
    return {
        "dataset": dataset,
        "procedural": copy,
        "regime": cells[0].first.result.regime,
        "metric": metric,
        "sd": f"{np.sqrt(variance):.4f}",
        "counted_in": "points" if points else "percent",
        "trainings": str(sum(map(len, values))),
        "backbones": " ".join(sorted({cell.first.result.backbone for cell in cells})),
        "recipe_sha256": recipe,
    }


def _key(row: dict[str, str]) -> tuple[str, str, str, str]:
    return row["dataset"], row["procedural"], row["regime"], row["recipe_sha256"]


def _is_todays(row: dict[str, str]) -> bool:
    """Whether the row is of the shipped recipe."""
    return row["recipe_sha256"] == load_recipe(load_card(row["dataset"]), row["regime"], "mini").sha256


if __name__ == "__main__":
    main(sys.argv[1:])
