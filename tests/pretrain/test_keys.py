"""Every key of a pretraining recipe is consumed: another value changes what is trained, or how.

The keys are those of the recipe's own types, so one that no code reads fails as soon as it is there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from humanbench.errors import RecipeError
from humanbench.pretrain.recipe import SECTIONS as TYPED
from humanbench.pretrain.recipe import Masking, PretrainingEntry, PretrainRecipe, Projection, load_pretrain_recipe
from tests.pretrain.small import DATASETS, build, work
from tests.pretrain.small import SET as SMALL

pytestmark = pytest.mark.xdist_group("pretraining keys")  # what its fixtures make is made once

BEFORE = {"method", "suite", "variant", "source", "notes", "backbone", "seed", "entries"}
"""Read before the loop starts: they choose the recipe, are told in it, or name what it starts from."""

SECTIONS: Mapping[str, type[BaseModel]] = {"projector": Projection, "masking": Masking, **TYPED}
DECODER = {"masking.dim": 16, "masking.depth": 1, "masking.heads": 2}
SET = SMALL | {"schedule.warmup": 1}
CONTEXTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("path", SET),
    ("path", SET | {"schedule.name": "step", "optim.layer_decay": 0.7}),
    ("path", SET | {"optim.name": "adamw"}),
    ("path", SET | {"optim.name": "sgd", "schedule.name": "step", "schedule.factors": []}),
    ("mae", {k: v for k, v in SET.items() if k != "projector.reduction"} | DECODER),
)
ENTRY = "pose_coco"
WORDS = {"entries.group": "reid", "entries.head": "own", "entries.class_token": True, "entries.datasets": ["aic"]}


def keys() -> list[str]:
    """Dotted keys of a recipe; those of an entry as `entries.KEY`."""
    plain = [name for name in PretrainRecipe.model_fields if name not in {*BEFORE, *SECTIONS}]
    nested = {f"{section}.{key}" for section, kind in SECTIONS.items() for key in kind.model_fields}
    for section, kind in TYPED.items():
        nested |= {f"{section}.{key}" for name in kind.catalogue.names() for key in kind.known_keys(name)}
    entry = [f"entries.{key}" for key in PretrainingEntry.model_fields if key not in ("note", "datasets")]
    return sorted([*plain, *nested, *entry])


def others(key: str, value: Any) -> Iterator[Any]:
    """Other values of the same type."""
    if key in WORDS:
        yield WORDS[key]
    elif key == "entries.set":
        yield {"loss.sigma": 1.0}
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        section, _, name = key.rpartition(".")
        field = SECTIONS.get(section, PretrainRecipe).model_fields[name]
        words = TYPED[section].catalogue.names() if section in TYPED else get_args(field.annotation)
        yield from (word for word in words if word != value)
    elif isinstance(value, int):
        yield from (2 * value, value + 1, value - 1)
    elif isinstance(value, float):
        yield from (value / 2, 0.5, 0.25)
    else:
        yield [one / 2 for one in value]


def trace(chosen: PretrainRecipe, root: Path, folder: Path) -> str:
    """A hash over weights, losses and the number of times that a block is run."""
    made = work(chosen, root, folder / "checkpoint.pt")
    calls: list[int] = []
    made.network.trunk.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    course = made.run()
    (folder / "checkpoint.pt").unlink()
    digest = hashlib.sha256(f"{course.history} {len(calls)} {sorted(made.network.state_dict())}".encode())
    for name, tensor in made.network.state_dict().items():
        digest.update(name.encode() + tensor.detach().float().numpy().tobytes())
    return digest.hexdigest()


def recipe_with(method: str, settings: Mapping[str, Any]) -> PretrainRecipe:
    """The tiny recipe over two datasets."""
    return load_pretrain_recipe(method, "mini", overrides=settings).only(("coco_pose", "market1501"))


@pytest.fixture(scope="module")
def untouched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The traces of the recipes as they are."""
    folder = tmp_path_factory.mktemp("keys")
    return [trace(recipe_with(*context), root, folder) for context in CONTEXTS]


def test_the_same_recipe_gives_the_same_trace(root: Path, tmp_path: Path, untouched: list[str]) -> None:
    assert trace(recipe_with(*CONTEXTS[0]), root, tmp_path) == untouched[0]
    assert len(set(untouched)) == len(CONTEXTS)
    assert {"coco_pose", "market1501"} <= set(DATASETS)


@pytest.mark.parametrize("key", keys())
def test_every_key_does_something(key: str, root: Path, tmp_path: Path, untouched: list[str]) -> None:
    for (method, settings), usual in zip(CONTEXTS, untouched, strict=True):
        dotted = key.replace("entries.", f"entries.{ENTRY}.")
        value: Any = recipe_with(method, settings)
        for part in dotted.split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
        if value is None:
            continue
        for other in itertools.islice(others(key, value), 3):
            new = other if key != "entries.set" else value | other
            try:
                changed = recipe_with(method, {**settings, dotted: new})
                build(changed, root)
            except (RecipeError, ValueError):
                continue
            if trace(changed, root, tmp_path) != usual:
                return
    pytest.fail(f"no other value of {key} changes anything")


def test_what_is_read_before_the_loop() -> None:
    """Nothing is excused from the test above that is not chosen, told or started from."""
    assert set(PretrainRecipe.model_fields) - BEFORE - set(SECTIONS) == {"iterations", "save_every", "recompute", "amp"}
