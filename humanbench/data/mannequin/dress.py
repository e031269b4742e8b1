"""From a look to drawable shapes: which exist, how thick the cloth is, of which material and garment they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats
from humanbench.data.mannequin.looks import Look, material
from humanbench.data.mannequin.shapes import SHAPE, SHAPES

GARMENTS: tuple[str, ...] = (
    "skin", "hair", "hat", "sunglasses", "upper", "dress", "coat", "pants", "jumpsuit", "skirt", "scarf", "glove",
    "socks", "shoe", "belt", "bag", "umbrella", "object",
)  # fmt: skip
GARMENT = {name: i for i, name in enumerate(GARMENTS)}

MATERIALS: tuple[str, ...] = (
    "skin", "eye", "lips", "hair", "top", "outer", "bottom", "shoe", "sock", "hat", "glasses", "scarf", "belt",
    "glove", "bag", "umbrella", "mask", "object",
)  # fmt: skip
MATERIAL = {name: i for i, name in enumerate(MATERIALS)}

_TRUNK = ("chest", "left_flank", "right_flank", "left_breast", "right_breast")


@dataclass(frozen=True)
class Dressed:
    """Per shape: exists, cloth thickness in body heights, material row, garment index; and the material table."""

    active: Bools
    inflate: Floats
    material: NDArray[np.int32]
    garment: NDArray[np.int32]
    table: Floats


class _Rack:
    """Fills a row per shape (exists, thickness, material, garment) while somebody gets dressed."""

    def __init__(self) -> None:
        self.rows = np.zeros((len(SHAPES), 4))

    def put(self, names: tuple[str, ...] | str, garment: str, cloth: str, thick: float = 0.0) -> None:
        self.rows[_indices(names)] = (1.0, thick, MATERIAL[cloth], GARMENT[garment])


@lru_cache(maxsize=256)
def _indices(names: tuple[str, ...] | str) -> list[int]:
    return [SHAPE[n] for n in ((names,) if isinstance(names, str) else names)]


@lru_cache(maxsize=64)
def _both(*parts: str) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for side in ("left", "right") for part in parts)


_NAKED = (
    *("skull", "nose", "neck", "hips", "chest", "left_flank", "right_flank"),
    *_both("sleeve", "upper_arm", "forearm", "hand", "thigh", "lower_thigh", "shin", "lower_shin", "foot"),
)


def dress(look: Look, sitting: bool = False) -> Dressed:
    """Put the look's clothes on."""
    rack = _Rack()
    rack.put(_NAKED, "skin", "skin")
    rack.put(("left_eye", "right_eye"), "skin", "eye")
    rack.put("mouth", "skin", "lips")
    _hair(rack, look)
    _feet(rack, look)
    _clothes(rack, look)
    _carried(rack, look)
    if sitting:
        rack.put(("seat", "seat_leg"), "object", "object")
    exists, thickness, cloth, garment = rack.rows.T
    return Dressed(exists > 0, thickness, cloth.astype(np.int32), garment.astype(np.int32), _materials(look))


_HAIR = {"short": ("hair",), "long": ("hair", "long_hair"), "bun": ("hair", "bun"), "bald": ()}


def _hair(rack: _Rack, look: Look) -> None:
    rack.put(_HAIR[look.hair], "hair", "hair")
    if look.beard:
        rack.put("beard", "hair", "hair")
    if look.mask:
        rack.put("mask", "skin", "mask")
    if look.hat:
        rack.put(("hat", "visor") if look.hat == "cap" else ("hat", "brim"), "hat", "hat")
    if look.glasses:
        rack.put("glasses", "sunglasses", "glasses")


def _feet(rack: _Rack, look: Look) -> None:
    if look.shoes != "sandals":
        rack.put(_both("foot"), "shoe", "shoe", 0.006)
    if look.socks:
        rack.put(_both("lower_shin"), "socks", "sock", 0.002)
    if look.shoes == "boots":
        rack.put(_both("lower_shin"), "shoe", "shoe", 0.010)


