"""`humanbench compare`: what it says of two runs, and what it refuses to say."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import humanbench
from humanbench import comparison
from humanbench.comparison import Comparison
from humanbench.comparison.formats import headline
from humanbench.comparison.groups import group_changes
from humanbench.comparison.report import CellReport, TogetherReport, averages
from humanbench.errors import HumanbenchError
from humanbench.results import load_results, stored
from humanbench.stats import holm, p_value
from tests.evaluated import run as command
from tests.made_runs import COMPARED, report_of, write_compared, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_compared(tmp_path_factory.mktemp("compare"))


Compared = Callable[..., Comparison]


@pytest.fixture
def against(made: Path, tmp_path: Path) -> Compared:
    """Compare a changed copy of `base` (fields of its results by name) with `base`."""

    def compared(name: str = "pa100k", **changes: Any) -> Comparison:
        write_run(tmp_path / "new", made / "data", [name], 0.2, **changes)
        (made / "one").mkdir(exist_ok=True)
        return humanbench.compare(made / "base", tmp_path / "new", data_root=made / "data")

    return compared


def cell_of(report: Comparison, dataset: str = "pa100k") -> CellReport:
    return next(cell for cell in report.cells if cell.dataset == dataset)


def test_a_cell_holds_both_values_and_their_paired_difference(made: Path) -> None:
    report = humanbench.compare(made / "base", made / "poor", data_root=made / "data")
    values = [{r.dataset: r.value for r in load_results(made / name)} for name in ("base", "poor")]
    for cell in report.cells:
        base, new = (side[cell.dataset] for side in values)
        assert (cell.base, cell.new, cell.difference) == pytest.approx((base, new, new - base))
        assert cell.low < cell.difference < cell.high
        assert (cell.method, cell.base_seeds, cell.new_seeds) == ("paired", 1, 1)
        assert cell.p <= cell.corrected
    assert [cell.dataset for cell in report.cells] == list(COMPARED)
    assert cell_of(report, "shanghaitech_a").margin == pytest.approx(values[0]["shanghaitech_a"] * 0.05)
    assert cell_of(report).margin == 1.0
    assert report == humanbench.compare(made / "base", made / "poor", data_root=made / "data")


def test_a_paired_interval_is_narrower_than_an_unpaired_one(made: Path, tmp_path: Path) -> None:
    """Both runs find the same images hard, which only the paired one knows."""
    wide, narrow = (
        cell_of(humanbench.compare(made / "base", made / "same", data_root=root), "shanghaitech_a")
        for root in (tmp_path, made / "data")
    )
    assert (wide.method, narrow.method) == ("unpaired", "paired")
    assert wide.high - wide.low > narrow.high - narrow.low


def test_the_gate_fails_for_a_regression_only(made: Path) -> None:
    def gate(new: str, *options: str) -> Any:
        return command("compare", made / "base", made / new, "--data-root", made / "data", "--gate", *options)

    assert gate("base").exit_code == 0
    assert gate("same").exit_code == 0
    failed = gate("poor")
    assert failed.exit_code == 1
    assert "humanbench: 1 regression in 2 cells: pa100k mA −" in failed.stderr
    assert "▼ regression" in failed.stdout
    assert gate("poor", "--margin", "1000").exit_code == 0
    assert command("compare", made / "base", made / "poor", "--data-root", made / "data").exit_code == 0
    better = command("compare", made / "poor", made / "base", "--data-root", made / "data", "--gate")
    assert better.exit_code == 0
    assert "▲ better" in better.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"provenance": {"dataset_fingerprint": "9" * 64}}, "different data (fingerprint ffffffff against 99999999)"),
        ({"cell": {"recipe_sha256": "9" * 64}}, "different protocol (recipe cccccccc against 99999999)"),
        ({"cell": {"inputs": {"boxes": "9" * 64}}}, "different inputs (boxes)"),
        ({"cell": {"humanbench": "9"}}, "different major version of humanbench (0 against 9)"),
        ({"synthetic": True}, "real against synthetic data"),
        ({"subset": "tenth"}, "different subset (all of it against tenth)"),
        ({"regime": "full"}, "different regime (head against full)"),
        ({"suite": "humanbench-v1"}, "different suite (mini against humanbench-v1)"),
        ({"variant": "open_norms"}, "different variant (none against open_norms)"),
        ({"metrics": {"mA": {"value": math.inf, "low": 1.0, "high": 2.0, "n": 3}}}, "NEW has no finite mA"),
        ({"main": "F1"}, "different metric (mA on test against F1 on test)"),
        ({"status": "failed", "reason": "the loss is nan", "metrics": {}}, "NEW failed: the loss is nan"),
    ],
)
def test_what_is_not_comparable_says_why(against: Compared, changes: dict[str, Any], said: str) -> None:
    cell = cell_of(against(**changes))
    assert (cell.verdict, cell.problem) == ("not comparable", said)
    assert math.isnan(cell.difference)
    assert not cell.regression


def test_a_cell_of_one_run_is_named_and_nothing_in_common_is_exit_2(made: Path, tmp_path: Path) -> None:
    for number, name in enumerate(COMPARED):
        write_run(tmp_path / str(number), made / "data", [name], 0.2)
    said = command("compare", tmp_path / "0", tmp_path / "1", "--data-root", made / "data", "--gate")
    assert said.exit_code == 2
    assert "None of 2 cells can be compared" in said.stderr
    assert "can be compared" not in said.stdout, "once is enough"
    assert "only in BASE" in said.stdout
    assert "only in NEW" in said.stdout


def test_results_that_should_differ_in_their_seed_alone(made: Path, tmp_path: Path) -> None:
    mixed, twice = tmp_path / "mixed", tmp_path / "twice"
    write_run(mixed, made / "data", ["pa100k"], 0.2, seeds=(0,))
    write_run(mixed, made / "data", ["pa100k"], 0.2, seeds=(1,), backbone="other", cell={"weights_sha256": "1" * 64})
    (cell,) = [c for c in humanbench.compare(mixed, made / "base", made / "data").cells if c.dataset == "pa100k"]
    assert cell.problem == "BASE holds results of it that differ in backbone and weights; name one results file"
    write_run(twice, made / "data", ["pa100k"], 0.2)
    file = next((twice / "results").iterdir())
    document = json.loads(file.read_text())
    document["cell"] |= {"id": "another", "architecture": "another"}
    file.with_name("again.json").write_text(json.dumps(document))
    (cell,) = [c for c in humanbench.compare(twice, made / "base", made / "data").cells if c.dataset == "pa100k"]
    assert cell.problem == "BASE holds 2 results of it for seed 0; name one results file"
    one = humanbench.compare(file, made / "base", made / "data")
    assert cell_of(one).method == "paired"


def test_several_seeds_are_averaged_and_their_spread_counts(made: Path, tmp_path: Path) -> None:
    seeds = write_run(tmp_path / "seeds", made / "data", ["pa100k"], 0.4, seeds=(1, 2, 3))
    cell = cell_of(humanbench.compare(made / "base", seeds, data_root=made / "data"))
    values = [r.value for r in load_results(seeds)]
    assert cell.new == pytest.approx(np.mean(values))
    assert (cell.base_seeds, cell.new_seeds, cell.method) == (1, 3, "paired")
    # Assumed: 1.2 points with 8 degrees of freedom; seen: the spread of three values, 2 degrees of freedom.
    squares = float(np.sum((np.array(values) - np.mean(values)) ** 2))
    factor = (8 + squares / 1.44) / 10
    assert cell.seed_sd == pytest.approx(((8 * factor * 1.44 + squares) / 10) ** 0.5)


@pytest.mark.parametrize("lost", ["predictions", "data"])
def test_without_predictions_or_ground_truth_it_is_unpaired_and_says_so(made: Path, tmp_path: Path, lost: str) -> None:
    shutil.copytree(made / "same", tmp_path / "new")
    if lost == "predictions":
        shutil.rmtree(tmp_path / "new" / "predictions")
    root = made / "data" if lost == "predictions" else tmp_path / "nowhere"
    done = command("compare", made / "base", tmp_path / "new", "--data-root", root, "--json")
    cells = json.loads(done.stdout)["cells"]
    said = (
        "unpaired: the predictions of NEW are not here"
        if lost == "predictions"
        else "unpaired: the dataset is not under"
    )
    for cell in cells:
        assert cell["method"] == "unpaired"
        assert said in cell["notes"][0]
        assert cell["low"] < cell["difference"] < cell["high"]


def test_what_was_changed_after_the_run_is_not_compared(made: Path, tmp_path: Path) -> None:
    for name in ("predictions", "value", "path"):
        shutil.copytree(made / "base", tmp_path / name)
    file = next((tmp_path / "predictions" / "predictions").glob("pa100k*"))
    file.write_text(file.read_text().replace("0.", "0.0"))
    for name, change in (
        ("value", {"metrics": {"mA": {"value": 99.0, "low": 98.0, "high": 99.5, "n": 12}}}),
        ("path", {"predictions": "../base/predictions/pa100k-head-s0.csv"}),
    ):
        file = next((tmp_path / name / "results").glob("pa100k*"))
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    problems = [
        cell_of(humanbench.compare(made / "base", tmp_path / name, made / "data")).problem
        for name in ("predictions", "value", "path")
    ]
    assert "were changed after they were scored" in problems[0]
    assert "NEW records mA 99.0000, and its predictions score" in problems[1]
    assert "outside its folder" in problems[2]


def test_a_subset_is_paired_with_its_file(made: Path, tmp_path: Path) -> None:
    tables = humanbench.load_samples("shanghaitech_a", "test", made / "data")
    kept = tmp_path / "half.csv"
    kept.write_text("split,id\n" + "\n".join(f"test,{i}" for i in tables["id"][: len(tables) // 2]))
    for name in ("a", "b"):
        folder = write_run(tmp_path / name, made / "data", ["shanghaitech_a"], 0.3, subset="half")
        (file,) = (folder / "predictions").iterdir()
        lines = file.read_text().splitlines()
        file.write_text("\n".join(lines[: 1 + len(tables) // 2]) + "\n")
        report = humanbench.score("shanghaitech_a", file, made / "data", subset=kept)
        (result,) = (folder / "results").iterdir()
        document = json.loads(result.read_text())
        document["metrics"] = json.loads(report.to_json())["metrics"]
        document["provenance"]["predictions_sha256"] = report.predictions_sha256
        result.write_text(json.dumps(document))
    (without,) = humanbench.compare(tmp_path / "a", tmp_path / "b", made / "data").cells
    assert without.notes == ("unpaired: no --subset file called half is given",)
    (paired,) = humanbench.compare(tmp_path / "a", tmp_path / "b", made / "data", subset=kept).cells
    assert (paired.method, paired.n, paired.subset) == ("paired", len(tables) // 2, "half")
    assert paired.board == "mini, head, subset half"


def test_bad_input_is_one_sentence_and_exit_2(made: Path, tmp_path: Path) -> None:
    base = made / "base"
    (tmp_path / "empty" / "results").mkdir(parents=True)
    files = {
        "future.json": json.dumps(json.loads(next((base / "results").iterdir()).read_text()) | {"schema_version": 99}),
        "other.json": '{"hello": 1}',
        "less.json": '{"schema_version": 1}',
        "list.json": "[]",
        "broken.json": '{"schema_version": ',
        "binary.json": "\udcff",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, errors="surrogateescape")
    expected = {
        "nowhere": "there is no such run folder or results file, and no baseline of this name",
        "empty": "no results here (a run folder of `humanbench eval` holds results/*.json)",
        "future.json": "a result of schema version 99; this humanbench reads versions up to",
        "other.json": "a result of schema version None",
        "less.json": "not a result: status: Field required",
        "list.json": "not a result (a JSON object was expected)",
        "broken.json": "not JSON",
        "binary.json": "not JSON",
    }
    for name, said in expected.items():
        for sides in ((base, tmp_path / name), (tmp_path / name, base)):
            done = command("compare", *sides)
            assert done.exit_code == 2, name
            assert said in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
            assert done.stdout == ""
    for option, value, said in (
        ("--margin", "-1", "must be zero or more"),
        ("--margin", "nan", "must be zero or more"),
    ):
        assert said in command("compare", base, base, option, value).stderr
    refused = command("compare", base, base, "--save", tmp_path / "report.pdf")
    assert (refused.exit_code, "must end in .md, .json, .xml" in refused.stderr) == (2, True)


def test_a_shipped_baseline_is_found_by_its_name(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made / "base", tmp_path / "results" / "reference")
    monkeypatch.setattr(stored, "shipped", lambda name: tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cell_of(humanbench.compare("reference", made / "same", made / "data")).method == "paired"
    with pytest.raises(HumanbenchError, match="did you mean reference"):
        humanbench.compare("referense", made / "same")


def test_the_gate_fails_where_no_cell_alone_does_but_all_together() -> None:
    numbers = {
        "change": -2.0,
        "low": -3.0,
        "high": -1.0,
        "p": 0.001,
        "corrected": 0.007,
        "margin": 1.0,
        "detectable": 1.8,
    }
    verdict = {"verdict": "worse", "regression": True}
    worse = TogetherReport.model_validate({"board": "mini, head", "group": "overall", "cells": 19} | numbers | verdict)
    report = Comparison(
        base="a",
        new="b",
        base_backbones=("a",),
        new_backbones=("b",),
        margin=None,
        resamples=1000,
        humanbench="0",
        cells=(report_of(verdict="no difference", base=80.0, new=79.0),),
        together=(worse,),
        averages=(),
    )
    assert (report.regressions, report.together_regressions, report.regressed) == ([], [worse], True)
    said = "No regression of a single cell in 1 cell (0 better, 0 worse, 1 no difference, 0 not comparable). "
    assert headline(report) == said + "Worse together: overall −2.00 % over 19 cells."
    assert "| overall | 19 | −2.00 % | −3.00 to −1.00 % | 0.007 | 1.80 % | ▼ regression |" in report.to_markdown()


def test_what_more_seeds_may_decide() -> None:
    """Two seeds a side, spread 1 point, so that seeds alone make a deviation of 1 and an interval of +- 1.96."""
    about = {"verdict": "no difference", "base": 80.0, "base_seeds": 2, "new_seeds": 2, "seed_sd": 1.0, "margin": 1.0}

    def undecided(low: float, high: float, **fields: Any) -> bool:
        return report_of(**(about | {"low": low, "high": high, "p": 0.4, "new": 79.0} | fields)).undecided

    assert undecided(-2.96, 0.96)
    assert not undecided(-0.9, 3.0)  # a drop of more than a point is excluded
    assert not undecided(-8.0, 6.0)  # deviation 3.57 by units, 1 / 12.8 of the variance by seeds
    assert not undecided(-2.96, 0.96, seed_sd=0.0)
    worse = {"verdict": "worse", "regression": True}
    assert undecided(-5.0, -1.1, p=0.01, **worse)
    assert not undecided(-5.0, -1.1, p=0.002, **worse)
    assert undecided(-0.96, 2.96, metric="MSE")  # of an error the upper end is the drop
    assert not undecided(-2.96, 0.9, metric="MSE")
    assert not report_of(verdict="not comparable").undecided


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made datasets have twelve pictures."""
    monkeypatch.setattr(comparison, "group_changes", partial(group_changes, resamples=50, least=2))


