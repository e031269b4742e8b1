"""A scene with people in it, its picture, and everything that can be said about them, read off the same buffers.

`Scene` and `Person` are what labels are made of, for our tasks and for those of other packages: their fields stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.compiled import compiled
from humanbench.data.mannequin.anatomy import JOINTS
from humanbench.data.mannequin.camera import Camera
from humanbench.data.mannequin.geometry import HEAD, IN_BOX, Actor, SceneGeometry, heading_of
from humanbench.data.mannequin.raster import cover, shade

# A joint lies inside its limb and clothes: what of the person itself is less nearer than this (metres) is its surface.
_DEEP = 0.19
_DEPTHS = {
    **dict.fromkeys(("nose", "left_eye", "right_eye"), 0.05),
    **dict.fromkeys(("left_ear", "right_ear", "chin"), 0.08),
    **{f"{side}_{joint}": 0.12 for side in ("left", "right") for joint in ("elbow", "wrist", "hand", "ankle", "toe")},
}
_INSIDE = np.array([_DEPTHS.get(name, _DEEP) for name in JOINTS])


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
    """One person of a drawn scene: who it is, how they stand, and what of them the picture shows.

    Boxes are (x, y, w, h) in pixels, with (0, 0) the centre of the first pixel. Left and right in the names of joints,
    shapes and things carried are the person's own: the left hand of somebody who faces the viewer is on the right of
    the picture.

    actor: look (body, clothes, things carried), pose, joint angles, place and heading. joints: len(JOINTS) x 3 in the
    order of `anatomy.JOINTS`: x, y and v, with v 0 outside the picture, 1 hidden, 2 visible. joints_3d: the same joints
    in the camera's frame (x right, y down, z forward), metres. head_direction: unit vector in which the head faces, in
    the world's frame (x to the right of the picture, y up, z toward the viewer). box: around the whole person, may
    reach outside the picture; umbrellas and trolleys do not count. visible_box: around their pixels, None when nothing
    shows. head_box: around the head, whatever covers it. pixels, head_pixels: how many show of the person and of the
    head. visible_share: of the silhouette inside and outside the picture, 0 .. 1. distance: of the pelvis along the
    direction in which the camera looks, metres.
    """

    actor: Actor
    joints: Floats
    joints_3d: Floats
    head_direction: Floats
    box: Floats
    visible_box: Floats | None
    head_box: Floats
    pixels: int
    head_pixels: int
    visible_share: float
    distance: float

    @property
    def heading(self) -> float:
        """Where the body faces, in radians; `geometry.heading_sector` says what headings mean and makes classes."""
        return self.actor.yaw

    @property
    def head_heading(self) -> float:
        """Where the head faces, in radians as `heading`: the body's heading, the trunk's twist and the neck's turn."""
        return heading_of(self.head_direction)


@dataclass(frozen=True)
class Scene:
    """What a camera sees: the picture before it is developed, the people in it, and per pixel what is there.

    radiance: H x W x 3 float32, linear, about 0 .. 1. people: in the order of `owner`. owner: H x W int32, index of the
    person whose pixel it is, -1 nobody's. shape and garment: H x W int32, index into `shapes.SHAPES` (name and region
    of the body) and `dress.GARMENTS`, -1 where nobody is. depth: H x W float32, metres along the direction in which the
    camera looks, infinite where nobody and nothing stands before the backdrop.
    """

    camera: Camera
    radiance: NDArray[np.float32]
    people: list[Person]
    owner: NDArray[np.int32]
    shape: NDArray[np.int32]
    garment: NDArray[np.int32]
    depth: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.camera.size

    def upright_height(self, person: Person) -> float:
        """How many pixels the person would be tall in this picture if standing upright."""
        return person.actor.look.height * self.camera.focal / max(person.distance, 0.3)

    def clipped(self, box: Floats) -> Floats:
        """The part of a box (x, y, w, h) inside the picture, where pixels reach from -0.5 to size - 0.5."""
        low = np.clip(box[:2], -0.5, np.array(self.size) - 0.5)
        high = np.clip(box[:2] + box[2:], -0.5, np.array(self.size) - 0.5)
        return np.concatenate([low, high - low])


