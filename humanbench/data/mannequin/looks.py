"""Who somebody is: body, hair, clothes and things carried, drawn once per identity and kept over cameras and poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from humanbench.data.mannequin.raster import PATTERNS
from humanbench.data.mannequin.styles import Style

Rgb = tuple[float, float, float]

COLORS: dict[str, Rgb] = {
    "black": (0.07, 0.07, 0.08), "white": (0.90, 0.90, 0.88), "gray": (0.46, 0.47, 0.48), "red": (0.68, 0.10, 0.11),
    "green": (0.14, 0.44, 0.20), "blue": (0.12, 0.24, 0.60), "yellow": (0.85, 0.72, 0.16),
    "purple": (0.38, 0.16, 0.48), "brown": (0.36, 0.22, 0.12), "pink": (0.88, 0.52, 0.60), "orange": (0.86, 0.42, 0.10),
}  # fmt: skip
_SKIN = ((0.94, 0.78, 0.67), (0.86, 0.66, 0.52), (0.74, 0.54, 0.40), (0.55, 0.37, 0.26), (0.36, 0.24, 0.17))
_HAIR = ((0.05, 0.04, 0.04), (0.13, 0.09, 0.06), (0.30, 0.19, 0.11), (0.62, 0.48, 0.28), (0.45, 0.18, 0.08))
BAGS: tuple[str, ...] = (
    "backpack", "left_shoulder_bag", "right_shoulder_bag", "left_hand_bag", "right_hand_bag", "trolley", "held",
)  # fmt: skip


@dataclass(frozen=True)
class Cloth:
    """Colour name, its jittered rgb, pattern with second rgb and scale in metres."""

    color: str
    rgb: Rgb
    pattern: str = "plain"
    rgb2: Rgb = (0.9, 0.9, 0.9)
    scale: float = 0.08


@dataclass(frozen=True)
class Look:
    """Everything about a person that stays the same from picture to picture."""

    gender: str  # male, female
    age: str  # child, teen, adult, old
    height: float
    build: float
    shoulders: float
    hips: float
    skin: Rgb
    hair: str  # short, long, bun, bald
    hair_rgb: Rgb
    beard: bool
    sleeve: str  # none, short, long
    top: Cloth
    outer: Cloth | None  # an open or closed jacket or coat over the top
    long_coat: bool
    lower: str  # trousers, shorts, short_skirt, skirt, long_skirt, dress, jumpsuit
    bottom: Cloth
    shoes: str  # shoes, sneakers, boots, sandals
    shoe: Cloth
    socks: bool
    hat: str  # "", hat, cap
    hat_cloth: Cloth | None
    glasses: bool
    scarf: Cloth | None
    belt: bool
    gloves: bool
    bags: tuple[str, ...]
    bag: Cloth | None
    umbrella: Cloth | None
    mask: bool
    formal: bool  # leather shoes, shirt and plain trousers or skirt


def draw_look(rng: np.random.Generator, style: Style) -> Look:
    """A new person."""
    chance = style.chance

    def happens(name: str, factor: float = 1.0) -> bool:
        return bool(rng.random() < chance.get(name, 0.0) * factor)

    gender = "female" if happens("female") else "male"
    age = pick(rng, {a: chance.get(a, 0.0) for a in ("child", "teen", "adult", "old")})
    warm = happens("warm")
    lower = _lower(rng, gender, warm)
    height = rng.normal({"child": 1.25, "teen": 1.62, "adult": 1.73, "old": 1.68}[age], 0.05)
    height -= 0.10 if gender == "female" and age != "child" else 0.0
    hair = pick(rng, {"long": 0.65, "bun": 0.15, "short": 0.2}) if gender == "female" else "short"
    if gender == "male" and rng.random() < (0.3 if age == "old" else 0.06):
        hair = "bald"
    hair_rgb = (0.62, 0.62, 0.60) if age == "old" else _jitter(rng, _HAIR[int(rng.integers(len(_HAIR)))], 0.02)
    outer = cloth(rng, style, plain=True) if happens("outer", 1.0 if not warm else 0.1) and lower != "dress" else None
    bags = tuple(b for b in BAGS if happens(b))
    hat = ("cap" if rng.random() < 0.6 else "hat") if happens("hat") else ""
    look = Look(
        gender=gender,
        age=age,
        height=float(height),
        build=float(np.clip(rng.normal(1.0 if gender == "male" else 0.93, 0.09), 0.8, 1.3)),
        shoulders=float(rng.normal(1.04 if gender == "male" else 0.93, 0.03)),
        hips=float(rng.normal(0.97 if gender == "male" else 1.06, 0.03)),
        skin=_jitter(rng, _SKIN[int(rng.integers(len(_SKIN)))], 0.02),
        hair=hair,
        hair_rgb=hair_rgb,
        beard=gender == "male" and age in ("adult", "old") and happens("beard"),
        sleeve=pick(rng, {"short": 0.8, "none": 0.12, "long": 0.08} if warm else {"long": 0.85, "short": 0.15}),
        top=cloth(rng, style),
        outer=outer,
        long_coat=outer is not None and happens("long_coat"),
        lower=lower,
        bottom=cloth(rng, style, plain=rng.random() < 0.8),
        shoes=pick(
            rng, {"shoes": 0.4, "sneakers": 0.3, "boots": 0.05 if warm else 0.3, "sandals": 0.2 if warm else 0.0}
        ),
        shoe=cloth(rng, style, plain=True),
        socks=happens("socks"),
        hat=hat,
        hat_cloth=cloth(rng, style, plain=True) if hat else None,
        glasses=happens("glasses"),
        scarf=cloth(rng, style, plain=True) if happens("scarf", 0.1 if warm else 1.0) else None,
        belt=happens("belt"),
        gloves=happens("gloves", 0.05 if warm else 1.0),
        bags=bags,
        bag=cloth(rng, style, plain=True) if bags else None,
        umbrella=cloth(rng, style, plain=True) if happens("umbrella") and "left_hand_bag" not in bags else None,
        mask=happens("mask"),
        formal=happens("formal", 1.0 if age in ("adult", "old") else 0.0),
    )
    return _suit(look) if look.formal else look


def _suit(look: Look) -> Look:
    """The same person in formal clothes: plain light shirt, dark jacket and trousers or skirt, leather shoes."""
    dark = Cloth("black", (0.09, 0.09, 0.12))
    return replace(
        look,
        sleeve="long",
        top=Cloth("white", (0.85, 0.86, 0.88)),
        outer=dark if look.outer is not None else None,
        lower="skirt" if look.lower in ("skirt", "short_skirt", "dress") else "trousers",
        bottom=dark,
        shoes="shoes",
        shoe=dark,
    )


_KEPT = ("gender", "age", "height", "build", "shoulders", "hips", "skin", "hair", "hair_rgb", "beard")


def redress(rng: np.random.Generator, style: Style, look: Look) -> Look:
    """The same person in other clothes."""
    other = draw_look(rng, style)
    while other.gender != look.gender:
        other = draw_look(rng, style)
    return replace(other, **{name: getattr(look, name) for name in _KEPT})


def lookalike(rng: np.random.Generator, style: Style, look: Look) -> Look:
    """Another person who could be mistaken for `look`: same kind of clothes and colours, a few things different."""
    other = draw_look(rng, style)
    alike = replace(look, height=other.height, build=other.build, skin=other.skin, hair_rgb=other.hair_rgb)
    changes: Sequence[dict[str, Any]] = (
        {"shoe": other.shoe, "shoes": other.shoes},
        {"bags": other.bags, "bag": other.bag},
        {"bottom": other.bottom},
        {"top": replace(look.top, pattern=other.top.pattern, rgb2=other.top.rgb2, scale=other.top.scale)},
        {"hat": other.hat, "hat_cloth": other.hat_cloth, "glasses": other.glasses},
    )
    for i in rng.permutation(len(changes))[:2]:
        alike = replace(alike, **changes[int(i)])
    return alike


def skin_tone(skin: Rgb) -> int:
    """The nearest of the five tones that skin is drawn around, 1 the lightest and 5 the darkest.

    >>> skin_tone((0.95, 0.8, 0.66)), skin_tone((0.33, 0.22, 0.15))
    (1, 5)
    """
    return 1 + int(np.argmin([sum((a - b) ** 2 for a, b in zip(skin, tone, strict=True)) for tone in _SKIN]))


def cloth(rng: np.random.Generator, style: Style, plain: bool = False) -> Cloth:
    """A piece of cloth in the style's colours and patterns."""
    color = pick(rng, style.colors)
    rgb = _mute(_jitter(rng, COLORS[color], 0.035), style.muted)
    pattern = "plain" if plain else pick(rng, style.patterns)
    if pattern == "plain":
        return Cloth(color, rgb)
    second = pick(rng, {c: w for c, w in style.colors.items() if c != color} or {color: 1.0})
    return Cloth(color, rgb, pattern, _mute(COLORS[second], style.muted), rng.uniform(0.05, 0.12))


