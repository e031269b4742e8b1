"""The network in a checkpoint file: which of its nested mappings hold tensors, and which of two networks is meant.

A file of a training run often holds more than one network: a student and its teacher, weights and their moving average,
MoCo's two encoders. Which one is meant is for the caller to say (`prefix`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from torch import Tensor

from humanbench.backbones.translation import Tensors
from humanbench.errors import BackboneError
from humanbench.text import nearest

CONTAINERS = ("state_dict", "model", "teacher", "model_state_dict", "model_ema", "state_dict_ema", "params", "module")
"""Keys under which training code keeps the weights, in the order in which they are looked for."""

TOP = "."
"""The beginning of names of a network that lies at the top of a file."""

_TRAINING_STATE = ("optim", "sched", "scaler", "loss", "args", "config", "hyper", "callback", "epoch", "rng")
"""Beginnings of keys under which training code keeps what is no network."""

_DEEPEST = 6
"""Mappings and lists within one another that are looked through."""

_Part = dict[str, tuple[str, Tensor]]
"""Names without their dots, as some moving averages have them (Lightning's LitEma) -> name and tensor."""


Names = Callable[[], Collection[str]]
"""The names of a network, found out when they are asked for."""


def no_names() -> Collection[str]:
    """The names of a network of which nothing is known."""
    return ()


@dataclass(frozen=True)
class FileNetwork:
    """One network of a file: its tensors, where they lay, and what else of the file was not taken, with the reason.

    `metadata`: the words in the header of a safetensors file.
    """

    tensors: Tensors
    container: str = ""
    left_over: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def select_network(content: Any, path: str, prefix: str = "", wanted_names: Names = no_names) -> FileNetwork:
    """The network of what a file holds: nested mappings of tensors, or one of them.

    `wanted_names`: those of the network that the caller wants, where it is known: parts that it has are no networks.

    `prefix`: the beginning of the names of the network that is meant, as the file has them with its mappings' keys
    before them (`teacher`, `model_ema`, `encoder_q`, `state_dict.module.encoder_k`). Raises `BackboneError` where
    there is no network, where there are two and none is named, and where the one that is named is not there.
    """
    containers = _containers(content)
    if not containers:
        keys = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, Mapping) else type(content).__name__
        keys = keys or "nothing at all"
        raise BackboneError(f"{path}: holds no state dict (looked under {', '.join(CONTAINERS)}; found {keys})")
    networks = _networks(containers, wanted_names)
    if prefix:
        return _named(containers, networks, prefix, path)
    if len(networks) > 1:
        raise BackboneError(
            f"{path}: holds {len(networks)} networks ({', '.join(networks)}), and which one is meant is not said: "
            f"give --arch prefix={networks[0]}, or another of them"
        )
    key = _container_of(containers)
    return FileNetwork(containers[key], ".".join(key), _unnamed(content, containers[key]))


def _containers(content: Any) -> dict[tuple[str, ...], Tensors]:
    """The mappings that hold tensors; of a training's state those that are a network, or that are like one."""
    mappings = {key: (tensors, state) for key, tensors, state in _mappings(content, (), False)}
    networks = {key: tensors for key, (tensors, state) in mappings.items() if not state or _is_network(tensors)}
    parts = _parts(networks).values() if len(networks) < len(mappings) else ()
    return {
        key: tensors
        for key, (tensors, _) in mappings.items()
        if key in networks or any(_twins(_part(tensors, ""), part) for part in parts)
    }


def _mappings(content: Any, key: tuple[str, ...], state: bool) -> Iterator[tuple[tuple[str, ...], Tensors, bool]]:
    """The mappings that hold tensors, and whether they are below a key of a training's state.

    An entry of a list is called `item0`, `item1` ... Within the state of an optimiser nothing is looked for: its
    moments have the names and shapes of the network.
    """
    if isinstance(content, list | tuple):
        content = {f"item{index}": value for index, value in enumerate(content) if isinstance(value, Mapping)}
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield key, tensors, state
    if len(key) == _DEEPEST or (key and key[0].lower().startswith(_TRAINING_STATE[0])):
        return
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Mapping | list | tuple):
            yield from _mappings(value, (*key, name), state or name.lower().startswith(_TRAINING_STATE))


def _lists(content: Any, key: tuple[str, ...]) -> Iterator[tuple[str, list[Tensor]]]:
    """Lists of tensors without names, by the keys above them."""
    if isinstance(content, list | tuple):
        tensors = [value for value in content if isinstance(value, Tensor)]
        if tensors:
            yield ".".join(key), tensors
        content = {f"item{index}": value for index, value in enumerate(content)}
    if isinstance(content, Mapping) and len(key) < _DEEPEST:
        for name, value in content.items():
            if isinstance(value, Mapping | list | tuple):
                yield from _lists(value, (*key, str(name)))


def _unnamed(content: Any, network: Tensors) -> dict[str, str]:
    """Lists of tensors that have, in order, most of a network's shapes, and why they are not taken."""
    shapes = {value.shape for value in network.values()}
    return {
        name: "tensors without names, as a moving average of the weights is kept"
        for name, tensors in _lists(content, ())
        if 2 * len(tensors) > len(network) and all(tensor.shape in shapes for tensor in tensors)
    }


def _is_network(content: Mapping[str, Tensor]) -> bool:
    """Whether a mapping holds a network's first layer under its name: an optimiser's state has other names."""
    return any(name.endswith(".weight") and _takes_pictures(tensor) for name, tensor in content.items())


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


