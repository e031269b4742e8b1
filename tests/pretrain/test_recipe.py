"""The paper's table of entries, and what recipes refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from humanbench.cards import collection, scenario
from humanbench.errors import RecipeError
from humanbench.pretrain.recipe import PretrainRecipe, load_pretrain_recipe
from humanbench.tasks.training import training_of
from tests.samples import PARITY

RELEASED = PARITY.parent / "method" / "data" / "pretrain_tasks.json"


def test_the_paper_s_sums() -> None:
    """Sum of loss weights 10,823,338 and 64 GPUs (released configuration); 11,019,187 images of 37 sets (table 6)."""
    recipe = load_pretrain_recipe("path")
    assert sum(entry.loss_weight for entry in recipe.entries.values()) == pytest.approx(10_823_338)
    assert sum(entry.parts for entry in recipe.entries.values()) == 64
    assert len(recipe.entries) == 25
    assert {card.id for card in recipe.datasets} == {card.id for card in collection("full")}
    assert sum(card.pretraining.images for card in recipe.datasets if card.pretraining) == 11_019_187
    assert {entry.group for entry in recipe.entries.values()} == {
        "pose", "human_parsing", "clothes_parsing", "attribute", "reid", "detection",
    }  # fmt: skip
    assert recipe.weights["pose_coco"] == pytest.approx(3_584_000 / 10_823_338)
    large = load_pretrain_recipe("path", variant="vitl")
    assert sum(entry.parts for entry in large.entries.values()) == 39
    assert (large.backbone, large.optim.lr, large.optim.clip_threshold) == ("mae_vitl", 5e-4, 1.0)


@pytest.mark.skipif(not RELEASED.is_file(), reason=f"the released table of entries is not at {RELEASED}")
@pytest.mark.parametrize(
    ("name", "variant"), [("L2_full_setting_joint_v100_32g", None), ("L2_full_setting_vit_large_a100_80g", "vitl")]
)
def test_every_number_of_the_released_tables(name: str, variant: str | None) -> None:
    recipe = load_pretrain_recipe("path", variant=variant)
    tasks: list[dict[str, Any]] = json.loads(RELEASED.read_text())[name]["tasks"]
    assert list(recipe.entries) == [task["name"] for task in tasks]
    heads, groups = {}, {}
    for task in tasks:
        entry = recipe.entries[task["name"]]
        assert entry.loss_weight == pytest.approx(task["loss_weight"])
        assert (entry.parts, entry.batch, entry.class_token) == (task["gpus"], task["batch_per_gpu"], task["cls_token"])
        stated = 0.2 if variant and entry.group == "detection" else task["drop_path"]  # as in the weights' name
        assert entry.drop_path == stated
        assert heads.setdefault(task["head_group"], entry.head or task["name"]) == (entry.head or task["name"])
        assert groups.setdefault(task["projector_group"], entry.group) == entry.group
    assert len(set(heads.values())) == len(heads) == 24
    assert len(set(groups.values())) == len(groups) == 6


@pytest.mark.parametrize("suite", ["humanbench-v1", "mini"])
@pytest.mark.parametrize("method", ["path", "mae"])
def test_recipes_of_all_entries_fit_their_tasks(method: str, suite: Any) -> None:
    for entry in load_pretrain_recipe(method, suite).entries.values():
        training_of(entry.cards()[0]).check(entry.recipe(suite))


def test_collections_and_scenarios() -> None:
    subset = load_pretrain_recipe("path").only([card.id for card in collection("subset")])
    assert len(subset.datasets) == 15
    assert sum(card.pretraining.images for card in subset.datasets if card.pretraining) == 1_165_012
    seen = [card.id for card in subset.datasets]
    by_id = {card.id: card for card in collection("full")}
    assert scenario(by_id["msmt17"], seen) == "out-of-dataset"
    assert scenario(by_id["market1501"], seen) == "in-dataset"
    with pytest.raises(RecipeError, match="no dataset"):
        subset.only([])


def test_fewer_datasets_leave_the_other_numbers_of_an_entry_alone() -> None:
    whole = load_pretrain_recipe("path").entries["reid_4sets"]
    assert whole.datasets == ("market1501", "cuhk03", "msmt17")
    part = load_pretrain_recipe("path").only(["market1501"]).entries
    assert part == {"reid_4sets": whole.model_copy(update={"datasets": ("market1501",)})}


def test_masked_autoencoding_sees_the_same_entries() -> None:
    path, mae = load_pretrain_recipe("path"), load_pretrain_recipe("mae")
    assert {n: (e.datasets, e.images) for n, e in path.entries.items()} == {
        n: (e.datasets, e.images) for n, e in mae.entries.items()
    }
    assert {e.weight for e in mae.entries.values()} == {1.0}
    images = sum(e.images for e in mae.entries.values())
    assert mae.optim.lr == pytest.approx(1.5e-4 * images / 256, rel=0.01)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optim.rate", 1, "optim.rate"),
        ("projecter.enabled", False, "did you mean projector"),
        ("entries.pose_coca.batch", 4, "did you mean pose_coco"),
        ("entries.pose_coco.batch", 0, "greater than or equal to 1"),
        ("group.poses.batch", 4, "did you mean pose"),
        ("projector.sharing", "none", "hierarchical"),
        ("entries.pose_coco.datasets", ["coco_pose", "aic"], "no joint label space"),
        ("entries.pose_coco.datasets", ["pa100k", "aic"], "different tasks"),
        ("method", "mae", "no such key"),
    ],
)
def test_what_recipes_refuse(key: str, value: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_pretrain_recipe("path", overrides={key: value})
    with pytest.raises(RecipeError, match="no method is called 'paths'"):
        load_pretrain_recipe("paths")
    with pytest.raises(RecipeError, match="did you mean vitl"):
        load_pretrain_recipe("path", variant="vitll")


def test_overrides_reach_what_they_name() -> None:
    sizes = {"every.batch": 3, "group.reid.batch": 5, "entries.pose_aic.batch": 7}
    recipe: PretrainRecipe = load_pretrain_recipe("path", "mini", overrides=sizes | {"group.pose.set.head.channels": 9})
    sizes = {name: entry.batch for name, entry in recipe.entries.items()}
    assert (sizes["pose_coco"], sizes["reid_4sets"], sizes["pose_aic"], sizes["det_5set"]) == (3, 5, 7, 3)
    assert recipe.entries["pose_mhp"].recipe("mini").head["channels"] == 9
    assert recipe.entries["pose_mhp"].recipe("mini").input.size == (64, 48)
    assert recipe.sha256 != load_pretrain_recipe("path", "mini").sha256


def test_recipes_ship() -> None:
    folder = Path(__file__).resolve().parents[2] / "protocols" / "pretrain"
    assert {path.stem for path in folder.glob("*.toml")} == {"path", "mae"}


def test_a_variant_may_be_one_of_the_embedded_suite_alone() -> None:
    """The pyramid's: small batches, no projector, from its own network; without --suite mini nobody knows it."""
    recipe = load_pretrain_recipe("path", "mini", "pyramid")
    assert (recipe.backbone, recipe.iterations, recipe.optim.lr) == ("mini_pyramid_random", 3000, 1e-3)
    assert recipe.projector is not None
    assert not recipe.projector.enabled
    pose, parsing = recipe.entries["pose_coco"], recipe.entries["parsing_h36m"]
    assert (pose.weight, pose.batch, pose.set["head.stride"]) == (5000, 4, 4)
    assert (parsing.weight, parsing.batch, parsing.set["head.norm"]) == (150, 4, "layer")
    with pytest.raises(RecipeError, match="variant 'pyramid' of path is one of the embedded suite: give --suite mini"):
        load_pretrain_recipe("path", "humanbench-v1", "pyramid")
