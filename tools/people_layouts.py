"""Rows of `tools.layouts` for networks that were made for people, and I-JEPA: their released layouts at tiny size.

Names and shapes are those of the authors' published code (see `humanbench.backbones.people_schemes`). The features are
held against transformers where it has the network (ViTPose; Swin for SOLIDER), elsewhere against timm's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.layout_parts import HEADS, Layout, Reference, Tensors, bare, disturbed, plain

POOLED: dict[str, Any] = {"class_token": False, "global_pool": "avg", "fc_norm": False}
"""timm's keywords of a plain transformer without a class token."""

UPRIGHT = (64, 48)
SEMANTIC = 0.3


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def people_rows() -> Iterator[Layout]:
    """All rows, by family."""
    yield from _path_family()
    yield from _hap()
    yield from _sapiens()
    yield from _solider()
    yield from _vitpose()
    yield from _ijepa()


def _path_family() -> Iterator[Layout]:
    def path(tensors: Tensors) -> Any:
        state = dict(tensors)
        first, state["pos_embed"] = state["pos_embed"][:, :1], state["pos_embed"][:, 1:]
        state = prefixed({**state, "cls_token_pos_embed": first}, "module.backbone_module.")
        return {"step": 1, "state_dict": {**state, "module.neck_module.bias": torch.zeros(4)}}

    def unihcp(tensors: Tensors) -> Any:
        others = {"module.neck_module.a": torch.zeros(2), "module.decoder_module.query_embed.weight": torch.zeros(3, 3)}
        return {"step": 1, "state_dict": prefixed(tensors, "module.backbone_module.") | others, "optimizer": {}}

    yield Layout("PATH (HumanBench)", "training dump", bare(path), HEADS)
    yield Layout("UniHCP", "dump of a task", bare(unihcp, **POOLED), HEADS)
    yield Layout("Hulk", "dump of a task", bare(hulk, reg_tokens=2, no_embed_class=True, **POOLED), HEADS)
    yield Layout("Hulk", "dump of a task, no global tokens", bare(hulk, **POOLED), HEADS)


def hulk(tensors: Tensors) -> Any:
    """Hulk's names of timm's network: patches and positions in an adapter, global tokens for registers."""
    kind = torch.linspace(-1, 1, 32).reshape(1, -1)
    state = {
        "backbone_module.global_tokens": tensors.get("reg_token", torch.zeros(1, 0, 32)),
        "adapter_rgb.pos_embed": tensors["pos_embed"] - kind,
        "adapter_rgb.type_embed.weight": kind,
        "adapter_text.proj.weight": torch.zeros(2, 2),
        "decoder_module.query.weight": torch.zeros(2, 2),
    }
    for name, value in tensors.items():
        if name.startswith("patch_embed."):
            state[f"adapter_rgb.{name.removeprefix('patch_embed.')}"] = value
        elif name not in ("pos_embed", "reg_token"):
            state[f"backbone_module.{name}"] = value
    return {"step": 1, "state_dict": prefixed(state, "module."), "optimizer": {}}


def _hap() -> Iterator[Layout]:
    def hap(tensors: Tensors) -> Any:
        decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_blocks.0.norm1.weight": torch.zeros(8)}
        return {"epoch": 399, "arch": "pose_mae_vit_base_patch16", "model": {**tensors, **decoder}, "optimizer": {}}

    tall = bare(hap, img_size=(64, 32))
    yield Layout("HAP", "snapshot, size stated", tall, HEADS | {"img_size": (64, 32)}, size=(64, 32))
    yield Layout("HAP", "snapshot, size not stated", tall, HEADS, "9 positions")


def mm_vit(tensors: Tensors) -> Tensors:
    """mmpretrain's names of timm's plain transformer."""
    names = (
        ("patch_embed.proj.", "patch_embed.projection."), ("blocks.", "layers."), (".norm1.", ".ln1."),
        (".norm2.", ".ln2."), ("mlp.fc1.", "ffn.layers.0.0."), ("mlp.fc2.", "ffn.layers.1."),
    )  # fmt: skip
    renamed: Tensors = {}
    for key, value in tensors.items():
        name = f"ln1.{key.removeprefix('norm.')}" if key.startswith("norm.") else key
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        renamed[f"backbone.{name}"] = value
    return renamed


