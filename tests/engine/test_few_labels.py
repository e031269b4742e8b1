"""Few labels: which lists are drawn, how long they are trained on, and what they are kept apart from."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import humanbench
from humanbench.cards import load_card
from humanbench.data.few_labels import FewLabels, drawn_tables, lists
from humanbench.engine.batches import TrainingBatches
from humanbench.engine.devices import Rank
from humanbench.errors import DataError, HumanbenchError
from humanbench.evaluation.finetuned import finetuned_weights
from humanbench.export import export
from humanbench.hashing import key
from humanbench.recipes import load_recipe
from humanbench.results import Result, load_results
from humanbench.tasks.registry import task_for
from tests.engine.toy import toy_backbone

Run = Callable[..., Result]


def table(dataset: str, split: str = "train", **columns: object) -> pd.DataFrame:
    made = pd.DataFrame(columns)
    made.attrs |= {"dataset": dataset, "split": split, "synthetic": True, "subset": None}
    return made


def test_units_without_labels_come_in_the_order_of_their_hashes() -> None:
    """By hand: SHA-256 of dataset, draw and unit; of 20 units 1 % is none, 10 % the first two, 25 % the first five."""
    units = sorted(f"train/{i}.jpg" for i in range(20))
    order = sorted(units, key=lambda unit: hashlib.sha256(f"lip\n1\n{unit}".encode()).hexdigest())
    drawn = lists("lip", 1, units, np.zeros((20, 0), bool))
    assert [[units[place] for place in one] for one in drawn] == [order[:0], order[:2], order[:5]]
    assert lists("lip", 2, units, np.zeros((20, 0), bool)) != drawn


def test_each_label_keeps_its_share_to_a_few_units() -> None:
    """26 labels that hang together, of 3,000 units; drawn at random they are off by six units at 1 %, by 19 at 10 %."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 26)) + rng.normal(size=(3000, 26))
    marks = hidden > np.quantile(hidden, rng.uniform(0.4, 0.99, 26), axis=0).diagonal()
    units = [f"{i:04d}" for i in range(3000)]
    drawn = lists("peta", 0, units, marks)
    assert [len(set(one)) for one in drawn] == [30, 300, 750]
    assert set(drawn[0]) < set(drawn[1]) < set(drawn[2])
    off = [np.abs(marks[one].sum(axis=0) - marks.mean(axis=0) * len(one)).max() for one in drawn]
    assert off[0] <= 2
    assert max(off) <= 5


