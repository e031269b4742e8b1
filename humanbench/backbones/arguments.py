"""Which arguments of cards, of the hub's configurations and of `--arch` reach timm, and which values.

timm's constructors take more than a network's structure: where weights lie, what is downloaded, functions that are
called. Only what is listed here is passed on, so a configuration from elsewhere can say how a network looks and nothing
else; and only numbers that a network can have, so none is built that no memory holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from humanbench.errors import BackboneError
from humanbench.text import nearest

STRUCTURE = frozenset(
    [
        "aa_layer", "act_layer", "align_corners", "always_partition", "attn_drop_rate", "attn_type", "avg_down",
        "base_width", "block_reduce_first", "cardinality", "channels", "class_token", "conv_bias", "conv_mlp",
        "depth", "depths", "dims", "drop_path_rate", "drop_rate", "dynamic_img_pad", "dynamic_img_size", "embed_dim",
        "embed_dims", "embed_norm_layer", "expand_ratio", "fc_norm", "final_norm", "fix_init", "global_pool",
        "head_dim", "head_hidden_size", "head_init_scale", "head_norm_first", "img_size", "in_chans", "init_values",
        "kernel_size", "kernel_sizes", "layers", "ls_init_value", "mlp_layer", "mlp_ratio", "mlp_ratios",
        "no_embed_class", "norm_eps", "norm_layer", "num_classes", "num_heads", "num_reg_tokens", "num_stages",
        "num_storage_tokens", "output_stride", "pad_type", "patch_drop_rate", "patch_norm", "patch_size",
        "pos_drop_rate", "pos_embed", "post_norm", "pre_norm", "proj_bias", "proj_drop_rate", "qk_norm", "qkv_bias",
        "qkv_fused", "reduction", "ref_feat_shape", "reg_tokens", "replace_stem_pool", "rope_grid_indexing",
        "rope_grid_offset", "rope_mixed_mode", "rope_rotate_half", "rope_temperature", "rope_type", "scale_attn",
        "scale_attn_inner", "scale_fc", "scale_head", "scale_mlp", "se_from_exp", "sr_ratios", "stem_chs",
        "stem_size", "stem_stride", "stem_type", "stem_width", "strict_img_size", "strides", "swiglu_align_to",
        "swiglu_mlp", "use_abs_pos_emb", "use_fc_norm", "use_grn", "use_mean_pooling", "use_pos_embed",
        "use_post_norm", "use_post_transformer_norm", "use_pre_transformer_norm", "use_rel_pos_bias",
        "use_rot_pos_emb", "use_shared_rel_pos_bias", "weight_init", "window_ratio", "window_size", "zero_init_last",
    ]
)  # fmt: skip
"""Arguments that say what a network looks like."""

_LARGEST = 100_000
"""No size, width or count in a network is larger."""
_MOST_BLOCKS = 1000
_POSITIVE = (
    "depth", "depths", "dims", "embed_dim", "embed_dims", "img_size", "num_heads", "patch_size", "window_size",
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9_.,+-]{0,60}")


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """`BackboneError` for an argument that is not passed on to timm, or a value that no network has.

    A class or function passes: no file holds one, so it comes from the program that calls.
    """
    for key, value in arguments.items():
        if callable(value):
            continue
        if key not in STRUCTURE:
            raise BackboneError(
                f"{name}: the argument {str(key)[:60]!r} says nothing of a network's structure, and only what does is "
                f"passed on to timm{nearest(str(key)[:60], STRUCTURE)}"
            )
        check_value(name, key, value)


def check_value(name: str, key: str, value: Any) -> None:
    """`BackboneError` for a value that no network has."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if len(values) > 100 or (isinstance(value, list | tuple) and not values):
        raise BackboneError(f"{name}: {key} has {len(values)} values")
    for one in values:
        if isinstance(one, list | tuple) and key in ("depths", "window_size", "num_heads"):
            check_value(name, key, one)
        elif not _sound(key, one):
            raise BackboneError(f"{name}: {key}={str(value)[:60]}: no network has that")


def _sound(key: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if not isinstance(value, int | float):
        return False
    most = _MOST_BLOCKS if key in ("depth", "depths") else _LARGEST
    least = 1 if key in _POSITIVE else -_LARGEST
    return least <= value <= most
