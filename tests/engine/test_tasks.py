"""Every task through the engine at the smallest scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from humanbench.data.samples import load_samples
from humanbench.results import Result
from tests.engine.toy import write_datasets

Run = Callable[..., Result]


@pytest.mark.parametrize(
    "dataset", ["market1501", "coco_pose", "mpii", "lip", "pa100k", "crowdhuman", "shanghaitech_a"]
)
def test_a_cell_of_every_task_with_stored_trunk_outputs_equals_one_from_images(
    run: Run, tmp_path: Path, dataset: str
) -> None:
    root = write_datasets(tmp_path / "data", dataset)
    views = {"train.views": 1}
    stored = run(dataset, "partial", data_root=root, out=tmp_path / "stored", set=views)
    assert stored.status == "done", stored.reason
    assert stored.provenance.cache["train"].startswith("used")
    fresh = run(dataset, "partial", data_root=root, out=tmp_path / "fresh", set=views, cache=False)
    assert fresh.history == stored.history
    assert fresh.metrics == stored.metrics
    assert fresh.provenance.predictions_sha256 == stored.provenance.predictions_sha256


def test_pictures_of_different_sizes_are_not_stored(run: Run, tmp_path: Path) -> None:
    root = write_datasets(tmp_path / "data", "crowdhuman")
    picture = load_samples("crowdhuman", "train", root)["image"].iloc[5]
    Image.new("RGB", (300, 100)).save(picture)
    result = run("crowdhuman", "partial", data_root=root, set={"train.views": 1})
    assert result.status == "done", result.reason
    assert result.provenance.cache["train"] == "not used: the network's inputs differ in size"
    assert result.provenance.cache["test"].startswith("used")