class _Traced(nn.Module):
    """Has parameters of these names, and something to trace."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        for name, value in tensors.items():
            *path, leaf = name.split(".")
            place: nn.Module = self
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.register_parameter(leaf, nn.Parameter(value.clone()))

    def forward(self, images: Tensor) -> Tensor:
        return images.sum()


def _sapiens() -> Iterator[Layout]:
    def pretraining(tensors: Tensors) -> Any:
        neck = {"neck.mask_token": torch.zeros(1, 1, 8), "neck.decoder_embed.weight": torch.zeros(8, 32)}
        return {"meta": {"epoch": 1600}, "state_dict": mm_vit(tensors) | neck, "message_hub": {}}

    def finetuned(tensors: Tensors) -> Any:
        return {"state_dict": mm_vit(tensors) | {"head.deconv_layers.0.weight": torch.zeros(2, 2, 4, 4)}}

    def torchscript(folder: Path) -> tuple[str, None, Reference]:
        network = plain()
        traced = torch.jit.trace(_Traced(mm_vit(dict(network.state_dict()))), torch.zeros(1))
        torch.jit.save(traced, str(folder / "sapiens_torchscript.pt2"))
        return str(folder / "sapiens_torchscript.pt2"), None, network.forward_features

    def exported(folder: Path) -> tuple[str, None, None]:
        program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
        torch.export.save(program, folder / "sapiens_bfloat16.pt2")
        return str(folder / "sapiens_bfloat16.pt2"), None, None

    upright = HEADS | {"img_size": UPRIGHT}
    yield Layout("Sapiens", "pretraining, mmpretrain's names", bare(pretraining), HEADS)
    yield Layout("Sapiens", "TorchScript, .pt2", torchscript, HEADS)
    yield Layout("Sapiens", "program of torch.export, .pt2", exported, {}, "program of torch.export")
    padded = _padded(finetuned)
    yield Layout("Sapiens", "finetuned, padding stated", padded, upright | {"patch_padding": 2}, size=UPRIGHT)
    yield Layout("Sapiens", "finetuned, padding not stated", padded, upright, "--arch patch_padding=N")


def _padded(rename: Callable[[Tensors], Any]) -> Callable[[Path], tuple[str, None, Reference]]:
    """A bare file of a network without class token whose pictures are padded by 2 pixels before patches are cut."""
    write = bare(rename, img_size=UPRIGHT, **POOLED)

    def padded(folder: Path) -> tuple[str, None, Reference]:
        name, none, features = write(folder)
        network = features.__self__  # type: ignore[attr-defined]  # a method of the network
        network.patch_embed.proj.padding = (2, 2)
        return name, none, features

    return padded


class _Merging(nn.Module):
    """SOLIDER's merging of patches with its semantic weight, as its paper and code describe it."""

    def __init__(self, norm: nn.Module, reduction: nn.Module, width: int) -> None:
        super().__init__()
        self.norm, self.reduction = norm, reduction
        self.scale, self.shift = (disturbed(nn.Linear(2, width)) for _ in range(2))

    def forward(self, cells: Tensor, grid: tuple[int, int]) -> Tensor:
        height, width = grid
        picture = cells.transpose(1, 2).unflatten(2, (height, width))
        picture = functional.pad(picture, (0, width % 2, 0, height % 2))
        merged = self.reduction(self.norm(functional.unfold(picture, 2, stride=2).transpose(1, 2)))
        weight = torch.tensor([[SEMANTIC, 1 - SEMANTIC]])
        return merged * functional.softplus(self.scale(weight)).unsqueeze(1) + self.shift(weight).unsqueeze(1)  # type: ignore[no-any-return]


