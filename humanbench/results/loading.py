"""Results of a run, or of several, as a sequence and as tables; and what a result cost, in one row."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.results.cells import CellNumber, cell_numbers, conflict_of, lists_by, row_of
from humanbench.results.record import FOLDER, FORWARD, Result, ResultError, latest, read_result, result_files
from humanbench.shown_tables import ShownTable, ShowsTables

if TYPE_CHECKING:
    import pandas as pd

_ABOUT = ("dataset", "backbone", "regime", "suite", "variant", "subset", "main")
"""What a row of a table over conditions is of."""

COSTS = (
    "trainable", "frozen", "images_per_second", "gflops", "latency_ms", "backbone_bytes", "added_bytes",
    "memory_1_bytes", "memory_32_bytes", "joules_1", "joules_32",
)  # fmt: skip
"""What a result cost: `costs_of`."""


class Results(ShowsTables, Sequence[Result]):
    """Results of a run, or of several."""

    def __init__(self, results: Iterable[Result], folder: Path | None = None) -> None:
        self._results = tuple(results)
        self.folder = folder

    def __getitem__(self, index: Any) -> Any:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    @property
    def failed(self) -> list[Result]:
        """Results of cells that failed."""
        return [r for r in self if r.status == "failed"]

    def to_frame(self) -> pd.DataFrame:
        """A row per result: what it is, the main metric with its interval, costs, and every metric by name."""
        import pandas as pd

        return pd.DataFrame([_row(result) for result in self])

    def over_seeds(self) -> pd.DataFrame:
        """A row per cell: mean and sample standard deviation of the main metric over its `count` seeds.

        `low`, `high`: the 95 % interval of the mean, which holds test units and training seeds (docs/leaderboard.md);
        `std` is `nan` for one seed.
        """
        import pandas as pd

        return pd.DataFrame([_over_seeds(cell, number) for cell, number in self.cells()])

    def label_efficiency(self) -> pd.DataFrame:
        """A row per dataset, backbone and fraction of the labels: the mean over the draws, with its 95 % interval.

        `draws` is how many there are; the fraction 1 is all labels. docs/few-labels.md says what the interval holds.
        """
        import pandas as pd

        from humanbench.results.conditions import by_fraction

        rows = []
        for row, cells in self._over_conditions():
            numbers = by_fraction(row["main"], [one for one in cells if one[0].corruption is None])
            rows += [row | vars(number) for number in numbers.values()]
        return pd.DataFrame(rows, columns=[*_ABOUT, "fraction", "value", "low", "high", "draws"])

    def robustness(self) -> pd.DataFrame:
        """A row per dataset, backbone and corruption: the value on pictures as they are (`plain`), the mean over
        severities with its interval (`low`, `high`), and the relative drop in percent.

        `severities` is how many were tested; the corruption `all` is the mean over those of the table. Cells that were
        trained on a fraction of the labels are left out.
        docs/robustness.md says more.
        """
        import pandas as pd

        from humanbench.results.conditions import robustness

        rows = []
        for row, cells in self._over_conditions():
            by_corruption = robustness(row["main"], cells)
            if by_corruption is None:
                continue
            for name, mean in {**by_corruption.means, "all": by_corruption.mean}.items():
                count = len(by_corruption.values[name]) if name in by_corruption.values else by_corruption.tested
                low, high = by_corruption.interval(None if name == "all" else name)
                numbers = {"plain": by_corruption.plain, "mean": mean, "low": low, "high": high}
                numbers |= {"drop": by_corruption.drop(mean), "severities": count}
                rows.append(row | {"corruption": name} | numbers)
        return pd.DataFrame(rows, columns=[*_ABOUT, "corruption", "plain", "mean", "low", "high", "drop", "severities"])

    def _over_conditions(self) -> list[tuple[dict[str, Any], list[tuple[Result, CellNumber]]]]:
        """Of each row and dataset what it is, and its cells under all conditions."""
        firsts = [(cell[0], number) for cell, number in self.cells()]
        rows = lists_by(((*attrgetter(*_ABOUT)(one[0]), one[0].cell.weights_sha256), one) for one in firsts)
        return [(dict(zip(_ABOUT, key, strict=False)), cells) for key, cells in rows.items()]

    def cells(self) -> list[tuple[tuple[Result, ...], CellNumber]]:
        """The finished results of each cell, which differ in their seed alone, and the number they give together.

        Results that differ in their recipe or inputs, or have one seed, are cells of their own.
        """
        done = [r for r in self if r.status == "done"]
        kinds = lists_by(((*row_of(r), r.dataset, r.main), r) for r in done)
        split = {kind: bool(conflict_of(results)) for kind, results in kinds.items()}
        groups = lists_by(((kind, r.cell.id if split[kind] else ""), r) for kind, rs in kinds.items() for r in rs)
        numbers = cell_numbers(groups.values())
        return [(tuple(c), n) for c, n in zip(groups.values(), numbers, strict=True) if n is not None]

    def _heading(self) -> str:
        done = len(self) - len(self.failed)
        where = f" in {self.folder}" if self.folder else ""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{done} result{'s' * (done != 1)}{failed}{where}"

    def _tables(self) -> list[ShownTable]:
        rows = []
        for cell, number in self.cells():
            interval = f"{number.low:.2f} – {number.high:.2f}"
            rows.append((*_named(cell[0]), cell[0].main, f"{number.value:.2f}", interval, str(number.seeds)))
        rows += [(*_named(result), f"failed: {result.reason}", "", "", "") for result in self.failed]
        head = ("dataset", "backbone", "regime", "metric", "value", "95 % interval", "seeds")
        return [ShownTable(head, rows, left=4)] if rows else []


def _named(result: Result) -> tuple[str, str, str]:
    """Dataset, backbone and regime, with what keeps a number apart from others of these."""
    words = [result.variant, f"subset {result.subset}" if result.subset else None, result.condition]
    words += ["synthetic" if result.synthetic else None, result.other_copy]
    labels = ", ".join(word for word in words if word)
    return result.dataset, result.backbone, f"{result.regime} ({labels})" if labels else result.regime


def _over_seeds(cell: Sequence[Result], number: CellNumber) -> dict[str, Any]:
    names = ("dataset", "task", "scenario", "backbone", "regime", "suite", "variant", "condition", "main")
    row = {name: getattr(cell[0], name) for name in names}
    values = [result.value for result in cell]
    spread = {"mean": number.value, "std": statistics.stdev(values) if len(values) > 1 else math.nan}
    return row | spread | {"low": number.low, "high": number.high, "count": number.seeds}


def _row(result: Result) -> dict[str, Any]:
    best = result.metrics.get(result.main)
    row: dict[str, Any] = {
        name: getattr(result, name)
        for name in ("dataset", "task", "scenario", "backbone", "regime", "suite", "variant", "seed", "status", "main")
    }
    row |= {"value": result.value, "low": best.low if best else None, "high": best.high if best else None}
    row |= {name: getattr(result, name) for name in ("synthetic", "procedural", "subset", "condition", "reason")}
    row |= {"cell": result.cell.id, **costs_of(result)}
    return row | {name: metric.value for name, metric in result.metrics.items()}


def costs_of(result: Result) -> dict[str, float | None]:
    """`COSTS` of a result, None for what was not counted or measured.

    Speed is that of forwards at batch 32, latency that at batch 1 in milliseconds, memory the peak at either, energy in
    joules per picture; all in whatever precision the cell was computed, on the device that its provenance names.
    """
    provenance, storage = result.provenance, result.storage
    speeds = provenance.images_per_second if provenance else {}
    memory = provenance.peak_memory if provenance else {}
    joules = provenance.joules_per_image if provenance else {}
    one = _at(speeds, 1)
    values: tuple[float | None, ...] = (
        result.trainable,
        result.frozen,
        _at(speeds, 32),
        result.cost.gflops if result.cost else None,
        1000 / one if one else None,
        storage.backbone if storage else None,
        storage.added if storage else None,
        *(_at(memory, batch) for batch in (1, 32)),
        *(_at(joules, batch) for batch in (1, 32)),
    )
    return dict(zip(COSTS, values, strict=True))


def _at(measures: Mapping[str, float], batch: int) -> float | None:
    return next((value for name, value in measures.items() if name.startswith(f"{FORWARD}{batch}_")), None)


def load_results(*paths: str | os.PathLike[str]) -> Results:
    """Results of run folders or single files; of several for one cell the newest that is done, else the newest.

    Args:
        paths: Run folders of `evaluate`, or results files.

    Raises `ResultError` where there are none or a file is none.
    """
    if not paths:
        raise ResultError("no run folder and no results file was given")
    files: list[Path] = []
    for path in (Path(p) for p in paths):
        files_here = result_files(path) if path.is_dir() else [path] if path.is_file() else []
        if not files_here:
            raise ResultError(f"{path}: no results here (a run folder of `humanbench eval` holds {FOLDER}/*.json)")
        files += files_here
    return Results(latest(read_result(file) for file in files).values(), Path(paths[0]) if len(paths) == 1 else None)
