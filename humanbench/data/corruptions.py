"""Named corruptions of pictures at five severities: what test pictures are shown through, never training pictures.

After ImageNet-C (Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, ICLR 2019), whose numbers are for pictures of 224 pixels: here lengths are shares of the picture's
shorter side, so that a small crop and a large scene are blurred alike. What it has not (low light, occluders, a colour
cast) is ours; docs/robustness.md has every number with its source.

A picture is changed as it was decoded, in its own size, before anything is cut out or resized. What is drawn at random
depends on the dataset, the picture's id and the corruption, and is the same at every severity, so that a severer
picture is the same one made worse.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from humanbench.arrays import Floats
from humanbench.data import Table
from humanbench.errors import HumanbenchError
from humanbench.hashing import text_sha256
from humanbench.text import nearest

if TYPE_CHECKING:
    from PIL import Image

SEVERITIES = (1, 2, 3, 4, 5)
_OF = 224.0
"""Shorter side in pixels that ImageNet-C's lengths are for."""


@dataclass(frozen=True, order=True)
class Corruption:
    """A corruption and how severe it is, 1 to 5.

    >>> Corruption("fog", 3).text, Corruption("fog", 3).file
    ('fog:3', 'fog3')
    """

    name: str
    severity: int

    def __post_init__(self) -> None:
        if self.name not in CORRUPTIONS:
            known = list(CORRUPTIONS)
            raise HumanbenchError(
                f"no corruption is called {self.name!r}{nearest(self.name, known)} ({', '.join(known)})"
            )
        if self.severity not in SEVERITIES:
            raise HumanbenchError(f"{self.name}:{self.severity}: severities are 1 to 5, like {self.name}:3")

    @property
    def text(self) -> str:
        return f"{self.name}:{self.severity}"

    @property
    def file(self) -> str:
        """As a part of names of files."""
        return f"{self.name}{self.severity}"

    def __call__(self, image: Image.Image, dataset: str, picture: str) -> Image.Image:
        """The RGB picture through the corruption; `picture` is its id in the dataset."""
        from PIL import Image

        seed = int(text_sha256(f"{dataset}\n{picture}\n{self.name}")[:16], 16)
        pixels = np.asarray(image, np.float64) / 255
        changed = CORRUPTIONS[self.name](pixels, self.severity - 1, np.random.default_rng(seed))
        return Image.fromarray((changed.clip(0, 1) * 255).round().astype(np.uint8))


class CorruptedAsOpened:
    """What makes of a picture of these tables and its path the corrupted one, for `images.opened_through`.

    A picture is known by its split and its id in the tables (`image_id` where rows are people), so that it is changed
    alike wherever the dataset lies and whoever in it is asked for.
    """

    def __init__(self, corruption: Corruption, dataset: str, tables: Mapping[str, Table]) -> None:
        self._corruption, self._dataset = corruption, dataset
        self._ids: dict[str, str] = {}
        for split, table in tables.items():
            column = "image_id" if "image_id" in table else "id"
            for path, name in zip(table["image"], table[column], strict=True):
                self._ids.setdefault(str(path), f"{split}/{name}")

    def __call__(self, image: Image.Image, path: str) -> Image.Image:
        return self._corruption(image, self._dataset, self._ids[path])


def corruption_of(text: str) -> Corruption:
    """`fog:3`; `HumanbenchError` for anything else."""
    name, _, severity = (part.strip() for part in text.partition(":"))
    level = {str(known): known for known in SEVERITIES}.get(severity, 0)
    if name in CORRUPTIONS and not level:
        raise HumanbenchError(f"{text}: severities are 1 to 5, like {name}:3")
    return Corruption(name, level)


def asked_corruptions(asked: str | Sequence[str] | None) -> tuple[Corruption, ...]:
    """Those of a list, or of a text with commas: `fog:3`, `fog` for all severities, `all:3` for all corruptions at one,
    `all` for everything there is; empty for None, and `HumanbenchError` for a list that names none."""
    if asked is None:
        return ()
    words = asked.split(",") if isinstance(asked, str) else asked
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise HumanbenchError(f"corruptions are a list of names, like ['fog:3', 'noise']; found {asked!r}")
    corruptions: list[Corruption] = []
    for word in filter(None, (word.strip() for word in words)):
        name, colon, severity = word.partition(":")
        names = list(CORRUPTIONS) if name.strip() == "all" else [name]
        if colon:
            corruptions += [corruption_of(f"{name}:{severity}") for name in names]
        else:
            corruptions += [Corruption(name, severity) for name in names for severity in SEVERITIES]
    if not corruptions:
        raise HumanbenchError(f"no corruption is named; give some of {', '.join(CORRUPTIONS)}, or all")
    return tuple(dict.fromkeys(corruptions))


def _scaled(pixels: Floats) -> float:
    """Pixels here for a pixel of ImageNet-C's pictures."""
    return float(min(pixels.shape[:2]) / _OF)


def _filtered(pixels: Floats, kernel: Floats) -> Floats:
    """Each channel under a kernel with odd sides, whose sum becomes 1; beyond the edges the picture is mirrored."""
    from scipy.signal import oaconvolve

    down, across = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(pixels, ((down, down), (across, across), (0, 0)), "symmetric")
    return oaconvolve(padded, (kernel / kernel.sum())[..., None], "valid", axes=(0, 1))


