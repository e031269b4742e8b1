"""Metrics by group: held against the metric of the group alone, official tools, and counts by hand."""

from __future__ import annotations

import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import humanbench
from humanbench import metrics
from humanbench.by_group import SubgroupReport
from humanbench.cards import Subgroups, load_card
from humanbench.comparison.groups import run_subgroups, stored_subgroups
from humanbench.data.mannequin.facts import FILE
from humanbench.data.samples import MARKER
from humanbench.errors import CardError, DataError, DataWarning, HumanbenchError
from humanbench.export import export
from humanbench.metrics.groups import Group, Grouping, by_attribute, group_numbers
from humanbench.metrics.scores import Scores
from humanbench.stats import bootstrap
from humanbench.tasks.detection.groups import nearest_overlap, outside_share
from humanbench.tasks.detection.predictions import Detections
from humanbench.tasks.pose.groups import crowd_index
from humanbench.tasks.registry import task_for
from tests.evaluated import run as command
from tests.evaluated import write_dataset, write_perfect
from tests.made_runs import write_run
from tests.metrics.coco import pycocotools_scores, random_coco


def means(values: np.ndarray) -> Scores:
    return Scores(values, lambda v, c: {"mean": float(v @ c / c.sum())}, n=len(values), unit="image")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_values_intervals_and_the_largest_gap() -> None:
    values = np.r_[np.zeros(40), np.full(40, 10.0), np.full(5, 99.0), np.linspace(0, 10, 40)]
    scores = means(values)
    place = np.arange(125)
    parts = {"a": place < 40, "b": (place >= 40) & (place < 80), "few": (place >= 80) & (place < 85), "c": place >= 85}
    grouping = Grouping("g", "images", "", tuple(Group.part(name, scores, p) for name, p in parts.items()))
    numbers, gap = group_numbers(grouping, "mean", 125, rng(), 200, least=30)
    assert [(n.name, n.n, n.value) for n in numbers[:2]] == [("a", 40, 0), ("b", 40, 10)]
    assert (numbers[2].n, np.isnan(numbers[2].value), numbers[3].value) == (5, True, pytest.approx(5))
    assert numbers[3].low < 5 < numbers[3].high
    assert gap is not None
    assert (gap.best, gap.worst, gap.value, gap.low, gap.high) == ("b", "a", 10, 10, 10)


def test_groups_that_are_all_equal_have_a_gap_of_nothing() -> None:
    scores = means(np.full(80, 7.0))
    parts = [Group.part(name, scores, (np.arange(80) < 40) == first) for name, first in (("a", True), ("b", False))]
    _, gap = group_numbers(Grouping("g", "images", "", tuple(parts)), "mean", 80, rng(), 20, least=30)
    assert gap is not None
    assert (gap.best, gap.worst, gap.value, gap.low, gap.high) == ("b", "a", 0, 0, 0)


def test_a_group_of_all_has_the_interval_of_the_whole() -> None:
    scores = means(np.random.default_rng(5).random(60))
    everybody = Group.part("all", scores, np.ones(60, bool))
    (number,), gap = group_numbers(Grouping("g", "images", "", (everybody,)), "mean", 60, rng(), 100, least=30)
    whole = bootstrap(scores, rng(), 100)["mean"]
    assert (number.value, number.low, number.high) == (whole.value, whole.low, whole.high)
    assert gap is None


def test_the_gap_of_equal_groups_includes_zero_as_often_as_it_says() -> None:
    """Of six groups alike the largest gap is chosen after the fact: 95 of 100 of its intervals hold zero."""
    held = 0
    for seed in range(60):
        scores = means(np.random.default_rng(seed).normal(size=240))
        groups = tuple(Group.part(str(g), scores, np.arange(240) % 6 == g) for g in range(6))
        gap = group_numbers(Grouping("g", "images", "", groups), "mean", 240, rng(), 150, least=30)[1]
        assert gap is not None
        held += gap.low <= 0
    assert held >= 52


def test_attributes_of_a_group_are_those_of_its_pictures_alone() -> None:
    given = np.random.default_rng(1)
    labels = given.integers(0, 2, (90, 3))
    labels[::7, 0] = -1
    probabilities = given.random((90, 3))
    scores = metrics.attributes(probabilities, labels)
    by = {"sex": {"women": "f", "men": "not f"}}
    (grouping,) = by_attribute(by, {"f": labels[:, 0]}, scores)
    assert sum(group.n for group in grouping.groups) == (labels[:, 0] >= 0).sum()
    for group, value in zip(grouping.groups, (1, 0), strict=True):
        rows = labels[:, 0] == value
        alone = metrics.attributes(probabilities[rows], labels[rows])
        found = scores.resample(group.unit[group.unit >= 0])
        assert (found["accuracy"], found["F1"]) == pytest.approx((alone["accuracy"], alone["F1"]))
        # the one rate of the group's own attribute that has nothing to count is left out, not 0
        assert found["mA"] == pytest.approx(alone["mA"] * 6 / 5)


