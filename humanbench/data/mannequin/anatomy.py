"""The skeleton in 3-D: joint names, body proportions, forward kinematics.

A person's own frame is right-handed: x to their left, y up, z the way they face; metres. All functions work on N
people at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from humanbench.arrays import Floats

Angle = Callable[[str], Floats]

JOINTS: tuple[str, ...] = (
    "pelvis", "spine", "thorax", "neck", "head", "head_top", "chin", "nose",
    "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_toe", "right_toe", "left_small_toe", "right_small_toe",
)  # fmt: skip
JOINT = {name: i for i, name in enumerate(JOINTS)}

SEGMENTS: tuple[str, ...] = (
    "pelvis", "torso", "head",
    "left_upper_arm", "right_upper_arm", "left_forearm", "right_forearm",
    "left_thigh", "right_thigh", "left_shin", "right_shin", "left_foot", "right_foot",
)  # fmt: skip
SEGMENT = {name: i for i, name in enumerate(SEGMENTS)}

ANGLES: tuple[str, ...] = (
    "torso_pitch", "torso_roll", "torso_yaw", "head_pitch", "head_yaw", "head_roll",
    *(f"{side}_{joint}" for side in ("left", "right") for joint in
      ("shoulder_flex", "shoulder_abduct", "shoulder_turn", "elbow", "hip_flex", "hip_abduct", "knee", "ankle")),
)  # fmt: skip
ANGLE = {name: i for i, name in enumerate(ANGLES)}


@dataclass(frozen=True)
class Bodies:
    """Proportions of N people: `height` in metres, the rest as factors around 1."""

    height: Floats
    build: Floats  # thickness of limbs and trunk
    shoulders: Floats
    hips: Floats
    legs: Floats  # leg length relative to height
    head: Floats  # head size; children have larger ones


def rotation(axis: int, angle: Floats) -> Floats:
    """Right-handed rotations about x (0), y (1) or z (2): angles (N,) in radians -> N x 3 x 3."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, axis, axis] = 1.0
    matrix[:, i, i] = c
    matrix[:, j, j] = c
    matrix[:, j, i] = s
    matrix[:, i, j] = -s
    return matrix


def _along(frame: Floats, x: Floats | float, y: Floats | float, z: Floats | float) -> Floats:
    """The vectors (x, y, z) of each person's frame, in the outer frame: N x 3."""
    total = np.zeros((len(frame), 3))
    for axis, amount in enumerate((x, y, z)):
        if isinstance(amount, np.ndarray):
            total += frame[:, :, axis] * amount[:, None]
        elif amount:
            total += frame[:, :, axis] * amount
    return total


def kinematics(bodies: Bodies, angles: Floats) -> tuple[Floats, Floats]:
    """Joints N x len(JOINTS) x 3 in each person's frame (feet on y = 0), and segment frames N x len(SEGMENTS) x 3 x 3.

    `angles` is N x len(ANGLES) in radians; zero is standing upright with hanging arms.
    """
    n = len(bodies.height)
    joints = np.zeros((n, len(JOINTS), 3))
    frames = np.zeros((n, len(SEGMENTS), 3, 3))
    h = bodies.height

    def angle(name: str) -> Floats:
        return angles[:, ANGLE[name]]

    frames[:, SEGMENT["pelvis"]] = np.eye(3)
    torso = rotation(1, angle("torso_yaw")) @ rotation(2, angle("torso_roll")) @ rotation(0, angle("torso_pitch"))
    head = torso @ rotation(1, angle("head_yaw")) @ rotation(0, angle("head_pitch")) @ rotation(2, angle("head_roll"))
    frames[:, SEGMENT["torso"]], frames[:, SEGMENT["head"]] = torso, head
    leg = 0.49 * h * bodies.legs
    trunk = 0.30 * h * (2.0 - bodies.legs)
    joints[:, JOINT["spine"]] = _along(torso, 0, 0.45 * trunk, 0)
    joints[:, JOINT["thorax"]] = _along(torso, 0, trunk, 0)
    joints[:, JOINT["neck"]] = joints[:, JOINT["thorax"]] + _along(head, 0, 0.045 * h, 0.008 * h)
    _head(joints, head, 0.135 * h * bodies.head)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _arm(joints, frames, torso, angle, side, sign, bodies)
        _leg(joints, frames, angle, side, sign, bodies, leg)
    feet = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("heel", "toe")]
    joints[..., 1] -= joints[:, feet, 1].min(axis=1)[:, None]
    return joints, frames


