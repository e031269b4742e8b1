"""Checkpoints: naming schemes, class tokens, position grids, and files that are none or do not fit."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

from humanbench import load_backbone
from humanbench.backbones import Backbone
from humanbench.backbones.weights import safetensors_bytes
from humanbench.errors import BackboneError
from humanbench.hashing import file_sha256
from tests.backbones.tiny import TINY, Tensors, run, weights

IMAGES = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def outcome(backbone: Backbone) -> Tensor:
    """All tokens after the final norm, class token first if there is one."""
    with torch.no_grad():
        features = backbone(IMAGES)
    first = [] if features.class_token is None else [features.class_token[:, None]]
    return torch.cat([*first, features.tokens], dim=1)


def same(backbone: Backbone, w: Tensors, **how: object) -> bool:
    return bool(torch.allclose(outcome(backbone), run(w, IMAGES, heads=4, **how)[-1], atol=1e-5))  # type: ignore[arg-type]


def load(path: Path, **more: object) -> Backbone:
    return load_backbone("vit", path, **{**TINY, **more})


def saved(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    return path


def mae_dump(w: Tensors) -> object:
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 32)}
    return {"model": {**w, **decoder, "decoder_blocks.0.attn.qkv.weight": torch.zeros(24, 8)}, "epoch": 3}


def path_dump(w: Tensors) -> object:
    """PATH's training dump: the class token's position is a tensor of its own."""
    split_positions = dict(w)
    position, split_positions["pos_embed"] = split_positions["pos_embed"][:, :1], split_positions["pos_embed"][:, 1:]
    state = {f"module.backbone_module.{k}": v for k, v in {**split_positions, "cls_token_pos_embed": position}.items()}
    others = {"module.neck_module.last_proj.bias": torch.zeros(4), "module.decoder_module.head.bias": torch.zeros(4)}
    return {"step": 80000, "state_dict": {**state, **others}, "optimizer": {"state": {}, "param_groups": []}}


SCHEMES: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "plain": (dict, "timm"),
    "timm with a classifier": (
        lambda w: {**w, "head.weight": torch.zeros(10, 32), "head.bias": torch.zeros(10)},
        "timm",
    ),
    "state_dict under module.": (lambda w: {"state_dict": {f"module.{k}": v for k, v in w.items()}}, "timm"),
    "MAE with its decoder": (mae_dump, "MAE"),
    "MAE, encoder only": (lambda w: {"model": dict(w)}, "timm"),
    "DINO's teacher": (
        lambda w: {"teacher": {f"backbone.{k}": v for k, v in w.items()} | {"head.mlp.0.bias": torch.zeros(3)}},
        "timm",
    ),
    "PATH training dump": (path_dump, "PATH training dump"),
    "PATH converted": (lambda w: {"model": dict(w)}, "timm"),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_every_naming_gives_the_same_features(name: str, tmp_path: Path) -> None:
    wrap, scheme = SCHEMES[name]
    w = weights()
    backbone = load(saved(tmp_path, wrap(w)))
    assert backbone.report is not None
    assert backbone.report.scheme == scheme
    assert len(backbone.report.loaded) == len(w)
    assert not backbone.report.missing
    assert all(backbone.report.left_over.values())
    assert same(backbone, w)


def test_clip_naming_implies_the_variant(tmp_path: Path) -> None:
    w = weights(pre_norm=True)
    names = {"patch_embed.proj.weight": "conv1.weight", "norm_pre": "ln_pre", "norm": "ln_post"}
    inside = {"norm1": "ln_1", "norm2": "ln_2", "attn.qkv": "attn.in_proj", "attn.proj": "attn.out_proj"}
    mlp = {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    official = {"visual.class_embedding": w["cls_token"][0, 0], "visual.positional_embedding": w["pos_embed"][0]}
    for key, value in w.items():
        stem, _, leaf = key.rpartition(".")
        if key in names:
            official[f"visual.{names[key]}"] = value
        elif stem in names:
            official[f"visual.{names[stem]}.{leaf}"] = value
        elif key.startswith("blocks."):
            _, index, part = stem.split(".", 2)
            joint = "_" if part == "attn.qkv" else "."
            official[f"visual.transformer.resblocks.{index}.{(inside | mlp)[part]}{joint}{leaf}"] = value
    text = {"transformer.resblocks.0.ln_1.bias": torch.zeros(4), "logit_scale": torch.zeros(())}
    with pytest.raises(BackboneError, match=r"is a tower of CLIP, .*say which with --arch act_layer=NAME"):
        load(saved(tmp_path, {**official, **text}))
    backbone = load(saved(tmp_path, {**official, **text}), act_layer="quick_gelu")
    assert same(backbone, w, eps=1e-5, quick=True)
    assert backbone.report is not None
    assert set(backbone.report.left_over) == set(text)
    plain = load(saved(tmp_path, official), act_layer="gelu")  # open_clip's own training: the names do not tell
    assert same(plain, w, eps=1e-5)
    with pytest.raises(BackboneError, match="does not fit vit: loaded"):
        load(saved(tmp_path, official), pre_norm=False, act_layer="gelu")


def test_torchscript_archive_is_read_without_running_it(tmp_path: Path) -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(3, 2)
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("halves", torch.arange(6, dtype=torch.float16).reshape(2, 3).t())

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x) * self.scale

    from humanbench.backbones.weights import read_checkpoint

    tower, path = Tower(), tmp_path / "ViT-B-16.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, its archives are around
        torch.jit.script(tower).save(str(path))
    tensors = read_checkpoint(path).tensors
    assert {k: v.tolist() for k, v in tensors.items()} == {k: v.tolist() for k, v in tower.state_dict().items()}


def test_class_token_follows_the_checkpoint(tmp_path: Path) -> None:
    without = load(saved(tmp_path, {"model": weights(class_token=False)}), act_layer="gelu")
    assert outcome(without).shape[1] == 24
    assert without.grouped_forward.has_class_token is False  # type: ignore[attr-defined]
    assert outcome(load(saved(tmp_path, {"model": weights()}))).shape[1] == 25


def test_untrained_class_token_of_a_converted_path_file(tmp_path: Path) -> None:
    """The conversion without class token keeps MAE's: 16 positions for 16 cells and a `cls_token`."""
    w = weights()
    w["pos_embed"] = w["pos_embed"][:, 1:]
    path = saved(tmp_path, {"model": w})
    with pytest.raises(BackboneError, match=r"no position: give --arch no_embed_class=true .*class_token=false"):
        load(path)
    backbone = load(path, class_token=False)
    assert backbone.report is not None
    assert backbone.report.left_over == {"cls_token": "the network has no class token"}
    assert same(backbone, {k: v for k, v in w.items() if k != "cls_token"})
    asked = load(path, class_token=True)
    w["pos_embed"] = torch.cat([torch.zeros(1, 1, 32), w["pos_embed"]], dim=1)
    assert same(asked, w)
    assert asked.report is not None
    assert any("starts at zero" in note for note in asked.report.notes)


