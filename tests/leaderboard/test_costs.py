"""What entries cost: Pareto lists worked out by hand, and storage, memory and energy where each may stand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from humanbench.leaderboard.model.boards import Board, boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.costs import all_cost_columns, pareto_costs
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.tables import columns_of, cost_table, pareto_lists
from humanbench.leaderboard.site.writing import build_site
from humanbench.results import Result, Storage
from tests.leaderboard.made import made_result

ROWS = {  # value, millions of parameters, milliseconds at batch 1 on which device
    "small": (70.0, 10, (4.0, "A")),
    "twin": (70.0, 10, (9.0, "A")),  # as good at as many parameters: neither beats the other
    "middle": (80.0, 40, (5.0, "A")),
    "wasteful": (75.0, 60, (2.0, "A")),  # middle has fewer parameters and is better, but is slower
    "equal": (80.0, 90, (5.0, "B")),  # as good as middle, for more
    "large": (85.0, 300, (8.0, "A")),
    "unknown": (99.0, 0, (1.0, "cpu (4 threads)")),
}


def made(name: str, **measures: Any) -> Result:
    value, millions, (latency, device) = ROWS[name]
    result = made_result("lip", name, value=value, half=0.5, trainable=0, frozen=millions * 1_000_000)
    assert result.provenance is not None
    speeds = {"forward_1_fp32": 1000 / latency}
    provenance = result.provenance.model_copy(update={"images_per_second": speeds, "device": device, **measures})
    return result.model_copy(update={"provenance": provenance})


def board_of(results: list[Result]) -> Board:
    (board,) = boards(entries_of(results, seen_by))
    return board


def test_lists_hold_whom_no_other_beats_at_its_cost() -> None:
    (ranked,) = board_of([made(name) for name in ROWS]).ranked()
    parameters, latency = pareto_lists(ranked, columns_of(["lip"]))
    assert [(row.backbone, row.costs) for row in parameters.rows] == [
        ("small", ("10.0",)), ("twin", ("10.0",)), ("middle", ("40.0",)), ("large", ("300.0",)),
    ]  # fmt: skip
    assert (parameters.known, parameters.unknown) == (6, 1)
    # On device A alone: small (4 ms, 70) is beaten by wasteful (2 ms, 75); equal and unknown are of other devices.
    assert [(row.backbone, row.costs) for row in latency.rows] == [
        ("wasteful", ("2.0",)), ("middle", ("5.0",)), ("large", ("8.0",)),
    ]  # fmt: skip
    assert (latency.known, latency.unknown) == (5, 2)
    assert (latency.rows[1].rank, latency.rows[1].ranks) == ("3", "3–4"), "it cannot be told apart from equal"
    assert latency.rows[0].cells[0].text == "75.0"
    assert latency.rows[0].cells[0].spread.startswith("±")


def test_there_is_no_list_of_one() -> None:
    (ranked,) = board_of([made("small"), made("equal"), made("unknown")]).ranked()
    assert [cost.head for cost in pareto_costs(ranked.entries)] == ["Params"]


def test_storage_memory_and_energy_stand_where_they_may(tmp_path: Path) -> None:
    memory = {"forward_1_fp32": 400_000_000, "forward_32_fp32": 1_500_000_000}
    small = made("small", peak_memory=memory).model_copy(
        update={"storage": Storage(backbone=340_000_000, added=2_500_000)}
    )
    slow = made("unknown", joules_per_image={"forward_1_fp32": 3.25})
    results = [small, made("middle"), slow]
    (ranked,) = board_of(results).ranked()
    heads = [column.head for column in all_cost_columns(ranked.entries)]
    assert heads == ["Params", "Trained", "Backbone", "Added", "GFLOPs", "Latency", "Memory at 1", "Memory at 32"]
    rows = {row.backbone: row.costs for row in cost_table(ranked).rows}
    assert rows["small"] == ("10.0", "0.0", "340.0", "2.5", "20.0", "4.0", "400.0", "1500")
    assert rows["middle"] == ("40.0", "0.0", "–", "–", "24.0", "5.0", "–", "–")
    assert rows["unknown"][5:] == ("–", "–", "–")
    entries = entries_of(results, seen_by)
    site = build_site(tmp_path / "site", entries, events_of(entries)).folder
    assert problems(site) == []
    board = (site / "boards/humanbench-v1-partial.html").read_text()
    assert "All that each costs" in board
    assert "By parameters, of 2 entries (1 more not measured there): those that no other beats" in board
    assert "By latency, of 2 entries" in (site / "tasks/parsing.html").read_text()
    (page,) = (site / "entries").glob("small-*.html")
    assert "2.5 MB added to a backbone of 340.0 MB" in page.read_text()
    assert "400.0 MB (batch 1, fp32, A); 1500 MB (batch 32, fp32, A)" in page.read_text()
    (page,) = (site / "entries").glob("unknown-*.html")
    assert "3.25 J (batch 1, fp32, cpu (4 threads), whole CPU package)" in page.read_text()
    with (site / "data/results.csv").open() as file:
        found = {row["backbone"]: row for row in csv.DictReader(file)}
    names = ("added_bytes", "memory_1_bytes", "memory_32_bytes", "joules_1", "joules_32")
    assert [found["small"][n] for n in names] == ["2500000.0", "400000000.0", "1500000000.0", "", ""]
    assert [found["unknown"][n] for n in names] == ["", "", "", "3.25", ""]