@pytest.mark.usefixtures("small_groups")
def test_groups_of_both_runs_are_those_of_either_and_their_differences(made: Path) -> None:
    report = humanbench.compare(made / "base", made / "poor", data_root=made / "data", groups=True)
    sides = []
    for name in ("base", "poor"):
        (file,) = (made / name / "predictions").glob("pa100k*.csv")
        one = humanbench.subgroups("pa100k", file, made / "data", resamples=2, least=2)
        sides.append({(g.name, group.name): group.value for g in one.groupings for group in g.groups})
    found = {(g.name, group.name): group for g in report.groups if g.dataset == "pa100k" for group in g.groups}
    assert found.keys() == sides[0].keys()
    for key, group in found.items():
        assert [group.base, group.new] == pytest.approx([side[key] for side in sides], nan_ok=True)
        assert group.difference == pytest.approx(group.new - group.base, nan_ok=True)
    shown = [group for group in found.values() if not math.isnan(group.base)]
    assert len(shown) > 3
    assert all(group.low <= group.difference <= group.high for group in shown)
    assert report.groups_absent == ()
    (sex,) = [g for g in report.groups if g.name == "sex"]
    assert sex.gap is not None
    by_name = {group.name: group for group in sex.groups}
    best, worst = by_name[sex.gap.best], by_name[sex.gap.worst]
    assert best.base + best.new >= worst.base + worst.new  # apart in the mean of both
    assert sex.gap.difference == pytest.approx((best.new - worst.new) - (best.base - worst.base))
    assert sex.gap.low <= sex.gap.difference <= sex.gap.high
    assert f"gap: {best.name} − {worst.name}" in str(report)
    assert "by sex" in report.to_markdown()
    assert repr(Comparison.model_validate_json(report.to_json()).groups) == repr(report.groups)