def test_class_token_without_a_position_stays(tmp_path: Path) -> None:
    """DeiT-III's: 196 positions, of the patches alone, do not say that the class token is an untrained one."""
    name, small = "deit3_small_patch16_224", {"depth": 1, "embed_dim": 48, "num_heads": 3}
    tensors = load_backbone(f"random:{name}", seed=1, **small).trunk.state_dict()
    assert tensors["pos_embed"].shape[1] == 196
    backbone = load_backbone(name, saved(tmp_path, tensors), **small)
    assert torch.equal(backbone.trunk.cls_token, tensors["cls_token"])


def test_class_token_can_be_left_out(tmp_path: Path) -> None:
    w = weights()
    backbone = load(saved(tmp_path, w), class_token=False)
    del w["cls_token"]
    w["pos_embed"] = w["pos_embed"][:, 1:]
    assert same(backbone, w)


def test_position_grid_is_resized_without_antialiasing(tmp_path: Path) -> None:
    """Stored 4 x 4, made for 2 x 2: antialiasing would average, plain bicubic takes the middle of each four."""
    backbone = load(saved(tmp_path, weights()), img_size=16)
    grid = weights()["pos_embed"][:, 1:].reshape(4, 4, 32)
    taps = torch.tensor([-0.09375, 0.59375, 0.59375, -0.09375])  # cubic convolution, a = -0.75, at distance 1/2
    inner = torch.stack([grid[:4], grid[:4]])  # both output rows need rows clamped to the border
    rows = torch.stack(
        [(taps[:, None, None] * inner[o][[max(0, min(3, 2 * o - 1 + t)) for t in range(4)]]).sum(0) for o in (0, 1)]
    )
    both = torch.stack(
        [(taps[:, None] * rows[:, [max(0, min(3, 2 * o - 1 + t)) for t in range(4)]]).sum(1) for o in (0, 1)], dim=1
    )
    stored = backbone.state_dict()["trunk.pos_embed"]
    assert torch.allclose(stored[0, 1:].reshape(2, 2, 32), both, atol=1e-6)
    assert backbone.report is not None
    assert any("from 4x4 to 2x2" in note for note in backbone.report.notes)


