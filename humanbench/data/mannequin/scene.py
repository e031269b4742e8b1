"""A scene with people in it, its picture, and everything that can be said about them, read off the same buffers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from humanbench.data.mannequin.anatomy import JOINTS, Bodies, Floats, kinematics, rotation
from humanbench.data.mannequin.camera import Camera
from humanbench.data.mannequin.dress import Dressed, G, dress
from humanbench.data.mannequin.looks import Look
from humanbench.data.mannequin.raster import cover, shade
from humanbench.data.mannequin.shapes import FLAT, SHAPES, Solids, solids

_IN_BOX = np.array([s.name not in ("canopy", "pole", "trolley", "trolley_grip") for s in SHAPES])
_HEAD = np.array([s.region == "head" and s.name not in ("brim", "canopy", "long_hair") for s in SHAPES])
# A joint lies inside its limb: what covers it by less than this much (metres) is the person's own surface.
_INSIDE = 0.17


@dataclass(frozen=True)
class Actor:
    """Somebody in a scene: look, joint angles, place on the ground (`x` right, `z` toward the camera), turn about y."""

    look: Look
    pose: str
    angles: Floats
    x: float
    z: float
    yaw: float  # 0 faces the camera


@dataclass(frozen=True)
class Obstacle:
    """Capsules that belong to nobody: posts, bins, bushes, parked cars. World coordinates, metres."""

    start: Floats  # K x 3
    end: Floats  # K x 3
    radius: Floats  # K
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Direction to the light in camera coordinates, its strength, ambient light, haze per metre and haze colour."""

    direction: tuple[float, float, float]
    strength: float = 0.65
    ambient: float = 0.5
    haze: float = 0.0
    haze_rgb: tuple[float, float, float] = (0.7, 0.73, 0.76)


@dataclass(frozen=True)
class Person:
    """What the picture shows of one actor; boxes are (x, y, w, h) in pixels, with (0, 0) the centre of the first pixel.

    `joints` len(JOINTS) x 3: x, y, v with v 0 outside the picture, 1 hidden, 2 visible. `full` may reach outside the
    picture; `visible` is None when nothing shows. `seen` is the visible share of the silhouette inside and outside.
    """

    joints: Floats
    full: Floats
    visible: Floats | None
    head: Floats
    pixels: int
    head_pixels: int
    seen: float
    distance: float


@dataclass(frozen=True)
class Picture:
    """Radiance (H x W x 3 float32), people, and per pixel the person (-1 nobody), shape and garment index."""

    image: NDArray[np.float32]
    people: list[Person]
    owner: NDArray[np.int32]
    shape: NDArray[np.int32]
    garment: NDArray[np.int32]


@dataclass(frozen=True)
class _Drawn:
    """The capsules of all actors and obstacles, ready for the raster."""

    geometry: NDArray[np.float32]
    flat: NDArray[np.bool_]
    owner: NDArray[np.int32]
    shape: NDArray[np.int32]
    garment: NDArray[np.int32]
    material: NDArray[np.int32]
    materials: NDArray[np.float32]
    frames: NDArray[np.float32]