@pytest.mark.usefixtures("small_groups")
def test_groups_of_equal_runs_differ_by_nothing(made: Path) -> None:
    done = command("compare", made / "base", made / "base", "--data-root", made / "data", "--groups", "--json")
    document = json.loads(done.stdout)
    changes = [group for g in document["groups"] for group in (*g["groups"], *([g["gap"]] if g["gap"] else []))]
    assert {(c["difference"], c["low"], c["high"]) for c in changes if c["base"] is not None} == {(0, 0, 0)}
    plain = json.loads(command("compare", made / "base", made / "base", "--data-root", made / "data", "--json").stdout)
    assert plain == document | {"groups": [], "groups_absent": []}


def test_costs_stand_side_by_side_where_one_device_measured_them(made: Path, tmp_path: Path) -> None:
    slow = {"device": "a", "images_per_second": {"forward_1_fp32": 100.0}}
    write_run(tmp_path / "base", made / "data", ["pa100k"], 0.2, trainable=2_000_000, provenance=slow)
    fast = slow | {"images_per_second": {"forward_1_fp32": 400.0}}
    write_run(tmp_path / "new", made / "data", ["pa100k"], 0.2, trainable=1000, provenance=fast)
    report = humanbench.compare(tmp_path / "base", tmp_path / "new", data_root=made / "data")
    costs = {cost.cost: (cost.base, cost.new) for cost in report.costs}
    assert costs["trainable"] == (2e6, 1000)
    assert costs["latency_ms"] == (10, 2.5)
    assert "| latency at batch 1 | 1 | 10 ms | 2.5 ms |" in report.to_markdown()
    assert "storage" not in report.to_markdown()  # the same network
    assert "the same on both sides" in str(humanbench.compare(tmp_path / "new", tmp_path / "new", made / "data"))
    write_run(tmp_path / "other", made / "data", ["pa100k"], 0.2, provenance=fast | {"device": "b"})
    report = humanbench.compare(tmp_path / "base", tmp_path / "other", data_root=made / "data")
    assert "latency_ms" not in {cost.cost for cost in report.costs}


