"""From a translated checkpoint to a network's tensors, strictly: what does not fit is an error.

Checkpoints of networks other than the plain transformer lose a wrapper's prefix, and the authors' names are translated
by timm, or by transformers.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.backbones.grouped_forward.vit import resize_positions
from humanbench.backbones.infer import check_class_token, position_prefixes
from humanbench.backbones.networks import Names, no_names
from humanbench.backbones.positions import position_layout
from humanbench.backbones.report import LoadReport
from humanbench.backbones.solider import SoliderSwin
from humanbench.backbones.transformers_config import check_no_map_norms
from humanbench.backbones.transformers_models import TransformersTrunk, several_experts
from humanbench.backbones.translation import Tensors, Translation, aside, changes_features
from humanbench.errors import BackboneError

_INDEX_BUFFERS = (
    "num_batches_tracked",
    "relative_position_index",
    "attention_bias_idxs",
    "attn_mask",
    "position_ids",
    "relative_coords_table",
    "k_bias",
)
"""Buffers that a network computes for itself."""


@dataclass
class Adapted:
    """A checkpoint's tensors on their way into a network, and what has been said of them."""

    tensors: Tensors
    left_over: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    scheme: str = "timm"
    guesses: list[str] = field(default_factory=list)


def fill(
    trunk: nn.Module,
    translation: Translation,
    source: str,
    sha256: str,
    architecture: str,
    arguments: Mapping[str, Any] | None = None,
    unused: Collection[str] = (),
    heads: Names = no_names,
) -> LoadReport:
    """Copy the checkpoint's tensors into the network.

    `arguments`: what the network was built with; `class_token` in them decides where the checkpoint differs.
    `unused`: tensors of the network that have no part in its features and were taken out. `heads`: names that the
    network has with its classifiers, asked for where something is left over that no name explains.
    Every parameter and running statistic must be filled, apart from a class token that is asked for and that the
    checkpoint has not; and nothing may be left over that is not known to be outside a feature extractor.
    Raises `BackboneError` otherwise ("loaded 12 of 150 tensors") and leaves the network untouched.
    """
    arguments = arguments or {}
    state = trunk.state_dict()
    adapted = _adapted(trunk, state, translation, arguments, source)
    given = adapted.tensors
    fitting = {name: value for name, value in given.items() if name in state and state[name].shape == value.shape}
    statistics = [name for name, _ in trunk.named_buffers() if name.endswith(("running_mean", "running_var"))]
    required = [name for name, _ in trunk.named_parameters()] + statistics
    missing = [name for name in required if name not in fitting]
    random_token = arguments.get("class_token") is True and "cls_token" not in given
    if random_token and "cls_token" in missing and isinstance(trunk, VisionTransformer):
        missing.remove("cls_token")
        adapted.notes.append("the checkpoint has no class token: it starts at random")
    foreign = [*translation.unknown] if isinstance(trunk, VisionTransformer | SoliderSwin) else []
    foreign += _foreign(adapted, fitting, state, unused, heads)
    if missing or foreign:
        raise BackboneError(_misfit(source, architecture, required, missing, foreign, given, state))
    _check_values(fitting, required, source)
    with torch.no_grad():
        for name, value in fitting.items():
            state[name].copy_(value)
    return LoadReport(
        source,
        sha256,
        adapted.scheme,
        loaded=tuple(name for name in required if name in fitting),
        missing=tuple(name for name in required if name not in fitting),
        left_over=adapted.left_over,
        notes=tuple(adapted.notes),
        guesses=tuple(adapted.guesses),
    )


def _check_values(fitting: Tensors, required: list[str], source: str) -> None:
    """`BackboneError` for weights that are not finite, for whole numbers, and for quantised ones, whose scales are
    not applied."""
    for name in required:
        if (value := fitting.get(name)) is None:
            continue
        _check_kind(name, value, source)
        bad = int((~torch.isfinite(value.to(torch.float32))).sum())
        if bad:
            raise BackboneError(
                f"{source}: {bad} of the {value.numel()} values of {name} are not finite numbers of float32"
            )


def _check_kind(name: str, value: Tensor, source: str) -> None:
    """`BackboneError` for a tensor that is not of floating point, or of one byte, whose scale is elsewhere."""
    if not value.is_floating_point() or value.dtype.itemsize == 1:
        kind = "quantised" if value.dtype.itemsize == 1 else "in no floating point"
        raise BackboneError(
            f"{source}: {name} is {kind} ({str(value.dtype).removeprefix('torch.')}); give weights in floating point "
            "(float32, float16 or bfloat16)"
        )


