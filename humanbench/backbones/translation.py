"""A checkpoint under the names of timm's plain transformer, and what is known of names that no extractor needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Translation:
    """Tensors under the names of timm's plain transformer, and what was set aside and why.

    `clip`: whether CLIP's variant of the network is meant. `unknown`: names inside the network that the scheme has no
    place for: a network that is not what its names look like. `raw`: all tensors under the file's own names, for the
    conversions that timm has for other networks.

    `arguments`: keywords of the network that all networks of the scheme have, and no tensor says. `builder`: what
    builds the network, where it is not the plain transformer. `differs`: in words, what timm's network of the same
    sizes would not compute. `questions`: keyword -> why only the caller knows it. `experts`: parts of the perceptrons
    of which one is used (`blocks.N.mlp.experts.E.weight`).
    """

    scheme: str
    tensors: Tensors
    left_over: dict[str, str] = field(default_factory=dict)
    clip: bool = False
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    raw: Tensors = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    builder: str = ""
    differs: str = ""
    questions: Mapping[str, str] = field(default_factory=dict)
    experts: Tensors = field(default_factory=dict)


_ASIDE = (
    (r"([A-Za-z_]\w*\.)*(decoder_(?!module)|mask_token$)", "decoder of the masked pretraining"),
    (r"(head|head_dist|fc|_fc|classifier|last_linear|pre_logits|head\.fc|head\.l)\.", "classifier"),
    (r"(dino_head|ibot_head|projection_head|projector|predictor)\.", "head of the self-supervised pretraining"),
    (r"attn_pool\.", "pooling before the classifier"),
    (r"(AuxLogits|aux_logits|aux_head|aux_classifier)\.", "classifier"),
    (r"(optimizer|ema|loss)\b|n_averaged$", "state of the training"),
)
"""Patterns of names (from the start) that no feature extractor needs -> what they are. Nothing within a numbered block
is set aside by its name."""

_TUNED = re.compile(
    r"(.*[._])?(prompts?(?!_(en|de)coder)|vpt|adapters?|adapt_?mlp|lora|ssf|sie|(cam|camera)_embed)([._]|$)"
    r"|((module|model)\.)*(cls|reg|register|dist|task)_tokens?([._]|$)",
    re.I,
)
"""Names beside a network of what takes part in it: prompts, adapters and tokens that were trained for it. A prompt's
encoder is no part of SAM's encoder of pictures."""


def changes_features(name: str) -> bool:
    """Whether a tensor beside a network is by its name no head, but what the network was used with."""
    return _TUNED.match(name) is not None


def aside(name: str) -> str | None:
    """Why a name is known not to belong to a feature extractor; None when it is not known."""
    return next((reason for pattern, reason in _ASIDE if re.match(pattern, name)), None)


def split(tensors: Tensors, prefix: str, reason: Callable[[str], str]) -> tuple[Tensors, dict[str, str]]:
    """Tensors under the prefix, without it, and reasons for the others."""
    inner = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return inner, {k: aside(k) or reason(k) for k in tensors if not k.startswith(prefix)}


def renamed(tensors: Tensors, table: tuple[tuple[str, str], ...]) -> tuple[Tensors, Tensors]:
    """Tensors under the names that the first matching pattern gives, and those that no pattern knows."""
    known: Tensors = {}
    rest: Tensors = {}
    for key, value in tensors.items():
        new = next((re.sub(pattern, to, key) for pattern, to in table if re.search(pattern, key)), None)
        (rest if new is None else known)[key if new is None else new] = value
    return known, rest
