"""Part maps of a scene in the vocabulary of a dataset card: garments and skin, or parts of the body."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.cards import Labels
from humanbench.data.mannequin.anatomy import JOINT
from humanbench.data.mannequin.dress import GARMENTS
from humanbench.data.mannequin.scene import Person, Scene
from humanbench.data.mannequin.shapes import SHAPES
from humanbench.errors import CardError
from humanbench.text import nearest


def part_map(scene: Scene, labels: Labels) -> NDArray[np.uint8]:
    """Class indices H x W of the card's classes; what the vocabulary has no name for is background (0)."""
    index = {_plain(name): i for i, name in enumerate(labels.classes)}
    result = np.zeros(scene.owner.shape, np.uint8)
    for i, person in enumerate(scene.people):
        mine = scene.owner == i
        if not mine.any():
            continue
        if _OF_THE_BODY in index:
            result[mine] = _anatomy(scene, mine, person, index)
        else:
            look = person.actor.look
            table = _wardrobe(look.sleeve, look.lower, look.shoes, tuple(index))
            result[mine] = table[scene.garment[mine], scene.shape[mine]]
    return result


def check_classes(labels: Labels) -> None:
    """`CardError` for a class that no procedural person can have, or a vocabulary of the body that lacks a part."""
    names = [_plain(name) for name in labels.classes]
    of_the_body = _OF_THE_BODY in names
    known = body_classes() if of_the_body else garment_classes()
    for name, written in zip(names, labels.classes, strict=True):
        if name not in known:
            hint = nearest(name, sorted(known))
            raise CardError(
                f"procedural people have no part class {written!r} (docs/embedded-suite.md lists theirs){hint}"
            )
    missing = sorted(_NEEDED_OF_THE_BODY - set(names)) if of_the_body else []
    if missing:
        raise CardError(
            f"the classes have {_OF_THE_BODY!r} and so are parts of the body, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not among them: pixels of procedural people would have no class"
        )


def _plain(name: str) -> str:
    """A class name as the rules below spell it."""
    return name.lower().replace(" ", "-")