def _check_kinds(tensors: Tensors, trunk: TransformersTrunk, source: str) -> None:
    """`BackboneError` for whole numbers and quantised weights, before a library makes floating point of them."""
    integers = [name.rpartition(".")[2] for name, value in trunk.named_buffers() if not value.is_floating_point()]
    for name, value in tensors.items():
        if not name.endswith((*_INDEX_BUFFERS, *integers)) and aside(name) is None:
            _check_kind(name, value, source)


def _adapted(
    trunk: nn.Module, state: Mapping[str, Tensor], translation: Translation, arguments: Mapping[str, Any], source: str
) -> Adapted:
    """The tensors with what may differ between a checkpoint and a network made equal, each change noted."""
    if isinstance(trunk, SoliderSwin):
        folded = trunk.folded(translation.tensors, source)
        note = f"semantic weight {trunk.semantic_weight}, folded into the merging of patches"
        return Adapted(folded, dict(translation.left_over), [note], translation.scheme)
    if not isinstance(trunk, VisionTransformer):
        if isinstance(trunk, TransformersTrunk):
            _check_kinds(translation.raw, trunk, source)
            if not trunk.gives_maps:
                check_no_map_norms(translation.raw, source)
        return _converted(trunk, state, translation.raw)
    adapted = Adapted(
        dict(translation.tensors), dict(translation.left_over), list(translation.notes), translation.scheme
    )
    given = adapted.tensors
    _join_expert(adapted, translation.experts, arguments.get("expert"), source)
    for old, new in (("fc_norm", "norm"), ("norm", "fc_norm")):
        if f"{new}.weight" in state and f"{new}.weight" not in given and f"{old}.weight" in given:
            for leaf in ("weight", "bias"):
                given[f"{new}.{leaf}"] = given.pop(f"{old}.{leaf}")
            adapted.notes.append(f"{old} of the checkpoint is the final norm here")
    if "pos_embed" in given and "pos_embed" in state:
        _fit_positions(trunk, adapted, arguments, source)
    if "cls_token" in given and "cls_token" not in state and arguments.get("class_token") is False:
        del given["cls_token"]
        adapted.left_over["cls_token"] = "the network has no class token"
    count = _matching(state, given)
    if 2 * count < len(state):  # names of a family that timm translates (BEiT-3, AIMv2, RADIO)
        converted = _converted(trunk, state, translation.raw)
        if _matching(state, converted.tensors) > count:
            return converted
    return adapted


def _join_expert(adapted: Adapted, experts: Tensors, chosen: int | None, source: str) -> None:
    """Put the chosen expert of each block behind what all share of its perceptron's last layer."""
    if not experts:
        return
    numbers = sorted({int(name.split(".")[4]) for name in experts})
    if chosen not in numbers:
        raise BackboneError(several_experts(source, len(numbers)))
    adapted.notes.append(f"expert {chosen} of {len(numbers)}")
    for name, value in experts.items():
        block, leaf = name.split(".")[1], name.rpartition(".")[2]
        if name == f"blocks.{block}.mlp.experts.{chosen}.{leaf}":
            shared = f"blocks.{block}.mlp.fc2.{leaf}"
            adapted.tensors[shared] = torch.cat([adapted.tensors[shared], value])
        else:
            adapted.left_over[name] = "experts of other datasets"


def _fit_positions(trunk: VisionTransformer, adapted: Adapted, arguments: Mapping[str, Any], source: str) -> None:
    """Give the position embedding the network's grid, and its slots for class and register tokens."""
    given = adapted.tensors
    slots = 0 if trunk.no_embed_class else int(trunk.num_prefix_tokens)
    grid = (int(trunk.patch_embed.grid_size[0]), int(trunk.patch_embed.grid_size[1]))
    stored = given["pos_embed"]
    if stored.shape[1] == slots + grid[0] * grid[1]:
        return
    layout = position_layout(stored.shape[1], position_prefixes(given), grid, source)
    if layout.guess:
        adapted.guesses.append(layout.guess)
    first, cells = stored[:, : layout.prefix], stored[:, layout.prefix :]
    cells = resize_positions(cells.reshape(1, *layout.grid, -1), grid).flatten(1, 2)
    if layout.grid != grid:
        (rows, columns), (height, width) = layout.grid, grid
        adapted.notes.append(
            f"position embedding resized from {rows}x{columns} to {height}x{width} (bicubic, no antialias)"
        )
    given["pos_embed"] = torch.cat([_fit_first(trunk, adapted, first, slots, arguments, source), cells], dim=1)


