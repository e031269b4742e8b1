"""The network in a checkpoint file: which of its nested mappings hold tensors, and which of two networks is meant.

A file of a training run often holds more than one network: a student and its teacher, weights and their moving average,
MoCo's two encoders. Which one is meant is for the caller to say (`prefix`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from humanbench.errors import BackboneError
from humanbench.text import nearest

Tensors = dict[str, Tensor]

CONTAINERS = ("state_dict", "model", "teacher", "model_state_dict", "model_ema", "state_dict_ema", "params", "module")
"""Keys under which training code keeps the weights, in the order in which they are looked for."""

TOP = "."
"""The beginning of names of a network that lies at the top of a file."""

_TRAINING_STATE = ("optim", "sched", "scaler", "loss", "args", "config", "hyper", "callback", "epoch", "rng")
"""Beginnings of keys under which training code keeps what is no network."""


@dataclass(frozen=True)
class FileNetwork:
    """One network of a file: its tensors, where they lay, and what else of the file was not taken, with the reason."""

    tensors: Tensors
    container: str = ""
    left_over: dict[str, str] = field(default_factory=dict)


def select_network(content: Any, path: str, prefix: str = "") -> FileNetwork:
    """The network of what a file holds: nested mappings of tensors, or one of them.

    `prefix`: the beginning of the names of the network that is meant, as the file has them with its mappings' keys
    before them (`teacher`, `model_ema`, `encoder_q`, `state_dict.module.encoder_k`). Raises `BackboneError` where
    there is no network, where there are two and none is named, and where the one that is named is not there.
    """
    containers = dict(_containers(content, ()))
    if not containers:
        keys = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, Mapping) else type(content).__name__
        keys = keys or "nothing at all"
        raise BackboneError(f"{path}: holds no state dict (looked under {', '.join(CONTAINERS)}; found {keys})")
    networks = _networks(containers)
    if prefix:
        return _named(containers, networks, prefix, path)
    if len(networks) > 1:
        raise BackboneError(
            f"{path}: holds {len(networks)} networks ({', '.join(networks)}), and which one is meant is not said: "
            f"give --arch prefix={networks[0]}, or another of them"
        )
    key = _container_of(containers)
    return FileNetwork(containers[key], ".".join(key))


def _containers(content: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensors]]:
    """The mappings that hold tensors, three deep at most; of a training's state only those that are a network."""
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield key, tensors
    for name, value in content.items():
        if len(key) == 3 or not isinstance(name, str) or not isinstance(value, Mapping):
            continue
        if not name.lower().startswith(_TRAINING_STATE):
            yield from _containers(value, (*key, name))
        elif _is_network(value):
            yield (*key, name), {str(inner): tensor for inner, tensor in value.items() if isinstance(tensor, Tensor)}


def _is_network(content: Mapping[Any, Any]) -> bool:
    """Whether a mapping holds a network's first layer under its name: an optimiser's state has other names."""
    return any(
        isinstance(tensor, Tensor) and str(name).endswith(".weight") and _takes_pictures(tensor)
        for name, tensor in content.items()
    )


def _container_of(containers: Mapping[tuple[str, ...], Tensors]) -> tuple[str, ...]:
    """The mapping that holds the network: the one with a layer for RGB pictures, else by its usual names."""
    pictures = [key for key, tensors in containers.items() if any(map(_takes_pictures, tensors.values()))]
    if pictures:
        return max(pictures, key=lambda key: len(containers[key]))

    def rank(key: tuple[str, ...]) -> tuple[int, int]:
        ranks = [CONTAINERS.index(part) if part in CONTAINERS else len(CONTAINERS) for part in key]
        return (0 if ranks and max(ranks) < len(CONTAINERS) else 1, ranks[0] if ranks else 0)

    return min(containers, key=rank)


def _takes_pictures(tensor: Tensor) -> bool:
    """Whether this is the weight of a convolution over RGB: only the first layer of a network is."""
    return tensor.ndim == 4 and tensor.shape[1] == 3 and tensor.shape[0] > 3


def _networks(containers: Mapping[tuple[str, ...], Tensors]) -> list[str]:
    """Beginnings of names, mapping's keys included, under which a whole network lies; fewer than two say nothing."""
    names = [
        (".".join((*key, name)), tensor) for key, tensors in containers.items() for name, tensor in tensors.items()
    ]
    first_layers = [name for name, tensor in names if _takes_pictures(tensor)]
    every = [name for name, _ in names]
    networks: list[str] = []
    for index, one in enumerate(first_layers):
        for other in first_layers[index + 1 :]:
            pair = _beginnings(one, other)
            if pair is not None and _alike(every, *pair):
                networks += [beginning for beginning in pair if beginning not in networks]
    return networks


def _beginnings(one: str, other: str) -> tuple[str, str] | None:
    """What differs at the beginning of two names that end alike; None for the branches of one network, by number."""
    left, right = one.split("."), other.split(".")
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    if left and right and left[-1].isdigit() and right[-1].isdigit():
        return None
    if not left and not right:
        return None
    return ".".join(left) or TOP, ".".join(right) or TOP


def _alike(names: list[str], one: str, other: str) -> bool:
    """Whether more than half of the smaller set of names under two beginnings is under the other one too."""
    left, right = (
        {name[len(beginning) :].lstrip(".") for name in names if beginning == TOP or name.startswith(f"{beginning}.")}
        for beginning in (one, other)
    )
    return 2 * len(left & right) > min(len(left), len(right))


def _named(containers: Mapping[tuple[str, ...], Tensors], networks: list[str], prefix: str, path: str) -> FileNetwork:
    """The network under a beginning of names that the caller gives."""
    every = {".".join((*key, name)): value for key, tensors in containers.items() for name, value in tensors.items()}
    meant = [network for network in networks if _words_in(prefix, network)]
    if len(meant) > 1:
        raise BackboneError(f"{path}: prefix={prefix} is the beginning of several networks ({', '.join(meant)})")
    start = meant[0] if meant else _beginning(list(every), prefix)
    if start is None:
        tops = list(dict.fromkeys(networks or [name.partition(".")[0] for name in every]))
        raise BackboneError(
            f"{path}: holds nothing under prefix={prefix}; there is {', '.join(tops[:8])}{nearest(prefix, tops)}"
        )
    others = [network for network in networks if network != start]
    left_over = {f"{network}.*": "another network of the file" for network in others}
    if start == TOP:
        inner = {n: v for n, v in every.items() if not any(n.startswith(f"{other}.") for other in others)}
        return FileNetwork(inner, "", left_over)
    inner = {name[len(start) + 1 :]: value for name, value in every.items() if name.startswith(f"{start}.")}
    return FileNetwork(inner, start, left_over)


def _words_in(prefix: str, network: str) -> bool:
    """Whether the dotted words of one are a run of those of the other."""
    return prefix == network or f".{prefix.strip(TOP)}." in f".{network}."


def _beginning(names: list[str], prefix: str) -> str | None:
    """The first beginning of a name that ends with the words of `prefix`."""
    words = f".{prefix.strip(TOP)}."
    name = next((name for name in names if words in f".{name}."), None)
    return None if name is None else name[: f".{name}.".index(words) + len(words) - 2]