def test_a_person_is_drawn_with_all_pictures_whatever_the_order_of_rows() -> None:
    pids = [i // 4 + 1 for i in range(80)]
    whole = table("market1501", id=[f"{i}.jpg" for i in range(80)], image="", pid=pids, camid=1)
    drawn = drawn_tables(FewLabels(0.25), {"train": whole})["train"]
    assert drawn["pid"].nunique() == 5
    assert len(drawn) == 20
    assert drawn.attrs == whole.attrs
    shuffled = whole.sample(frac=1, random_state=3)
    again = drawn_tables(FewLabels(0.25), {"train": shuffled})["train"]
    assert set(again["id"]) == set(drawn["id"])
    few = drawn_tables(FewLabels(0.1), {"train": whole})["train"]
    assert set(few["pid"]) < set(drawn["pid"])


def test_crowds_of_all_sizes_are_drawn() -> None:
    """100 pictures in fifths by their count: of 10 pictures two are of each fifth."""
    counts = np.random.default_rng(1).permutation(100)
    whole = table("shanghaitech_a", id=[f"{i}.jpg" for i in range(100)], image="", count=counts.astype(float))
    drawn = drawn_tables(FewLabels(0.1), {"train": whole})["train"]
    assert np.bincount(drawn["count"].astype(int) // 20, minlength=5).tolist() == [2] * 5


def test_all_people_of_a_picture_are_drawn_together() -> None:
    points = np.tile([1, 1, 2], (17, 1))
    names = [f"p{i // 3}" for i in range(60)]
    whole = table("coco_pose", id=range(60), image="", image_id=names, keypoints=[points] * 60)
    whole.attrs["image_ids"] = [*dict.fromkeys(names), "empty"]
    drawn = drawn_tables(FewLabels(0.1), {"train": whole})["train"]
    assert drawn["image_id"].value_counts().tolist() == [3, 3]
    assert set(drawn.attrs["image_ids"]) == set(drawn["image_id"])


def test_what_lacks_a_label_is_refused_with_what_to_give() -> None:
    """Of 100 people each of twelve attributes has one of its own: ten people cannot show them all."""
    names = load_card("pa100k").labels.attributes

    def people(single: int) -> pd.DataFrame:
        rows = np.arange(100)
        labels = {n: (rows == k if k < single else rows % 2 == 0).astype(np.int8) for k, n in enumerate(names)}
        return table("pa100k", id=[f"{i}.jpg" for i in rows], image="", **labels)

    reason = r"10 % of the training pictures \(10 of 100\) show nobody with \w+ \(and \d+ more\); leave --fraction out"
    with pytest.raises(DataError, match=reason):
        drawn_tables(FewLabels(0.1), {"train": people(12)})
    assert len(drawn_tables(FewLabels(0.1), {"train": people(0)})["train"]) == 10
    eight = table("market1501", id=[f"{i}.jpg" for i in range(16)], image="", pid=np.arange(16) // 2, camid=1)
    with pytest.raises(DataError, match=r"identities are 1 of 8, and training needs 2; give --fraction 0\.25"):
        drawn_tables(FewLabels(0.1), {"train": eight})


@pytest.mark.parametrize(
    ("dataset", "column", "whole", "drawn", "lack"),
    [
        ("crowdhuman", "boxes", [[0, 0, 4, 9]], [], "nobody"),
        ("shanghaitech_a", "count", 3.0, 0.0, "nobody"),
        (
            "coco_pose",
            "keypoints",
            [[1, 1, 2]] * 17,
            [[1, 1, 2]] * 15 + [[0, 0, 0]] * 2,
            "no labelled left_ankle (and 1 joint",
        ),
    ],
)
def test_what_a_task_calls_lacking(dataset: str, column: str, whole: object, drawn: object, lack: str) -> None:
    card = load_card(dataset)
    both = [
        table(dataset, id=["a"], **{column: [np.array(value)]}, ignore=[np.zeros(len(np.atleast_1d(value)), bool)])
        for value in (whole, drawn)
    ]
    labels = task_for(card).labels
    assert labels.lack(card, {"train": both[1]}, {"train": both[0]}).startswith(lack)
    assert labels.lack(card, {"train": both[0]}, {"train": both[0]}) == ""


def test_a_class_that_only_other_pictures_show_is_lacking(tmp_path: Path) -> None:
    card = load_card("lip")
    paths = []
    for number, most in enumerate((5, 8)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(np.arange(most, dtype=np.uint8)[None].repeat(2, 0)).save(paths[-1])
    whole = table("lip", id=["a", "b"], label=paths)
    first = table("lip", id=["a"], label=paths[:1])
    lack = task_for(card).labels.lack
    assert lack(card, {"train": first}, {"train": whole}) == f"no {card.labels.classes[5]}"
    assert lack(card, {"train": whole}, {"train": whole}) == ""  # classes that nothing shows are no reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"fraction": 0.5}, "--fraction 0.5: lists are drawn for 0.01, 0.1, 0.25"),
        ({"fraction": 0.1, "draw": 3}, "--draw 3: lists are drawn 3 times"),
        ({"fraction": 0.1, "draw": 1.0}, "--draw 1.0: lists are drawn 3 times"),
        ({"fraction": "0.1"}, "--fraction 0.1: lists are drawn for"),
        ({"fraction": [0.1, 0.25]}, "lists are drawn for"),
        ({"head": 3}, "head is a name"),
        ({"draw": 1}, "is a list of --fraction"),
        ({"fraction": 0.1, "protocol": "none", "datasets": "market1501"}, "nothing of market1501 is trained"),
    ],
)
def test_what_cannot_be_asked_for(given: dict[str, object], reason: str, data_root: Path) -> None:
    with pytest.raises(HumanbenchError, match=reason):
        humanbench.evaluate(toy_backbone(), data_root=data_root, **given)  # type: ignore[arg-type]


class _Numbers:
    """Ten samples in an order of their own in every pass."""

    def __len__(self) -> int:
        return 10

    def batches(self, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
        order = np.random.default_rng((seed, epoch)).permutation(10).tolist()
        return [order[start : start + batch_size] for start in range(0, 10, batch_size)]


def test_an_epoch_is_as_long_as_with_all_labels() -> None:
    """25 batches of 4 samples are nine passes of 3 over ten, the last one cut; every pass has its own number."""
    recipe = load_recipe(load_card("pa100k"), "full", "mini", overrides={"train.batch_size": 4, "train.views": 0})
    batches = TrainingBatches(_Numbers(), recipe, 0, Rank(0, 1), list, 0, False, length=25)  # type: ignore[arg-type]
    first, second = batches.of_epoch(0), batches.of_epoch(1)
    assert len(first) == len(second) == 25
    assert sorted(index for batch in first[:3] for _, index in batch) == list(range(10))
    passes = [{draw for draw, _ in batch} for batch in (*first, *second)]
    assert all(len(one) == 1 for one in passes)
    assert len(set().union(*passes)) == 18


def test_a_cell_of_few_labels_is_a_cell_of_its_own(run: Run, tmp_path: Path) -> None:
    whole, few = run(), run(fraction=0.25, draw=2)
    assert (few.fraction, few.draw, few.condition) == (0.25, 2, "25 % of the labels, draw 2")
    assert few.trained_on is not None
    assert (few.trained_on.unit, few.trained_on.chosen, few.trained_on.of) == ("pictures", 6, 24)
    assert (few.epochs, few.iterations) == (whole.epochs, whole.iterations)
    assert few.cell.data_sha256 == whole.cell.data_sha256
    assert few.cell.recipe_sha256 == whole.cell.recipe_sha256
    assert few.provenance
    assert whole.provenance
    assert few.provenance.dataset_fingerprint == whole.provenance.dataset_fingerprint
    # What a cell of all labels is hashed from is what it was before there were few.
    assert key(whole.cell.model_dump(exclude={"id", "fraction", "draw", "corruption"})) == whole.cell.id
    assert few.cell.id == key(few.cell.model_dump(exclude={"id", "corruption"}))
    assert run(fraction=0.25, draw=2) == few  # not computed again
    (model,) = [one for one in finetuned_weights(tmp_path / "run") if one.result == few]
    assert model.name.startswith("pa100k-partial-few25-2-s0-")
    assert model.file


def test_compare_and_export_keep_them_apart(run: Run, tmp_path: Path) -> None:
    run(out=tmp_path / "a", fraction=0.25, draw=1, protocol="head")
    run(out=tmp_path / "b", fraction=0.25, draw=2, protocol="head")
    (cell,) = humanbench.compare(tmp_path / "a", tmp_path / "b").cells
    assert cell.problem == "different condition (25 % of the labels, draw 1 against 25 % of the labels, draw 2)"
    (same,) = humanbench.compare(tmp_path / "a", tmp_path / "a").cells
    assert (same.verdict, same.board) == ("no difference", "mini, head, 25 % of the labels, draw 1")
    text = export(tmp_path / "a", tmp_path / "b")
    assert "mini, 25 % of the labels, draw 1" in text
    assert "mini, 25 % of the labels, draw 2" in text
    rows = list(csv.DictReader(io.StringIO(export(tmp_path / "a", form="csv"))))
    assert {(row["fraction"], row["draw"]) for row in rows} == {("0.25", "1")}


def test_results_of_before_are_read_and_wrong_parts_are_not(run: Run, tmp_path: Path) -> None:
    few = run(protocol="head", fraction=0.25, draw=2)
    (file,) = (tmp_path / "run" / "results").glob("*.json")
    document = json.loads(file.read_text())
    before = json.loads(file.read_text())
    del before["trained_on"], before["cell"]["fraction"], before["cell"]["draw"]
    (tmp_path / "old.json").write_text(json.dumps(before | {"schema_version": 2}))
    (old,) = load_results(tmp_path / "old.json")
    assert (old.fraction, old.condition) == (None, "")
    document["cell"]["fraction"] = 0.3
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    with pytest.raises(HumanbenchError, match="lists are drawn for"):
        load_results(tmp_path / "wrong.json")
    assert few.condition
