"""Plausible poses: standing, walking, running, sitting, reaching, talking on the phone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from humanbench.arrays import Floats
from humanbench.data.mannequin.anatomy import ANGLE, ANGLES
from humanbench.data.mannequin.looks import pick

Angles = dict[str, float]
POSES: tuple[str, ...] = ("standing", "walking", "running", "sitting", "reaching", "phone", "dancing")

_DEVIATIONS: dict[str, tuple[float, float]] = {  # mean and spread in radians
    "torso_pitch": (0.03, 0.04),
    "torso_roll": (0.0, 0.03),
    "torso_yaw": (0.0, 0.08),
    "head_pitch": (0.03, 0.12),
    "head_yaw": (0.0, 0.25),
    "head_roll": (0.0, 0.05),
}
_BOTH_SIDES: dict[str, tuple[float, float]] = {
    "shoulder_flex": (0.0, 0.12),
    "shoulder_abduct": (0.10, 0.06),
    "shoulder_turn": (0.1, 0.2),
    "elbow": (0.15, 0.12),
    "hip_abduct": (0.05, 0.03),
    "knee": (0.02, 0.03),
}
_LOOSE = _DEVIATIONS | {f"{side}_{name}": v for side in ("left", "right") for name, v in _BOTH_SIDES.items()}
_OUTWARD = {name for name in _LOOSE if name.endswith(("shoulder_abduct", "elbow", "hip_abduct", "knee"))}
_MEANS, _SPREADS = np.array(list(_LOOSE.values())).T


def draw_pose(rng: np.random.Generator, mix: Mapping[str, float]) -> tuple[str, Floats]:
    """A pose by its name and its joint angles (len(ANGLES),) in radians; `mix` weights the names of `POSES`."""
    name = pick(rng, mix)
    angles = np.zeros(len(ANGLES))
    for key, value in (_relaxed(rng) | _MAKERS[name](rng)).items():
        angles[ANGLE[key]] = value
    return name, angles


def _relaxed(rng: np.random.Generator) -> Angles:
    """Small asymmetric deviations that every pose starts from."""
    drawn = (_MEANS + _SPREADS * rng.standard_normal(len(_MEANS))).tolist()
    return {name: abs(value) if name in _OUTWARD else value for name, value in zip(_LOOSE, drawn, strict=True)}


def _standing(rng: np.random.Generator) -> Angles:
    pose: Angles = {}
    kind = rng.random()
    if kind < 0.2:
        pose |= _CARRYING
    elif kind < 0.3:  # hand on the hip
        pose |= {"left_shoulder_abduct": 0.75, "left_shoulder_turn": 1.3, "left_elbow": 1.7}
    if rng.random() < 0.4:
        pose |= {"right_hip_flex": 0.12, "right_knee": 0.22}
    return pose


def _stride(rng: np.random.Generator, hip: float, knee: float, arm: float, elbow: float, lean: float) -> Angles:
    phase = rng.uniform(0, 2 * np.pi)
    pose: Angles = {"torso_pitch": lean + rng.normal(0, 0.02), "torso_yaw": 0.10 * np.sin(phase)}
    for side, shift in (("left", 0.0), ("right", np.pi)):
        swing = np.sin(phase + shift)
        pose[f"{side}_hip_flex"] = hip * (swing + 0.15)
        pose[f"{side}_knee"] = knee * max(0.0, np.cos(phase + shift)) + 0.10 * (1 - swing)
        pose[f"{side}_ankle"] = -0.3 * min(0.0, swing)
        pose[f"{side}_shoulder_flex"] = -arm * swing
        pose[f"{side}_elbow"] = elbow + 0.2 * max(0.0, -swing)
    return pose


def _walking(rng: np.random.Generator) -> Angles:
    pace = rng.uniform(0.7, 1.2)
    return _stride(rng, 0.45 * pace, 0.75 * pace, 0.45 * pace, 0.25, 0.04)


def _running(rng: np.random.Generator) -> Angles:
    pace = rng.uniform(0.8, 1.2)
    return _stride(rng, 0.85 * pace, 1.5 * pace, 0.8 * pace, 1.4, 0.22)


def _sitting(rng: np.random.Generator) -> Angles:
    pose: Angles = {"torso_pitch": rng.normal(0.02, 0.10)}
    for side in ("left", "right"):
        pose |= {
            f"{side}_hip_flex": rng.normal(1.45, 0.08),
            f"{side}_knee": rng.normal(1.45, 0.18),
            f"{side}_hip_abduct": abs(rng.normal(0.12, 0.08)),
            f"{side}_shoulder_flex": rng.normal(0.45, 0.15),
            f"{side}_elbow": rng.normal(0.9, 0.3),
        }
    return pose


def _reaching(rng: np.random.Generator) -> Angles:
    pose: Angles = {}
    sides = ("left", "right") if rng.random() < 0.35 else (("left",) if rng.random() < 0.5 else ("right",))
    for side in sides:
        pose |= {
            f"{side}_shoulder_flex": rng.uniform(0.9, 2.8),
            f"{side}_shoulder_abduct": rng.uniform(0.0, 0.8),
            f"{side}_elbow": rng.uniform(0.0, 0.6),
        }
    return pose


def _phone(rng: np.random.Generator) -> Angles:
    side = "left" if rng.random() < 0.5 else "right"
    return {
        f"{side}_shoulder_flex": 0.75,
        f"{side}_shoulder_abduct": 0.35,
        f"{side}_shoulder_turn": 0.35,
        f"{side}_elbow": 2.35,
    }


def _dancing(rng: np.random.Generator) -> Angles:
    pose: Angles = {"torso_pitch": rng.normal(0.1, 0.2), "torso_roll": rng.normal(0, 0.15)}
    for side in ("left", "right"):
        pose |= {
            f"{side}_shoulder_flex": rng.uniform(-0.4, 2.6),
            f"{side}_shoulder_abduct": rng.uniform(0.1, 1.7),
            f"{side}_shoulder_turn": rng.uniform(-0.5, 1.0),
            f"{side}_elbow": rng.uniform(0.1, 1.8),
            f"{side}_hip_flex": rng.uniform(-0.3, 1.0),
            f"{side}_hip_abduct": rng.uniform(0.05, 0.6),
            f"{side}_knee": rng.uniform(0.1, 1.2),
        }
    return pose


_CARRYING: Angles = {  # hands before the belly, as when holding something
    f"{side}_{joint}": value
    for side in ("left", "right")
    for joint, value in (("shoulder_flex", 0.35), ("shoulder_turn", 0.7), ("shoulder_abduct", 0.1), ("elbow", 1.5))
}


def carrying(angles: Floats) -> Floats:
    """The same pose with both hands before the belly."""
    changed = angles.copy()
    for key, value in _CARRYING.items():
        changed[ANGLE[key]] = value
    return changed


_MAKERS: dict[str, Callable[[np.random.Generator], Angles]] = {
    "standing": _standing,
    "walking": _walking,
    "running": _running,
    "sitting": _sitting,
    "reaching": _reaching,
    "phone": _phone,
    "dancing": _dancing,
}
