"""The table of pretrainings: its averages by hand."""

from __future__ import annotations

from pathlib import Path

from humanbench.comparison.report import CellReport
from tools.pretrainings.table import _average
from tools.pretrainings.work import Trial


def cell(metric: str, base: float, new: float, half: float) -> CellReport:
    return CellReport(
        dataset="market1501", task="reid", scenario="in-dataset", suite="mini", regime="head", variant=None,
        subset=None, synthetic=True, metric=metric, verdict="better", base=base, new=new, difference=new - base,
        low=new - base - half, high=new - base + half,
    )  # fmt: skip


def test_gains_in_points_and_in_percent_of_errors() -> None:
    """mAP 20 to 26 is a gain of 6 points (± 3), MSE 50 to 40 one of 20 percent (± 4 people of 50, 8 percent).

    Mean (6 + 20) / 2 = 13, half of the interval sqrt(9 + 64) / 2 = 4.27.
    """
    cells = [cell("mAP", 20, 26, 3), cell("MSE", 50, 40, 4)]
    assert _average(cells) == "**+13.0 (+8.7 – +17.3)**"
    assert _average(cells[:1]) == "**+6.0 (+3.0 – +9.0)**"
    assert _average([cell("MR-2", 90, 92, 5)]) == "-2.0 (-7.0 – +3.0)"
    assert _average([]) == "–"


def test_names_of_trials() -> None:
    assert Trial.of("mini_path=runs/dumps") == Trial("mini_path", "runs/dumps")
    assert Trial.of("runs/flat/card.toml").folder(Path("out"), "head") == Path("out/flat-head")
