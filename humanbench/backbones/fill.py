"""From a translated checkpoint to a network's tensors, strictly: what does not fit is an error."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.backbones.grouped_forward.vit import resize_positions
from humanbench.backbones.keymaps import Tensors, Translation, aside, is_square
from humanbench.backbones.report import LoadReport
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


def fill(trunk: nn.Module, translation: Translation, source: str, sha256: str, architecture: str) -> LoadReport:
    """Copy the checkpoint's tensors into the network.

    Every parameter and running statistic must be filled, apart from a class token that the checkpoint has not; and
    nothing may be left over from the parts that the network has (a deeper network's blocks, layer scales ...).
    Raises `BackboneError` otherwise ("loaded 12 of 150 tensors") and leaves the network untouched.
    """
    notes, left = list(translation.notes), dict(translation.left_over)
    own = trunk.state_dict()
    given = _adapted(trunk, own, translation.tensors, notes, left)
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    required = _required(trunk)
    missing = [name for name in required if name not in fitting]
    if "cls_token" in missing and isinstance(trunk, VisionTransformer) and "cls_token" not in given:
        missing.remove("cls_token")
        notes.append("the checkpoint has no class token: it starts at random")
    foreign = _foreign(given, fitting, own, required, left)
    if missing or foreign:
        raise BackboneError(_misfit(source, architecture, required, missing, foreign, given, own))
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    loaded = tuple(name for name in required if name in fitting)
    absent = tuple(name for name in required if name not in fitting)
    return LoadReport(source, sha256, translation.scheme, loaded, absent, left, tuple(notes))


def _required(trunk: nn.Module) -> list[str]:
    """Parameters and running statistics."""
    statistics = [name for name, _ in trunk.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return [name for name, _ in trunk.named_parameters()] + statistics


def _adapted(
    trunk: nn.Module, own: Mapping[str, Tensor], tensors: Tensors, notes: list[str], left: dict[str, str]
) -> Tensors:
    """The tensors with what may differ between a checkpoint and a network made equal, each change noted."""
    given = dict(tensors)
    if not isinstance(trunk, VisionTransformer):
        return _own_filter(trunk, own, _unprefixed(own, given), notes)
    for old, new in (("fc_norm", "norm"), ("norm", "fc_norm")):
        if f"{new}.weight" in own and f"{new}.weight" not in given and f"{old}.weight" in given:
            for leaf in ("weight", "bias"):
                given[f"{new}.{leaf}"] = given.pop(f"{old}.{leaf}")
            notes.append(f"{old} of the checkpoint is the final norm here")
    if "cls_token" in given and "cls_token" not in own:
        del given["cls_token"]
        left["cls_token"] = "the network has no class token"
    if "pos_embed" in given and "pos_embed" in own:
        given["pos_embed"] = _positions(trunk, given["pos_embed"], notes)
    return given


def _positions(trunk: VisionTransformer, stored: Tensor, notes: list[str]) -> Tensor:
    """Position embedding with the network's class-token slots and grid."""
    wanted = 0 if trunk.no_embed_class else int(trunk.num_prefix_tokens)
    height, width = trunk.patch_embed.grid_size
    count = stored.shape[1]
    if count == wanted + height * width:
        return stored
    held = next((n for n in (wanted, 1, 0) if is_square(count - n)), None)
    if held is None:
        return stored  # no square grid: reported as a wrong shape
    prefix, cells = stored[:, :held], stored[:, held:]
    if held > wanted:
        prefix = prefix[:, :wanted]
        notes.append("the position of the class token is dropped")
    elif held < wanted:
        prefix = torch.cat([prefix, prefix.new_zeros(1, wanted - held, stored.shape[2])], dim=1)
        notes.append("the checkpoint has no position for the class token: it starts at zero")
    side = round(cells.shape[1] ** 0.5)
    if (side, side) != (height, width):
        notes.append(f"position embedding resized from {side}x{side} to {height}x{width} (bicubic, no antialias)")
    grid = resize_positions(cells.reshape(1, side, side, -1), (height, width))
    return torch.cat([prefix, grid.flatten(1, 2)], dim=1)


def _unprefixed(own: Mapping[str, Tensor], given: Tensors) -> Tensors:
    """The tensors without the wrapper's prefix under which most of the network's names are found."""
    heads = {"".join(f"{part}." for part in key.split(".")[:n]) for key in given for n in (1, 2)} | {""}
    best = max(sorted(heads), key=lambda head: sum(f"{head}{name}" in given for name in own))
    return {key.removeprefix(best): value for key, value in given.items() if key.startswith(best)}


def _own_filter(trunk: nn.Module, own: Mapping[str, Tensor], given: Tensors, notes: list[str]) -> Tensors:
    """The original authors' names in timm's, by the architecture's own conversion, where that finds more."""
    convert = getattr(sys.modules[type(trunk).__module__], "checkpoint_filter_fn", None)
    before = sum(name in given for name in own)
    if convert is None or before == len(own):
        return given
    try:
        converted: Tensors = convert(dict(given), trunk)
    except (KeyError, AttributeError, RuntimeError, ValueError, IndexError, TypeError):
        return given
    if sum(name in converted for name in own) <= before:
        return given
    notes.append(f"names of the original authors translated by timm ({type(trunk).__name__})")
    return converted


def _foreign(
    given: Tensors, fitting: Tensors, own: Mapping[str, Tensor], required: list[str], left: dict[str, str]
) -> list[str]:
    """Names left over in parts that the network has; the others go to `left` with their reason."""
    parts = {name.split(".")[0] for name in required}
    foreign = []
    for name in given:
        if name in fitting:
            continue
        reason = "computed by the network itself" if name.endswith(_INDEX_BUFFERS) else aside(name)
        if reason is None and name.split(".")[0] in parts and name not in own:
            foreign.append(name)
        elif name not in own or reason:
            left[name] = reason or "the network has no such part"
    return foreign


def _misfit(
    source: str,
    architecture: str,
    required: list[str],
    missing: list[str],
    foreign: list[str],
    given: Tensors,
    own: Mapping[str, Tensor],
) -> str:
    """One sentence: how much fits, and an example of what does not."""
    text = f"{source} does not fit {architecture}: loaded {len(required) - len(missing)} of {len(required)} tensors"
    shaped = next((n for n in missing if n in given), None)
    if shaped is not None:
        found, wanted = ("x".join(map(str, t[shaped].shape)) for t in (given, own))
        text += f"; {shaped} is {found} in the checkpoint and {wanted} in the network"
    elif missing:
        text += f"; {missing[0]} is not in the checkpoint, which has {', '.join(list(given)[:3])} ..."
    if foreign:
        text += f"; {len(foreign)} of its tensors have no place in the network ({', '.join(foreign[:3])} ...)"
    return text + "; name the architecture that it was trained with"