def solider_names(tensors: Tensors) -> Tensors:
    """mmcv's and SOLIDER's names of transformers' Swin of two stages whose merging is `_Merging`."""
    names = (
        ("embeddings.patch_embeddings.", "patch_embed."), ("embeddings.norm.", "patch_embed.norm."),
        ("encoder.layers.", "stages."), ("layernorm_before.", "norm1."), ("layernorm_after.", "norm2."),
        ("attention.o_proj.", "attn.w_msa.proj."), ("mlp.fc1.", "ffn.layers.0.0."), ("mlp.fc2.", "ffn.layers.1."),
        ("attention.relative_position_bias.", "attn.w_msa."), ("attention.q_proj.", "attn.w_msa.qkv."),
    )  # fmt: skip
    renamed: Tensors = {"norm0.weight": torch.ones(16), "norm0.bias": torch.ones(16)}
    for key, value in tensors.items():
        if ".k_proj." in key or ".v_proj." in key:
            continue
        if ".q_proj." in key:
            value = torch.cat([tensors[key.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
        name = f"norm1.{key.removeprefix('layernorm.')}" if key.startswith("layernorm.") else key
        for theirs, mm in names:
            name = name.replace(theirs, mm)
        if "downsample.scale." in name or "downsample.shift." in name:
            kind, leaf = ("w" if ".scale." in name else "b"), name.rpartition(".")[2]
            for stage in range(2):  # the last stage has one too, whose outcome nobody reads
                renamed[f"semantic_embed_{kind}.{stage}.{leaf}"] = value
            continue
        renamed[name] = value
    return renamed


def _solider() -> Iterator[Layout]:
    def write(wrap: Callable[[Tensors], Any]) -> Callable[[Path], tuple[str, None, Reference]]:
        def written(folder: Path) -> tuple[str, None, Reference]:
            import transformers

            sizes = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 5}
            network: Any = transformers.SwinModel(transformers.SwinConfig(image_size=80, patch_size=4, **sizes))
            disturbed(network)
            first = network.encoder.layers[0]
            first.downsample = _Merging(first.downsample.norm, first.downsample.reduction, 32)
            torch.save(wrap(solider_names(dict(network.state_dict()))), folder / "checkpoint.pth")

            def features(images: Tensor) -> Tensor:
                return network(images, interpolate_pos_encoding=True).last_hidden_state  # type: ignore[no-any-return]

            return str(folder / "checkpoint.pth"), None, features

        return written

    def both(tensors: Tensors) -> Any:
        head = {"head.last_layer.weight_g": torch.ones(4, 1)}
        inner = prefixed(tensors, "backbone.") | head
        return {"student": prefixed({k: v + 1 for k, v in inner.items()}, "module."), "teacher": inner, "epoch": 9}

    stated = {"semantic_weight": SEMANTIC}
    alone = write(lambda tensors: prefixed(tensors, "backbone."))
    yield Layout("SOLIDER", "teacher alone, semantic weight stated", alone, stated, size=(80, 56))
    yield Layout("SOLIDER", "teacher alone, semantic weight not stated", alone, {}, "--arch semantic_weight=W")
    yield Layout("SOLIDER", "student and teacher", write(both), stated, "holds 2 networks")
    yield Layout(
        "SOLIDER", "student and teacher, prefix=teacher", write(both), stated | {"prefix": "teacher"}, size=(80, 56)
    )


def vitpose_names(tensors: Tensors) -> Tensors:
    """ViTPose's own names of transformers' backbone, with a piece of a head."""
    names = (
        ("embeddings.position_embeddings", "pos_embed"), ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("encoder.layer.", "blocks."), ("attention.output.dense", "attn.proj"), ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"), ("attention.attention.query", "attn.qkv"),
    )  # fmt: skip
    renamed: Tensors = {"keypoint_head.final_layer.weight": torch.zeros(17, 4, 1, 1)}
    for key, value in tensors.items():
        if ".key." in key or ".value." in key:
            continue
        if ".query." in key:
            value = torch.cat([tensors[key.replace("query", part)] for part in ("query", "key", "value")])
        name = f"last_norm.{key.removeprefix('layernorm.')}" if key.startswith("layernorm.") else key
        for theirs, own in names:
            name = name.replace(theirs, own)
        renamed[f"backbone.{name}"] = value
    return renamed


def split_expert(tensors: Tensors, expert: int) -> Tensors:
    """What ViTPose's tool makes of a file with experts: one of them is put into `fc2`, the others stay."""
    state = dict(tensors)
    for name in [n for n in tensors if ".mlp.fc2." in n]:
        state[name] = torch.cat([tensors[name], tensors[name.replace("fc2.", f"experts.{expert}.")]])
    return state


def _vitpose() -> Iterator[Layout]:
    sizes: dict[str, Any] = {"patch_size": [16, 16], "hidden_size": 32, "num_hidden_layers": 2}

    def network(experts: int) -> tuple[Any, Any]:
        import transformers

        config = transformers.VitPoseBackboneConfig(
            image_size=list(UPRIGHT), num_attention_heads=4, num_experts=experts, part_features=8, **sizes
        )
        return config, disturbed(transformers.VitPoseBackbone(config))

    def features(model: Any, expert: int | None) -> Reference:
        def run(images: Tensor) -> Tensor:
            dataset = None if expert is None else torch.full((len(images),), expert)
            return model(images, dataset_index=dataset).feature_maps[-1]  # type: ignore[no-any-return]

        return run

    def write(experts: int, expert: int | None, name: str = "", split: bool = False) -> Any:
        def written(folder: Path) -> tuple[str, str | None, Reference]:
            _, model = network(experts)
            state = vitpose_names(dict(model.state_dict()))
            torch.save({"meta": {}, "state_dict": split_expert(state, 1) if split else state}, folder / "vitpose.pth")
            file = str(folder / "vitpose.pth")
            return (name, file, features(model, expert)) if name else (file, None, features(model, expert))

        return written

    def folder_of(experts: int, expert: int | None) -> Any:
        def written(folder: Path) -> tuple[str, None, Reference]:
            import transformers

            config, _ = network(experts)
            model: Any = disturbed(
                transformers.VitPoseForPoseEstimation(transformers.VitPoseConfig(backbone_config=config))
            )
            model.save_pretrained(folder)
            return str(folder), None, features(model.backbone, expert)

        return written

    yield Layout("ViTPose", "official, with head", write(1, None), HEADS, size=UPRIGHT)
    other = write(1, None, "deit_tiny_patch16_224")
    yield Layout("ViTPose", "official, given to timm's network", other, {}, "padded by 2 pixels")
    yield Layout("ViTPose++", "official, expert stated", write(3, 1), HEADS | {"expert": 1}, size=UPRIGHT)
    yield Layout("ViTPose++", "official, expert not stated", write(3, 1), HEADS, "--arch expert=0")
    yield Layout("ViTPose++", "divided by its tool", write(3, 1, split=True), HEADS, size=UPRIGHT)
    pixels = {"mean": "imagenet", "std": "imagenet"}
    yield Layout("ViTPose (transformers)", "folder of the model with head", folder_of(1, None), pixels, size=UPRIGHT)
    yield Layout(
        "ViTPose++ (transformers)", "folder, expert stated", folder_of(3, 2), pixels | {"expert": 2}, size=UPRIGHT
    )
    yield Layout("ViTPose++ (transformers)", "folder, expert not stated", folder_of(3, 2), pixels, "--arch expert=0")


def _ijepa() -> Iterator[Layout]:
    def whole(tensors: Tensors) -> Any:
        own = prefixed(tensors, "module.")
        predictor = {"module.predictor_pos_embed": torch.zeros(1, 16, 8), "module.mask_token": torch.zeros(1, 1, 8)}
        other = {name: value + 1 for name, value in own.items()}
        return {"encoder": other, "predictor": predictor, "opt": {}, "target_encoder": own, "epoch": 300, "lr": 0.1}

    file, stated = bare(whole, **POOLED), HEADS | {"act_layer": "gelu"}  # which sizes of published ones say
    yield Layout("I-JEPA", "encoder, predictor and target_encoder", file, HEADS, "holds 2 networks")
    yield Layout("I-JEPA", "the same, prefix=target_encoder", file, stated | {"prefix": "target_encoder"})
    alone = bare(lambda tensors: {"target_encoder": prefixed(tensors, "module.")}, **POOLED)
    yield Layout("I-JEPA", "target_encoder alone", alone, stated)