def test_global_pool_norm_is_the_final_norm(tmp_path: Path) -> None:
    """MAE's finetuned checkpoints keep `fc_norm` in place of `norm`."""
    w = weights()
    renamed = {k.replace("norm.", "fc_norm.") if k.startswith("norm.") else k: v for k, v in w.items()}
    assert same(load(saved(tmp_path, renamed)), w)


def test_weights_are_hashed_by_content(tmp_path: Path) -> None:
    w = weights()
    save_file(w, tmp_path / "a.safetensors")
    a, b = load(tmp_path / "a.safetensors"), load(saved(tmp_path, {"model": w}))
    assert a.weights_sha256 == b.weights_sha256
    assert a.report is not None
    assert b.report is not None
    assert a.report.sha256 == file_sha256(tmp_path / "a.safetensors") != b.report.sha256
    w["norm.bias"][0] += 1e-6
    assert load(saved(tmp_path, w)).weights_sha256 != a.weights_sha256


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ({"embed_dim": 48}, r"loaded 0 of 42 tensors; cls_token is 1x1x32 in the checkpoint and 1x1x48"),
        ({"depth": 4}, r"loaded 42 of 54 tensors; blocks.3.norm1.weight is not in the checkpoint"),
        ({"depth": 2}, r"loaded 30 of 30 tensors; 12 of its tensors have no place in the network \(blocks.2."),
        ({"patch_size": 16}, r"loaded 41 of 42 tensors; patch_embed.proj.weight is 32x3x8x8"),
        ({"init_values": 1e-5}, r"loaded 42 of 48 tensors; blocks.0.ls1.gamma is not in the checkpoint"),
    ],
)
def test_a_checkpoint_that_fits_badly_is_an_error(architecture: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=words):
        load(saved(tmp_path, weights()), **architecture)


def test_checkpoint_of_another_family(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"does not fit timm:test_resnet: loaded 0 of \d+ tensors"):
        load_backbone("timm:test_resnet", saved(tmp_path, weights()))
    with pytest.raises(
        BackboneError, match="holds no plain vision transformer; name the network and give the file as its weights"
    ):
        load(saved(tmp_path, {"layer1.0.conv1.weight": torch.zeros(3)}))


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("/tmp/humanbench-was-here", "w")


def _truncated(path: Path) -> None:
    torch.save({"model": weights()}, path)
    path.write_bytes(path.read_bytes()[:-2000])


def _truncated_safetensors(path: Path) -> None:
    save_file(weights(), path)
    path.write_bytes(path.read_bytes()[:-2000])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "web page": (lambda p: p.write_text("\n<!DOCTYPE html><html>404</html>"), "is a web page, not a checkpoint"),
    "empty": (lambda p: p.write_bytes(b""), "the file is empty"),
    "LFS pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid 1"), "Git LFS pointer"),
    "truncated": (_truncated, "truncated checkpoint"),
    "truncated safetensors": (_truncated_safetensors, "damaged or truncated safetensors"),
    "pickled code": (lambda p: torch.save({"model": Evil()}, p), "holds pickled code"),
    "a foreign pickle": (
        lambda p: p.write_bytes(pickle.dumps(Evil(), protocol=4)),
        "a pickle that torch.save did not write",
    ),
    "bare pickled code": (lambda p: p.write_bytes(pickle.dumps(Evil(), protocol=2)), "holds pickled code"),
    "noise": (lambda p: p.write_bytes(bytes(range(256)) * 4), "no(t a PyTorch)? checkpoint"),
    "no tensors": (lambda p: torch.save({"epoch": 3, "args": "none"}, p), r"holds no state dict .* found epoch, args"),
    "absent": (lambda p: None, "there is no such checkpoint file"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_no_checkpoints(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    path = tmp_path / "some.pth"
    make(path)
    with pytest.raises(BackboneError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("/tmp/humanbench-was-here").exists()


def test_equal_content_is_an_equal_file() -> None:
    """safetensors writes metadata in an order of chance."""
    tensors = {"head.weight": torch.arange(6.0).reshape(2, 3), "a": torch.ones(3, dtype=torch.int8)}
    metadata = {key: f"{key}, “{key}”" for key in "fedcba"}
    contents = {safetensors_bytes(tensors, dict(sorted(metadata.items(), reverse=turn))) for turn in (False, True) * 5}
    assert len(contents) == 1
    (content,) = contents
    assert int.from_bytes(content[:8], "little") % 8 == 0
    read = load_tensors(content)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_metadata_come_back(tmp_path: Path) -> None:
    metadata = {"cell": "0" * 64, "backbone": "Räuber", "a": ""}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes({"a": torch.ones(3)}, metadata))
    with safe_open(tmp_path / "w.safetensors", "pt") as opened:
        assert opened.metadata() == metadata