def test_crowd_index_by_hand() -> None:
    """Two of three joints of the second stand in the box of the first, none of the first's in that of the second."""
    first = np.array([[1.0, 1, 2], [2, 2, 1], [0, 0, 0]])
    second = np.array([[3.0, 3, 2], [9, 9, 2], [4, 4, 1]])
    boxes = [np.array([0.0, 0, 5, 5]), np.array([2.5, 2.5, 9, 9])]
    assert crowd_index(boxes, [first, second]) == pytest.approx((2 / 2 + 0 / 3) / 2)
    assert crowd_index(boxes[:1], [first]) == 0


def test_people_that_are_ignored_for_a_group_are_so_as_in_cocos_tool() -> None:
    truth, found = random_coco(4)
    for annotation in truth["annotations"][::2]:
        annotation["num_keypoints"] = 0
    sigmas = np.array(load_card("coco_pose").labels.sigmas)
    assert metrics.keypoint_ap(truth, found, sigmas)["AP"] == pytest.approx(pycocotools_scores(truth, found)["AP"])


def test_overlap_with_neighbours_and_share_outside() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [50, 0, 10, 10]])
    assert nearest_overlap(boxes, np.ones(3, bool)).tolist() == pytest.approx([1 / 3, 1 / 3, 0])
    assert nearest_overlap(boxes, np.array([True, False, True])).tolist() == pytest.approx([0, 1 / 3, 0])
    assert outside_share(np.array([[-5.0, 0, 10, 10], [0, 0, 5, 5]]), (8, 8)).tolist() == pytest.approx([0.6, 0])


def test_detection_by_size_counts_only_people_of_that_size() -> None:
    """Whoever finds only the large people has a recall of 100 among them, of 0 among the others."""
    boxes = [np.array([[0.0, 0, 100, 200], [300, 0, 40, 80], [300, 5, 40, 80]]), np.array([[-10.0, 0, 20, 30]])]
    visible = [boxes[0] * [1, 1, 1, 0.5], boxes[1]]
    ignore = [np.array([False, False, True]), np.array([False])]
    columns = {"id": ["a", "b"], "boxes": boxes, "ignore": ignore, "visible": visible, "size": [(640, 480)] * 2}
    tables = {"val": pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})}
    card, task = load_card("crowdhuman"), task_for(load_card("crowdhuman")).predictions
    found = Detections(np.array([0]), boxes[0][:1], np.array([0.9]))
    groupings = {g.name: g for g in task.groups(card, tables, found, task.score(card, tables, found))}
    recalls = {g.name: [(one.name.split(" ")[0], one.n, one.scores["recall"]) for one in g.groups if one.n]
               for g in groupings.values()}  # fmt: skip
    assert recalls == {
        "size": [("small", 1, 0.0), ("medium", 1, 0.0), ("large", 1, 100.0)],
        "occlusion": [("heavy", 2, 50.0), ("bare", 1, 0.0)],
        "crowding": [("alone", 3, pytest.approx(100 / 3))],
        "truncation": [("whole", 2, 50.0), ("cut", 1, 0.0)],
    }


def test_camera_pairs_are_scored_against_one_camera(tmp_path: Path) -> None:
    card = load_card("market1501")
    tables = write_perfect("market1501", tmp_path, tmp_path / "p.npz")
    task = task_for(card).predictions
    found = task.read(card, tables, tmp_path / "p.npz")
    scores = task.score(card, tables, found)
    groupings = {g.name: g for g in task.groups(card, tables, found, scores)}
    assert sum(group.n for group in groupings["query camera"].groups) == scores.n
    query, gallery = tables.values()
    pair = groupings["camera pair"].groups[0]
    a, b = (int(c) for c in pair.name.split(" → "))
    asked, shown = (query["camid"] == a).to_numpy(), (gallery["camid"] == b).to_numpy()
    ids = [t["pid"].to_numpy(np.int64) for t in (query[asked], gallery[shown])]
    cams = [t["camid"].to_numpy(np.int64) for t in (query[asked], gallery[shown])]
    alone = metrics.reid_from_features(found.query[asked], found.gallery[shown], *ids, *cams)
    assert dict(pair.scores) == dict(alone)
    assert pair.n == alone.n == (pair.unit >= 0).sum()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups")
    for name in ("pa100k", "lip"):
        write_dataset(load_card(name), folder / "data")
    write_run(folder / "run", folder / "data", ("pa100k", "lip"), 0.4, suite="humanbench-v1")
    return folder