def render(
    camera: Camera, geometry: SceneGeometry, backdrop: NDArray[np.uint8], light: Light, supersample: int = 1
) -> Scene:
    """Draw people and things before the backdrop (H x W x 3, the camera's size) and read off what can be said of them.

    The camera is the one before which the geometry was set up, or a window of it.
    """
    width, height = camera.size
    k = supersample
    fine = camera.window(-0.5, -0.5, k, (width * k, height * k))
    image = _enlarged(backdrop, k)
    depth = np.full((height * k, width * k), np.inf, np.float32)
    hit = np.full(depth.shape, -1, np.int32)
    normal = np.empty((*depth.shape, 2), np.float32)
    _shadows(image, fine, geometry.feet)
    cover(geometry.projected(fine), geometry.flat, depth, hit, normal)
    lens = np.array([fine.focal, fine.cx, fine.cy], np.float32)
    shade(image, depth, hit, normal, geometry.material, geometry.materials, geometry.frames, lens, _light_row(light))
    if k > 1:
        image = _mean_of_blocks(image, k)
    labels = np.full((3, height, width), -1, np.int32)
    extents = np.zeros((2, len(geometry.joints), 5), np.int64)
    if len(geometry.owner):
        counted = np.stack([IN_BOX[geometry.shape], HEAD[geometry.shape]])
        _read_off(hit, k, geometry.owner, geometry.shape, geometry.garment, counted, labels, extents)
    depth = depth[k // 2 :: k, k // 2 :: k]
    people = _people(camera, geometry, depth, labels[0], extents)
    return Scene(camera, image, people, owner=labels[0], shape=labels[1], garment=labels[2], depth=depth)


def _enlarged(backdrop: NDArray[np.uint8], k: int) -> NDArray[np.float32]:
    """Every pixel as k x k pixels, 0..255 as 0..1."""
    image = backdrop * np.float32(1 / 255)
    return image if k == 1 else image.repeat(k, axis=0).repeat(k, axis=1)


@compiled
def _mean_of_blocks(image: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    height, width, channels = image.shape
    result = np.zeros((height // k, width // k, channels), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                result[y // k, x // k, c] += image[y, x, c]
    result *= np.float32(1 / (k * k))
    return result


def _light_row(light: Light) -> NDArray[np.float32]:
    direction = np.asarray(light.direction) / np.linalg.norm(light.direction)
    return np.array([*direction, light.strength, light.ambient, light.haze, *light.haze_rgb], np.float32)


def _shadows(image: NDArray[np.float32], camera: Camera, feet: Floats) -> None:
    """Darken the ground under everybody."""
    for standing, front in feet:
        if standing[2] < 0.5 or front[2] < 0.5:
            continue
        scale = camera.focal / standing[2]
        cx, cy = standing[0] * scale + camera.cx, standing[1] * scale + camera.cy
        reach = front[1] / front[2] * camera.focal + camera.cy - cy
        _darken(image, cx, cy, 0.38 * scale, max(1.0, abs(reach) * 1.3))


@compiled
def _darken(image: NDArray[np.float32], cx: float, cy: float, rx: float, ry: float) -> None:
    height, width = image.shape[:2]
    for y in range(max(0, int(cy - ry)), min(height, int(cy + ry) + 2)):
        for x in range(max(0, int(cx - rx)), min(width, int(cx + rx) + 2)):
            d = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
            if d < 1.0:
                for c in range(3):
                    image[y, x, c] *= 1.0 - 0.5 * (1.0 - d)


@compiled
def _read_off(
    hit: NDArray[np.int32],
    k: int,
    owner: NDArray[np.int32],
    shape: NDArray[np.int32],
    garment: NDArray[np.int32],
    counted: Bools,
    labels: NDArray[np.int32],
    extents: Ints,
) -> None:
    """Fill `labels` (owner, shape, garment per pixel; -1 where nobody is) from the capsule hit at every k-th pixel.

    extents 2 x N x 5: per kind of `counted` capsules (2 x P: for boxes, of heads) and person left, top, right, bottom
    and number of pixels.
    """
    extents[:, :, :2] = 1 << 30
    extents[:, :, 2:4] = -1
    for y in range(labels.shape[1]):
        for x in range(labels.shape[2]):
            p = hit[y * k + k // 2, x * k + k // 2]
            if p < 0 or owner[p] < 0:
                continue
            o = owner[p]
            labels[0, y, x], labels[1, y, x], labels[2, y, x] = o, shape[p], garment[p]
            for kind in range(2):
                if counted[kind, p]:
                    e = extents[kind, o]
                    e[0], e[1] = min(e[0], x), min(e[1], y)
                    e[2], e[3] = max(e[2], x), max(e[3], y)
                    e[4] += 1


def _people(
    camera: Camera, geometry: SceneGeometry, depth: NDArray[np.float32], owner: NDArray[np.int32], extents: Ints
) -> list[Person]:
    width, height = camera.size
    boxes, heads = geometry.boxes(camera), geometry.boxes(camera, HEAD)
    x, y = np.moveaxis(camera.project(geometry.joints), -1, 0)
    with np.errstate(invalid="ignore"):
        inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    column, row = np.rint(np.where(inside, x, 0)).astype(int), np.rint(np.where(inside, y, 0)).astype(int)
    on_person = owner[row, column] == np.arange(len(x))[:, None]
    in_view = depth[row, column] > geometry.joints[..., 2] - np.where(on_person, _INSIDE, 0)
    joints = np.stack([x, y, np.where(inside, np.where(in_view, 2.0, 1.0), 0.0)], axis=-1)
    people = []
    for i, (left, top, right, bottom, pixels) in enumerate(extents[0].tolist()):
        area = max(1.0, 0.42 * float(boxes[i, 2] * boxes[i, 3]))
        people.append(
            Person(
                actor=geometry.actors[i],
                joints=joints[i],
                joints_3d=geometry.joints[i],
                head_direction=geometry.heads[i],
                box=boxes[i],
                visible_box=np.array([left, top, right - left + 1, bottom - top + 1], float) if pixels else None,
                head_box=heads[i],
                pixels=pixels,
                head_pixels=int(extents[1, i, 4]),
                visible_share=min(1.0, pixels / area),
                distance=float(geometry.joints[i, 0, 2]),
            )
        )
    return people
