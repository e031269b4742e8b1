"""The spread over training seeds that ships as a table: how it is measured, for which results it holds."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from humanbench.cards import load_card
from humanbench.errors import HumanbenchError
from humanbench.paths import shipped
from humanbench.recipes import load_recipe
from humanbench.results import cells, seed_spreads
from humanbench.results.noise import Trained, seed_noise
from humanbench.results.seed_spreads import COLUMNS, TABLE, measured_spread
from humanbench.results.stored import StoredResult
from tests.leaderboard.made import made_result
from tools.seed_spread import rows


def sd_of(**about: object) -> float:
    return seed_noise([Trained("mAP", "mini", (80.0,), (81.0,), **about)])[0].sd  # type: ignore[arg-type]


def test_what_was_measured_takes_the_place_of_what_is_assumed() -> None:
    """1.2 points are assumed on the embedded suite; percent of the value for an error."""
    assert sd_of() == pytest.approx(1.2)
    assert sd_of(measured=0.3) == pytest.approx(0.3)
    assert seed_noise([Trained("MSE", "mini", (50.0,), (60.0,), measured=4.0)])[0].sd == pytest.approx(2.0)


def test_a_cell_that_never_moved_is_certain_until_it_does() -> None:
    """No spread in the table: none is reckoned with; where seeds differ all the same, the assumption counts again."""
    assert sd_of(measured=0.0) == 0
    same, other = (Trained("mAP", "mini", seeds, (81.0,), measured=0.0) for seeds in ((80.0, 80.0), (80.0, 80.5)))
    assert seed_noise([same])[0].sd == 0
    assert other.assumed == pytest.approx(1.2)
    assert seed_noise([other])[0].sd > 0.5


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(seed_spreads, "shipped", lambda name: tmp_path)
    seed_spreads._table.cache_clear()
    yield tmp_path / TABLE
    seed_spreads._table.cache_clear()


def test_a_row_holds_for_its_recipe_and_copy_alone(table: Path) -> None:
    result = made_result(synthetic=True, procedural="mini-2")
    assert measured_spread(result, result.main) is None
    seed_spreads._table.cache_clear()
    row = dict.fromkeys(COLUMNS, "x") | {
        "dataset": result.dataset,
        "procedural": "mini-2",
        "metric": "mAP",
        "sd": "0.25",
    }
    lines = [",".join(COLUMNS), ",".join((row | {"recipe_sha256": result.cell.recipe_sha256}).values())]
    table.write_text("\n".join(lines) + "\n")
    assert measured_spread(result, "mAP") == 0.25
    assert cells.trained_values(result, "mAP", (80.0,)).measured == 0.25
    other = result.model_copy(update={"cell": result.cell.model_copy(update={"recipe_sha256": "0" * 64})})
    assert measured_spread(other, "mAP") is None
    for copy in ("mini-1", "mini-2, difficulty 0.5"):  # other pictures may make training more or less certain
        assert measured_spread(result.model_copy(update={"procedural": copy}), "mAP") is None
    assert measured_spread(result.model_copy(update={"procedural": "", "synthetic": False}), "mAP") is None
    assert measured_spread(result, "rank-1") is None


def test_a_table_with_other_columns_is_refused(table: Path) -> None:
    table.write_text("dataset,sd\nmarket1501,1\n")
    with pytest.raises(HumanbenchError, match=r"its columns must be dataset, procedural"):
        measured_spread(made_result(), "mAP")


def stored(values: list[float], dataset: str = "market1501", backbone: str = "a") -> cells.CellRuns:
    about = {"dataset": dataset, "backbone": backbone, "regime": "head", "suite": "mini", "synthetic": True}
    results = [made_result(value=value, seed=seed, **about) for seed, value in enumerate(values)]  # type: ignore[arg-type]
    (cell,) = cells.grouped(StoredResult(result, Path("x")) for result in results).values()
    return cell


def test_the_table_pools_backbones_by_their_degrees_of_freedom() -> None:
    """Five of 79 and five of 81: squares 10, 9 degrees; twenty of 50 +- 2: squares 80, 19 degrees: sqrt(90 / 28)."""
    one, two = stored([79.0, 81.0] * 5), stored([48.0, 52.0] * 10, backbone="b")
    few = stored([1.0, 2.0], dataset="cuhk03")
    (row,) = rows([one, two, few])
    assert row["procedural"] == "mini-1"
    assert (row["dataset"], row["trainings"], row["backbones"], row["counted_in"]) == (
        "market1501",
        "30",
        "a b",
        "points",
    )
    assert float(row["sd"]) == pytest.approx((90 / 28) ** 0.5, abs=1e-4)


def test_the_shipped_table_is_of_todays_recipes() -> None:
    with (shipped("baselines") / TABLE).open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert listed
    for row in listed:
        recipe = load_recipe(load_card(row["dataset"]), row["regime"], suite="mini")
        assert row["recipe_sha256"] == recipe.sha256, f"{row['dataset']}: python -m tools.seed_spread writes it anew"
        assert float(row["sd"]) >= 0
        assert int(row["trainings"]) >= 10