def photograph(
    camera: Camera,
    actors: list[Actor],
    backdrop: NDArray[np.float32],
    light: Light,
    obstacles: list[Obstacle] | None = None,
    supersample: int = 1,
) -> Picture:
    """Draw the actors before the backdrop (H x W x 3, 0..1; the camera's size) and read off the labels."""
    width, height = camera.size
    k = supersample
    fine = camera.window(-0.5, -0.5, k, (width * k, height * k))
    image = backdrop.repeat(k, axis=0).repeat(k, axis=1) if k > 1 else backdrop.copy()
    joints, drawn = _assemble(fine, actors, obstacles or [])
    depth = np.full((height * k, width * k), np.inf, np.float32)
    hit = np.full(depth.shape, -1, np.int32)
    normal = np.zeros((*depth.shape, 2), np.float32)
    _shadows(image, fine, actors)
    cover(drawn.geometry, drawn.flat, depth, hit, normal)
    lens = np.array([fine.focal, fine.cx, fine.cy], np.float32)
    shade(image, depth, hit, normal, drawn.material, drawn.materials, drawn.frames, lens, _light_row(light))
    if k > 1:
        image = _mean_of_blocks(image, k)
        hit, depth = hit[k // 2 :: k, k // 2 :: k], depth[k // 2 :: k, k // 2 :: k]
    # hit is -1 where nothing was drawn: the appended entry.
    owner = np.append(drawn.owner, -1).astype(np.int32)[hit]
    shape = np.append(drawn.shape, -1).astype(np.int32)[hit]
    garment = np.where(owner >= 0, np.append(drawn.garment, -1)[hit], -1).astype(np.int32)
    people = _people(camera, actors, joints, drawn, depth, owner, shape, k)
    return Picture(image, people, owner, shape, garment)


def _mean_of_blocks(image: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    total = np.zeros_like(image[::k, ::k])
    for i in range(k):
        for j in range(k):
            total += image[i::k, j::k]
    return total / np.float32(k * k)


def full_boxes(camera: Camera, actors: list[Actor]) -> Floats:
    """The full boxes (N x 4: x, y, w, h) that `photograph` would report, without drawing."""
    return _hulls(_assemble(camera, actors, [])[1], len(actors), _IN_BOX, 1)


def _light_row(light: Light) -> NDArray[np.float32]:
    direction = np.asarray(light.direction) / np.linalg.norm(light.direction)
    return np.array([*direction, light.strength, light.ambient, light.haze, *light.haze_rgb], np.float32)


def _bodies(actors: list[Actor]) -> Bodies:
    looks = [a.look for a in actors]
    legs = {"child": 0.94, "teen": 1.0, "adult": 1.0, "old": 0.98}
    heads = {"child": 1.25, "teen": 1.04, "adult": 1.0, "old": 1.0}
    return Bodies(
        height=np.array([p.height for p in looks]),
        build=np.array([p.build for p in looks]),
        shoulders=np.array([p.shoulders for p in looks]),
        hips=np.array([p.hips for p in looks]),
        legs=np.array([legs[p.age] for p in looks]),
        head=np.array([heads[p.age] for p in looks]),
    )


def _assemble(camera: Camera, actors: list[Actor], obstacles: list[Obstacle]) -> tuple[Floats, _Drawn]:
    """Viewed joints (N x J x 3, camera frame) and the capsules of everything."""
    rows: list[_Drawn] = []
    viewed = np.zeros((0, len(JOINTS), 3))
    if actors:
        joints, frames = kinematics(_bodies(actors), np.stack([a.angles for a in actors]))
        dressed = [dress(a.look, sitting=a.pose == "sitting") for a in actors]
        figure = solids(_bodies(actors), joints, frames, np.stack([d.inflate for d in dressed]))
        turn = rotation(1, np.array([a.yaw for a in actors]))
        place = np.array([(a.x, 0.0, a.z) for a in actors])
        viewed = camera.view(np.einsum("nij,nkj->nki", turn, joints) + place[:, None])
        rows.append(_capsules(camera, figure, dressed, turn, place))
    rows += [_obstacle(camera, o) for o in obstacles]
    return viewed, _join(rows)


def _capsules(camera: Camera, figure: Solids, dressed: list[Dressed], turn: Floats, place: Floats) -> _Drawn:
    active = np.stack([d.active for d in dressed])
    who, which = np.nonzero(active)

    def to_camera(points: Floats) -> Floats:
        return camera.view(np.einsum("nij,nkj->nki", turn, points) + place[:, None])

    start, end, origin = (to_camera(p)[who, which] for p in (figure.start, figure.end, figure.origin))
    r0, r1 = figure.r0[who, which], figure.r1[who, which]
    # Rows of body <- camera: (R_camera @ turn @ frame) transposed.
    axes = np.einsum("ij,njk,npkl->npil", camera.rotation, turn, figure.frame)[who, which].transpose(0, 2, 1)
    count = len(dressed[0].table)
    return _Drawn(
        geometry=_geometry(camera, start, end, r0, r1),
        flat=FLAT[which],
        owner=who.astype(np.int32),
        shape=which.astype(np.int32),
        garment=np.stack([d.garment for d in dressed])[who, which],
        material=(np.stack([d.material for d in dressed])[who, which] + count * who).astype(np.int32),
        materials=np.concatenate([d.table for d in dressed]).astype(np.float32),
        frames=np.concatenate([origin, axes.reshape(-1, 9)], axis=1).astype(np.float32),
    )


def _obstacle(camera: Camera, thing: Obstacle) -> _Drawn:
    n = len(thing.radius)
    start, end = camera.view(thing.start), camera.view(thing.end)
    axes = np.broadcast_to(camera.rotation.T.reshape(9), (n, 9))
    row = np.array([[*thing.rgb, *(0.6 * c for c in thing.rgb), 1, 0.5, 0.05]], np.float32)
    nobody = np.full(n, -1, np.int32)
    return _Drawn(
        geometry=_geometry(camera, start, end, thing.radius, thing.radius),
        flat=np.zeros(n, bool),
        owner=nobody,
        shape=nobody,
        garment=np.full(n, G["object"], np.int32),
        material=np.zeros(n, np.int32),
        materials=row,
        frames=np.concatenate([start, axes], axis=1).astype(np.float32),
    )


def _geometry(camera: Camera, start: Floats, end: Floats, r0: Floats, r1: Floats) -> NDArray[np.float32]:
    def ends(points: Floats, radius: Floats) -> Floats:
        z = np.maximum(points[:, 2], 0.05)
        x = points[:, 0] / z * camera.focal + camera.cx
        y = points[:, 1] / z * camera.focal + camera.cy
        return np.stack([x, y, points[:, 2], radius / z * camera.focal], axis=1)

    return np.concatenate([ends(start, r0), ends(end, r1), r0[:, None], r1[:, None]], axis=1).astype(np.float32)


def _join(rows: list[_Drawn]) -> _Drawn:
    if not rows:
        empty = np.zeros(0, np.int32)
        zero = np.zeros((0, 10), np.float32)
        return _Drawn(zero, np.zeros(0, bool), empty, empty, empty, empty, zero[:, :9], np.zeros((0, 12), np.float32))
    offsets = np.cumsum([0, *(len(r.materials) for r in rows[:-1])])
    return _Drawn(
        geometry=np.concatenate([r.geometry for r in rows]),
        flat=np.concatenate([r.flat for r in rows]),
        owner=np.concatenate([r.owner for r in rows]),
        shape=np.concatenate([r.shape for r in rows]),
        garment=np.concatenate([r.garment for r in rows]),
        material=np.concatenate([r.material + o for r, o in zip(rows, offsets, strict=True)]).astype(np.int32),
        materials=np.concatenate([r.materials for r in rows]),
        frames=np.concatenate([r.frames for r in rows]),
    )


def _shadows(image: NDArray[np.float32], camera: Camera, actors: list[Actor]) -> None:
    """Darken the ground under everybody."""
    for actor in actors:
        viewed = camera.view(np.array([[actor.x, 0.0, actor.z], [actor.x, 0.0, actor.z + 0.3]]))
        if viewed[0, 2] < 0.5 or viewed[1, 2] < 0.5:
            continue
        (cx, cy), (_, front) = camera.project(viewed)
        radius = 0.38 * camera.focal / viewed[0, 2]
        _darken(image, cx, cy, radius, max(1.0, abs(front - cy) * 1.3))


@njit(cache=True, nogil=True)
def _darken(image: NDArray[np.float32], cx: float, cy: float, rx: float, ry: float) -> None:
    height, width = image.shape[:2]
    for y in range(max(0, int(cy - ry)), min(height, int(cy + ry) + 2)):
        for x in range(max(0, int(cx - rx)), min(width, int(cx + rx) + 2)):
            d = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
            if d < 1.0:
                for c in range(3):
                    image[y, x, c] *= 1.0 - 0.5 * (1.0 - d)


@njit(cache=True, nogil=True)
def _extents(owner: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Per owner: left, top, right, bottom and number of pixels."""
    out = np.zeros((count, 5), np.int64)
    out[:, :2] = 1 << 30
    out[:, 2:4] = -1
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            o = owner[y, x]
            if o >= 0:
                out[o, 0], out[o, 1] = min(out[o, 0], x), min(out[o, 1], y)
                out[o, 2], out[o, 3] = max(out[o, 2], x), max(out[o, 3], y)
                out[o, 4] += 1
    return out


def _people(
    camera: Camera,
    actors: list[Actor],
    viewed: Floats,
    drawn: _Drawn,
    depth: NDArray[np.float32],
    owner: NDArray[np.int32],
    shape: NDArray[np.int32],
    k: int,
) -> list[Person]:
    width, height = camera.size
    counted = np.where((owner >= 0) & _IN_BOX[shape], owner, -1).astype(np.int32)
    heads = np.where((owner >= 0) & _HEAD[shape], owner, -1).astype(np.int32)
    extents, head_extents = _extents(counted, len(actors)), _extents(heads, len(actors))
    boxes = _hulls(drawn, len(actors), _IN_BOX, k)
    head_boxes = _hulls(drawn, len(actors), _HEAD, k)
    points = camera.project(viewed)
    people = []
    for i in range(len(actors)):
        x, y = points[i, :, 0], points[i, :, 1]
        inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        column = np.clip(np.nan_to_num(np.round(x)), 0, width - 1).astype(int)
        row = np.clip(np.nan_to_num(np.round(y)), 0, height - 1).astype(int)
        in_view = depth[row, column] > viewed[i, :, 2] - _INSIDE
        v = np.where(inside, np.where(in_view, 2.0, 1.0), 0.0)
        left, top, right, bottom, pixels = extents[i]
        visible = np.array([left, top, right - left + 1, bottom - top + 1], float) if pixels else None
        area = max(1.0, 0.42 * float(boxes[i, 2] * boxes[i, 3]))
        people.append(
            Person(
                joints=np.stack([x, y, v], axis=1),
                full=boxes[i],
                visible=visible,
                head=head_boxes[i],
                pixels=int(pixels),
                head_pixels=int(head_extents[i, 4]),
                seen=min(1.0, float(pixels) / area),
                distance=float(viewed[i, 0, 2]),
            )
        )
    return people


def _hulls(drawn: _Drawn, count: int, wanted: NDArray[np.bool_], k: int) -> Floats:
    """Box around the drawn capsules of each owner, whether or not anything covers them: count x 4."""
    mine = (drawn.owner >= 0) & wanted[drawn.shape] & (drawn.geometry[:, 2] > 0.2) & (drawn.geometry[:, 6] > 0.2)
    g, owner = drawn.geometry[mine].astype(float), drawn.owner[mine]
    low = np.full((count, 2), np.inf)
    high = np.full((count, 2), -np.inf)
    for axis in (0, 1):
        for at in (0, 4):
            np.minimum.at(low[:, axis], owner, g[:, at + axis] - g[:, at + 3])
            np.maximum.at(high[:, axis], owner, g[:, at + axis] + g[:, at + 3])
    low, high = (low + 0.5) / k - 0.5, (high + 0.5) / k - 0.5
    box = np.concatenate([low, high - low], axis=1)
    return np.where(np.isfinite(box), box, 0.0)
