"""What transformers' processors of pictures do to them, as mean, standard deviation and interpolation of 0..1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from humanbench.backbones.cards import LEAST_STD
from humanbench.backbones.preprocessing import StatedPixels, given_pixels
from humanbench.errors import BackboneError

PROCESSOR = "preprocessor_config.json"
_OF_ALL = "processor_config.json"
"""A processor of pictures and texts in one file: that of pictures is under `image_processor`."""

_RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of interpolations, as transformers' processors keep them."""


def read_processor(read: Callable[[str], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The processor of pictures and the file that holds it, of those that `read` gives (empty where there is none)."""
    document = read(PROCESSOR)
    if document:
        return document, PROCESSOR
    inner = read(_OF_ALL).get("image_processor")
    return (dict(inner), _OF_ALL) if isinstance(inner, Mapping) else ({}, "")


def processor_pixels(processor: Mapping[str, Any], source: str) -> StatedPixels | None:
    """What a processor does to the values of a picture: times `rescale_factor`, less one with `rescale_offset`, less
    `image_mean`, by `image_std`. Written as a mean and a std of values in 0..1 it is the same; what has no such form
    within their ranges is asked for. Raises `BackboneError` for networks that take BGR."""
    if processor.get("do_flip_channel_order") is True:
        raise BackboneError(
            f"{source}: says do_flip_channel_order, so the network takes blue, green, red, and pictures are red, "
            "green, blue here: reverse the input channels of the weights' first layer, and set the key to false"
        )
    interpolation = _RESAMPLE.get(resample) if isinstance(resample := processor.get("resample"), int) else None
    stated: dict[str, Any] = {} if interpolation is None else {"interpolation": interpolation}
    mean, std = processor.get("image_mean"), processor.get("image_std")
    if processor.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    stated |= {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    factor, offset = _scale(processor, source)
    if (factor, offset) == (1.0, 0.0):
        return given_pixels(stated, source) if stated else None
    asked = replace(given_pixels({"interpolation": interpolation}, source), doubt=_doubt(source, factor))
    if mean is None or std is None:
        return asked
    means, stds = _three(mean, source), _three(std, source)
    moved = {"mean": tuple((m + offset) / factor for m in means), "std": tuple(s / factor for s in stds)}
    in_range = all(0 <= m <= 1 for m in moved["mean"]) and all(LEAST_STD <= s <= 1 for s in moved["std"])
    of_unit = factor == 255 and processor.get("do_normalize") is not False and max(*means, *stds) <= 1
    if not in_range or of_unit:  # values of 0..1 taken off those of 0..255: whoever wrote them rescaled elsewhere
        return asked
    return given_pixels({**stated, **moved}, source)


def _scale(processor: Mapping[str, Any], source: str) -> tuple[float, float]:
    """By what values in 0..1 are multiplied, and what is taken off then."""
    if processor.get("do_rescale") is False:
        return 255.0, 0.0
    factor = processor.get("rescale_factor")
    if factor is None:
        return 1.0, 0.0
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= 1:
        raise BackboneError(f"{source}: rescale_factor={str(factor)[:60]} is no number in 0..1; it is 1/255 elsewhere")
    times = 255.0 * factor
    return (1.0 if abs(times - 1) < 1e-3 else times), (1.0 if processor.get("rescale_offset") is True else 0.0)


def _three(values: Any, source: str) -> tuple[float, ...]:
    numbers = values if isinstance(values, list | tuple) else [values] * 3
    if len(numbers) != 3 or not all(isinstance(number, int | float) for number in numbers):
        raise BackboneError(f"{source}: {str(values)[:60]} are not three numbers for red, green and blue")
    return tuple(float(number) for number in numbers)


def _doubt(source: str, factor: float) -> str:
    scaled = "rescaled by another factor than 1/255 (rescale_factor, rescale_offset)"
    how = "not rescaled (do_rescale)" if factor == 255 else scaled
    return f"{source} says that the values of pictures are {how}, and its image_mean and image_std do not go with that"
