"""The paper's numbers, from the file to the rendered table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import html5lib
import pytest

from humanbench.cards import collection, load_card, scenario
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.published import load_published, published_rows
from humanbench.leaderboard.site.writing import build_site
from humanbench.metrics.directions import direction
from humanbench.paths import shipped
from humanbench.results.columns import benchmark_columns, main_metric

FILE = shipped("baselines") / "published" / "humanbench-cvpr2023.csv"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site without entries."""
    return build_site(tmp_path_factory.mktemp("published") / "site", [], []).folder


def table_rows(page: Path) -> Iterator[tuple[str, list[str]]]:
    """First cell and the other cells of each row of the published table, as text without what is for the ear."""
    root = html5lib.parse(page.read_text(encoding="utf-8"), namespaceHTMLElements=False)
    table = next(t for t in root.iter("table") if t.get("id") == "published-table")
    for row in table.find("tbody").iter("tr"):
        name = "".join(row.find("th").find("a").itertext())
        about = "".join(row.find("th").find("small").itertext())
        yield (
            f"{name} {about}",
            ["".join((td.find("span") if td.find("span") is not None else td).itertext()) for td in row.iter("td")],
        )


def test_there_are_150_numbers_of_ten_rows() -> None:
    assert len(load_published()) == 150
    assert [len(row) for row in published_rows().values()] == [18, 8, 19, 18, 10, 19, 13, 18, 10, 17]
    assert [key[0] for key in published_rows()][:2] == ["SoTA", "SoTA+"]


def test_metrics_and_directions_are_those_of_the_cards() -> None:
    for number in load_published():
        assert number.metric == main_metric(number.dataset)
        assert number.higher_is_better == direction(number.metric).higher_is_better


def test_the_paper_lists_twelve_five_and_two_by_scenario() -> None:
    seen = [card.id for card in collection("full")]
    found = [scenario(load_card(name), seen) for name in benchmark_columns()]
    assert [found.count(name) for name in ("in-dataset", "out-of-dataset", "unseen-task")] == [12, 5, 2]


@pytest.mark.parametrize("page", ["index.html", "published.html"])
def test_every_number_is_in_its_cell_as_printed(site: Path, page: str) -> None:
    with FILE.open(newline="", encoding="utf-8") as file:
        expected: dict[tuple[str, str, str], dict[str, str]] = {}
        for row in csv.DictReader(file):
            expected.setdefault((row["method"], row["backbone"], row["regime"]), {})[row["dataset"]] = row["value"]
    rendered = list(table_rows(site / page))
    assert len(rendered) == len(expected)
    shown = 0
    for (key, numbers), (name, cells) in zip(expected.items(), rendered, strict=True):
        assert name.startswith(key[0] if key[2] == "published" else f"{key[0]} · {key[1]}")
        assert cells == [numbers.get(dataset, "–") for dataset in benchmark_columns()]
        shown += sum(cell != "–" for cell in cells)
    assert shown == 150


def test_columns_are_in_the_papers_order(site: Path) -> None:
    order = list(dict.fromkeys(number.dataset for number in load_published() if number.row[0] == "MAE"))
    assert list(benchmark_columns()) == order


def test_a_row_has_a_permanent_address(site: Path) -> None:
    text = (site / "published.html").read_text(encoding="utf-8")
    for anchor in ("sota-mixed-published", "sota-plus-mixed-published", "path-vit-b-16-partial", "path-vit-l-16-none"):
        assert f'id="{anchor}"' in text


def test_best_and_second_are_by_value(site: Path) -> None:
    """SHA: 91.7 (PATH, full) is best, 94.3 (SoTA) second; of ATR 97.5 is best, three rows of 97.4 are second."""
    root = html5lib.parse((site / "published.html").read_text(encoding="utf-8"), namespaceHTMLElements=False)
    marks = {td.find("span").text: td.get("class") for td in root.iter("td") if td.find("span") is not None}
    assert marks["91.7"] == "best"
    assert (marks["97.5"], marks["97.4"]) == ("best", "second")


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(HumanbenchError, match="has no column"):
        load_published(path)
