"""open_clip's `vision_cfg`: which of its keys decide the tower of pictures, which say nothing of its features, and what
is asked of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FROM_THE_TENSORS = frozenset(("layers", "width", "mlp_ratio", "patch_size", "ls_init_value"))
_WITHOUT_EFFECT = frozenset(
    [
        "patch_dropout", "output_tokens", "pool_type", "global_average_pool", "attn_pooler_queries",
        "attn_pooler_heads", "timm_model_name", "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias",
        "timm_drop", "timm_drop_path",
    ]
)  # fmt: skip
"""Keys of training, of pooling, and of what follows it."""
_READ = frozenset(("head_width", "image_size", "act_kwargs", "norm_kwargs", "no_ln_pre"))
_OFF: Mapping[str, tuple[Any, ...]] = {
    "attentional_pool": (None, False, ""),
    "final_ln_after_pool": (None, False),
    "input_patchnorm": (None, False),
    "block_type": (None, "", "default"),
    "qk_norm": (None, False),
    "scaled_cosine_attn": (None, False),
    "scale_heads": (None, False),
    "scale_attn_inner": (None, False),
    "scale_attn": (None, False),
    "scale_fc": (None, False),
    "pos_embed_type": (None, "learnable", "sin_cos_2d"),
}
"""Key -> its values with which the tower is the plain transformer; both kinds of positions are stored."""

_OF_TIMM = frozenset((*_FROM_THE_TENSORS, *_WITHOUT_EFFECT, *_READ, *_OFF))
"""Keys that the library reads; beside `timm_model_name` it takes the size of pictures alone."""

Answers = tuple[dict[str, Any], dict[str, str]]
"""Arguments of the network, and what is asked: argument or key -> why."""


def timm_tower(tower: Mapping[str, Any], name: str) -> Answers:
    """What `vision_cfg` says of a tower that is a network of timm."""
    arguments, questions = _sized(tower, name)
    questions |= {key: _unknown(name, key, value) for key, value in tower.items() if key not in _OF_TIMM}
    return arguments, questions


def own_tower(tower: Mapping[str, Any], quick: bool, name: str) -> Answers:
    """What `vision_cfg` says of open_clip's own vision transformer."""
    if isinstance(tower.get("layers"), list):
        return {}, {
            "layers": f"{name}: vision_cfg.layers is a list, as of CLIP's ResNet, which is no transformer; give timm's "
            "(--backbone timm:resnet50_clip --checkpoint FILE)"
        }
    arguments, questions = _sized(tower, name)
    width, head = tower.get("width"), tower.get("head_width", 64)
    if isinstance(width, int) and isinstance(head, int) and 0 < head <= width:
        arguments["num_heads"] = width // head
    elif "head_width" in tower:
        questions["num_heads"] = f"{name}: vision_cfg.head_width is {_short(head)} at width {_short(width)}"
    if tower.get("no_ln_pre") is True:
        arguments["pre_norm"] = False
    eps = _only(tower, "norm_kwargs", "eps")
    if isinstance(eps, int | float):
        arguments["norm_eps"] = float(eps)
    elif tower.get("norm_kwargs"):
        questions["norm_kwargs"] = _unknown(name, "norm_kwargs", tower["norm_kwargs"])
    approximate = _only(tower, "act_kwargs", "approximate")
    activations = {"none": "gelu", "tanh": "gelu_tanh"}
    if not tower.get("act_kwargs"):
        arguments["act_layer"] = "quick_gelu" if quick else "gelu"
    elif str(approximate) in activations and not quick:
        arguments["act_layer"] = activations[str(approximate)]
    else:
        questions["act_layer"] = f"{_unknown(name, 'act_kwargs', tower['act_kwargs'])}, or say --arch act_layer=NAME"
    for key, value in tower.items():
        known = key in _FROM_THE_TENSORS or key in _WITHOUT_EFFECT or key in _READ
        if not known and not any(value is of or value == of for of in _OFF.get(key, ())):
            questions[key] = _unknown(name, key, value)
    return arguments, questions


def _sized(tower: Mapping[str, Any], name: str) -> Answers:
    """The size of pictures, which states the grid of the positions."""
    size = tower.get("image_size")
    if size is None:
        return {}, {}
    sides = size if isinstance(size, list) else [size, size]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= 100_000 for side in sides):
        return {}, {"img_size": f"{name}: vision_cfg.image_size={_short(size)} is neither a number nor [HEIGHT, WIDTH]"}
    return {"img_size": size}, {}


def _only(tower: Mapping[str, Any], key: str, inner: str) -> Any:
    """The one value of a mapping; None where it holds others too."""
    values = tower.get(key)
    return values[inner] if isinstance(values, Mapping) and set(values) == {inner} else None


def _unknown(name: str, key: str, value: Any) -> str:
    return (
        f"{name}: vision_cfg.{str(key)[:60]}={_short(value)} may change the tower of pictures, and no network here has "
        "it: remove it from the file where it is without effect on these weights"
    )


def _short(value: Any) -> str:
    return str(value)[:60]
