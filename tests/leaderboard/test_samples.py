"""Predictions drawn on the task pages: what they show, whose they are, and what is never shown."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.labels import IGNORE, load_label
from humanbench.data.samples import MARKER
from humanbench.leaderboard.site.build import build
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.sample_selection import file_of
from humanbench.metrics.boxes import HIT, IGNORED, MISS
from humanbench.metrics.crowdhuman import crowd_verdicts, crowdhuman
from humanbench.metrics.ranking import feature_distances, ranked_gallery, reid_from_features
from humanbench.results import load_results
from humanbench.tasks.attribute.drawing import AttributeDrawing
from humanbench.tasks.detection.predictions import Detections
from humanbench.tasks.drawn import DrawnPicture, DrawnSample
from humanbench.tasks.pose.predictions import PredictedPoses
from humanbench.tasks.registry import task_for, task_names
from humanbench.tasks.reid.predictions import ReidFeatures
from tests.evaluated import perfect, scored_tables, write_dataset
from tests.leaderboard.honest import edit_result, write_honest_run

pytestmark = pytest.mark.xdist_group("samples")  # what its fixtures make is made once

ONE_EACH = ("market1501", "coco_pose", "lip", "pa100k", "crowdhuman", "shanghaitech_b")


@pytest.fixture(scope="module")
def procedural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return procedural_root(tmp_path_factory.mktemp("data"))


def procedural_root(root: Path) -> Path:
    """A data root with a small dataset of each task, marked as procedural."""
    for name in ONE_EACH:
        write_dataset(load_card(name), root)
        (root / name / MARKER).write_text("{}")
    return root


@pytest.fixture(scope="module")
def honest(procedural: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with perfect predictions on all of them."""
    return write_honest_run(tmp_path_factory.mktemp("run"), procedural, ONE_EACH)


def site_of(runs: Sequence[Path], root: Path, place: Path) -> Path:
    return build(runs, place / "site", data_root=root).folder


def drawn(name: str, root: Path, guesses: Sequence[Any], count: int = 2) -> list[DrawnSample]:
    card = load_card(name)
    named = [(f"net {i}", guess) for i, guess in enumerate(guesses)]
    return list(task_for(card).drawing.predictions(card, scored_tables(card, root), named, count))


def shows(picture: DrawnPicture, color: tuple[int, int, int]) -> bool:
    """Whether the colour is there, but for what compression does to it."""
    pixels = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), int)
    return bool((np.abs(pixels - color).max(axis=-1) < 45).sum() > 12)


def test_every_task_page_shows_labels_and_predictions(honest: Path, procedural: Path, tmp_path: Path) -> None:
    site = site_of([honest], procedural, tmp_path)
    assert problems(site) == []
    said = {
        "reid": "first right one: rank 1",
        "pose": "skeleton",
        "parsing": "100 % of the pixels right",
        "attribute": '<td class="n">0.90</td>',
        "detection": "people found",
        "counting": '<th scope="col" class="n">People</th>',
    }
    for task in task_names():
        page = (site / "tasks" / f"{task}.html").read_text()
        assert said[task] in page, task
        assert "Procedural pictures of the embedded suite" in page
        files = sorted((site / "samples").glob(f"{task}-*.webp"))
        assert files
        for file in files:
            assert file.stat().st_size < 60_000
            with Image.open(file) as image:
                assert (image.format, max(image.size) <= 600) == ("WEBP", True)
                image.load()


def test_the_same_input_gives_the_same_pictures(honest: Path, procedural: Path, tmp_path: Path) -> None:
    first, second = (site_of([honest], procedural, tmp_path / name) for name in "ab")
    for file in (first / "samples").iterdir():
        assert file.read_bytes() == (second / "samples" / file.name).read_bytes()


