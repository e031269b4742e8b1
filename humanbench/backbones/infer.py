"""What a checkpoint says of the plain transformer that it is of, what has to be guessed, and what must be asked.

A guess is made only where every published network of these sizes agrees, and it is reported. Where two networks fit,
a `BackboneError` names the argument that decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from humanbench.backbones.grouped_forward.vit import Grid
from humanbench.backbones.positions import position_layout
from humanbench.backbones.translation import Tensors, Translation
from humanbench.errors import BackboneError

KNOWN_HEADS = {
    (512, 12): 8,
    (640, 12): 10,
    (768, 12): 12,
    (896, 12): 14,
    (1024, 24): 16,
    (1152, 27): 16,
    (1280, 32): 16,
    (1408, 40): 16,
    (1664, 48): 16,
}
"""Width and depth -> heads, where the published plain transformers agree (timm's 163 and those of their papers).

Not here: 192 channels (DeiT-Ti has 3 heads, MAE-Lite 12), 384 (DeiT-S and DINO have 6, MoCo v3 has 12) and 1536
(DINOv2 has 24, SigLIP 2 has 16).
"""

_LEARNED_POSITION_384 = 6
"""Heads at 384 channels and 12 blocks where the class token has a learned position, which MoCo v3's has not: its
embedding is the fixed sine and cosine one, with zeros there."""


@dataclass
class Inferred:
    """Keywords of the network that a checkpoint decides, and in words what was guessed among them."""

    arguments: dict[str, Any] = field(default_factory=dict)
    guesses: list[str] = field(default_factory=list)


def infer_plain(translation: Translation, given: dict[str, Any], source: str) -> Inferred | None:
    """Keywords of the plain transformer of tensors under timm's names; None when they are of none.

    `given`: keywords that the caller states; what they decide is not guessed. Raises `BackboneError` where the number
    of heads, the grid, the activation or the part of the class token is in doubt.
    """
    if not is_plain(translation):
        return None
    tensors = translation.tensors
    fixed = {key: value for key, value in translation.arguments.items() if key not in given}
    given = {**fixed, **given}
    width, _, patch, _ = tensors["patch_embed.proj.weight"].shape
    inferred = Inferred(
        {
            "embed_dim": width,
            "depth": _depth(tensors, source),
            "patch_size": patch,
            "qkv_bias": "blocks.0.attn.qkv.bias" in tensors,
            "qk_norm": "blocks.0.attn.q_norm.weight" in tensors,
            "reg_tokens": tensors["reg_token"].shape[1] if "reg_token" in tensors else 0,
            "pre_norm": "norm_pre.weight" in tensors or translation.clip,
        }
    )
    if "depth" not in given:
        inferred.guesses.append(f"depth={inferred.arguments['depth']}, the blocks that the file holds")
    if "blocks.0.ls1.gamma" in tensors:
        inferred.arguments["init_values"] = 1e-5
    _infer_perceptron(tensors, given, source, inferred)
    _infer_activation(translation, given, source, inferred)
    _infer_heads(tensors, given, source, inferred)
    _infer_positions(tensors, given, source, inferred)
    inferred.arguments |= fixed
    inferred.guesses += [f"{key}={value}, as the networks of {translation.scheme}" for key, value in fixed.items()]
    return inferred


def _depth(tensors: Tensors, source: str) -> int:
    """The number of blocks; `BackboneError` where they are not numbered one by one."""
    numbers = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
    wanted = {str(number) for number in range(len(numbers))}
    if odd := sorted(numbers - wanted):
        raise BackboneError(
            f"{source}: holds {len(numbers)} blocks, and one is numbered {odd[0][:40]!r}: blocks are missing, or it is "
            "no plain transformer"
        )
    return len(numbers)


def is_plain(translation: Translation) -> bool:
    """Whether the tensors are those of a plain transformer under timm's names."""
    patches = translation.tensors.get("patch_embed.proj.weight")
    talking = {"blocks.0.attn.proj_l.weight", "blocks_token_only.0.norm1.weight"} & set(translation.tensors)  # CaiT
    blocks = "blocks.0.attn.qkv.weight" in translation.tensors and not talking
    return patches is not None and patches.ndim == 4 and 0 not in patches.shape and blocks


def _infer_perceptron(tensors: Tensors, given: dict[str, Any], source: str, inferred: Inferred) -> None:
    _check_norms_come_first(tensors, given, source)
    first, second = tensors.get("blocks.0.mlp.fc1.weight"), tensors.get("blocks.0.mlp.fc2.weight")
    if first is None or second is None:
        return
    inferred.arguments["mlp_ratio"] = first.shape[0] / inferred.arguments["embed_dim"]
    if first.shape[0] == 2 * second.shape[1]:  # gate and value in one matrix
        inferred.arguments |= {"mlp_layer": "swiglu", "act_layer": "silu"}
        if not {"mlp_layer", "act_layer"} <= set(given):
            inferred.guesses.append("mlp_layer=swiglu, its first half the gate with silu, as DINOv2's largest network")


def _check_norms_come_first(tensors: Tensors, given: dict[str, Any], source: str) -> None:
    """`BackboneError` for the tensors of timm's networks with norms behind attention and perceptron, of which the
    names are those of norms before them: they have neither class token nor biases of queries, keys and values."""
    says = {"qkv_bias"} & set(given) or {"blocks.0.attn.qkv.bias", "cls_token", "blocks.0.ls1.gamma"} & set(tensors)
    if not says and "blocks.0.attn.qkv.weight" in tensors and "blocks.0.norm1.weight" in tensors:
        raise BackboneError(
            f"{source}: has neither class token nor biases of queries, keys and values, as timm's networks whose norms "
            "come after attention and perceptron: name the network and give the file as its weights "
            "(--backbone timm:vit_base_patch16_rpn_224 --checkpoint FILE), or --arch qkv_bias=false where the norms "
            "come before"
        )


def _infer_activation(translation: Translation, given: dict[str, Any], source: str, inferred: Inferred) -> None:
    """Activation and epsilon of the norms, of which no tensor speaks."""
    if has_form_of_clip(translation):
        inferred.arguments |= {"norm_eps": 1e-5}
    if "norm_eps" not in given:
        inferred.guesses.append(f"norm_eps={inferred.arguments.get('norm_eps', 1e-6)}")
    if "act_layer" in given or inferred.arguments.get("mlp_layer") == "swiglu":
        return
    if set(translation.raw) >= _OPENAIS_OWN:
        inferred.arguments["act_layer"] = "quick_gelu"
        inferred.guesses.append("act_layer=quick_gelu, as OpenAI's own files, which hold the numbers that this has")
        return
    likeness = _activation_in_doubt(translation)
    if likeness:
        raise BackboneError(f"{source}: {likeness}; say which with --arch act_layer=NAME")
    inferred.guesses.append("act_layer=gelu")


_OPENAIS_OWN = {"input_resolution", "context_length", "vocab_size"}
"""Numbers that stand beside the weights in the files that OpenAI published, and in no other's."""


def has_form_of_clip(translation: Translation) -> bool:
    """Whether the network is CLIP's: by its names, or the norm before the blocks that only CLIP's have."""
    return translation.clip or "norm_pre.weight" in translation.tensors


_I_JEPA = (1280, 1408)
"""Channels of I-JEPA's networks without class token, which SigLIP has none of."""


def _activation_in_doubt(translation: Translation) -> str:
    """In words, which published networks that look alike have different activations; empty where all have GELU."""
    tensors = translation.tensors
    if any(name.startswith("attn_pool.") for name in tensors):
        return "has attention pooling, as SigLIP, whose activation is gelu_tanh where others' is gelu"
    if has_form_of_clip(translation):
        return (
            "is a tower of CLIP, whose activation is quick_gelu in OpenAI's and MetaCLIP's weights and gelu in most of "
            "open_clip's own"
        )
    others = bool(translation.arguments or {"cls_token", "reg_token", "fc_norm.weight"} & set(tensors))
    others |= tensors["patch_embed.proj.weight"].shape[0] in _I_JEPA
    if translation.scheme == "timm" and not others and "pos_embed" in tensors:
        return "has no class token, as SigLIP with mean pooling, whose activation is gelu_tanh where I-JEPA's is gelu"
    return ""


def _infer_heads(tensors: Tensors, given: dict[str, Any], source: str, inferred: Inferred) -> None:
    """The number of heads: what norms of queries say, else what all published networks of the size have."""
    if "num_heads" in given:
        return
    width, depth = inferred.arguments["embed_dim"], inferred.arguments["depth"]
    queries = tensors.get("blocks.0.attn.q_norm.weight")
    if queries is not None and queries.shape[0] < width and width % queries.shape[0] == 0:
        inferred.arguments["num_heads"] = width // queries.shape[0]
        return
    heads = KNOWN_HEADS.get((width, depth))
    if (width, depth) == (384, 12) and _class_position_is_learned(tensors):
        heads = _LEARNED_POSITION_384
    if heads is None:
        raise BackboneError(
            f"{source}: {depth} blocks of {width} channels, and the number of attention heads is in no tensor; give "
            f"--arch num_heads=N (networks with 64 channels a head have {max(width // 64, 1)}), or name the network"
        )
    inferred.arguments["num_heads"] = heads
    inferred.guesses.append(f"num_heads={heads}, as the published networks of {depth} blocks of {width} channels")


def _class_position_is_learned(tensors: Tensors) -> bool:
    positions = tensors.get("pos_embed")
    return "cls_token" in tensors and positions is not None and bool(positions[0, 0].any())


def _infer_positions(tensors: Tensors, given: dict[str, Any], source: str, inferred: Inferred) -> None:
    """Size of the grid, whether there is a class token, and whether class and register tokens have positions."""
    arguments = inferred.arguments
    arguments["class_token"] = "cls_token" in tensors
    if "pos_embed" not in tensors:
        return
    patch = int(given.get("patch_size", arguments["patch_size"]))
    stated = stated_grid(given.get("img_size"), patch)
    layout = position_layout(tensors["pos_embed"].shape[1], position_prefixes(tensors), stated, source)
    if layout.guess:
        inferred.guesses.append(layout.guess)
    height, width = (side * patch for side in layout.grid)
    arguments["img_size"] = height if height == width else (height, width)
    if layout.prefix == 0 and ("cls_token" in tensors or arguments["reg_tokens"]):
        check_class_token(tensors, given, source)
        arguments["no_embed_class"] = "class_token" not in given


def position_prefixes(tensors: Tensors) -> tuple[int, ...]:
    """How many of the stored positions may be of class and register tokens, the likeliest first."""
    has_class = int("cls_token" in tensors)
    if "reg_token" in tensors:
        return (0, has_class + tensors["reg_token"].shape[1])
    return (1, 0) if has_class else (0,)


def check_class_token(tensors: Tensors, given: dict[str, Any], source: str) -> None:
    """`BackboneError` for a class token without a position, where nothing says whether it takes part.

    It does in DeiT III (known by its layer scale), in networks with registers, and in FlexiViT; in files that PATH's
    conversion wrote it is MAE's, which no pretraining of PATH has touched.
    """
    says = {"class_token", "no_embed_class"} & set(given) or {"reg_token", "blocks.0.ls1.gamma"} & set(tensors)
    if "cls_token" in tensors and not says:
        raise BackboneError(
            f"{source}: its class token has no position: give --arch no_embed_class=true where it takes part without "
            "one (FlexiViT), --arch class_token=false where it is an untrained one (files of PATH's conversion), or "
            "name the network"
        )


def stated_grid(size: Any, patch: int) -> Grid | None:
    """The grid of a stated size (an int, or height and width); None where none is stated or it is no size."""
    if isinstance(size, int):
        return size // patch, size // patch
    if isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(side, int) for side in size):
        return int(size[0]) // patch, int(size[1]) // patch
    return None
