"""Mean, standard deviation and interpolation of the input: where they come from, and when they must be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from humanbench.backbones.cards import LEAST_STD
from humanbench.backbones.features import Preprocessing
from humanbench.errors import BackboneError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NAMED = {"imagenet": IMAGENET, "clip": CLIP, "half": HALF}
"""Mean and standard deviation that have a name: ImageNet's, openai/CLIP's, and 0.5 of all channels (SigLIP, AugReg)."""

PIXELS = ("mean", "std", "interpolation")
"""Keys of what is said of the input's pixels."""
_INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class StatedPixels:
    """Mean, std and interpolation as far as one place states them, that place in words, and whether it is a guess.

    `doubt`: why the place states no mean and std, where it speaks of them and no network here takes what it says.
    """

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    guess: bool = False
    doubt: str = ""


def given_pixels(values: Mapping[str, Any], source: str = "the caller") -> StatedPixels:
    """What a place states, checked: three numbers or a name of `NAMED`, and an interpolation."""
    return StatedPixels(source, {key: _checked(key, value) for key, value in values.items() if value is not None})


def named_pixels(name: str, source: str, guess: bool) -> StatedPixels:
    """Mean and standard deviation of this name in `NAMED`, with bicubic interpolation."""
    mean, std = NAMED[name]
    return StatedPixels(source, {"mean": mean, "std": std, "interpolation": "bicubic"}, guess)


def _checked(key: str, value: Any) -> Any:
    if key == "interpolation":
        if value not in _INTERPOLATIONS:
            raise BackboneError(f"interpolation={value!r}: is one of {', '.join(_INTERPOLATIONS)}")
        return value
    if isinstance(value, str) and value.lower() in NAMED:
        return NAMED[value.lower()][PIXELS.index(key)]
    try:
        numbers = tuple(float(v) for v in (value.split(",") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        numbers = ()
    least = 0.0 if key == "mean" else LEAST_STD
    if len(numbers) != 3 or not all(least <= number <= 1 for number in numbers):  # nan is in no range
        of_bytes = len(numbers) == 3 and all(0 < number <= 255 for number in numbers) and max(numbers) > 1
        raise BackboneError(
            f"{key}={value!r}: give three numbers for red, green and blue in 0..1"
            f"{' (these look like those of 0..255: divide them by 255)' if of_bytes else ''}, like "
            f"{key}={_numbers(IMAGENET[PIXELS.index(key)])}, or one of {', '.join(NAMED)}"
        )
    return numbers


def choose_preprocessing(
    stated: list[StatedPixels],
    default: StatedPixels,
    input_size: tuple[int, int],
    network: str,
    weights_elsewhere: bool,
) -> tuple[Preprocessing, dict[str, StatedPixels]]:
    """The preprocessing, and of each of its values the place that states it.

    `stated`: places that speak of these very weights, the first one wins. `default`: what the network's name stands
    for. Where the weights come from elsewhere than the name (`weights_elsewhere`), a default that is not ImageNet's is
    a question, as is a value that nothing states: a `BackboneError` that names the options.
    """
    chosen: dict[str, StatedPixels] = {}
    for key in PIXELS:
        place = next((p for p in stated if key in p.values or (p.doubt and key != "interpolation")), default)
        if key not in place.values and place.doubt:
            raise BackboneError(f"{network}: {place.doubt}{_HINT}")
        if key not in place.values:
            raise BackboneError(f"{network}: nothing says the {key} of its input{_HINT}")
        chosen[key] = place
    unsaid = [key for key in ("mean", "std") if chosen[key] is default]
    if weights_elsewhere and any(not _close(default.values[key], IMAGENET[PIXELS.index(key)]) for key in unsaid):
        numbers = ", ".join(f"{key} {_numbers(default.values[key])}" for key in unsaid)
        raise BackboneError(
            f"{network} with weights from elsewhere: {numbers} is {default.source}, and need not be how these weights "
            f"were trained{_HINT}"
        )
    values = {key: place.values[key] for key, place in chosen.items()}
    return Preprocessing(tuple(values["mean"]), tuple(values["std"]), values["interpolation"], input_size), chosen


_HINT = "; say it with --mean and --std (imagenet, clip, half, or three numbers each)"


def guessed(chosen: Mapping[str, StatedPixels]) -> list[str]:
    """In words, which values of the preprocessing are guesses; those of one place together."""
    words: dict[str, list[str]] = {}
    for key, place in chosen.items():
        if place.guess:
            words.setdefault(place.source, []).append(key)
    return [f"{', '.join(keys)}: {source}" for source, keys in words.items()]


def _close(one: Any, other: Any) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(one, other, strict=True))


def _numbers(values: Any) -> str:
    return ",".join(f"{value:g}" for value in values)