def test_pictures_that_are_not_procedural_are_never_copied(honest: Path, procedural: Path, tmp_path: Path) -> None:
    shutil.copytree(procedural, tmp_path / "data")
    for name in ONE_EACH:
        (tmp_path / "data" / name / MARKER).unlink()
    site = site_of([honest], tmp_path / "data", tmp_path)
    assert not (site / "samples").exists()
    assert "Sample predictions" not in (site / "tasks" / "pose.html").read_text()
    real = write_honest_run(tmp_path / "real", tmp_path / "data", ["pa100k"])
    assert not (site_of([real], procedural, tmp_path / "b") / "samples").exists()


def test_without_pictures_or_predictions_the_site_goes_without(honest: Path, procedural: Path, tmp_path: Path) -> None:
    assert not (site_of([honest], tmp_path / "empty", tmp_path / "a") / "samples").exists()
    shutil.copytree(honest, tmp_path / "run", ignore=shutil.ignore_patterns("predictions"))
    assert not (site_of([tmp_path / "run"], procedural, tmp_path / "b") / "samples").exists()


@pytest.mark.parametrize("what", ["predictions", "labels"])
def test_only_the_scored_predictions_on_the_scored_labels(
    honest: Path, procedural: Path, tmp_path: Path, what: str
) -> None:
    shutil.copytree(honest, tmp_path / "run")
    shutil.copytree(procedural, tmp_path / "data")
    if what == "predictions":
        (path,) = (tmp_path / "run" / "predictions").glob("shanghaitech_b-*.csv")
        path.write_text(path.read_text().rstrip() + "1\n")
    else:
        edit_result(tmp_path / "run", "shanghaitech_b", provenance=_other_labels(tmp_path / "run"))
    site = site_of([tmp_path / "run"], tmp_path / "data", tmp_path)
    shown = {file.name.split("-")[0] for file in (site / "samples").iterdir()}
    assert shown == set(task_names()) - {"counting"}


def _other_labels(run: Path) -> dict[str, Any]:
    (path,) = (run / "results").glob("shanghaitech_b-*.json")
    known: dict[str, Any] = json.loads(path.read_text())["provenance"]
    return known | {"dataset_fingerprint": "0" * 64}


