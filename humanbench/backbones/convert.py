"""Checkpoints of timm's other networks: a wrapper's prefix taken off, and the authors' names translated by timm."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from humanbench.backbones.transformers_models import TransformersTrunk
from humanbench.backbones.translation import Tensors, aside, changes_features
from humanbench.errors import BackboneError


@dataclass
class Adapted:
    """A checkpoint's tensors on their way into a network, and what has been said of them."""

    tensors: Tensors
    left_over: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    scheme: str = "timm"
    guesses: list[str] = field(default_factory=list)


def convert(trunk: nn.Module, state: Mapping[str, Tensor], tensors: Tensors) -> Adapted:
    """The reading of a checkpoint that matches most of a network's names and shapes.

    Tried are its own names, these without a wrapper's prefix, and both as timm's conversion for the architecture
    translates them (`checkpoint_filter_fn`, which also resizes positions as timm does).
    """
    if isinstance(trunk, TransformersTrunk):
        return _by_transformers(trunk, tensors)
    prefix = _wrapper(state, tensors)
    inner = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    beside = [key for key in tensors if not key.startswith(prefix)]
    inner |= {key: tensors[key] for key in beside if changes_features(key)}  # which has no place
    outside = {key: aside(key) or f"outside {prefix}" for key in beside if key not in inner}
    best, most = Adapted(inner, outside), matching(state, inner)
    if most == len(state):
        return best
    for candidate, left_over in ((inner, outside), (tensors, {}))[: 2 if prefix else 1]:
        translated = _by_timm(trunk, candidate)
        count = matching(state, translated)
        if count > most:
            _check_nothing_lost(trunk, candidate)
            renamed = sum(name in translated for name in state) > sum(name in candidate for name in state)
            what = "names of the original authors translated" if renamed else "sizes that differ adapted"
            best, most = Adapted(translated, left_over, [f"{what} by timm ({type(trunk).__name__})"]), count
    return best


def _by_transformers(trunk: TransformersTrunk, tensors: Tensors) -> Adapted:
    """What the library loads of the tensors; those of the encoder that it does not know stay, under their names."""
    translated, unexpected = trunk.translated(tensors)
    base = str(getattr(trunk.model, "base_model_prefix", ""))
    parts = {name for name, _ in trunk.model.named_children()}
    left_over = {}
    for name in [f"model.{name}" for name in trunk.taken_out]:
        if translated.pop(name, None) is not None:
            left_over[name] = "has no part in the features"
    for name in unexpected:
        inner = name.removeprefix("model.").removeprefix(f"{base}.")
        if inner.split(".")[0] in parts or changes_features(inner):
            translated[name] = tensors.get(name, torch.empty(0))  # which has no place, so its values are not read
        else:
            left_over[name] = aside(name) or "outside the encoder"
    notes = [f"loaded by transformers ({type(trunk.model).__name__})"]
    guesses = [f"{key}: transformers does not know this key of the configuration: ignored" for key in trunk.ignored]
    return Adapted(translated, left_over, notes, "transformers", guesses)


def _wrapper(state: Mapping[str, Tensor], tensors: Tensors) -> str:
    """The prefix, of two words at most, under which most of the network's names are found."""
    heads = {"".join(f"{part}." for part in key.split(".")[:n]) for key in tensors for n in (1, 2)} | {""}
    return max(sorted(heads), key=lambda head: sum(f"{head}{name}" in tensors for name in state))


def matching(state: Mapping[str, Tensor], tensors: Tensors) -> int:
    """How many tensors have a name and shape of the network's."""
    return sum(name in tensors and tensors[name].shape == value.shape for name, value in state.items())


def _by_timm(trunk: nn.Module, tensors: Tensors) -> Tensors:
    """What timm's conversion makes of the tensors; nothing where it has none or does not understand them."""
    function = getattr(sys.modules[type(trunk).__module__], "checkpoint_filter_fn", None)
    if function is None or _patches_differ(trunk, tensors):
        return {}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the names that it does not find
            translated = function(dict(tensors), trunk)
    except (KeyError, AttributeError, RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return {}
    return {str(name): value for name, value in translated.items() if isinstance(value, Tensor)}


def _patches_differ(trunk: nn.Module, tensors: Tensors) -> bool:
    """Whether the file's patches have another size than the network's, which timm would resample without a word."""
    own = [p.shape for n, p in trunk.named_parameters() if n.endswith("patch_embed.proj.weight") and p.ndim == 4]
    theirs = [t.shape for n, t in tensors.items() if n.endswith("patch_embed.proj.weight") and t.ndim == 4]
    return len(own) == len(theirs) == 1 and own[0][2:] != theirs[0][2:]


def _check_nothing_lost(trunk: nn.Module, tensors: Tensors) -> None:
    """`BackboneError` for what timm's conversion drops although it changes the features: DINOv3's biases."""
    biases = [t for n, t in tensors.items() if n.endswith("attn.qkv.bias")] if "storage_tokens" in tensors else []
    has_place = any(name.endswith(("q_bias", "qkv.bias")) for name, _ in trunk.named_parameters())
    if not has_place and any(bool(torch.cat([b.chunk(3)[0], b.chunk(3)[2]]).any()) for b in biases):
        raise BackboneError(
            "the checkpoint has biases of queries and values that are not zero, and the network has none: name timm's "
            "network with them (its name has _qkvb)"
        )