def test_a_run_keeps_its_groups_and_says_where_there_are_none(made: Path) -> None:
    found = list(run_subgroups(made / "run", data_root=made / "data", resamples=20, least=2))
    (report,) = [one for one in found if isinstance(one, SubgroupReport)]
    assert [one for one in found if isinstance(one, str)] == [
        "lip: its labels tell no groups apart (docs/groups.md says which datasets have such labels)"
    ]
    assert {grouping.name for grouping in report.groupings} == {"sex", "age", "view", "sleeves"}
    assert list(stored_subgroups(made / "run")) == [report]
    assert report.cell == "head, seed 0"
    assert str(report).startswith("pa100k test, head, seed 0: mA ")
    (made / "run/groups/odd.json").write_text("{}")
    altered = json.loads(report.to_json())
    sexes = next(grouping for grouping in altered["groupings"] if grouping["gap"])
    next(group for group in sexes["groups"] if group["name"] == sexes["gap"]["best"])["value"] += 20
    (made / "run/groups/altered.json").write_text(json.dumps(altered))
    told = [one for one in stored_subgroups(made / "run") if isinstance(one, str)]
    assert [text.split(":")[0].rpartition("/")[2] for text in told] == ["altered.json", "odd.json"]
    assert all("write them again: humanbench groups" in text for text in told)
    assert [one for one in stored_subgroups(made / "run") if not isinstance(one, str)] == [report]
    with pytest.raises(HumanbenchError, match="has no results on mpii; it has lip, pa100k"):
        list(run_subgroups(made / "run", ["mpii"], made / "data"))


def test_groups_of_a_run_that_may_only_be_read_are_said_all_the_same(made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "run", run, ignore=shutil.ignore_patterns("groups"))
    (run / "groups").write_text("no folder, so nothing can be kept there")
    report, reason = run_subgroups(run, ["pa100k"], made / "data", resamples=20, least=2)
    assert isinstance(report, SubgroupReport)
    assert str(reason).startswith("pa100k, head, seed 0: its metrics by group are not kept in the run folder (")


def test_scenes_of_procedural_people_tell_more_apart(made: Path, tmp_path: Path) -> None:
    """By the file beside the copy alone, and not a word of real data, of which nobody knows such things."""
    shutil.copytree(made, tmp_path / "made")
    (file,) = (tmp_path / "made/run/predictions").glob("pa100k*.csv")
    data = tmp_path / "made/data"
    images = [Path(image) for image in humanbench.load_samples("pa100k", "test", data)["image"]]
    facts = {
        image.relative_to(data / "pa100k").as_posix(): {
            "light": 1.0,
            "distance": float(place),
            "visible": 0.5 if place == 0 else 1.0,
            "skin": 1 + place % 5,
            "clothing": "shorts" if place < 2 else "trousers",
        }
        for place, image in enumerate(images)
    }
    (data / "pa100k" / FILE).write_text(json.dumps(facts))
    assert "light" not in {g.name for g in humanbench.subgroups("pa100k", file, data, resamples=2).groupings}
    (data / "pa100k" / MARKER).touch()
    report = humanbench.subgroups("pa100k", file, data, resamples=2)
    sizes = {g.name: {group.name: group.n for group in g.groups} for g in report.groupings}
    n = len(images)
    assert sizes["clothing"] == {"shorts": 2, "trousers": n - 2}
    assert sizes["share that shows"] == {"less than 1.00": 1, "from 1.00": n - 1}
    assert list(sizes["skin tone"].values()) == [
        sum(i % 5 in tones for i in range(n)) for tones in ((0, 1), (2,), (3, 4))
    ]
    assert next(iter(sizes["distance"])) == f"up to {math.ceil(n / 3) - 1:.2f} m"
    assert "light" not in sizes  # one place, one light: nothing to tell apart
    (data / "pa100k" / FILE).write_text("{")
    with pytest.raises(DataError, match=r"MANNEQUIN-SCENES\.json: altered .*write the copy again"):
        humanbench.subgroups("pa100k", file, data, resamples=2)