def test_a_path_that_leaves_the_predictions_is_not_read(honest: Path, procedural: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    (path,) = (honest / "predictions").glob("pa100k-*.csv")
    edit_result(tmp_path / "run", "pa100k", predictions=str(path))
    edit_result(tmp_path / "run", "lip", predictions="predictions/../environment.json")
    results = load_results(tmp_path / "run")
    readable = {r.dataset for r in results if file_of(tmp_path / "run", r)}
    assert readable == set(ONE_EACH) - {"pa100k", "lip"}
    site = site_of([tmp_path / "run"], procedural, tmp_path)
    assert {file.name.split("-")[0] for file in (site / "samples").iterdir()} == set(task_names()) - {
        "attribute",
        "parsing",
    }


def test_a_hostile_name_is_text_on_the_picture_too(honest: Path, procedural: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    name = '"><img src=x onerror=alert(1)>\u202e' + "x" * 500
    for dataset in ONE_EACH:
        edit_result(tmp_path / "run", dataset, backbone=name)
    site = site_of([tmp_path / "run"], procedural, tmp_path)
    assert problems(site) == []
    page = (site / "tasks" / "pose.html").read_text()
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "x" * 200 not in page
    assert "&lt;img src=x" in page


def test_the_best_entries_come_first_and_three_at_most(honest: Path, procedural: Path, tmp_path: Path) -> None:
    runs = []
    for number in range(5):
        run = tmp_path / f"run{number}"
        shutil.copytree(honest, run)
        (path,) = (run / "results").glob("shanghaitech_b-*.json")
        metrics = json.loads(path.read_text())["metrics"]
        metrics["MSE"]["value"] = [3.0, 1.0, 5.0, 2.0, 4.0][number]
        cell = json.loads(path.read_text())["cell"] | {"id": str(number) * 64}
        edit_result(run, "shanghaitech_b", metrics=metrics, backbone=f"net{number}", cell=cell)
        runs.append(run)
    page = (site_of(runs, procedural, tmp_path) / "tasks" / "counting.html").read_text()
    first = page[page.index("Predictions by") :][:400]
    assert [f"net{i}" in first for i in range(5)] == [True, True, False, True, False]
    assert first.index("net1") < first.index("net3") < first.index("net0")


class TestReid:
    def test_wrong_ranks_are_marked_wrong(self, procedural: Path) -> None:
        card = load_card("market1501")
        tables = scored_tables(card, procedural)
        right = perfect(card, tables)
        away = ReidFeatures(right.query, 1 - right.gallery)  # whoever is not the person comes first
        for sample in drawn("market1501", procedural, [right, away]):
            good, bad = sample.pictures
            assert good.note == "first right one: rank 1"
            assert good.alt.startswith("a query, then the gallery pictures of ranks 1 to")
            assert bad.note != good.note
            assert bad.alt.split(": ")[1].startswith("wrong")
            assert shows(good, (0, 158, 115))
            assert shows(bad, (213, 94, 0))


def test_the_gallery_is_shown_as_the_metric_ranks_it() -> None:
    """The rank of the first match of every query gives the metric's own rank-1, ties and junk included."""
    rng = np.random.default_rng(3)
    query, gallery = rng.integers(0, 3, (40, 4)).astype(np.float32), rng.integers(0, 3, (60, 4)).astype(np.float32)
    people = rng.integers(0, 9, 40), rng.integers(-1, 9, 60)
    cams = rng.integers(-1, 3, 40), rng.integers(-1, 3, 60)
    for distance in ("euclidean", "cosine"):
        scores = reid_from_features(query, gallery, *people, *cams, distance=distance)  # type: ignore[arg-type]
        row = feature_distances(query, gallery, distance)  # type: ignore[arg-type]
        first = []
        for q in scores.info["valid"]:
            order = ranked_gallery(row(q), people[0][q], people[1], cams[0][q], cams[1])
            first.append(people[1][order[0]] == people[0][q])
        assert 100 * np.mean(first) == pytest.approx(scores["rank-1"])


def test_boxes_are_marked_as_the_metric_counts_them() -> None:
    """One person and one region: found, found again, found nothing, and in the region."""
    image = {
        "id": "a",
        "width": 100,
        "height": 100,
        "gt": [[10, 10, 20, 40, 0], [60, 10, 30, 30, 1]],
        "det": [[11, 10, 20, 40, 0.7], [10, 10, 20, 40, 0.9], [10, 60, 20, 20, 0.8], [65, 12, 10, 10, 0.3]],
    }
    assert crowd_verdicts(image).tolist() == [MISS, HIT, MISS, IGNORED]
    scores = crowdhuman([image])
    assert scores["recall"] == 100


class TestPose:
    def test_no_more_people_than_annotated_and_nothing_far_away(self, procedural: Path) -> None:
        card = load_card("coco_pose")
        tables = scored_tables(card, procedural)
        right = perfect(card, tables)
        wild = np.array(right.keypoints)
        wild[:, ::2, :2] = 1e30
        wild[:, 1, :2] = -1e30
        many = PredictedPoses(
            list(right.image_ids) * 3, np.concatenate([right.keypoints, wild, wild]), np.tile(right.scores, 3)
        )
        for sample in drawn("coco_pose", procedural, [right, many]):
            assert len({picture.note for picture in sample.pictures}) == 1
            assert len({(picture.width, picture.height) for picture in sample.pictures}) == 1


class TestDetection:
    def test_boxes_that_find_nobody_are_counted_as_such(self, procedural: Path) -> None:
        card = load_card("crowdhuman")
        tables = scored_tables(card, procedural)
        right = perfect(card, tables)
        nowhere = Detections(right.rows, np.array(right.boxes) * 0 + [1e300, -1e300, 1e300, 1e300], right.scores)
        twice = Detections(
            np.tile(right.rows, 2), np.tile(right.boxes, (2, 1)), np.concatenate([right.scores, right.scores - 0.5])
        )
        for sample in drawn("crowdhuman", procedural, [right, nowhere, twice, dataclasses.replace(right, **NONE)]):
            _, good, bad, doubled, silent = sample.pictures
            found, people = good.note.split(" of ")
            assert found == people.split()[0]
            assert bad.note == f"0 of {people}"
            assert doubled.note == good.note
            assert silent.note == f"0 of {people}"
            assert silent.alt.startswith("0 boxes")


NONE: dict[str, Any] = {"rows": np.empty(0, np.int64), "boxes": np.empty((0, 4)), "scores": np.empty(0)}


class TestTables:
    def test_counts_stand_beside_the_annotated_one(self, procedural: Path) -> None:
        table = scored_tables(load_card("shanghaitech_b"), procedural)["test"]
        guess = table["count"].to_numpy(float) + 2.25
        for sample in drawn("shanghaitech_b", procedural, [guess, guess * 0 + 1e300]):
            real = float(table["count"][table["id"] == sample.name].iloc[0])
            texts = [text for _, text in sample.rows]
            assert texts == [f"{real:g}", f"{real + 2.25:.1f}", "1e+300"]

    def test_attributes_are_those_that_somebody_sees(self, procedural: Path) -> None:
        card = load_card("pa100k")
        table = scored_tables(card, procedural)["test"]
        silent = np.zeros((len(table), len(card.labels.attributes)))
        one = silent.copy()
        one[:, 5] = 0.75
        for sample in drawn("pa100k", procedural, [silent, one]):
            row = table[table["id"] == sample.name].iloc[0]
            names = {name for name, *_ in sample.rows}
            has = {n for n in card.labels.attributes if row[n] == 1}
            assert names <= has | {card.labels.attributes[5]}
            assert len(names) == min(len(has | {card.labels.attributes[5]}), 12)
            assert all(cells[1] == ("yes" if cells[0] in has else "no") for cells in sample.rows)

    def test_parts_are_named_by_number(self, procedural: Path, tmp_path: Path) -> None:
        card = load_card("lip")
        tables = scored_tables(card, procedural)
        truth = perfect(card, tables)
        task_for(card).predictions.write(card, tables, [np.zeros_like(m) for m in truth], tmp_path / "maps")
        blank = task_for(card).predictions.read(card, tables, tmp_path / "maps")
        for sample in drawn("lip", procedural, [blank]):
            shown = {int(number) for number, _ in sample.rows}
            (row,) = tables["val"].index[tables["val"]["id"] == sample.name]
            assert shown == set(np.unique(truth[row])) - {0}
            label = load_label(card, tables["val"]["label"][row])
            share = 100 * (label[label != IGNORE] == 0).mean()
            assert sample.pictures[1].note == f"{share:.0f} % of the pixels right"
            assert sample.pictures[1].alt == "parts: none"


def test_predictions_that_cannot_be_drawn_do_not_hide_others(
    honest: Path, procedural: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = AttributeDrawing.predictions

    def fragile(drawing: Any, card: Any, tables: Any, guesses: Any, count: int) -> Iterator[DrawnSample]:
        if any("broken" in name for name, _ in guesses):
            raise ValueError("cannot be drawn")
        return whole(drawing, card, tables, guesses, count)

    monkeypatch.setattr(AttributeDrawing, "predictions", fragile)
    shutil.copytree(honest, tmp_path / "run")
    (path,) = (tmp_path / "run" / "results").glob("pa100k-*.json")
    cell = json.loads(path.read_text())["cell"] | {"id": "1" * 64}
    edit_result(tmp_path / "run", "pa100k", backbone="broken", cell=cell)
    page = (site_of([honest, tmp_path / "run"], procedural, tmp_path) / "tasks" / "attribute.html").read_text()
    assert "Sample predictions" in page
    assert "broken" not in page[page.index("Sample predictions") : page.index('id="published"')]
