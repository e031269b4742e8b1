"""Who and what stands before a camera, as capsules in its frame; a crop and the whole picture share them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats
from humanbench.data.mannequin.anatomy import JOINTS, SEGMENT, Bodies, kinematics, rotation
from humanbench.data.mannequin.camera import Camera
from humanbench.data.mannequin.dress import GARMENT, Dressed, dress
from humanbench.data.mannequin.looks import Look
from humanbench.data.mannequin.shapes import FLAT, SHAPES, Solids, solids

IN_BOX = np.array([s.name not in ("canopy", "pole", "trolley", "trolley_grip") for s in SHAPES])
"""Shapes that count for boxes: what people carry on them does, umbrellas and trolleys do not."""
HEAD = np.array([s.region == "head" and s.name not in ("brim", "canopy", "long_hair") for s in SHAPES])
"""Shapes that count for head boxes."""
_LEGS = {"child": 0.94, "teen": 1.0, "adult": 1.0, "old": 0.98}
_HEADS = {"child": 1.25, "teen": 1.04, "adult": 1.0, "old": 1.0}
_NEAREST = 0.2  # metres: what is nearer to the camera is not drawn


@dataclass(frozen=True)
class Actor:
    """Somebody in a scene: who, in which pose, where, turned how.

    `pose` is one of `poses.POSES`, `angles` the joint angles it was drawn with (len(ANGLES), radians). `x` and `z` are
    the place on the ground in metres (x to the right of the picture, z toward the viewer: -z is forward of the camera),
    `yaw` the turn about the vertical in radians: see `heading_sector` for what it means.
    """

    look: Look
    pose: str
    angles: Floats
    x: float
    z: float
    yaw: float


def heading_of(direction: Floats) -> float:
    """The heading in radians (-pi .. pi) of a direction in the world (x right, y up, z toward the viewer).

    >>> round(heading_of(np.array([1.0, 0.0, 0.0])) / np.pi, 6)
    0.5
    """
    return float(np.arctan2(direction[0], direction[2]))


def heading_sector(heading: float, count: int) -> int:
    """Which of `count` equal sectors (0 .. count - 1) a heading in radians lies in.

    Headings turn about the vertical. 0 faces the viewer, that is against the direction in which the camera looks (not
    along the ray to the person, so somebody at the edge of the picture with heading 0 shows a little of a side);
    +pi/2 faces the right side of the picture, +-pi away from the viewer, -pi/2 the left side of the picture: seen from
    above, a growing heading turns counter-clockwise. Sector 0 lies around heading 0, sector 1 beside it toward the
    right side of the picture, and so on. Facing the right side of the picture shows the person's left shoulder behind,
    the right one in front.

    >>> [heading_sector(turn * np.pi / 4, 8) for turn in (0, 1, 2, 3, 4, -1)]
    [0, 1, 2, 3, 4, 7]
    """
    return round(heading / (2 * np.pi / count)) % count


@dataclass(frozen=True)
class Obstacle:
    """Capsules that belong to nobody: posts, bins, bushes, parked cars. World coordinates, metres."""

    start: Floats  # K x 3
    end: Floats  # K x 3
    radius: Floats  # K
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class SceneGeometry:
    """N people and P capsules in the camera's frame (x right, y down, z forward; metres).

    joints: N x len(JOINTS) x 3. heads: N x 3, unit vectors in which the heads face, in the world's frame. feet:
    N x 2 x 3, where everybody stands and the ground 0.3 m before it. Per capsule: end points, radii, `flat` (no round
    ends), owner (-1 nobody), shape and garment index, row of `materials` (see `raster.shade`), and `frames` (texture
    origin and the rows of the camera-to-body rotation).
    """

    actors: tuple[Actor, ...]
    joints: Floats
    heads: Floats
    feet: Floats
    start: Floats
    end: Floats
    radii: Floats  # P x 2
    flat: Bools
    owner: NDArray[np.int32]
    shape: NDArray[np.int32]
    garment: NDArray[np.int32]
    material: NDArray[np.int32]
    materials: NDArray[np.float32]
    frames: NDArray[np.float32]

    def projected(self, camera: Camera) -> NDArray[np.float32]:
        """P x 10 as `raster.cover` takes them, for this camera or a window of it."""
        columns = []
        for points, radius in ((self.start, self.radii[:, 0]), (self.end, self.radii[:, 1])):
            scale = camera.focal / np.maximum(points[:, 2], 0.05)
            x, y = points[:, 0] * scale + camera.cx, points[:, 1] * scale + camera.cy
            columns += [x, y, points[:, 2], radius * scale]
        return np.stack([*columns, self.radii[:, 0], self.radii[:, 1]], axis=1).astype(np.float32)

    def boxes(self, camera: Camera, wanted: Bools = IN_BOX) -> Floats:
        """Box (x, y, w, h) around the `wanted` shapes of everybody, whether or not anything covers them: N x 4."""
        mine = (self.owner >= 0) & wanted[self.shape] & (self.start[:, 2] > _NEAREST) & (self.end[:, 2] > _NEAREST)
        g, owner = self.projected(camera)[mine].astype(float), self.owner[mine]
        low, high = np.full((len(self.joints), 2), np.inf), np.full((len(self.joints), 2), -np.inf)
        if len(g):
            ends, reach = g[:, [[0, 1], [4, 5]]], g[:, [3, 7], None] * _across(g, self.flat[mine])[:, None]
            first = np.flatnonzero(np.diff(owner, prepend=-1))  # capsules come owner by owner
            low[owner[first]] = np.minimum.reduceat((ends - reach).min(axis=1), first)
            high[owner[first]] = np.maximum.reduceat((ends + reach).max(axis=1), first)
        box = np.concatenate([low, high - low], axis=1)
        return np.where(np.isfinite(box), box, 0.0)


def _across(geometry: Floats, flat: Bools) -> Floats:
    """How far the ends of capsules reach in x and y, in radii (P x 2): 1, and for flat ones only across their axis."""
    axis = geometry[:, 4:6] - geometry[:, 0:2]
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    return np.where(flat[:, None] & (length > 1e-3), np.abs(axis[:, ::-1]) / np.maximum(length, 1e-3), 1.0)


def people_geometry(camera: Camera, actors: list[Actor]) -> SceneGeometry:
    """The actors before the camera."""
    if not actors:
        return _EMPTY
    bodies = _bodies([a.look for a in actors])
    joints, frames = kinematics(bodies, np.stack([a.angles for a in actors]))
    dressed = [dress(a.look, sitting=a.pose == "sitting") for a in actors]
    figure = solids(bodies, joints, frames, np.stack([d.inflate for d in dressed]))
    heading = rotation(1, np.array([a.yaw for a in actors]))
    turn = camera.rotation @ heading
    place = camera.view(np.array([(a.x, 0.0, a.z) for a in actors]))
    front = camera.view(np.array([(a.x, 0.0, a.z + 0.3) for a in actors]))
    heads = (heading @ frames[:, SEGMENT["head"]])[..., 2]
    return replace(
        _capsules(figure, dressed, joints, turn, np.stack([place, front], axis=1)), heads=heads, actors=tuple(actors)
    )


def _bodies(looks: list[Look]) -> Bodies:
    return Bodies(
        height=np.array([p.height for p in looks]),
        build=np.array([p.build for p in looks]),
        shoulders=np.array([p.shoulders for p in looks]),
        hips=np.array([p.hips for p in looks]),
        legs=np.array([_LEGS[p.age] for p in looks]),
        head=np.array([_HEADS[p.age] for p in looks]),
    )


def _capsules(figure: Solids, dressed: list[Dressed], joints: Floats, turn: Floats, feet: Floats) -> SceneGeometry:
    who, which = np.nonzero(np.stack([d.active for d in dressed]))
    place = feet[:, 0]

    def to_camera(points: Floats) -> Floats:
        return (turn[who] @ points[who, which, :, None])[..., 0] + place[who]

    # Rows of body <- camera: (turn @ frame) transposed.
    axes = (turn[who] @ figure.frame[who, which]).transpose(0, 2, 1)
    rows = len(dressed[0].table)
    return replace(
        _EMPTY,
        joints=joints @ turn.transpose(0, 2, 1) + place[:, None],
        feet=feet,
        start=to_camera(figure.start),
        end=to_camera(figure.end),
        radii=np.stack([figure.r0[who, which], figure.r1[who, which]], axis=1),
        flat=FLAT[which],
        owner=who.astype(np.int32),
        shape=which.astype(np.int32),
        garment=np.stack([d.garment for d in dressed])[who, which],
        material=(np.stack([d.material for d in dressed])[who, which] + rows * who).astype(np.int32),
        materials=np.concatenate([d.table for d in dressed]).astype(np.float32),
        frames=np.concatenate([to_camera(figure.origin), axes.reshape(-1, 9)], axis=1).astype(np.float32),
    )


def obstacle_geometry(camera: Camera, obstacles: list[Obstacle]) -> SceneGeometry:
    """The obstacles before the camera."""
    if not obstacles:
        return _EMPTY
    which = np.repeat(np.arange(len(obstacles)), [len(o.radius) for o in obstacles])
    start = camera.view(np.concatenate([o.start for o in obstacles]))
    radius = np.concatenate([o.radius for o in obstacles])
    rgb = np.array([o.rgb for o in obstacles])
    nobody = np.full(len(which), -1, np.int32)
    return replace(
        _EMPTY,
        start=start,
        end=camera.view(np.concatenate([o.end for o in obstacles])),
        radii=np.stack([radius, radius], axis=1),
        flat=np.zeros(len(which), bool),
        owner=nobody,
        shape=nobody,
        garment=np.full(len(which), GARMENT["object"], np.int32),
        material=which.astype(np.int32),
        materials=np.concatenate([rgb, 0.6 * rgb, np.tile([1, 0.5, 0.05], (len(rgb), 1))], axis=1).astype(np.float32),
        frames=np.hstack([start, np.tile(camera.rotation.T.reshape(9), (len(which), 1))]).astype(np.float32),
    )


def combined(*parts: SceneGeometry) -> SceneGeometry:
    """One geometry of several before the same camera; people count on."""
    filled = [part for part in parts if len(part.owner)]
    if len(filled) < 2:
        return filled[0] if filled else _EMPTY
    people = np.cumsum([0, *(len(part.joints) for part in filled)]).tolist()
    rows = np.cumsum([0, *(len(part.materials) for part in filled)]).tolist()
    counted = [
        replace(part, owner=np.where(part.owner < 0, -1, part.owner + n), material=part.material + m)
        for part, n, m in zip(filled, people, rows, strict=False)
    ]
    names = [field.name for field in fields(SceneGeometry) if field.name != "actors"]
    joined = {name: np.concatenate([getattr(part, name) for part in counted]) for name in names}
    return SceneGeometry(actors=tuple(actor for part in filled for actor in part.actors), **joined)


_NOTHING = np.zeros(0, np.int32)
_EMPTY = SceneGeometry(
    actors=(),
    joints=np.zeros((0, len(JOINTS), 3)),
    heads=np.zeros((0, 3)),
    feet=np.zeros((0, 2, 3)),
    start=np.zeros((0, 3)),
    end=np.zeros((0, 3)),
    radii=np.zeros((0, 2)),
    flat=np.zeros(0, bool),
    owner=_NOTHING,
    shape=_NOTHING,
    garment=_NOTHING,
    material=_NOTHING,
    materials=np.zeros((0, 9), np.float32),
    frames=np.zeros((0, 12), np.float32),
)