def test_command_line(made: Path) -> None:
    args = ["groups", made / "run", "--data-root", made / "data", "--datasets", "pa100k", "--least", "2"]
    done = command(*args)
    assert done.exit_code == 0, done.output
    assert "by sex" in done.output
    assert "women" in done.output
    (file,) = (made / "run/predictions").glob("pa100k*.csv")
    single = command("groups", "pa100k", "--predictions", file, "--data-root", made / "data")
    assert single.exit_code == 0
    assert "fewer than 30" in single.output
    (maps,) = (made / "run/predictions").glob("lip*")
    refused = command("groups", "lip", "--predictions", maps, "--data-root", made / "data")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("humanbench: lip: its labels tell no groups apart")
    forgotten = command("groups", "pa100k", "--data-root", made / "data")
    assert (forgotten.exit_code, "give --predictions FILE" in forgotten.stderr) == (2, True)
    confused = command("groups", made / "run", "--predictions", file, "--data-root", made / "data")
    assert (confused.exit_code, "is no dataset" in confused.stderr) == (2, True)


def test_groups_of_what_a_run_no_longer_has_are_noticed(made: Path, tmp_path: Path) -> None:
    """Of other predictions, and of the same ones against other labels: both would stand beside a number not theirs."""
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    shutil.rmtree(run / "groups", ignore_errors=True)
    list(run_subgroups(run, ["pa100k"], made / "data", resamples=2))
    results = humanbench.load_results(run)
    (file,) = (run / "groups").iterdir()
    assert not any(isinstance(one, str) for one in stored_subgroups(run, results))
    before = file.read_text()
    for changed in ({"predictions_sha256": "0" * 64}, {"value": 12.5}):
        file.write_text(json.dumps(json.loads(before) | changed))
        (told,) = stored_subgroups(run, results)
        assert isinstance(told, str)
        assert told.endswith(f"are not those of the run's results; write them again: humanbench groups {run}")
    file.unlink()
    (file.parent / "lip-partial-s0-of-another-cell.json").write_text(before)  # not where that cell's are
    (told,) = stored_subgroups(run, results)
    assert isinstance(told, str)


def test_the_table_of_results_has_groups(made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    shutil.rmtree(run / "groups", ignore_errors=True)
    before = pd.read_csv(io.StringIO(export(run, form="csv")))
    assert before["grouping"].isna().all()
    report = next(
        r for r in run_subgroups(run, ["pa100k"], made / "data", resamples=2, least=2) if not isinstance(r, str)
    )
    after = pd.read_csv(io.StringIO(export(run, form="csv")))
    rows = after[after["grouping"] == "sex"]
    (sex,) = [grouping for grouping in report.groupings if grouping.name == "sex"]
    assert list(rows["part"][:2]) == [group.name for group in sex.groups]
    assert list(rows["value"][:2]) == pytest.approx([group.value for group in sex.groups])
    assert list(rows["n"][:2]) == [group.n for group in sex.groups]
    assert list(rows["metric"]) == ["mA", "mA", "largest gap of mA"]
    assert not rows["main"].any()
    pd.testing.assert_frame_equal(after[after["grouping"].isna()].reset_index(drop=True), before, check_dtype=False)
    (file,) = (run / "groups").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"value": 12.5}))
    with pytest.warns(DataWarning, match="are not those of the run's results"):
        assert pd.read_csv(io.StringIO(export(run, form="csv")))["grouping"].isna().all()


def test_a_group_has_two_members_at_least(made: Path) -> None:
    (file,) = (made / "run/predictions").glob("pa100k*.csv")
    with pytest.raises(HumanbenchError, match="least=0: a group needs 2 members or more"):
        humanbench.subgroups("pa100k", file, made / "data", least=0)
    with pytest.raises(HumanbenchError, match="least=1"):
        next(run_subgroups(made / "run", data_root=made / "data", least=1))


def test_a_card_may_forbid_it(made: Path) -> None:
    card = load_card("pa100k").model_copy(update={"subgroups": Subgroups(forbidden="its terms, section 3, say so")})
    (file,) = (made / "run/predictions").glob("pa100k*.csv")
    with pytest.raises(CardError, match="pa100k: no metrics by group are computed: its terms, section 3, say so"):
        humanbench.subgroups(card, file, made / "data")


@pytest.mark.parametrize("name", ["pa100k", "peta", "rapv2"])
def test_the_groups_of_cards_are_of_annotated_attributes(name: str) -> None:
    card = load_card(name)
    assert {"sex", "age"} <= set(card.subgroups.by)
    with pytest.raises(ValueError, match=r"subgroups name attributes .* has not: Nobody"):
        type(card).model_validate(card.model_dump() | {"subgroups": {"by": {"x": {"y": "Nobody"}}}})
