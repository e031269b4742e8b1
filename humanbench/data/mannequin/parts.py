"""Keypoints and part maps of a scene in the vocabulary of a dataset card."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Floats
from humanbench.cards import Labels
from humanbench.data.mannequin.anatomy import JOINT
from humanbench.data.mannequin.dress import GARMENTS
from humanbench.data.mannequin.looks import Look
from humanbench.data.mannequin.scene import Person, Rendering
from humanbench.data.mannequin.shapes import SHAPES

# Names of keypoints in the cards that are not names of our joints. A style may say otherwise for its dataset.
_ALIASES = {
    "root": "pelvis",
    "hip": "pelvis",
    "center_hip": "pelvis",
    "center_shoulder": "thorax",
    "upper_neck": "neck",
    "neck_base": "neck",
    "head_bottom": "neck",
    "left_foot": "left_ankle",
    "right_foot": "right_ankle",
}


def joint_indices(labels: Labels, aliases: Mapping[str, str]) -> list[int]:
    """Our joint behind each keypoint of the card; `aliases` (of the style) win over the general ones."""
    return [JOINT[aliases.get(k, _ALIASES.get(k, k))] for k in labels.keypoints]


def part_map(picture: Rendering, looks: list[Look], heights: list[float], labels: Labels) -> NDArray[np.uint8]:
    """Class indices H x W of the card's classes; what the vocabulary has no name for is background (0).

    `heights` are the people's heights in pixels per metre times metres (their upright size in the picture).
    """
    index = {name.lower().replace(" ", "-"): i for i, name in enumerate(labels.classes)}
    result = np.zeros(picture.owner.shape, np.uint8)
    for i, look in enumerate(looks):
        mine = picture.owner == i
        if not mine.any():
            continue
        if "left-elbow" in index:
            result[mine] = _anatomy(picture, mine, picture.people[i], heights[i], index)
        else:
            table = _wardrobe(look.sleeve, look.lower, look.shoes, tuple(index))
            result[mine] = table[picture.garment[mine], picture.shape[mine]]
    return result


@lru_cache(maxsize=1024)
def _wardrobe(sleeve: str, lower: str, shoes: str, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Class of every (garment, shape) of somebody, for vocabularies of clothes and skin."""
    table = np.zeros((len(GARMENTS), len(SHAPES)), np.uint8)
    for g, garment in enumerate(GARMENTS):
        for s, shape in enumerate(SHAPES):
            names = _names(sleeve, lower, shoes, garment, shape.region)
            table[g, s] = next((classes.index(n) for n in names if n in classes), 0)
    return table


def _names(worn_sleeve: str, lower: str, shoes: str, garment: str, region: str) -> tuple[str, ...]:
    """Class names for a piece of clothing or skin, best first, over all vocabularies."""
    side = region.split("_")[0]
    leg = region.endswith(("thigh", "shin", "foot"))
    sleeve = {"none": "vest", "short": "short-sleeve", "long": "long-sleeve"}[worn_sleeve]
    top = ("upper-clothes", "top", "vest" if sleeve == "vest" else f"{sleeve}-top")
    if garment == "skin":
        return _skin(region, side, leg)
    if garment == "upper":
        return top
    if garment == "coat":
        return ("coat", "outer", "long-sleeve-outwear", "upper-clothes")
    if garment == "dress":
        return ("dress", f"{sleeve}-dress")
    if garment == "jumpsuit":
        return ("jumpsuits", *(("pants", "trousers") if leg or region == "hips" else top))
    if garment == "pants":
        return ("shorts", "pants") if lower == "shorts" else ("pants", "trousers")
    if garment == "shoe":
        return ("boots" if shoes == "boots" else "footwear", "footwear", f"{side}-shoe")
    if garment == "belt":
        return ("belt", "pants", "trousers")
    return {
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


def _anatomy(
    picture: Rendering, mine: NDArray[np.bool_], person: Person, height: float, index: Mapping[str, int]
) -> NDArray[np.uint8]:
    """Classes of a vocabulary of body parts (whatever is worn over them), with a disc around each joint."""
    rows, columns = np.nonzero(mine)
    shapes = picture.shape[mine]
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


def _distance(joints: Floats, name: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
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