def _lower(rng: np.random.Generator, gender: str, warm: bool) -> str:
    if gender == "male":
        summer, winter = {"trousers": 0.45, "shorts": 0.5, "jumpsuit": 0.05}, {"trousers": 0.95, "jumpsuit": 0.05}
        return pick(rng, summer if warm else winter)
    summer = {"trousers": 0.3, "shorts": 0.2, "short_skirt": 0.15, "skirt": 0.1, "long_skirt": 0.05, "dress": 0.2}
    winter = {"trousers": 0.7, "short_skirt": 0.08, "skirt": 0.08, "long_skirt": 0.04, "dress": 0.06, "jumpsuit": 0.04}
    return pick(rng, summer if warm else winter)


def pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One of the names, by their weights (`rng.choice` takes ten times as long)."""
    left = rng.random() * sum(weights.values())
    chosen = ""
    for name, weight in weights.items():
        chosen = name
        left -= weight
        if left < 0:
            break
    return chosen


def _jitter(rng: np.random.Generator, rgb: Rgb, size: float) -> Rgb:
    gain, r, g, b = rng.standard_normal(4).tolist()
    gain = 1 + 0.08 * gain
    return _shown(rgb[0] * gain + size * r), _shown(rgb[1] * gain + size * g), _shown(rgb[2] * gain + size * b)


def _shown(value: float) -> float:
    """Nothing is quite black or quite white."""
    return 0.02 if value < 0.02 else 0.97 if value > 0.97 else value


def _mute(rgb: Rgb, share: float) -> Rgb:
    grey = share * (0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2])
    keep = 1 - share
    return rgb[0] * keep + grey, rgb[1] * keep + grey, rgb[2] * keep + grey


def material(stuff: Cloth | Rgb, gloss: float = 0.0) -> tuple[float, ...]:
    """A row of the material table (see `raster.shade`)."""
    if isinstance(stuff, Cloth):
        return (*stuff.rgb, *stuff.rgb2, PATTERNS.index(stuff.pattern), stuff.scale, gloss)
    return (*stuff, *stuff, 0, 1.0, gloss)