def _head(joints: Floats, head: Floats, size: Floats) -> None:
    neck = joints[:, JOINT["neck"]]
    at = {
        "head": (0.0, 0.42, 0.06), "head_top": (0.0, 1.0, 0.02), "chin": (0.0, 0.05, 0.30), "nose": (0.0, 0.38, 0.50),
        "left_eye": (0.14, 0.50, 0.41), "right_eye": (-0.14, 0.50, 0.41),
        "left_ear": (0.33, 0.42, 0.06), "right_ear": (-0.33, 0.42, 0.06),
    }  # fmt: skip
    for name, (x, y, z) in at.items():
        joints[:, JOINT[name]] = neck + _along(head, x * size, y * size, z * size)


def _arm(joints: Floats, frames: Floats, torso: Floats, angle: Angle, side: str, sign: float, bodies: Bodies) -> None:
    h = bodies.height
    shoulder = joints[:, JOINT["thorax"]] + _along(torso, sign * 0.108 * h * bodies.shoulders, -0.022 * h, 0)
    upper = (
        torso
        @ rotation(2, sign * angle(f"{side}_shoulder_abduct"))
        @ rotation(0, -angle(f"{side}_shoulder_flex"))
        @ rotation(1, -sign * angle(f"{side}_shoulder_turn"))
    )
    fore = upper @ rotation(0, -angle(f"{side}_elbow"))
    elbow = shoulder + _along(upper, 0, -0.172 * h, 0)
    wrist = elbow + _along(fore, 0, -0.145 * h, 0)
    frames[:, SEGMENT[f"{side}_upper_arm"]], frames[:, SEGMENT[f"{side}_forearm"]] = upper, fore
    joints[:, JOINT[f"{side}_shoulder"]], joints[:, JOINT[f"{side}_elbow"]] = shoulder, elbow
    joints[:, JOINT[f"{side}_wrist"]] = wrist
    joints[:, JOINT[f"{side}_hand"]] = wrist + _along(fore, 0, -0.055 * h, 0)


def _leg(joints: Floats, frames: Floats, angle: Angle, side: str, sign: float, bodies: Bodies, leg: Floats) -> None:
    h = bodies.height
    hip = _along(frames[:, SEGMENT["pelvis"]], sign * 0.052 * h * bodies.hips, -0.01 * h, 0)
    thigh = rotation(2, sign * angle(f"{side}_hip_abduct")) @ rotation(0, -angle(f"{side}_hip_flex"))
    shin = thigh @ rotation(0, angle(f"{side}_knee"))
    foot = shin @ rotation(0, angle(f"{side}_ankle"))
    knee = hip + _along(thigh, 0, -0.50 * leg, 0)
    ankle = knee + _along(shin, 0, -0.50 * leg, 0)
    for name, frame in (("thigh", thigh), ("shin", shin), ("foot", foot)):
        frames[:, SEGMENT[f"{side}_{name}"]] = frame
    for name, joint in (("hip", hip), ("knee", knee), ("ankle", ankle)):
        joints[:, JOINT[f"{side}_{name}"]] = joint
    sole = -0.038 * h
    joints[:, JOINT[f"{side}_heel"]] = ankle + _along(foot, 0, sole, -0.030 * h)
    joints[:, JOINT[f"{side}_toe"]] = ankle + _along(foot, -sign * 0.008 * h, sole, 0.105 * h)
    joints[:, JOINT[f"{side}_small_toe"]] = ankle + _along(foot, sign * 0.022 * h, sole, 0.085 * h)
