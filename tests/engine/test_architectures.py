"""Networks of several families through `eval`, a dataset of every task each; `tools/families.py` has many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.toy import write_datasets
from tools.families import DATASETS, FAMILIES, lines, row

SMALL = ("test_vit3", "test_resnet", "test_convnext", "test_efficientnet")
"""timm's own test networks: a transformer with registers, two pyramids, one with squeeze and excitation."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_datasets(tmp_path_factory.mktemp("data"), *DATASETS.values())


@pytest.mark.parametrize("network", SMALL)
def test_a_network_is_finetuned_and_scored_on_every_task(network: str, root: Path, tmp_path: Path) -> None:
    small = row("small", network, root, tmp_path, "partial")
    assert {task: small.cell(task) for task in DATASETS} == dict.fromkeys(DATASETS, "ok")
    assert all(result.trainable and result.frozen for result in small.results.values())
    assert len(list(lines([small]))) == 3


def test_what_cannot_run_is_said_in_the_table(root: Path, tmp_path: Path) -> None:
    unknown = row("none", "no_such_network", root, tmp_path, "head")
    assert not unknown.ok
    assert "no_such_network" in unknown.cell("reid")


def test_the_table_has_a_network_of_each_kind() -> None:
    names = " ".join(FAMILIES.values())
    kinds = (
        "vit clip deit dinov2 swin pvt convnext resnet regnet efficientnet mobilenetv3 densenet tiny_vit focalnet vgg"
    )
    assert [kind for kind in kinds.split() if kind not in names] == []
    assert len(FAMILIES) >= 12
