"""The mini backbones that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from humanbench import load_backbone
from humanbench.backbones.cards import backbone_cards
from humanbench.cards import collection, evaluated, scenario

MINI = ("mini_random", "mini_mae", "mini_path")
PYRAMIDS = ("mini_pyramid_random", "mini_pyramid_mae", "mini_pyramid_path")


@pytest.mark.parametrize(
    ("name", "shape"),
    [*((name, (8, 128, 8)) for name in MINI), *((name, (4, 64, 7)) for name in PYRAMIDS)],
)
def test_small_enough_and_whole(name: str, shape: tuple[int, int, int]) -> None:
    """`shape`: pixels per cell of the map, its channels, layer groups."""
    (place,) = backbone_cards()[name].weights
    assert Path(place.file).stat().st_size < 8_000_000
    backbone = load_backbone(name)
    assert backbone.report is not None
    assert not backbone.report.missing
    assert (backbone.stride, backbone.width, len(backbone.layer_groups)) == shape


@pytest.mark.parametrize("family", [MINI, PYRAMIDS])
def test_same_architecture_and_different_weights(family: tuple[str, ...]) -> None:
    made = [load_backbone(name) for name in family]
    assert len({backbone.weights_sha256 for backbone in made}) == 3
    assert len({repr(backbone.trunk) for backbone in made}) == 1


def test_scenarios_are_those_of_the_paper_s_collection() -> None:
    """12 in-dataset, 5 out-of-dataset, 2 unseen-task for the pretrained ones; nothing was seen by the random one."""
    assert backbone_cards()["mini_random"].datasets() == backbone_cards()["mini_pyramid_random"].datasets() == ()
    for name in (*MINI[1:], *PYRAMIDS[1:]):
        seen = backbone_cards()[name].datasets()
        assert seen is not None
        assert set(seen) == {card.id for card in collection("full")}
        scenarios = [scenario(card, seen) for card in evaluated()]
        assert [scenarios.count(s) for s in ("in-dataset", "out-of-dataset", "unseen-task")] == [12, 5, 2]  # type: ignore[arg-type]
