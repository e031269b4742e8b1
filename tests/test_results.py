"""Results: one file each, read back equal, old versions migrated, others refused in a sentence."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from humanbench import load_results
from humanbench.export import export
from humanbench.results import Cell, Cost, Result, ResultError, Results, Storage, migrate, read_result, record
from humanbench.results.loading import costs_of
from humanbench.scoring import Metric
from tests.leaderboard.made import made_result


def result(cell: str = "a" * 64, seed: int = 0, value: float | None = 50.0, **changes: Any) -> Result:
    content = Cell(
        id=cell, dataset="pa100k", data_sha256="d", weights_sha256="w", architecture="a", recipe_sha256="r", seed=seed,
        subset=None, inputs={}, humanbench="0",
    )  # fmt: skip
    known = {
        "cell": content, "dataset": "pa100k", "task": "attribute", "scenario": "undisclosed", "backbone": "toy",
        "checkpoint": None, "regime": "head", "suite": "mini", "variant": None, "seed": seed, "synthetic": True,
        "subset": None, "recipe_source": "ours",
    }  # fmt: skip
    if value is None:
        return Result(**known | {"status": "failed", "reason": "out of memory"} | changes)
    metrics = {
        "mA": Metric(value=value, low=value - 1, high=value + 1, n=9),
        "F1": Metric(value=math.nan, low=1, high=2, n=9),
    }
    return Result(**known | {"status": "done", "main": "mA", "metrics": metrics} | changes)


def write(folder: Path, name: str, one: Result) -> Path:
    path = folder / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(one.to_json())
    return path


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    first = result()
    back = read_result(write(tmp_path, "a", first))
    assert math.isnan(back.metrics["F1"].value)
    assert back.to_json() == first.to_json()
    json.loads(first.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_of_one_cell_the_newest_done_result_counts(tmp_path: Path) -> None:
    for number, value in enumerate([None, 50.0, 60.0, None]):
        path = write(tmp_path, str(number), result(value=value))
        os.utime(path, ns=(number, number))
    (only,) = load_results(tmp_path)
    assert only.value == 60.0
    (failed,) = load_results(write(tmp_path / "b", "x", result(value=None)))
    assert math.isnan(failed.value)


def test_as_a_table(tmp_path: Path) -> None:
    costly = result("a" * 64, 0, 50.0, cost=Cost(gflops=35.1, height=256, width=192), trainable=7, frozen=9)
    listed = Results([costly, result("b" * 64, 1, 54.0), result("c" * 64, 2, None)])
    frame = listed.to_frame()
    assert list(frame["value"].iloc[:2]) == [50.0, 54.0]
    assert list(frame["low"].iloc[:2]) == [49.0, 53.0]
    assert list(frame["mA"].iloc[:2]) == [50.0, 54.0]
    assert list(frame["status"]) == ["done", "done", "failed"]
    assert (frame["gflops"].iloc[0], frame["trainable"].iloc[0], frame["frozen"].iloc[0]) == (35.1, 7, 9)
    assert math.isnan(frame["gflops"].iloc[1])
    (row,) = listed.over_seeds().to_dict("records")
    # mean 52; sample deviation sqrt(((50 - 52)^2 + (54 - 52)^2) / 1) = sqrt(8)
    assert (row["mean"], row["std"], row["count"]) == (52.0, pytest.approx(math.sqrt(8)), 2)


def test_results_of_two_recipes_or_of_one_seed_have_no_mean() -> None:
    """50 of one recipe and 54 of another are two numbers, not 52 with a spread."""
    one, other = result("a" * 64, 0, 50.0), result("b" * 64, 1, 54.0)
    other = other.model_copy(update={"cell": other.cell.model_copy(update={"recipe_sha256": "e" * 64})})
    assert list(Results([one, other]).over_seeds()["mean"]) == [50.0, 54.0]
    assert list(Results([one, result("b" * 64, 0, 54.0)]).over_seeds()["count"]) == [1, 1]
    assert list(Results([one, result("b" * 64, 1, 54.0)]).over_seeds()["mean"]) == [52.0]


def test_results_are_their_table_when_printed_and_in_a_notebook() -> None:
    cells = [result(), result("c" * 64, seed=1, value=52.0)]
    failed = result("b" * 64, value=None, reason="<b> no memory")
    first, head, *rows = repr(Results([*cells, failed])).splitlines()
    assert first == "2 results, 1 failed"
    assert head.split()[:5] == ["dataset", "backbone", "regime", "metric", "value"]
    assert len(rows) == 2
    assert "51.00" in rows[0]
    assert rows[0].endswith("2")
    assert rows[1].endswith("failed: <b> no memory")
    assert "&lt;b&gt; no memory" in Results([failed])._repr_html_()
    assert repr(Results([])) == "0 results"


def test_older_versions_are_migrated_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(result().to_json())
    assert migrate(document) == document
    monkeypatch.setattr(record, "SCHEMA_VERSION", 3)
    monkeypatch.setitem(record._MIGRATIONS, 1, lambda d: d | {"steps": ["1 to 2"]})
    monkeypatch.setitem(record._MIGRATIONS, 2, lambda d: d | {"steps": [*d["steps"], "2 to 3"]})
    old = document | {"schema_version": 1}
    assert migrate(old) == document | {"steps": ["1 to 2", "2 to 3"], "schema_version": 3}


def test_a_result_of_version_1_is_read_as_one_without_cost(tmp_path: Path) -> None:
    document = json.loads(result().to_json()) | {"schema_version": 1}
    del document["cost"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    assert read_result(tmp_path / "old.json").to_json() == result().to_json()


def test_a_result_of_version_5_is_read_as_one_without_storage_memory_and_energy(tmp_path: Path) -> None:
    made = made_result()
    document = json.loads(made.to_json()) | {"schema_version": 5}
    for owner, name in (
        (document, "storage"),
        *((document["provenance"], n) for n in ("peak_memory", "joules_per_image")),
    ):
        del owner[name]
    (tmp_path / "old.json").write_text(json.dumps(document))
    read = read_result(tmp_path / "old.json")
    assert read == made
    assert costs_of(read)["memory_32_bytes"] is None


def test_what_a_result_cost_is_in_table_and_export(tmp_path: Path) -> None:
    made = made_result(storage=Storage(backbone=9000, added=40))
    assert made.provenance is not None
    measured = made.provenance.model_copy(
        update={
            "images_per_second": {"fit": 3.0, "forward_1_bf16": 80.0, "forward_32_bf16": 900.0},
            "peak_memory": {"forward_1_bf16": 11, "forward_32_bf16": 22},
            "joules_per_image": {"forward_32_bf16": 0.5},
        }
    )
    made = made.model_copy(update={"provenance": measured})
    expected = {
        "trainable": 14_200_000, "frozen": 72_200_000, "images_per_second": 900.0, "gflops": 32.0, "latency_ms": 12.5,
        "backbone_bytes": 9000, "added_bytes": 40, "memory_1_bytes": 11, "memory_32_bytes": 22, "joules_1": None,
        "joules_32": 0.5,
    }  # fmt: skip
    assert costs_of(made) == expected
    assert Results([made]).to_frame()["memory_32_bytes"].iloc[0] == 22
    (tmp_path / "result.json").write_text(made.to_json())
    (row,) = csv.DictReader(io.StringIO(export(tmp_path / "result.json", form="csv")))
    assert {name: row[name] for name in expected} == {n: "" if v is None else str(v) for n, v in expected.items()}
    assert row["device"] == "NVIDIA H100"


def test_every_older_version_has_a_migration() -> None:
    assert sorted(record._MIGRATIONS) == list(range(1, record.SCHEMA_VERSION))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON object was expected"),
        ('{"schema_version": 99}', "schema version 99"),
        ("{}", "schema version None"),
        ('{"schema_version": 1, "status": "done"}', "not a result: cell"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=said) as caught:
        load_results(path)
    assert str(path) in str(caught.value)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no results here"):
        load_results(tmp_path)
