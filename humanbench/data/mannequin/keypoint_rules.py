"""Keypoints of a scene's people in the vocabulary of a dataset card."""

from __future__ import annotations

from collections.abc import Mapping

from humanbench.cards import Labels
from humanbench.data.mannequin.anatomy import JOINT
from humanbench.errors import CardError
from humanbench.text import nearest

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
    """Our joint behind each keypoint of the card; `aliases` (of the style) win over the general ones.

    `CardError` for a name that is neither a joint of the skeleton nor one of its other names.
    """
    joints = []
    for name in labels.keypoints:
        joint = aliases.get(name, _ALIASES.get(name, name))
        if joint not in JOINT:
            hint = nearest(name, keypoint_names())
            raise CardError(f"procedural people have no keypoint {name!r} (docs/embedded-suite.md lists theirs){hint}")
        joints.append(JOINT[joint])
    return joints


def keypoint_names() -> list[str]:
    """Every keypoint that procedural people have: the joints of the skeleton, and their other names."""
    return [*JOINT, *_ALIASES]
