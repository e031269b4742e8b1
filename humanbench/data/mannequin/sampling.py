"""Taking pictures in the world of a dataset: places, identities, crops of one person, scenes of many.

Everything is drawn from `numpy` generators seeded by (seed, dataset, what, number), so a picture depends on its own
key and on nothing that was drawn before it.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.mannequin.backdrop import draw_backdrop
from humanbench.data.mannequin.camera import Camera
from humanbench.data.mannequin.develop import develop
from humanbench.data.mannequin.geometry import (
    Actor,
    Obstacle,
    SceneGeometry,
    combined,
    obstacle_geometry,
    people_geometry,
)
from humanbench.data.mannequin.looks import Look, draw_look, lookalike, redress
from humanbench.data.mannequin.poses import carrying, draw_pose
from humanbench.data.mannequin.scene import Light, Scene, render
from humanbench.data.mannequin.styles import Style, style_of

_WAIST = 0.9  # metres; cameras look at people's waists


@dataclass(frozen=True)
class DatasetWorld:
    """A dataset's world: its style under one seed, made harder by a difficulty from 0 to 1."""

    dataset: str
    task: str
    seed: int
    difficulty: float = 0.0
    name: str = ""  # whose people and places these are, if not the dataset's own

    @property
    def style(self) -> Style:
        """The style of this world."""
        return style_of(self.dataset, self.task, self.difficulty)

    def rng(self, what: str, *numbers: int) -> np.random.Generator:
        """A generator of its own for each thing in this world."""
        name = zlib.crc32(f"{self.name or self.dataset}/{what}".encode())
        return np.random.default_rng(np.random.SeedSequence([self.seed, name, *numbers]))

    def where(self, number: int) -> int:
        """The place at which scene `number` is taken."""
        return int(self.rng("where", number).integers(self.style.places))


def world_of(card: DatasetCard, seed: int, difficulty: float = 0.0) -> DatasetWorld:
    """The world of a dataset; datasets made of the same pictures share one."""
    world = DatasetWorld(card.id, card.task, seed, difficulty)
    return replace(world, name=world.style.world or card.id)


@dataclass(frozen=True)
class Place:
    """A camera, the empty picture it sees, and its light."""

    camera: Camera
    backdrop: Image.Image
    light: Light


@dataclass(frozen=True)
class Photograph:
    """A developed picture (H x W x 3 uint8) and the scene it shows."""

    pixels: NDArray[np.uint8]
    scene: Scene


@lru_cache(maxsize=32)
def place(world: DatasetWorld, number: int) -> Place:
    """The `number`-th place of this world."""
    style, rng = world.style, world.rng("place", number)
    width, height = style.frame
    above = float(rng.uniform(*style.height))
    near, far = style.distance
    aim = np.arctan2(above - _WAIST, np.sqrt(near * far))
    camera = Camera.centred(
        focal=float(rng.uniform(*style.focal)) * width,
        height=above,
        tilt=float(aim + np.radians(rng.uniform(*style.tilt))),
        size=(width, height),
    )
    kind = style.backdrops[int(rng.integers(len(style.backdrops)))]
    backdrop = draw_backdrop(rng, camera, kind, beyond=1.1 * far)
    light = Light(
        direction=(float(rng.normal(0, 0.6)), -1.0, float(-abs(rng.normal(0.4, 0.4)))),
        strength=float(rng.uniform(*style.light)),
        ambient=float(rng.uniform(*style.ambient)),
        haze=float(rng.uniform(*style.haze)),
    )
    return Place(camera, Image.fromarray((backdrop * 255).astype(np.uint8)), light)


def identity(world: DatasetWorld, number: int, outfit: int = 0) -> Look:
    """The look of person `number`; `outfit` > 0 are other clothes of the same person."""
    style, rng = world.style, world.rng("identity", number)
    look = draw_look(rng, style)
    if number > 0 and rng.random() < style.alike:
        look = lookalike(rng, style, draw_look(world.rng("identity", number - 1), style))
    if outfit:
        look = redress(world.rng("outfit", number, outfit), style, look)
    return look


