"""What the world of each dataset looks like: defaults, over them what its task says, over that its own table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from humanbench.data.mannequin.develop import Film
from humanbench.schema import Record
from humanbench.tasks.registry import task_named

Range = tuple[float, float]


class Style(Record):
    """One dataset's world. Ranges are (low, high), drawn uniformly; lengths in metres, angles in degrees.

    shot: `crop` cuts one person out of a camera's picture, `scene` is the whole picture. frame: the camera's
    picture in pixels; tilt: added to the angle that aims at the people; size: crops' (width, height) range as two
    corners. focal: focal length over frame width. people: in a scene. gap: least distance between people.
    bystanders: others in a crop. obstacles: chance of one, and of one more; things: their kinds. margin: crop border
    relative to the person's height; shift: how far a crop is off. alike: share of identities made to resemble another.
    views: pictures of a person per camera. redress: chance that somebody wears other clothes before another camera.
    colors, patterns: weights in what people wear; chance: of things; muted: 0 the palette as it is, 1 all greys.
    joints: keypoint names that mean another joint here. world: dataset whose people and places these are. same: splits
    that annotate the pictures of other ones. images: pictures at scale 1 (splits in the official ratio).
    tested: the least pictures at scale 1 of a split that results are measured on, so that intervals are narrow enough.
    """

    shot: Literal["crop", "scene"]
    frame: tuple[int, int]
    size: tuple[tuple[int, int], tuple[int, int]] = ((64, 128), (64, 128))
    supersample: int
    places: int
    backdrops: tuple[str, ...]
    height: Range
    tilt: Range
    focal: Range
    distance: Range
    people: tuple[int, int]
    gap: float
    bystanders: float
    obstacles: float
    things: tuple[Literal["post", "railing", "bush", "bin", "car"], ...]
    margin: Range
    shift: float
    facing: Literal["any", "front"]
    poses: dict[str, float]
    colors: dict[str, float]
    patterns: dict[str, float]
    chance: dict[str, float]
    muted: float
    alike: float
    views: int
    redress: float
    light: Range
    ambient: Range
    haze: Range
    film: Film
    joints: dict[str, str] = {}
    world: str = ""
    same: dict[str, tuple[str, ...]] = {}
    boxes: Literal["full", "visible"] = "full"
    distractors: float = 0.0
    other_clothes: tuple[str, ...] = ()
    images: int
    tested: int


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("styles.toml").read_text(encoding="utf-8"))


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`; tables of numbers by name (`chance`, `film`) merge, other values replace."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = {**base[key], **value} if key in ("chance", "film") and key in base else value
    return merged


@lru_cache(maxsize=64)
def style_of(dataset: str, task: str, difficulty: float = 0.0) -> Style:
    """The style of a dataset: its own table over its task's over the defaults, made harder by `difficulty`."""
    tables = _tables()
    scenes = task_named(task).part("procedural")
    of_task = _merge(tables["default"], scenes.style if scenes else {})
    merged = _merge(of_task, tables["dataset"].get(dataset, {}))
    style = Style.model_validate(merged)
    return harder(style, difficulty) if difficulty else style


def harder(style: Style, difficulty: float) -> Style:
    """The same world seen worse, from 0 (as it is) to 1, evenly in between.

    At 1 people of scenes are 1.6 times as far away, three quarters of the pictures have something that may hide
    somebody and half of the crops a bystander (or more, where the style has more already), people may stand half as
    far apart; exposure ranges down to half and contrast to 0.7 of what it was, the blur up to 1.2 pixels and the
    sensor noise up to 0.08 more, and JPEG quality is 40 lower (at least 20).
    """
    film = style.film
    blur, noise = (0.4, 1.2), (0.02, 0.08)
    developed = {
        "exposure": (film.exposure[0] * (1 - 0.5 * difficulty), film.exposure[1] * (1 - 0.2 * difficulty)),
        "contrast": (film.contrast[0] * (1 - 0.3 * difficulty), film.contrast[1]),
        "blur": tuple(old + more * difficulty for old, more in zip(film.blur, blur, strict=True)),
        "noise": tuple(old + more * difficulty for old, more in zip(film.noise, noise, strict=True)),
        "quality": tuple(max(min(q, 20), round(q - 40 * difficulty)) for q in film.quality),
    }
    changes = {
        "obstacles": style.obstacles + max(0.75 - style.obstacles, 0) * difficulty,
        "bystanders": style.bystanders + max(0.5 - style.bystanders, 0) * difficulty,
        "gap": style.gap * (1 - 0.5 * difficulty),
        "film": film.model_copy(update=developed),
    }
    if style.shot == "scene":
        changes["distance"] = tuple(metres * (1 + 0.6 * difficulty) for metres in style.distance)
    return style.model_copy(update=changes)