def _clothes(rack: _Rack, look: Look) -> None:
    upper = {"dress": "dress", "jumpsuit": "jumpsuit"}.get(look.lower, "upper")
    trunk = _TRUNK if look.gender == "female" and look.age != "child" else _TRUNK[:3]
    rack.put(trunk, upper, "top", 0.006)
    if look.sleeve != "none":
        rack.put(_both("sleeve"), upper, "top", 0.007)
    if look.sleeve == "long":
        rack.put(_both("upper_arm", "forearm"), upper, "top", 0.007)
    _legs(rack, look)
    if look.outer is not None:
        rack.put((*trunk, *_both("sleeve", "upper_arm", "forearm")), "coat", "outer", 0.014)
        if look.long_coat:
            rack.put(("hips", "coat_tail", *_both("thigh")), "coat", "outer", 0.012)
    if look.belt and look.outer is None and look.lower in ("trousers", "shorts"):
        rack.put("belt", "belt", "belt")
    if look.scarf is not None:
        rack.put(("scarf", "scarf_end"), "scarf", "scarf")
    if look.gloves:
        rack.put(_both("hand"), "glove", "glove", 0.004)


def _legs(rack: _Rack, look: Look) -> None:
    legs = _both("thigh", "lower_thigh", "shin")
    if look.lower in ("trousers", "jumpsuit"):
        garment, cloth = ("jumpsuit", "top") if look.lower == "jumpsuit" else ("pants", "bottom")
        ends = () if look.shoes == "boots" else _both("lower_shin")
        rack.put(("hips", *legs, *ends), garment, cloth, 0.007)
    elif look.lower == "shorts":
        rack.put(("hips", *_both("thigh")), "pants", "bottom", 0.010)
    else:
        shape = _SKIRTS[look.lower]
        garment, cloth = ("dress", "top") if look.lower == "dress" else ("skirt", "bottom")
        rack.put(("hips", shape, *_both(*_UNDER[shape])), garment, cloth, 0.006)


_SKIRTS = {"dress": "skirt_knee", "short_skirt": "skirt_short", "skirt": "skirt_knee", "long_skirt": "skirt_long"}
# What of the legs the cloth falls over: it clings to them where they are wider than the skirt.
_UNDER = {
    "skirt_short": ("thigh",),
    "skirt_knee": ("thigh", "lower_thigh"),
    "skirt_long": ("thigh", "lower_thigh", "shin"),
}


def _carried(rack: _Rack, look: Look) -> None:
    for bag in look.bags:
        rack.put(bag, "bag", "bag")
        side = bag.split("_")[0]
        if bag == "backpack":
            rack.put(("left_strap", "right_strap"), "bag", "bag", 0.006)
        elif bag.endswith("shoulder_bag"):
            rack.put(f"{side}_sling", "bag", "bag", 0.010)
        elif bag == "trolley":
            rack.put("trolley_grip", "bag", "bag")
    if look.umbrella is not None:
        rack.put(("canopy", "pole"), "umbrella", "umbrella")


def _materials(look: Look) -> Floats:
    lips = (look.skin[0] * 0.85, look.skin[1] * 0.5, look.skin[2] * 0.5)
    rows = _FIXED | {
        "skin": material(look.skin, gloss=0.05),
        "lips": material(lips),
        "hair": material(look.hair_rgb, gloss=0.10),
        "top": material(look.top),
        "outer": material(look.outer or look.top),
        "bottom": material(look.bottom),
        "shoe": material(look.shoe, gloss=0.15),
        "hat": material(look.hat_cloth or look.top),
        "scarf": material(look.scarf or look.top),
        "bag": material(look.bag or look.top),
        "umbrella": material(look.umbrella or look.top),
    }
    return np.array([rows[name] for name in MATERIALS])


_FIXED = {
    "eye": material((0.05, 0.04, 0.04)),
    "sock": material((0.85, 0.85, 0.82)),
    "glasses": material((0.03, 0.03, 0.04), gloss=0.35),
    "belt": material((0.16, 0.10, 0.06), gloss=0.2),
    "glove": material((0.12, 0.12, 0.13)),
    "mask": material((0.72, 0.82, 0.90)),
    "object": material((0.35, 0.33, 0.30)),
}