def photograph_crop(world: DatasetWorld, where: int, look: Look, number: int) -> Photograph:
    """Person `look` before the camera of place `where`, cut out of its picture; `number` tells pictures apart."""
    style, rng = world.style, world.rng("crop", where, number)
    spot = place(world, where)
    actor = _actor(world, rng, look, *_ground(rng, spot.camera, style))
    geometry = people_geometry(spot.camera, [actor])
    box = geometry.boxes(spot.camera)[0]
    (w0, h0), (w1, h1) = style.size
    share = rng.random()
    size = (round(w0 + share * (w1 - w0)), round(h0 + share * (h1 - h0)))
    window = _window(rng, style, box, size)
    others = _bystanders(world, rng, actor)
    obstacles = _obstacles(rng, style, spot.camera, [actor])
    camera = spot.camera.window(window[0], window[1], size[0] / window[2], size)
    geometry = combined(geometry, people_geometry(spot.camera, others), obstacle_geometry(spot.camera, obstacles))
    return _photograph(world, rng, spot, camera, window, geometry)


def photograph_scene(world: DatasetWorld, where: int, number: int) -> Photograph:
    """The whole picture of the camera of place `where`, with people; `number` tells pictures apart."""
    style, rng = world.style, world.rng("scene", number)
    spot = place(world, where)
    count = int(rng.integers(style.people[0], style.people[1] + 1))
    places = _spread(rng, spot.camera, style, count)
    actors = [_actor(world, rng, draw_look(rng, style), x, z) for x, z in places]
    width, height = style.frame
    window = np.array([-0.5, -0.5, width, height])
    obstacles = _obstacles(rng, style, spot.camera, actors)
    geometry = combined(people_geometry(spot.camera, actors), obstacle_geometry(spot.camera, obstacles))
    return _photograph(world, rng, spot, spot.camera, window, geometry)


def jpeg(world: DatasetWorld, number: int, photograph: Photograph) -> bytes:
    """Picture `number` as the file it is stored in, in a quality of this world's film."""
    low, high = world.style.film.quality
    quality = int(world.rng("quality", number).integers(low, high + 1))
    buffer = io.BytesIO()
    Image.fromarray(photograph.pixels).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def _photograph(
    world: DatasetWorld, rng: np.random.Generator, spot: Place, camera: Camera, window: Floats, geometry: SceneGeometry
) -> Photograph:
    style = world.style
    canvas = np.asarray(_cut(spot.backdrop, window, camera.size))
    scene = render(camera, geometry, canvas, spot.light, style.supersample)
    return Photograph(develop(scene.radiance, style.film, rng), scene)


def _cut(backdrop: Image.Image, window: Floats, size: tuple[int, int]) -> Image.Image:
    """What of the empty picture lies behind the window, moved inside where the window reaches out of it."""
    if size == backdrop.size:
        return backdrop
    width, height = min(window[2], backdrop.width), min(window[3], backdrop.height)
    left = float(np.clip(window[0] + 0.5, 0, backdrop.width - width))
    top = float(np.clip(window[1] + 0.5, 0, backdrop.height - height))
    return backdrop.resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))


def _actor(world: DatasetWorld, rng: np.random.Generator, look: Look, x: float, z: float) -> Actor:
    style = world.style
    pose, angles = draw_pose(rng, style.poses)
    if "held" in look.bags and pose in ("standing", "walking"):
        angles = carrying(angles)
    yaw = rng.uniform(-np.pi, np.pi) if style.facing == "any" else rng.normal(0, 0.5)
    return Actor(look, pose, angles, x, z, float(yaw))


def _ground(rng: np.random.Generator, camera: Camera, style: Style) -> tuple[float, float]:
    """Somewhere on the ground where a person stands well inside the picture."""
    distance = float(rng.uniform(*style.distance))
    reach = 0.38 * camera.size[0] / camera.focal * distance
    return float(rng.uniform(-reach, reach)), -distance


def _spread(rng: np.random.Generator, camera: Camera, style: Style, count: int) -> list[tuple[float, float]]:
    """Up to `count` places on the ground in view, at least `gap` apart, evenly over the ground."""
    near, far = style.distance
    tries = rng.random((6 * count, 2))
    z = -np.sqrt(near**2 + tries[:, 1] * (far**2 - near**2))
    spots = np.stack([(tries[:, 0] - 0.5) * camera.size[0] / camera.focal * -z, z], axis=1)
    chosen = np.empty((count, 2))
    taken = 0
    for spot in spots:
        if taken == count:
            break
        if ((chosen[:taken] - spot) ** 2).sum(axis=1).min(initial=np.inf) > style.gap**2:
            chosen[taken] = spot
            taken += 1
    return [(x, z) for x, z in chosen[:taken].tolist()]