def _fit_first(
    trunk: VisionTransformer, adapted: Adapted, first: Tensor, slots: int, arguments: Mapping[str, Any], source: str
) -> Tensor:
    """Positions of the class and register tokens for a network with this number of slots for them."""
    given, count = adapted.tensors, first.shape[1]
    if count > slots and trunk.no_embed_class and trunk.cls_token is not None and "cls_token" in given:
        given["cls_token"] = given["cls_token"] + first[:, :1]
        if count > 1 and "reg_token" in given:
            given["reg_token"] = given["reg_token"] + first[:, 1:]
        adapted.notes.append("the position of the class token is added to it, for the network has none")
    elif count > slots:
        adapted.notes.append("the position of the class token is dropped")
    elif count < slots:
        check_class_token(given, dict(arguments), source)
        adapted.notes.append("the checkpoint has no position for the class token: it starts at zero")
        return torch.cat([first, first.new_zeros(1, slots - count, first.shape[2])], dim=1)
    return first[:, :slots]


def _foreign(
    adapted: Adapted, fitting: Tensors, state: Mapping[str, Tensor], unused: Collection[str], heads: Names
) -> list[str]:
    """Names left over that nothing explains; the others are left over with their reason."""
    foreign = []
    for name in adapted.tensors:
        if name in fitting:
            continue
        reason = "computed by the network itself" if name.endswith(_INDEX_BUFFERS) else aside(name)
        reason = reason or ("follows the pooling, so no head stands on it" if name in unused else None)
        if reason is not None:
            adapted.left_over[name] = reason
        elif name not in state:
            foreign.append(name)
    classifiers = set(foreign) & set(heads()) if foreign else set()
    adapted.left_over.update(dict.fromkeys((name for name in foreign if name in classifiers), "classifier"))
    return [name for name in foreign if name not in classifiers]


def _misfit(
    source: str,
    architecture: str,
    required: list[str],
    missing: list[str],
    foreign: list[str],
    given: Tensors,
    state: Mapping[str, Tensor],
) -> str:
    """One sentence: how much fits, and an example of what does not."""
    text = f"{source} does not fit {architecture}: loaded {len(required) - len(missing)} of {len(required)} tensors"
    shaped = next((n for n in missing if n in given), None)
    if shaped is not None:
        here, there = ("x".join(map(str, t[shaped].shape)) for t in (given, state))
        text += f"; {shaped} is {here} in the checkpoint and {there} in the network"
    elif missing:
        text += f"; {missing[0]} is not in the checkpoint, which has {', '.join(list(given)[:3])} ..."
    if foreign:
        text += f"; {len(foreign)} of its tensors have no place in the network ({', '.join(foreign[:3])} ...)"
    return text + "; name the architecture that it was trained with"


def _converted(trunk: nn.Module, state: Mapping[str, Tensor], tensors: Tensors) -> Adapted:
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
    best, most = Adapted(inner, outside), _matching(state, inner)
    if most == len(state):
        return best
    for candidate, left_over in ((inner, outside), (tensors, {}))[: 2 if prefix else 1]:
        translated = _by_timm(trunk, candidate)
        count = _matching(state, translated)
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


def _matching(state: Mapping[str, Tensor], tensors: Tensors) -> int:
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
    of_trunk = [p.shape for n, p in trunk.named_parameters() if n.endswith("patch_embed.proj.weight") and p.ndim == 4]
    of_file = [t.shape for n, t in tensors.items() if n.endswith("patch_embed.proj.weight") and t.ndim == 4]
    return len(of_trunk) == len(of_file) == 1 and of_trunk[0][2:] != of_file[0][2:]


def _check_nothing_lost(trunk: nn.Module, tensors: Tensors) -> None:
    """`BackboneError` for what timm's conversion drops although it changes the features: DINOv3's biases."""
    biases = [t for n, t in tensors.items() if n.endswith("attn.qkv.bias")] if "storage_tokens" in tensors else []
    has_place = any(name.endswith(("q_bias", "qkv.bias")) for name, _ in trunk.named_parameters())
    if not has_place and any(bool(torch.cat([b.chunk(3)[0], b.chunk(3)[2]]).any()) for b in biases):
        raise BackboneError(
            "the checkpoint has biases of queries and values that are not zero, and the network has none: name timm's "
            "network with them (its name has _qkvb)"
        )