def test_averages_by_hand() -> None:
    cells = [
        report_of(verdict="better", base=80.0, new=84.0),  # + 5 %
        report_of(verdict="no difference", base=50.0, new=49.0),  # - 2 %
        report_of(verdict="worse", base=10.0, new=12.0, metric="EPE", scenario="unseen-task"),  # - 20 %
        report_of(verdict="no difference", base=0.0, new=1.0, scenario="unseen-task"),  # undefined
        report_of(verdict="not comparable", base=1.0, new=99.0),
        report_of(verdict="better", base=10.0, new=20.0, synthetic=True),
    ]
    rows = {(a.board, a.scenario): (a.cells, a.base_rank, a.new_rank, a.change) for a in averages(cells)}
    real = "mini, head"
    assert rows[real, "in-dataset"] == (2, 1.75, 1.25, pytest.approx(1.5))
    assert rows[real, "unseen-task"] == (2, 1.25, 1.75, pytest.approx(-20))
    assert rows[real, "overall"] == (4, 1.5, 1.5, pytest.approx((5 - 2 - 20) / 3))
    assert rows["mini, head, synthetic", "overall"] == (1, 2.0, 1.0, pytest.approx(100))


def test_p_values_and_their_correction_by_hand() -> None:
    assert p_value(np.array([1.0] * 9 + [-1.0])) == pytest.approx(2 * 2 / 11)
    assert p_value(np.array([-1.0] * 99)) == pytest.approx(2 / 100)
    assert p_value(np.zeros(50)) == 1.0
    assert p_value(np.array([np.nan, 2.0, 3.0, 4.0])) == pytest.approx(2 / 4)
    assert math.isnan(p_value(np.array([np.nan])))
    # Sorted 0.01 x 4, 0.02 x 3, 0.04 x 2 = 0.08, 0.05 x 1 -> not below the one before.
    assert holm([0.04, 0.01, 0.05, 0.02]) == pytest.approx([0.08, 0.04, 0.08, 0.06])
    assert holm([math.nan, 0.6, 0.9])[1:] == [1.0, 1.0]


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from humanbench.cli import compare; print({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
