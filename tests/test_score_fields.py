"""Every field that the official tool reads of ground truth and results reaches the metric, from file to number."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import humanbench
from humanbench.cards import load_card
from humanbench.errors import DataWarning
from humanbench.tasks.registry import task_for
from tests.evaluated import write_perfect
from tests.metrics.coco import NAMES, random_coco

Entry = dict[str, Any]


def coco_pose(root: Path, truth: dict[str, Any]) -> Path:
    """The ground truth as a copy of coco_pose; where its annotation file is. No picture is needed to score."""
    path = root / "coco_pose" / "annotations" / "person_keypoints_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [
        image | {"file_name": f"{image['id']:012d}.jpg", "width": 800, "height": 800} for image in truth["images"]
    ]
    path.write_text(json.dumps({"info": {}, "licenses": [], **truth, "images": images}))
    return path


def official(truth: Path, results: Path) -> dict[str, float]:
    """COCOeval on the files themselves; percent, NaN for its -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        real = COCO(str(truth))
        evaluation = COCOeval(real, real.loadRes(str(results)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: 100 * v if v >= 0 else np.nan for name, v in zip(NAMES, evaluation.stats, strict=True)}


def scored(root: Path, results: Path, **more: Any) -> dict[str, float]:
    report = humanbench.score("coco_pose", results, data_root=root, resamples=0, **more)
    return {name: report.metrics[name].value for name in NAMES}


def ours_and_official(root: Path, truth: dict[str, Any], results: list[Entry]) -> tuple[Any, Any]:
    annotations = coco_pose(root, truth)
    (root / "results.json").write_text(json.dumps(results))
    with pytest.warns(DataWarning, match="pictures are not there"):
        ours = scored(root, root / "results.json")
    return ours, pytest.approx(official(annotations, root / "results.json"), nan_ok=True, abs=1e-9)


def with_boxes(results: list[Entry]) -> list[Entry]:
    rng = np.random.default_rng(4)
    return [d | {"bbox": [0, 0, float(rng.uniform(20, 200)), float(rng.uniform(20, 200))]} for d in results]


def as_they_are(results: list[Entry]) -> list[Entry]:
    return results


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("change", [as_they_are, with_boxes])
def test_score_is_cocoevals_whatever_the_fields_say(
    seed: int, change: Callable[[list[Entry]], list[Entry]], tmp_path: Path
) -> None:
    """Crowds, `num_keypoints` at odds with the flags, all sizes, empty images, 30 results an image, ties, boxes."""
    truth, found = random_coco(seed, ties=True)
    ours, theirs = ours_and_official(tmp_path, truth, change(found))
    assert ours == theirs


def test_a_person_of_labelled_points_whose_number_is_zero_is_ignored(tmp_path: Path) -> None:
    """COCOeval: 100. Where the field was lost on the way, the second person was asked for: 50.5."""
    points = np.column_stack([np.linspace(10, 90, 17), np.linspace(10, 200, 17), np.full(17, 2)]).ravel().tolist()
    people = [
        {"id": i + 1, "image_id": i + 1, "category_id": 1, "bbox": [10, 10, 80, 190], "area": 9000, "iscrowd": 0}
        | {"keypoints": points, "num_keypoints": number}
        for i, number in enumerate((17, 0))
    ]
    truth = {"images": [{"id": 1}, {"id": 2}], "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    found = [{"image_id": 1, "category_id": 1, "keypoints": points, "score": 0.9}]
    ours, theirs = ours_and_official(tmp_path, truth, found)
    assert ours == theirs
    assert ours["AP"] == pytest.approx(100)


def test_people_of_two_images_under_one_id_count_once_each_and_are_said(tmp_path: Path) -> None:
    """pycocotools counts the later twice and loses the earlier, whose result is then wrong."""
    truth, found = random_coco(1)
    first = truth["annotations"][0]
    other = next(a for a in truth["annotations"] if a["image_id"] != first["image_id"])
    coco_pose(tmp_path, truth)
    (tmp_path / "results.json").write_text(json.dumps(found))
    with pytest.warns(DataWarning):
        apart = scored(tmp_path, tmp_path / "results.json")
    other["id"] = first["id"]
    coco_pose(tmp_path, truth)
    with pytest.warns(
        DataWarning, match=rf"1 of .* people have the annotation id of another one, the first is {first['id']};"
    ):
        assert scored(tmp_path, tmp_path / "results.json") == pytest.approx(apart, nan_ok=True)


def test_annotations_of_other_categories_are_no_people(tmp_path: Path) -> None:
    truth, found = random_coco(1)
    truth["categories"] = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    for annotation in truth["annotations"][::3]:
        annotation["category_id"] = 18
    people = [a for a in truth["annotations"] if a["category_id"] == 1]
    annotations = coco_pose(tmp_path, {**truth, "annotations": people, "categories": truth["categories"][:1]})
    (tmp_path / "results.json").write_text(json.dumps(found))
    theirs = official(annotations, tmp_path / "results.json")
    coco_pose(tmp_path, truth)
    with pytest.warns(DataWarning):
        assert scored(tmp_path, tmp_path / "results.json") == pytest.approx(theirs, nan_ok=True)


def test_the_number_of_people_without_an_area_is_said(tmp_path: Path) -> None:
    truth, _ = random_coco(1)
    del truth["annotations"][0]["area"], truth["annotations"][3]["area"]
    coco_pose(tmp_path, truth)
    with pytest.warns(DataWarning) as caught:
        table = humanbench.load_samples("coco_pose", "val", tmp_path)
    assert any(f"2 of {len(table)} people have no 'area'; width x height" in str(w.message) for w in caught)


def test_results_have_all_a_box_or_none(tmp_path: Path) -> None:
    truth, found = random_coco(1)
    coco_pose(tmp_path, truth)
    (tmp_path / "results.json").write_text(json.dumps([with_boxes(found)[0], *found[1:]]))
    with pytest.raises(humanbench.errors.PredictionError, match="entry 1 has no bbox; expected 4"):
        scored(tmp_path, tmp_path / "results.json")


def test_people_whom_a_subset_leaves_out_are_ignored_and_not_background(tmp_path: Path) -> None:
    """A file that finds everybody, of which a third are named: 100, where all others were once false: 33.3."""
    path = tmp_path / "people.json"
    tables = write_perfect("coco_pose", tmp_path, path)
    table = tables["val"]
    several = table[table["iscrowd"].eq(0) & table["image_id"].duplicated(keep=False)]
    named = several.groupby("image_id").head(1)
    entries = [e for e in json.loads(path.read_text()) if e["image_id"] in set(named["image_id"])]
    path.write_text(json.dumps(entries))
    (tmp_path / "some.csv").write_text("split,id\n" + "".join(f"val,{i}\n" for i in named["id"]))
    report = humanbench.score("coco_pose", path, data_root=tmp_path, subset=tmp_path / "some.csv", resamples=0)
    assert report.metrics["AP"].value == pytest.approx(100)
    part = humanbench.load_samples("coco_pose", "val", tmp_path, tmp_path / "some.csv")
    there = table[table["image_id"].isin(set(named["image_id"]))]
    assert len(part) == len(named) < len(there)
    assert len(part.attrs["left_out"]) == len(there) - len(named)
    missed = [e for e in json.loads(path.read_text()) if e["image_id"] != named["image_id"].iloc[0]]
    path.write_text(json.dumps(missed))
    report = humanbench.score("coco_pose", path, data_root=tmp_path, subset=tmp_path / "some.csv", resamples=0)
    assert report.metrics["AR"].value < 100


def test_features_in_double_precision_keep_it(tmp_path: Path) -> None:
    """An offset that float32 cannot hold beside the features does not change a Euclidean ranking."""
    path = tmp_path / "features.npz"
    card, tables = load_card("market1501"), write_perfect("market1501", tmp_path, tmp_path / "perfect.npz")
    rng = np.random.default_rng(0)
    values = {}
    sides = [rng.normal(size=(len(t), 8)) for t in tables.values()]
    from humanbench.tasks.reid.predictions import ReidFeatures

    for offset in (0.0, 1e8):
        path.unlink(missing_ok=True)
        task_for(card).predictions.write(card, tables, ReidFeatures(*(s + offset for s in sides)), path)
        report = humanbench.score(card, path, data_root=tmp_path, resamples=0)
        values[offset] = report.metrics["mAP"].value
        assert report.info["tied pairs"] == 0
    assert values[1e8] == pytest.approx(values[0.0], abs=1e-6)
    assert 0 < values[0.0] < 100
