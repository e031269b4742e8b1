"""People as tapered capsules: the table of shapes, and the shapes of N dressed people in world coordinates.

A shape goes from one anchor to another. An anchor is a point on the line between two joints plus an offset in a
segment's frame; offsets and radii are in units of body height. Body shapes carry clothes (thicker, other material);
extra shapes exist only for those who wear or carry the thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from humanbench.arrays import Bools, Floats
from humanbench.data.mannequin.anatomy import JOINT, JOINTS, SEGMENT, Bodies

_POINTS = (*JOINTS, "mid_knee", "mid_ankle")
_P = {name: i for i, name in enumerate(_POINTS)}


class Anchor(NamedTuple):
    """`a` + `f` * (`b` - `a`) + offset (x, y, z) in the frame of segment `frame`."""

    a: str
    b: str
    f: float
    frame: str = "pelvis"
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


class Shape(NamedTuple):
    """A capsule from `start` (radius `r0`) to `end` (radius `r1`); `flat` ones have no round ends."""

    name: str
    region: str
    start: Anchor
    end: Anchor
    r0: float
    r1: float
    flat: bool = False
    headlike: bool = False  # scales with the head instead of the build
    spread: float = 0.0  # widened by this share of the distance between the knees


def _at(joint: str, frame: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Anchor:
    return Anchor(joint, joint, 0.0, frame, x, y, z)


def _trunk() -> list[Shape]:
    shapes = [
        Shape("neck", "neck", _at("thorax", "torso", 0, -0.01), _at("neck", "head", 0, 0.01, 0.004), 0.031, 0.029),
        Shape("chest", "torso", _at("thorax", "torso", 0, -0.045), _at("spine", "torso"), 0.063, 0.064),
        Shape("hips", "hips", _at("left_hip", "pelvis", 0, 0.022), _at("right_hip", "pelvis", 0, 0.022), 0.061, 0.061),
    ]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        flank = _at("pelvis", "pelvis", sign * 0.030, 0.065)
        shoulder = Anchor(f"{side}_shoulder", "thorax", 0.46, "torso", 0, -0.020)
        shapes.append(Shape(f"{side}_flank", "torso", shoulder, flank, 0.053, 0.052))
        breast = Anchor("thorax", "spine", 0.42, "torso", sign * 0.034, 0, 0.024)
        shapes.append(Shape(f"{side}_breast", "torso", breast, breast, 0.033, 0.033))
    return shapes


def _limbs(side: str) -> list[Shape]:
    def piece(name: str, region: str, a: str, b: str, f0: float, f1: float, r0: float, r1: float) -> Shape:
        start, end = Anchor(a, b, f0), Anchor(a, b, f1)
        return Shape(f"{side}_{name}", f"{side}_{region}", start, end, r0, r1)

    s, e, w = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
    h, k, a = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
    foot = f"{side}_foot"
    heel, toe = _at(f"{side}_heel", foot, 0, 0.018, 0.012), _at(f"{side}_toe", foot, 0, 0.010, -0.012)
    return [
        piece("sleeve", "upper_arm", s, e, 0.0, 0.55, 0.037, 0.032),
        piece("upper_arm", "upper_arm", s, e, 0.5, 1.0, 0.031, 0.026),
        piece("forearm", "forearm", e, w, 0.0, 1.0, 0.026, 0.018),
        piece("hand", "hand", w, f"{side}_hand", 0.1, 1.0, 0.019, 0.016),
        piece("thigh", "thigh", h, k, 0.0, 0.6, 0.060, 0.049),
        piece("lower_thigh", "thigh", h, k, 0.55, 1.0, 0.049, 0.038),
        piece("shin", "shin", k, a, 0.0, 0.55, 0.038, 0.034),
        piece("lower_shin", "shin", k, a, 0.5, 1.0, 0.035, 0.024),
        Shape(foot, foot, heel, toe, 0.024, 0.019),
    ]


def _head() -> list[Shape]:
    def ball(name: str, a: Anchor, b: Anchor, r0: float, r1: float, flat: bool = False) -> Shape:
        return Shape(name, "head", a, b, r0, r1, flat=flat, headlike=True)

    def on(joint: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Anchor:
        return _at(joint, "head", x, y, z)

    return [
        ball("skull", on("head", 0, -0.026, 0.014), on("head", 0, 0.012, 0.0), 0.043, 0.055),
        ball("nose", on("nose", 0, 0.004, -0.012), on("nose", 0, -0.004, 0.0), 0.008, 0.010),
        ball("left_eye", on("left_eye", 0, 0, -0.001), on("left_eye"), 0.007, 0.007),
        ball("right_eye", on("right_eye", 0, 0, -0.001), on("right_eye"), 0.007, 0.007),
        ball("mouth", on("chin", 0.008, 0.016, 0.012), on("chin", -0.008, 0.016, 0.012), 0.005, 0.005),
        ball("hair", on("head", 0, 0.022, -0.010), on("head", 0, 0.010, -0.022), 0.058, 0.056),
        ball("long_hair", on("head", 0, -0.01, -0.030), _at("thorax", "torso", 0, -0.05, -0.060), 0.050, 0.034),
        ball("bun", on("head", 0, 0.05, -0.050), on("head", 0, 0.055, -0.055), 0.026, 0.026),
        ball("beard", on("chin", 0, 0.004, -0.008), on("chin", 0, 0.012, -0.004), 0.026, 0.026),
        ball("mask", on("chin", 0, 0.010, -0.004), on("nose", 0, -0.010, -0.014), 0.030, 0.020),
        ball("hat", on("head", 0, 0.045, -0.006), on("head", 0, 0.062, -0.008), 0.060, 0.046),
        ball("visor", on("head", 0.030, 0.042, 0.056), on("head", -0.030, 0.042, 0.056), 0.014, 0.014),
        ball("brim", on("head", 0, 0.034, 0), on("head", 0, 0.046, 0), 0.105, 0.075, flat=True),
        ball("glasses", on("left_eye", 0.012, 0, 0.003), on("right_eye", -0.012, 0, 0.003), 0.012, 0.012),
    ]


def _extras() -> list[Shape]:
    waist = _at("pelvis", "pelvis", 0, 0.055)
    belt = _at("pelvis", "pelvis", 0, 0.052), _at("pelvis", "pelvis", 0, 0.074)
    scarf_end = _at("thorax", "torso", 0.03, 0, 0.05), _at("spine", "torso", 0.03, 0, 0.060)
    backpack = Anchor("thorax", "spine", 0.15, "torso", 0, 0, -0.085), _at("spine", "torso", 0, -0.02, -0.095)
    between_hands = Anchor("left_hand", "right_hand", 0.35), Anchor("left_hand", "right_hand", 0.65)
    tip, rim = (_at("head_top", "pelvis", 0.04, up, 0.03) for up in (0.16, 0.05))
    trolley = _at("right_ankle", "pelvis", -0.14, 0.06, -0.16), _at("right_ankle", "pelvis", -0.14, 0.16, -0.17)
    grip = _at("right_ankle", "pelvis", -0.14, 0.2, -0.17)
    seat = _at("pelvis", "pelvis", 0.09, -0.085, 0.04), _at("pelvis", "pelvis", -0.09, -0.085, 0.04)
    floor = Anchor("mid_ankle", "pelvis", 0.25, "pelvis", 0, 0, -0.20)
    shapes = [
        Shape("skirt_short", "hips", waist, Anchor("pelvis", "mid_knee", 0.70), 0.074, 0.100, True, spread=0.35),
        Shape("skirt_knee", "hips", waist, Anchor("pelvis", "mid_knee", 1.08), 0.074, 0.105, True, spread=0.55),
        Shape("skirt_long", "hips", waist, Anchor("pelvis", "mid_ankle", 0.88), 0.074, 0.110, True, spread=0.60),
        Shape("coat_tail", "hips", waist, Anchor("pelvis", "mid_knee", 0.85), 0.092, 0.108, True, spread=0.40),
        Shape("belt", "torso", *belt, 0.086, 0.086, True),
        Shape("scarf", "neck", _at("neck", "torso", 0.020, -0.022), _at("neck", "torso", -0.020, -0.022), 0.040, 0.040),
        Shape("scarf_end", "torso", *scarf_end, 0.016, 0.018),
        Shape("backpack", "torso", *backpack, 0.062, 0.070),
        Shape("held", "hand", *between_hands, 0.055, 0.055),
        Shape("canopy", "head", tip, rim, 0.012, 0.27, True),
        Shape("pole", "hand", tip, _at("left_hand", "pelvis"), 0.006, 0.006),
        Shape("trolley", "hand", *trolley, 0.066, 0.066),
        Shape("trolley_grip", "hand", grip, _at("right_hand", "pelvis"), 0.007, 0.007),
        Shape("seat", "object", *seat, 0.045, 0.045),
        Shape("seat_leg", "object", _at("pelvis", "pelvis", 0, -0.10, 0.02), floor, 0.020, 0.030),
    ]
    for side, other, sign in (("left", "right", 1.0), ("right", "left", -1.0)):
        shoulder, across = (Anchor(f"{of}_shoulder", "thorax", 0.45, "torso", 0, 0.030, 0.030) for of in (side, other))
        hip, hand = f"{side}_hip", f"{side}_hand"
        bag = _at(hip, "pelvis", sign * 0.075, 0.02, 0.01), _at(hip, "pelvis", sign * 0.08, -0.02, 0.0)
        hand_bag = _at(hand, "pelvis", 0, -0.055), _at(hand, "pelvis", 0, -0.085)
        shapes += [
            Shape(f"{side}_strap", "torso", shoulder, _at("spine", "torso", sign * 0.055, 0, 0.050), 0.010, 0.010),
            Shape(f"{side}_sling", "torso", across, _at(hip, "pelvis", sign * 0.03, 0.07, 0.052), 0.009, 0.009),
            Shape(f"{side}_shoulder_bag", "hips", *bag, 0.044, 0.052),
            Shape(f"{side}_hand_bag", "hand", *hand_bag, 0.036, 0.050),
        ]
    return shapes


SHAPES: tuple[Shape, ...] = (*_head(), *_trunk(), *_limbs("left"), *_limbs("right"), *_extras())
SHAPE = {shape.name: i for i, shape in enumerate(SHAPES)}

_START = [s.start for s in SHAPES]
_END = [s.end for s in SHAPES]
_HEADLIKE = np.array([s.headlike for s in SHAPES])
_RADII = np.array([(s.r0, s.r1) for s in SHAPES])
_SPREAD = np.array([s.spread for s in SHAPES])
FLAT: Bools = np.array([s.flat for s in SHAPES])
_FRAME_OF_REGION = {
    "head": "head", "neck": "torso", "torso": "torso", "hips": "pelvis", "hand": "pelvis", "object": "pelvis",
    **{f"{s}_{p}": f"{s}_{p}" for s in ("left", "right") for p in ("upper_arm", "forearm", "thigh", "shin", "foot")},
    **{f"{s}_hand": f"{s}_forearm" for s in ("left", "right")},
}  # fmt: skip
_TEXTURE_FRAME = np.array([SEGMENT[_FRAME_OF_REGION[s.region]] for s in SHAPES])
_TEXTURE_ORIGIN = np.array(
    [
        JOINT["spine"] if s.region in ("torso", "neck") else JOINT["pelvis"] if s.region == "hips" else _P[s.start.a]
        for s in SHAPES
    ]
)


@dataclass(frozen=True)
class Solids:
    """Capsules of N people x P shapes: end points (N x P x 3), radii (N x P), texture frames and their origins."""

    start: Floats
    end: Floats
    r0: Floats
    r1: Floats
    frame: Floats
    origin: Floats


def solids(bodies: Bodies, joints: Floats, frames: Floats, inflate: Floats) -> Solids:
    """Every shape of every person in their own frame, metres; `inflate` (N x P, in body heights) is cloth thickness."""
    mid = [joints[:, [JOINT[f"left_{p}"], JOINT[f"right_{p}"]]].mean(axis=1, keepdims=True) for p in ("knee", "ankle")]
    points = np.concatenate([joints, *mid], axis=1)
    height = bodies.height[:, None]
    scale = np.where(_HEADLIKE[None], bodies.head[:, None], bodies.build[:, None])
    knees = np.linalg.norm(joints[:, JOINT["left_knee"]] - joints[:, JOINT["right_knee"]], axis=1)[:, None]
    r0 = _RADII[None, :, 0] * scale * height + inflate * height
    r1 = _RADII[None, :, 1] * scale * height + inflate * height + 0.5 * _SPREAD[None] * knees
    return Solids(
        start=_anchors(_START, points, frames, height),
        end=_anchors(_END, points, frames, height),
        r0=r0,
        r1=r1,
        frame=frames[:, _TEXTURE_FRAME],
        origin=points[:, _TEXTURE_ORIGIN],
    )


def _anchors(anchors: list[Anchor], points: Floats, frames: Floats, height: Floats) -> Floats:
    a = points[:, [_P[k.a] for k in anchors]]
    b = points[:, [_P[k.b] for k in anchors]]
    f = np.array([k.f for k in anchors])[None, :, None]
    offset = np.array([(k.x, k.y, k.z) for k in anchors])
    turned = np.einsum("npij,pj->npi", frames[:, [SEGMENT[k.frame] for k in anchors]], offset)
    placed: Floats = a + f * (b - a) + turned * height[..., None]
    return placed