def _window(rng: np.random.Generator, style: Style, box: Floats, size: tuple[int, int]) -> Floats:
    """Where to cut: the person's box with a border, moved a little, in the aspect of `size`."""
    left, top, width, height = box
    border = rng.uniform(*style.margin)
    tall = height * (1 + 2 * border)
    wide = width + 2 * border * height
    tall = max(tall, wide * size[1] / size[0])
    wide = tall * size[0] / size[1]
    cx = left + width / 2 + rng.normal(0, style.shift) * height
    cy = top + height / 2 + rng.normal(0, style.shift) * height
    return np.array([cx - wide / 2, cy - tall / 2, wide, tall])


def _bystanders(world: DatasetWorld, rng: np.random.Generator, actor: Actor) -> list[Actor]:
    others: list[Actor] = []
    while rng.random() < world.style.bystanders and len(others) < 3:
        look = draw_look(rng, world.style)
        x = actor.x + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
        others.append(_actor(world, rng, look, float(x), actor.z + float(rng.uniform(-1.5, 0.35))))
    return others


def _obstacles(rng: np.random.Generator, style: Style, camera: Camera, actors: list[Actor]) -> list[Obstacle]:
    """Things of the style's kinds, some of them between the camera and somebody."""
    things: list[Obstacle] = []
    while rng.random() < style.obstacles and len(things) < 4:
        if actors and rng.random() < 0.7:
            behind = actors[int(rng.integers(len(actors)))]
            z = behind.z * rng.uniform(0.6, 0.92)
            x = behind.x * z / behind.z + rng.normal(0, 0.3)
        else:
            x, z = _ground(rng, camera, style)
        kind = style.things[int(rng.integers(len(style.things)))]
        things.append(_THINGS[kind](rng, float(x), float(z)))
    return things


def _post(rng: np.random.Generator, x: float, z: float) -> Obstacle:
    top = float(rng.uniform(0.9, 4.0))
    grey = float(rng.uniform(0.2, 0.6))
    return Obstacle(np.array([[x, 0, z]]), np.array([[x, top, z]]), np.array([rng.uniform(0.03, 0.08)]), (grey,) * 3)


def _railing(rng: np.random.Generator, x: float, z: float) -> Obstacle:
    half, grey = float(rng.uniform(0.5, 1.5)), float(rng.uniform(0.3, 0.7))
    bars = np.array([[x - half, 0.45, z], [x - half, 0.85, z], [x - half, 0, z], [x + half, 0, z]])
    ends = np.array([[x + half, 0.45, z], [x + half, 0.85, z], [x - half, 0.85, z], [x + half, 0.85, z]])
    return Obstacle(bars, ends, np.full(4, 0.03), (grey, grey, grey))


def _bush(rng: np.random.Generator, x: float, z: float) -> Obstacle:
    n = int(rng.integers(4, 9))
    centers = np.array([x, 0.25, z]) + rng.normal(0, 1, (n, 3)) * [0.3, 0.15, 0.1]
    return Obstacle(centers, centers, rng.uniform(0.15, 0.3, n), (0.12, 0.30, 0.10))


def _bin(rng: np.random.Generator, x: float, z: float) -> Obstacle:
    shade = rng.uniform(0.1, 0.5, 3)
    start, end = np.array([[x, 0.2, z]]), np.array([[x, 0.75, z]])
    return Obstacle(start, end, np.array([rng.uniform(0.2, 0.3)]), (float(shade[0]), float(shade[1]), float(shade[2])))


def _car(rng: np.random.Generator, x: float, z: float) -> Obstacle:
    """A parked car seen from its side: what hides legs in streets."""
    shade = rng.uniform(0.1, 0.8) * rng.uniform(0.7, 1.0, 3)
    half, cabin = float(rng.uniform(1.3, 1.8)), float(rng.uniform(0.9, 1.1))
    starts = np.array([[x - half, 0.5, z], [x - 0.4 * half, cabin, z]])
    ends = np.array([[x + half, 0.5, z], [x + 0.5 * half, cabin, z]])
    return Obstacle(starts, ends, np.array([0.42, 0.38]), (float(shade[0]), float(shade[1]), float(shade[2])))


_THINGS = {"post": _post, "railing": _railing, "bush": _bush, "bin": _bin, "car": _car}