def _networks(containers: Mapping[tuple[str, ...], Tensors], wanted_names: Names) -> list[str]:
    """Beginnings of names, mapping's keys included, under which a whole network lies; fewer than two say nothing."""
    pairs = [*_by_first_layers(containers)]
    pairs += [pair for pair in _by_names_and_shapes(containers) if not any(_crosses(pair, known) for known in pairs)]
    names = wanted_names() if pairs else ()
    every = dict.fromkeys(name for pair in pairs if not _within(pair, names) for name in pair)
    return [name for name in every if not names or not any(name != other and _below(name, other) for other in every)]


def _crosses(pair: tuple[str, str], known: tuple[str, str]) -> bool:
    """Whether a pair of beginnings is one that is known, a word longer or shorter."""
    return all(any(_below(one, other) or _below(other, one) for other in known) for one in pair)


def _below(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(f"{beginning}.")


def _within(pair: tuple[str, str], names: Collection[str]) -> bool:
    """Whether both beginnings, behind what may stand before the whole network, are of parts that it has."""
    words = pair[0].split(".")
    for count in range(len(words)):
        wrapper = "".join(f"{word}." for word in words[:count])
        parts = [one.removeprefix(wrapper) for one in pair if one.startswith(wrapper)]
        if len(parts) == 2 and all(any(_below(name, part) for name in names) for part in parts):
            return True
    return False


def _by_first_layers(containers: Mapping[tuple[str, ...], Tensors]) -> Iterator[tuple[str, str]]:
    """Pairs of beginnings that each have a layer for RGB pictures, and more than half of their names alike."""
    names = [
        (".".join((*key, name)), tensor) for key, tensors in containers.items() for name, tensor in tensors.items()
    ]
    first_layers = [name for name, tensor in names if _takes_pictures(tensor)]
    every = [name for name, _ in names]
    for one, other in combinations(first_layers, 2):
        pair = _beginnings(one, other)
        if pair is not None and _alike(every, *pair):
            yield pair


def _by_names_and_shapes(containers: Mapping[tuple[str, ...], Tensors]) -> Iterator[tuple[str, str]]:
    """Pairs of parts of the file that have most of their tensors alike, and beside which no larger part lies.

    Where a layer for RGB pictures is in the file, both have it; networks whose first layer is another one (patches cut
    by a linear layer, pixels moved into channels) are told by this alone.
    """
    parts = _parts(containers)
    pictures = any(_takes_pictures(tensor) for tensors in containers.values() for tensor in tensors.values())
    count = sum(map(len, containers.values()))
    large = sorted((name for name, part in parts.items() if len(part) > 1), key=lambda name: -len(parts[name]))
    for index, one in enumerate(large):
        last = one.rpartition(".")[2]
        if _lacks_pictures(parts[one], pictures):
            continue
        alike = [
            other
            for other in large[index + 1 :]
            if other.rpartition(".")[2] != last
            and not (one == TOP or other == TOP or _below(one, other) or _below(other, one))
            and not _lacks_pictures(parts[other], pictures)
            and _twins(parts[one], parts[other])
        ]
        if alike and count - sum(len(parts[name]) for name in (one, *alike)) < len(parts[one]):
            yield from ((one, other) for other in alike)


def _parts(containers: Mapping[tuple[str, ...], Tensors]) -> dict[str, _Part]:
    """What lies below the mappings' keys, and below them and one or two words of the names."""
    parts: dict[str, _Part] = {}
    for key, tensors in containers.items():
        beginnings = (".".join(name.split(".")[:count]) for name in tensors for count in (0, 1, 2))
        for beginning in dict.fromkeys(beginnings):
            inner = f"{beginning}." if beginning else ""
            if not beginning.rpartition(".")[2].isdigit() and beginning not in tensors:
                parts[".".join((*key, beginning)).rstrip(".") or TOP] = _part(tensors, inner)
    return parts


def _lacks_pictures(part: _Part, pictures: bool) -> bool:
    """Whether a part has no layer for pictures, and another part of the file has."""
    return pictures and not any(_takes_pictures(tensor) for _, tensor in part.values())


def _part(tensors: Tensors, beginning: str) -> _Part:
    """The tensors below a beginning of names."""
    return {
        name[len(beginning) :].replace(".", ""): (name[len(beginning) :], tensor)
        for name, tensor in tensors.items()
        if name.startswith(beginning)
    }


def _twins(one: _Part, other: _Part) -> bool:
    """Whether more than half of the larger part's tensors are in the other one with the same name and shape."""
    if 2 * min(len(one), len(other)) <= max(len(one), len(other)):
        return False
    shared = sum(name in other and other[name][1].shape == tensor.shape for name, (_, tensor) in one.items())
    return 2 * shared > max(len(one), len(other))


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
    dotted = next((part for other in others if _twins(part := _part(every, f"{other}."), _part(inner, ""))), _Part())
    if not any("." in name for name in inner):  # Lightning's LitEma takes the dots out
        inner = {dotted[name][0] if name in dotted else name: value for name, value in inner.items()}
    return FileNetwork(inner, start, left_over)


def _words_in(prefix: str, network: str) -> bool:
    """Whether the dotted words of one are a run of those of the other."""
    return prefix == network or f".{prefix.strip(TOP)}." in f".{network}."


def _beginning(names: list[str], prefix: str) -> str | None:
    """The first beginning of a name that ends with the words of `prefix`."""
    words = f".{prefix.strip(TOP)}."
    name = next((name for name in names if words in f".{name}."), None)
    return None if name is None else name[: f".{name}.".index(words) + len(words) - 2]
