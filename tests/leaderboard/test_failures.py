"""Where a run fails: the worst units by the metric's own error, beside labels and another run, never published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import html5lib
import numpy as np
import pytest
from PIL import Image

from humanbench import metrics
from humanbench.cards import load_card
from humanbench.data.corruptions import CORRUPTIONS
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.site.build import build
from humanbench.leaderboard.site.failures import WORST, failures_of
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.local_failures import folded_notes, write_failures
from humanbench.leaderboard.site.writing import build_site
from humanbench.metrics.crowdhuman import crowdhuman
from humanbench.scoring import Metric
from humanbench.tasks.registry import task_for, task_names
from tests.evaluated import perfect, run, scored_tables, write_dataset
from tests.leaderboard.honest import write_honest_run
from tests.leaderboard.made import made_result
from tests.leaderboard.test_samples import ONE_EACH, procedural_root
from tests.made_runs import SPOIL, write_run

pytestmark = pytest.mark.xdist_group("samples")


@pytest.fixture(scope="module")
def procedural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return procedural_root(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(procedural: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bad run and a better one on all of them."""
    place = tmp_path_factory.mktemp("runs")
    return [
        write_run(place / name, procedural, ONE_EACH, error, resamples=20, backbone=name)
        for name, error in (("bad", 0.9), ("better", 0.3))
    ]


@pytest.mark.parametrize("dataset", ONE_EACH)
def test_the_worst_come_first_and_what_is_right_is_absent(procedural: Path, dataset: str) -> None:
    card = load_card(dataset)
    tables = scored_tables(card, procedural)
    right = perfect(card, tables)
    if dataset != "lip":  # its predictions are files
        assert failures_of(card, tables, ("perfect", right)) is None
        wrong = SPOIL[card.task](right, 0.9, np.random.default_rng(0))
        found = failures_of(card, tables, ("spoilt", wrong), ("perfect", right))
        assert found is not None
        errors = [float(re.search(r": ([\d.]+) ", text).group(1)) for _, text in found.units]  # type: ignore[union-attr]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > 0
        assert 0 < len(found.units) <= WORST
        first = next(iter(tables.values()))
        for sample, _ in found.units:
            row = first.iloc[sample.position]
            assert sample.name == str(row["image_id" if card.task == "pose" else "id"])


def test_the_error_of_a_unit_by_hand() -> None:
    """Two people: the best two boxes find one of them, the third box is not looked at; and so on."""
    image = {"id": "a", "width": 100, "height": 100, "gt": [[10, 10, 20, 40, 0], [60, 10, 30, 30, 0]]}
    image["det"] = [[10, 10, 20, 40, 0.9], [10, 60, 20, 20, 0.8], [60, 10, 30, 30, 0.3]]
    empty = {"id": "b", "width": 9, "height": 9, "gt": np.empty((0, 5)), "det": np.empty((0, 5))}
    scores = crowdhuman([image, empty])
    assert scores.errors is not None
    np.testing.assert_equal(scores.errors.compute(), [50.0, np.nan])
    known = metrics.attributes([[0.9, 0.2, 0.9], [0.7, 0.5, 0.1]], [[1, 1, -1], [0, 0, 0]])
    assert known.errors is not None
    np.testing.assert_allclose(known.errors.compute(), [50.0, 100 / 3])
    tables = np.zeros((2, 2, 2), int)
    tables[0] = [[6, 2], [0, 2]]  # IoU 6/8 and 2/4
    parts = metrics.parsing(tables, 2)
    assert parts.errors is not None
    np.testing.assert_allclose(parts.errors.compute(), [37.5, np.nan])
    ranked = metrics.reid([[0.1, 0.3, 0.2], [0.1, 0.2, 0.3]], [7, 9], [7, 7, 8], [0, 0], [0, 1, 1])
    assert ranked.errors is not None
    assert (ranked.errors.compute().tolist(), ranked.info["valid"].tolist()) == ([50.0], [0])
    off = metrics.epe(np.ones((1, 2, 2)), np.array([[[4.0, 5.0], [0, 0]]]), np.array([[True, False]]), ["a", "b"])
    assert off.errors is not None
    assert off.errors.compute().tolist() == [5.0]
    np.testing.assert_equal([off["EPE"], off["EPE a"], off["EPE b"]], [5.0, 5.0, np.nan])


def test_mA_is_the_mean_of_its_attributes() -> None:
    rng = np.random.default_rng(0)
    chances, labels = rng.random((50, 3)), rng.integers(-1, 2, (50, 3))
    named = metrics.attributes(chances, labels, names=("Hat", "Bag", "Age 17-30"))
    assert named["mA"] == pytest.approx(np.mean([named[f"mA {n}"] for n in ("Hat", "Bag", "Age 17-30")]))
    plain = metrics.attributes(chances, labels)
    assert {name: named[name] for name in plain} == dict(plain)
    one = metrics.attributes(chances[:, :1], labels[:, :1])
    assert named["mA Hat"] == pytest.approx(one["mA"])


def test_a_site_shows_where_synthetic_entries_fail(procedural: Path, tmp_path: Path) -> None:
    runs = [write_honest_run(tmp_path / str(e), procedural, ONE_EACH, error=e) for e in (0.9, 0.3)]
    site = build(runs, tmp_path / "site", data_root=procedural).folder
    assert problems(site) == []
    pages = sorted((site / "failures").glob("*.html"))
    assert len(pages) == 2
    (worse,) = (page for page in pages if "off-by-0-9" in page.name)
    text = worse.read_text()
    assert [task for task in task_names() if f'id="{task}"' not in text] == []
    assert 'class="label l-synthetic"' in text
    regions = re.findall(r'<(?:section|div) class="[a-z ]+"[^>]* aria-label="([^"]*)"', text)
    assert len(regions) == len(set(regions)) > 12, "parts of a page that are called alike"
    assert "off-by-0.3, head" in text
    assert f'../failures/{worse.stem}.html"' in (site / "entries" / worse.name).read_text()
    assert f'../failures/{worse.stem}.html#pose"' in (site / "tasks/pose.html").read_text()