@lru_cache(maxsize=1024)
def _wardrobe(sleeve: str, lower: str, shoes: str, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Class of every (garment, shape) of somebody, for vocabularies of clothes and skin."""
    table = np.zeros((len(GARMENTS), len(SHAPES)), np.uint8)
    for g, garment in enumerate(GARMENTS):
        for s, shape in enumerate(SHAPES):
            names = _names(sleeve, lower, shoes, garment, shape.region)
            table[g, s] = next((classes.index(n) for n in names if n in classes), 0)
    return table


@lru_cache(maxsize=1)
def garment_classes() -> frozenset[str]:
    """All class names that somebody's garments or skin can get, and those that nobody's ever do."""
    worn = itertools.product(("none", "short", "long"), ("trousers", "shorts"), ("shoes", "boots"), GARMENTS, SHAPES)
    sides = {shape.region for shape in SHAPES if shape.region.startswith(("left_", "right_"))}
    names = {
        name
        for sleeve, lower, shoes, garment, shape in worn
        if shape.region in sides | {"head", "neck", "torso", "hips"}
        for name in _names(sleeve, lower, shoes, garment, shape.region)
    }
    unsided = {f"{region}-{part}" for region in ("head", "neck", "torso", "hips") for part in ("arm", "leg", "shoe")}
    return frozenset(names - unsided | _NEVER_WORN)


def _names(worn_sleeve: str, lower: str, shoes: str, garment: str, region: str) -> tuple[str, ...]:
    """Class names for a piece of clothing or skin, best first, over all vocabularies."""
    side = region.split("_")[0]
    leg = region.endswith(("thigh", "shin", "foot"))
    sleeve = {"none": "vest", "short": "short-sleeve", "long": "long-sleeve"}[worn_sleeve]
    top = ("upper-clothes", "top", "vest" if sleeve == "vest" else f"{sleeve}-top")
    return {
        "skin": _skin(region, side, leg),
        "upper": top,
        "coat": ("coat", "outer", "long-sleeve-outwear", "upper-clothes"),
        "dress": ("dress", f"{sleeve}-dress"),
        "jumpsuit": ("jumpsuits", *(("pants", "trousers") if leg or region == "hips" else top)),
        "pants": ("shorts", "pants") if lower == "shorts" else ("pants", "trousers"),
        "shoe": ("boots" if shoes == "boots" else "footwear", "footwear", f"{side}-shoe"),
        "belt": ("belt", "pants", "trousers"),
        "hat": ("hat", "headwear"),
        "hair": ("hair",),
        "sunglasses": ("sunglasses", "face"),
        "skirt": ("skirt",),
        "scarf": ("scarf", "scarf-&-tie"),
        "glove": ("glove", f"{side}-arm"),
        "socks": ("socks", f"{side}-leg"),
        "bag": ("bag",),
    }.get(garment, ())


def _skin(region: str, side: str, leg: bool) -> tuple[str, ...]:
    if region == "head":
        return ("face",)
    if region in ("neck", "torso", "hips"):
        return ("torso-skin", "face") if region == "neck" else ("torso-skin",)
    return (f"{side}-leg",) if leg else (f"{side}-arm",)


_NEVER_WORN = {"background", "short-sleeve-outwear", "sling", "sling-dress"}
"""Classes of the cards that nobody's pixels get."""
_OF_THE_BODY = "left-elbow"
"""The class that tells vocabularies of body parts from those of clothes."""

_LIMB_PARTS = {
    "upper_arm": "arm",
    "forearm": "forearm",
    "hand": "hand",
    "thigh": "thigh",
    "shin": "calf",
    "foot": "foot",
}
_JOINT_PARTS = ("shoulder", "elbow", "hip", "knee")
_NEAR = 0.042  # radius of a joint's own part, in body heights
_NEEDED_OF_THE_BODY = {"crotch", "head", "upper-spine", "lower-spine"} | {
    f"{side}-{part}" for side in ("left", "right") for part in _JOINT_PARTS
}


def body_classes() -> frozenset[str]:
    """All class names of a vocabulary of body parts."""
    limbs = {f"{side}-{part}" for side in ("left", "right") for part in _LIMB_PARTS.values()}
    return frozenset({"background"} | _NEEDED_OF_THE_BODY | limbs)


def _anatomy(scene: Scene, mine: Bools, person: Person, index: Mapping[str, int]) -> NDArray[np.uint8]:
    """Classes of a vocabulary of body parts (whatever is worn over them), with a disc around each joint."""
    height = scene.upright_height(person)
    rows, columns = np.nonzero(mine)
    shapes = scene.shape[mine]
    region = np.array([s.region for s in SHAPES])[shapes]
    table = np.array([_body_part(s.region, index) for s in SHAPES], np.uint8)
    classes = table[shapes]
    at = person.joints
    trunk = np.isin(region, ("torso", "neck"))
    upper = _distance(at, "thorax", rows, columns) < _distance(at, "pelvis", rows, columns)
    classes[trunk] = np.where(upper[trunk], index["upper-spine"], index["lower-spine"])
    for side in ("left", "right"):
        of_side = np.char.startswith(region, f"{side}_") | (region == "hips")
        for part in _JOINT_PARTS:
            near = _distance(at, f"{side}_{part}", rows, columns) < _NEAR * height
            classes[of_side & near] = index[f"{side}-{part}"]
    return classes


def _distance(joints: Floats, name: str, rows: Ints, columns: Ints) -> Floats:
    x, y = joints[JOINT[name], :2]
    result: Floats = np.hypot(columns - x, rows - y)
    return result


def _body_part(region: str, index: Mapping[str, int]) -> int:
    if region == "hips":
        return index["crotch"]
    if region == "head":
        return index["head"]
    side, _, limb = region.partition("_")
    return index.get(f"{side}-{_LIMB_PARTS.get(limb, '')}", 0)