def _blur(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Out of focus: a disk whose radius is ImageNet-C's."""
    radius = (3, 4, 6, 8, 10)[level] * _scaled(pixels)
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _filtered(pixels, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def _motion(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Moved along a line within 45 degrees of the horizontal: one side of a Gaussian, cut off, as ImageNet-C's."""
    reach, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[level]
    scale, angle = _scaled(pixels), rng.uniform(-math.pi / 4, math.pi / 4)
    way = np.arange(0, 2 * reach * scale + 1e-9, 0.25)
    half = math.ceil(way[-1]) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    x, y = half + way * math.cos(angle), half + way * math.sin(angle)
    weight = np.exp(-((way / (sigma * scale)) ** 2) / 2)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right, below in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top))
        np.add.at(kernel, (top + below, left + right), weight * share)
    return _filtered(pixels, kernel)


def _noise(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Normal noise of every value on its own; standard deviations are ImageNet-C's."""
    return pixels + (0.08, 0.12, 0.18, 0.26, 0.38)[level] * rng.standard_normal(pixels.shape)


def _jpeg(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Compressed with ImageNet-C's qualities."""
    from PIL import Image

    file = io.BytesIO()
    quality = (25, 18, 15, 10, 7)[level]
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        decoded: Floats = np.asarray(image.convert("RGB"), np.float64) / 255
    return decoded


def _low_light(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Less light and the noise of few photons: values squared, dimmed, and counted in photons."""
    peak = (0.6, 0.5, 0.4, 0.3, 0.2)[level]
    photons = 250.0
    return rng.poisson(pixels**2 * peak * photons) / photons


def _fog(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """White light of uneven density before the picture, with ImageNet-C's amounts and roughness."""
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[level]
    height, width = pixels.shape[:2]
    fog = amount * _resized(_plasma(decay, rng), height, width)
    brightest = float(pixels.max())
    return (pixels + fog[..., None]) * brightest / (brightest + amount)


def _plasma(decay: float, rng: np.random.Generator) -> Floats:
    """A random height map of 257 x 257 values from 0 to 1 by midpoint displacement (Fournier, Fussell and Carpenter,
    Computer Rendering of Stochastic Models, CACM 1982): at half the distance displacements are divided by the square
    of `decay`, as in ImageNet-C, whose code divides a number by it and displaces by that number's square."""
    size, step, spread = 256, 256, 1.0
    field = np.zeros((size + 1, size + 1))
    field[::size, ::size] = rng.uniform(-spread, spread, (2, 2))
    while step > 1:
        half, spread = step // 2, spread / decay**2
        corners = field[::step, ::step]
        middle = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
        field[half::step, half::step] = middle + rng.uniform(-spread, spread, middle.shape)
        across, down = (corners[:, :-1] + corners[:, 1:]) / 2, (corners[:-1] + corners[1:]) / 2
        field[::step, half::step] = across + rng.uniform(-spread, spread, across.shape)
        field[half::step, ::step] = down + rng.uniform(-spread, spread, down.shape)
        step = half
    result: Floats = (field - field.min()) / (field.max() - field.min())
    return result


def _resized(field: Floats, height: int, width: int) -> Floats:
    from PIL import Image

    image = Image.fromarray(field.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float64)


def _occlusion(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Rectangles of one colour each before the picture, until exactly so large a share of it is hidden."""
    height, width = pixels.shape[:2]
    wanted = round((0.1, 0.2, 0.3, 0.4, 0.5)[level] * height * width)
    result, hidden = pixels.copy(), np.zeros((height, width), bool)
    while (left := wanted - int(hidden.sum())) > 0:
        sides = [max(1, round(side * rng.uniform(0.15, 0.4))) for side in (height, width)]
        top, start = (int(rng.integers(0, side - part + 1)) for side, part in zip((height, width), sides, strict=True))
        colour = rng.uniform(0, 1, 3)
        fresh = np.zeros_like(hidden)
        fresh[top : top + sides[0], start : start + sides[1]] = True
        rows, columns = np.nonzero(fresh & ~hidden)
        hidden[rows[:left], columns[:left]] = True
        result[rows[:left], columns[:left]] = colour
    return result


def _resolution(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """Fewer pixels, by the factors of ImageNet-C's pixelate, enlarged smoothly."""
    from PIL import Image

    factor = (0.6, 0.5, 0.4, 0.3, 0.25)[level]
    image = Image.fromarray((pixels * 255).round().astype(np.uint8))
    small = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR), np.float64) / 255


def _colour(pixels: Floats, level: int, rng: np.random.Generator) -> Floats:
    """A white balance that is off between warm and cold: red times 1 + s, blue times 1 - s, or the other way round."""
    shift = (0.1, 0.2, 0.3, 0.4, 0.5)[level] * (1 if rng.random() < 0.5 else -1)
    result: Floats = pixels * np.array([1 + shift, 1.0, 1 - shift])
    return result


CORRUPTIONS: dict[str, Callable[[Floats, int, np.random.Generator], Floats]] = {
    "blur": _blur,
    "motion": _motion,
    "noise": _noise,
    "jpeg": _jpeg,
    "low-light": _low_light,
    "fog": _fog,
    "occlusion": _occlusion,
    "resolution": _resolution,
    "colour": _colour,
}
"""By name, what makes of H x W x 3 values from 0 to 1 and a severity from 0 to 4 the changed values."""
