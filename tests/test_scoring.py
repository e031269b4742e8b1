"""`score` end to end: a dataset in its official form, a predictions file, the numbers."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import humanbench
import humanbench.metrics
from humanbench.cards import DatasetCard, evaluated, load_card
from humanbench.data.labels import load_label
from humanbench.errors import CardError, HumanbenchError
from humanbench.hashing import content_sha256
from humanbench.scoring import ScoreReport
from humanbench.tasks.counting import predictions as counting
from humanbench.tasks.pose import predictions as pose
from humanbench.tasks.registry import task_for
from humanbench.tasks.reid import predictions as reid
from tests.evaluated import Tables, perfect, prediction_path, run, scored_tables, write_dataset, write_perfect
from tests.samples import SAMPLES, needs_samples

BEST = {
    "mAP": 100, "rank-1": 100, "AP": 100, "PCKh@0.5": 100, "EPE": 0, "mIoU": 100, "pACC": 100, "MR-2": 0, "MSE": 0,
}  # fmt: skip
"""What perfect predictions score, whatever the ground truth."""


@pytest.mark.parametrize("name", [c.id for c in evaluated()])
def test_perfect_predictions_score_perfectly(name: str, tmp_path: Path) -> None:
    card = load_card(name)
    path = prediction_path(card, tmp_path)
    tables = write_perfect(name, tmp_path, path)
    report = humanbench.score(name, path, data_root=tmp_path, resamples=20)
    assert card.evaluation is not None
    assert set(card.evaluation.report) <= set(report.metrics)
    assert next(iter(report.metrics)) == report.main == card.evaluation.main
    main = report.metrics[report.main]
    if report.main in BEST:
        assert (main.value, main.low, main.high) == pytest.approx((BEST[report.main],) * 3, abs=1e-4)
    else:  # the best value depends on the units, so it differs between resamples
        assert main.value == pytest.approx(BEST_OF_TABLE[report.main](card, tables))
        assert main.low <= main.value
    assert 0 < main.n <= sum(max(len(t), len(t.attrs.get("image_ids", ()))) for t in tables.values())


def crowdhuman_best(card: DatasetCard, tables: Tables) -> float:
    """The area left of the first precision-recall point does not count, so N people give at most 1 - 1 / N."""
    return 100 * (1 - 1 / sum((~i).sum() for i in tables["val"]["ignore"]))


def attribute_best(card: DatasetCard, tables: Tables) -> float:
    """A rate with nothing to count is 0: half of what an attribute gives that all, or no, images have."""
    labels = tables["test"][list(card.labels.attributes)].to_numpy()
    return 50 * float(((labels == 1).any(axis=0).astype(int) + (labels == 0).any(axis=0)).mean())


BEST_OF_TABLE = {"AP50": crowdhuman_best, "mA": attribute_best}


def test_counting_errors_are_those_of_the_predictions(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    tables = write_perfect("shanghaitech_a", tmp_path, path)
    card, count = load_card("shanghaitech_a"), tables["test"]["count"].to_numpy(float)
    off = np.resize([3.0, -4.0], len(count))
    path.unlink()
    counting.predictions.write(card, tables, count + off, path)
    report = humanbench.score("shanghaitech_a", path, data_root=tmp_path)
    assert report.metrics["MAE"].value == pytest.approx(np.abs(off).mean())
    assert report.metrics["MSE"].value == pytest.approx(math.sqrt((off**2).mean()))
    assert 3 <= report.metrics["MAE"].low <= report.metrics["MAE"].high <= 4


def test_a_shift_in_pixels_is_the_end_point_error(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    tables = write_perfect("human36m_pose", tmp_path, path)
    card = load_card("human36m_pose")
    people = perfect(card, tables)
    people.keypoints[..., :2] += (3.0, 4.0)
    pose.predictions.write(card, tables, people, path)
    assert humanbench.score(card, path, data_root=tmp_path).metrics["EPE"].value == pytest.approx(5.0)


def test_wrong_pixels_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "maps"
    write_dataset(load_card("lip"), tmp_path)
    card = load_card("lip")
    tables = scored_tables(card, tmp_path)
    maps = perfect(card, tables)
    total = sum((task_label != 255).sum() for task_label in labels(tables))
    wrong = maps[0].copy()
    spots = np.argwhere(labels(tables)[0] != 255)[:10]
    wrong[tuple(spots.T)] = (wrong[tuple(spots.T)] + 1) % len(card.labels.classes)
    task_for(card).predictions.write(card, tables, [wrong, *maps[1:]], path)
    report = humanbench.score(card, path, data_root=tmp_path)
    assert report.metrics["pACC"].value == pytest.approx(100 * (1 - 10 / total))


def labels(tables: Tables) -> list[np.ndarray]:
    return [load_label(load_card("lip"), label) for label in tables["val"]["label"]]


def test_features_and_their_distances_score_alike(tmp_path: Path) -> None:
    tables = write_perfect("market1501", tmp_path, tmp_path / "perfect.npz")
    card = load_card("market1501")
    rng = np.random.default_rng(0)
    query, gallery = (rng.normal(size=(len(t), 8)).astype(np.float32) for t in tables.values())
    distances = np.linalg.norm(query[:, None] - gallery[None], axis=2)
    variants = {
        "features": reid.ReidFeatures(query, gallery),
        "distances": reid.ReidDistances(distances),
        "half": reid.ReidDistances(distances.astype(np.float16)),
    }
    values = {}
    for name, predictions in variants.items():
        reid.predictions.write(card, tables, predictions, tmp_path / f"{name}.npz")
        report = humanbench.score(card, tmp_path / f"{name}.npz", data_root=tmp_path, resamples=0)
        values[name] = {k: m.value for k, m in report.metrics.items()}
    assert values["features"] == pytest.approx(values["distances"])
    assert values["features"] == pytest.approx(values["half"], abs=5)
    assert values["features"]["mAP"] < 100


def test_json_has_the_documented_shape_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    tables = write_perfect("shanghaitech_a", tmp_path, path)
    result = run("score", "shanghaitech_a", "--predictions", path, "--data-root", tmp_path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert list(document)[:6] == ["dataset", "split", "main", "metrics", "predictions_sha256", "humanbench"]
    assert document["dataset"] == "shanghaitech_a"
    assert document["split"] == "test"
    assert document["main"] == "MSE"
    assert document["metrics"]["MAE"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": len(tables["test"])}
    assert document["predictions_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["humanbench"] == humanbench.__version__
    assert (document["synthetic"], document["subset"]) == (False, None)


def test_undefined_values_are_null_in_json(tmp_path: Path) -> None:
    card = load_card("coco_pose")
    path = tmp_path / "people.json"
    tables = write_perfect("coco_pose", tmp_path, path)
    people = tables["val"]
    lone = people[(people["area"] < 96**2) & (people["iscrowd"] == 0)].iloc[:1]
    (tmp_path / "medium.csv").write_text(f"split,id\nval,{lone['id'].iloc[0]}\n")
    kept = {"val": people.loc[lone.index]}
    pose.predictions.write(card, kept, perfect(card, kept), path)
    args = ("score", "coco_pose", "--predictions", path, "--data-root", tmp_path, "--subset", tmp_path / "medium.csv")
    document = json.loads(run(*args, "--json").stdout)
    assert document["subset"] == "medium"
    assert document["metrics"]["APm"]["value"] == pytest.approx(100)
    assert document["metrics"]["APl"] == {"value": None, "low": None, "high": None, "n": 1}
    shown = run(*args).stdout
    assert "subset medium" in shown
    assert "undefined" in shown


def test_table_shows_the_reported_metrics_and_that_data_is_synthetic(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    write_perfect("market1501", tmp_path, path)
    (tmp_path / "market1501" / "MANNEQUIN.json").write_text("{}")
    result = run("score", "market1501", "--predictions", path, "--data-root", tmp_path)
    assert result.exit_code == 0
    first, *rows = result.stdout.splitlines()
    assert first.startswith("market1501 query+gallery")
    assert "synthetic" in first
    card = load_card("market1501")
    assert card.evaluation is not None
    assert [r.split()[0] for r in rows[1 : 1 + len(card.evaluation.report)]] == list(card.evaluation.report)
    assert json.loads(run("score", "market1501", "--predictions", path, "--data-root", tmp_path, "--json").stdout)[
        "synthetic"
    ]


def test_a_report_is_its_table_when_printed_and_in_a_notebook() -> None:
    metric = {"value": 12.345, "low": 10.0, "high": math.nan, "n": 7}
    report = ScoreReport(
        dataset="lip", split="val", main="mIoU", metrics={"mIoU": metric}, predictions_sha256="a" * 64,
        humanbench="0", unit="image", synthetic=True, subset=None, info={},
    )  # fmt: skip
    lines = str(report).splitlines()
    assert lines == [
        "lip val [synthetic]",
        "metric  value  95 % interval  n (image)",
        "mIoU    12.35    10.00 – nan          7",
    ]
    assert repr(report) == str(report)
    assert "<td" in report._repr_html_()


def test_the_metrics_complete() -> None:
    assert set(humanbench.metrics.__all__) <= set(dir(humanbench.metrics))


def test_seed_decides_the_intervals_only(tmp_path: Path) -> None:
    tables = write_perfect("shanghaitech_b", tmp_path, tmp_path / "counts.csv")
    card, n = load_card("shanghaitech_b"), len(tables["test"])
    counts = tables["test"]["count"].to_numpy(float) + np.arange(n) ** 2
    counting.predictions.write(card, tables, counts, tmp_path / "counts.csv")
    first, again, other = (
        humanbench.score(card, tmp_path / "counts.csv", data_root=tmp_path, seed=seed).metrics["MAE"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)
    assert first.value == other.value


def test_a_folder_is_identified_by_its_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "maps" / "deep").mkdir(parents=True)
    (tmp_path / "maps" / "b.png").write_bytes(b"second")
    (tmp_path / "maps" / "deep" / "a.png").write_bytes(b"first")
    digest = {text: hashlib.sha256(text.encode()).hexdigest() for text in ("first", "second")}
    listing = f"{digest['second']}  b.png\n{digest['first']}  deep/a.png\n"
    assert content_sha256(tmp_path / "maps") == hashlib.sha256(listing.encode()).hexdigest()
    (tmp_path / "maps" / "b.png").rename(tmp_path / "maps" / "c.png")
    assert content_sha256(tmp_path / "maps") != hashlib.sha256(listing.encode()).hexdigest()


def test_the_documented_command_gives_a_folders_identity(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "predictions.md"
    command = next(line.strip() for line in page.read_text("utf-8").splitlines() if line.startswith("    find . "))
    for name in ("b.png", "deep/a b.png", "Thumbs.db", "deep/._a.png", "__MACOSX/b.png", "._c/d.png", "x.DS_Store"):
        (tmp_path / "maps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "maps" / name).write_text(name)
    (tmp_path / "maps" / "link.png").symlink_to(tmp_path / "maps" / "b.png")
    shell = ["bash", "-c", command]
    said = subprocess.run(shell, cwd=tmp_path / "maps", capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.split()[0] == content_sha256(tmp_path / "maps")


def test_what_cannot_be_scored_says_why(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("image,count\n")
    with pytest.raises(CardError, match="prcc is used in pretraining only"):
        humanbench.score("prcc", tmp_path / "p.csv")
    with pytest.raises(CardError, match=r"market1501 is scored on query\+gallery, not on 'query'"):
        humanbench.score("market1501", tmp_path / "p.csv", split="query")
    with pytest.raises(CardError, match=r"has no split 'tset'.*did you mean test"):
        humanbench.score("shanghaitech_a", tmp_path / "p.csv", split="tset")


@pytest.mark.parametrize(
    ("name", "split"),
    [(c.id, split) for c in evaluated() for split, described in c.splits.items() if described.labels == "withheld"],
)
def test_withheld_labels_are_refused_with_the_cards_sentence(name: str, split: str, tmp_path: Path) -> None:
    (tmp_path / "predictions").touch()
    result = run("score", name, "--predictions", tmp_path / "predictions", "--split", split)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"humanbench: {name}: the labels of split {split!r} are not public.")
    assert load_card(name).splits[split].note in result.stderr


TASK_EXAMPLE: dict[str, str] = {
    "reid": "market1501", "pose": "coco_pose", "parsing": "lip", "attribute": "pa100k", "detection": "crowdhuman",
    "counting": "shanghaitech_a",
}  # fmt: skip


@pytest.mark.parametrize("name", [*TASK_EXAMPLE.values(), "mpii"])
def test_written_predictions_are_read_back(name: str, tmp_path: Path) -> None:
    card = load_card(name)
    path = prediction_path(card, tmp_path)
    tables = write_perfect(name, tmp_path, path)
    task = task_for(card)
    read = task.predictions.read(card, tables, path)
    if card.task == "parsing":
        read = [
            m.load(want.shape, len(card.labels.classes)) for m, want in zip(read, perfect(card, tables), strict=True)
        ]
    assert_equal(read, perfect(card, tables))


def assert_equal(read: object, written: object) -> None:
    if isinstance(written, list):
        for one, other in zip(read, written, strict=True):  # type: ignore[call-overload]
            np.testing.assert_array_equal(one, other)
    elif isinstance(written, np.ndarray):
        np.testing.assert_array_equal(read, written)
    else:
        assert type(read) is type(written)
        for field, value in vars(written).items():
            found = vars(read)[field]
            assert (found is None) == (value is None)
            if value is not None:
                np.testing.assert_array_equal(np.asarray(found), np.asarray(value))


@needs_samples
def test_real_coco_ground_truth_as_predictions_scores_100(tmp_path: Path) -> None:
    (tmp_path / "coco_pose").symlink_to(SAMPLES / "COCO")
    card = load_card("coco_pose")
    tables = scored_tables(card, tmp_path)
    assert len(tables["val"].attrs["image_ids"]) == 50
    pose.predictions.write(card, tables, perfect(card, tables), tmp_path / "truth.json")
    result = run("score", "coco_pose", "--predictions", tmp_path / "truth.json", "--data-root", tmp_path, "--json")
    document = json.loads(result.stdout)
    best = pytest.approx(100)
    assert document["metrics"]["AP"] == {"value": best, "low": best, "high": best, "n": 50}


@needs_samples
def test_real_mpii_predictions_score_as_the_official_tool_says(tmp_path: Path) -> None:
    """The predictions that come with the ground-truth file: 82.3367 and 28.9748 by the evaluation of HRNet (mpii.py).

    Their persons are written in the form of valid.json, which is not among the samples in full.
    """
    truth = scipy.io.loadmat(SAMPLES / "annotations" / "mpii_gt_val.mat")
    joints, missing, predicted = truth["pos_gt_src"], truth["jnt_missing"], truth["pos_pred_src"]
    people = [
        {
            "image": f"{n:09d}.jpg",
            "joints": joints[:, :, n].tolist(),
            "joints_vis": (1 - missing[:, n].astype(int)).tolist(),
            "center": [100.0, 100.0],
            "scale": 1.0,
        }
        for n in range(joints.shape[2])
    ]
    folder = tmp_path / "mpii" / "annot"
    folder.mkdir(parents=True)
    (folder / "valid.json").write_text(json.dumps(people))
    (folder / "gt_valid.mat").symlink_to(SAMPLES / "annotations" / "mpii_gt_val.mat")
    entries = [
        {
            "image_id": person["image"],
            "annotation_id": n,
            "category_id": 1,
            "score": 1.0,
            "keypoints": np.column_stack([predicted[:, :, n] - 1, np.ones(16)]).ravel().tolist(),
        }
        for n, person in enumerate(people)
    ]
    (tmp_path / "theirs.json").write_text(json.dumps(entries))
    report = humanbench.score("mpii", tmp_path / "theirs.json", data_root=tmp_path, resamples=20)
    assert report.metrics["PCKh@0.5"].value == pytest.approx(82.3367, abs=5e-5)
    assert report.metrics["PCKh@0.1"].value == pytest.approx(28.9748, abs=5e-5)
    assert report.metrics["PCKh@0.5"].n == 2958


@needs_samples
def test_real_pa100k_labels_as_probabilities_score_100(tmp_path: Path) -> None:
    (tmp_path / "pa100k").symlink_to(SAMPLES / "PA-100K")
    card = load_card("pa100k")
    tables = scored_tables(card, tmp_path)
    task_for(card).predictions.write(card, tables, perfect(card, tables), tmp_path / "truth.csv")
    report = humanbench.score(card, tmp_path / "truth.csv", data_root=tmp_path, resamples=50)
    assert report.metrics["mA"].value == pytest.approx(100)
    assert report.metrics["mA"].n == 10_000


MAIN = {"reid": "mAP", "pose": "AP", "parsing": "mIoU", "attribute": "mA", "detection": "AP50", "counting": "MSE"}


def test_tasks_need_no_torch_but_for_training_and_have_the_fields_main_metric() -> None:
    parts = ("predictions", "labels", "drawing")
    modules = [f"humanbench.tasks.{task}.{part}" for task in TASK_EXAMPLE for part in parts]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for task, name in TASK_EXAMPLE.items():
        card = load_card(name)
        assert card.evaluation is not None
        assert card.evaluation.main == MAIN[task]


def test_what_is_no_seed_and_no_number_of_resamples_is_one_sentence(tmp_path: Path) -> None:
    for wrong in ({"seed": -1}, {"seed": "a"}, {"resamples": -1}, {"resamples": 1.5}):
        for function in (humanbench.score, humanbench.subgroups):
            with pytest.raises(HumanbenchError, match="is a whole number"):
                function("pa100k", tmp_path / "p.csv", tmp_path, **wrong)
    for wrong, sentence in (({"seed": -1}, "a seed"), ({"margin": "a"}, "a margin of a"), ({"margin": -1}, "a margin")):
        with pytest.raises(HumanbenchError, match=sentence):
            humanbench.compare("mini_pyramid_random-head", "mini_pyramid_path-head", **wrong)
    with pytest.raises(HumanbenchError, match="no run folder and no results file"):
        humanbench.load_results()