def test_a_run_on_real_data_stays_on_the_machine(procedural: Path, tmp_path: Path) -> None:
    names = ("pa100k", "shanghaitech_b")
    for name in names:
        write_dataset(load_card(name), tmp_path / "data")
    bad, better = (
        write_run(tmp_path / n, tmp_path / "data", names, e, resamples=20, backbone=f"<i>{n}</i>")
        for n, e in (("bad", 0.9), ("better", 0.3))
    )
    out = tmp_path / "out"
    common = ("--data-root", tmp_path / "data", "--out", out)
    done = run("failures", bad, "--second", better, *common, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"page": str(out / "index.html"), "cells": 2, "notes": []}
    text = (out / "index.html").read_text()
    assert "Do not publish this folder" in text
    assert "<i>" not in text
    assert "&lt;i&gt;better" in text
    html = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    pictures = [image.get("src") for image in html.iter("img")]
    assert pictures
    assert all((out / path).is_file() for path in pictures)
    assert run("failures", bad, "--datasets", "pa100k", *common).exit_code == 0, "its own folder is replaced"
    assert not list((out / "pictures").glob("*shanghaitech_b*"))


def test_corrupted_cells_are_drawn_as_they_were_tested(
    procedural: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CORRUPTIONS, "noise", lambda pixels, level, rng: np.full_like(pixels, 0.5))
    drawn = {}
    for name, cell in (("plain", {}), ("grey", {"corruption": "noise:5"})):
        folder = write_run(tmp_path / name, procedural, ["pa100k"], 0.9, resamples=2, cell=cell)
        write_failures(folder, tmp_path / f"{name}-out", data_root=procedural, count=1)
        (page,) = (tmp_path / f"{name}-out").glob("index.html")
        assert ("noise:5" in page.read_text()) == (name == "grey")
        picture = next((tmp_path / f"{name}-out" / "pictures").iterdir())
        drawn[name] = np.asarray(Image.open(picture).convert("RGB"), int)
    middle = [d[d.shape[0] // 2, : d.shape[0] // 4].std() for d in drawn.values()]
    assert middle[0] > 5 > middle[1]
    with pytest.raises(HumanbenchError, match=r"nothing of .*plain can stand beside .*grey"):
        write_failures(tmp_path / "grey", tmp_path / "both", tmp_path / "plain", data_root=procedural)


def test_what_cannot_be_drawn_is_one_sentence(runs: list[Path], procedural: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, said in (
        (("--data-root", tmp_path, "--datasets", "lip"), "nothing of"),
        (("--data-root", procedural, "--datasets", "atr"), "has no results on atr; it has coco_pose,"),
    ):
        done = run("failures", runs[0], "--out", out, *words)
        assert done.exit_code == 2
        assert said in done.stderr
        assert not out.exists()
    (tmp_path / "thesis.tex").write_text("years of work")
    done = run("failures", runs[0], "--data-root", procedural, "--out", tmp_path)
    assert (done.exit_code, (tmp_path / "thesis.tex").exists()) == (2, True)


def test_a_second_run_with_nothing_in_common_is_refused_and_notes_are_folded(
    runs: list[Path], procedural: Path, tmp_path: Path
) -> None:
    name = ONE_EACH[0]
    other = tmp_path / "other"
    write_dataset(load_card("shanghaitech_a"), tmp_path / "data")
    write_run(other, tmp_path / "data", ["shanghaitech_a"], 0.3, resamples=20)
    common = ("--data-root", procedural, "--datasets", name, "--out", tmp_path / "out")
    done = run("failures", runs[0], "--second", other, *common)
    assert done.exit_code == 2
    assert "can stand beside" in done.stderr
    assert not (tmp_path / "out").exists()
    notes = [("a, head", "lost"), ("b, head", "other"), ("c, head", "lost")]
    assert folded_notes(notes) == ["a, head; c, head: lost", "b, head: other"]


def test_entry_pages_name_parts_and_draw_the_training(tmp_path: Path) -> None:
    lip = load_card("lip")
    one = Metric(value=40.0, low=39.0, high=41.0, n=10)
    result = made_result("lip")
    result = result.model_copy(
        update={
            "metrics": {**result.metrics, "IoU 1": one, "IoU 999": one, "mean recall": one},
            "history": [{"loss": 3.0}, {"loss": None}, {"loss": 1.5}],
        }
    )
    site = build_site(tmp_path / "site", entries_of([result], seen_by), []).folder
    assert problems(site) == []
    (page,) = (site / "entries").glob("*.html")
    text = page.read_text()
    assert "LIP (Look into Person): classes" in text
    assert f'<th scope="row">{lip.labels.classes[1]}</th><td class="n">40.0' in text
    assert '<th scope="row">class 999</th>' in text
    assert "mean recall</th>" not in text
    assert "3 epochs, from 3 to 1.5, the least 1.5." in text


def test_reading_rows_of_units_without_people(procedural: Path) -> None:
    """Images stand in the order of their ids, whatever the table's."""
    card = load_card("coco_pose")
    tables = scored_tables(card, procedural)
    scores = task_for(card).predictions.score(card, tables, perfect(card, tables))
    rows = task_for(card).predictions.rows(card, tables, scores)
    table = next(iter(tables.values()))
    ids = [table["image_id"].iloc[row] for row in rows if row >= 0]
    assert ids == sorted(ids)
    assert len(rows) == scores.n
