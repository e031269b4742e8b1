"""Layouts of checkpoints: features equal to those of the library that wrote them, or a refusal that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from humanbench import load_backbone
from humanbench.errors import BackboneError
from tools.layout_parts import Layout, disturbed, outcome
from tools.layouts import TIMM, layouts, transformers_cases

ROWS = {
    f"{row.family}: {row.layout}": row
    for index, row in enumerate(layouts())
    if row.family.removesuffix(" (timm)") not in TIMM or index % 5 == 0
}
"""All rows of the table but four of five of timm's own networks, which other tests build."""


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_layout(row: Layout) -> None:
    done = outcome(row)
    if row.refused:
        assert not done.loaded
        assert row.refused in done.line
        return
    assert done.loaded, done.line
    assert not done.difference > 1e-5, done.line  # nan where nothing is compared


def test_the_table_has_sixty_rows() -> None:
    assert len(layouts()) >= 60


@pytest.mark.parametrize("name", ["Sapiens2", "ViTPose backbone", "DINOv3 ViT", "Swin", "RADIO", "ConvNeXt v2"])
def test_networks_of_transformers_take_any_size_and_use_every_parameter(name: str) -> None:
    """Each parameter is in one layer group and has a gradient: what follows the pooling is taken out."""
    from humanbench.backbones.build import build_with
    from humanbench.backbones.grouped_forward import find_forward
    from humanbench.backbones.transformers_models import BUILDER, TransformersTrunk

    config, _ = transformers_cases()[name]
    trunk = build_with(BUILDER, {"config": config.to_dict()})
    assert isinstance(trunk, TransformersTrunk)
    forward = find_forward(trunk, trunk.input_size)
    images = torch.randn(2, 3, 96, 64)
    state = forward.run(trunk, (images,), 0, len(forward.groups), "maps", None)
    maps, token = forward.read(state)
    for level, stride, channels in zip(maps, forward.strides, forward.channels, strict=True):
        assert level.shape == (2, channels, 96 // stride, 64 // stride)
    sum(part.square().sum() for part in (*maps, *(() if token is None else (token,)))).backward()  # type: ignore[union-attr]
    for path, parameter in trunk.named_parameters():
        assert parameter.grad is not None, path
        assert sum(group.holds(f"trunk.{path}") for group in forward.groups) == 1, path


def test_a_model_type_without_an_encoder() -> None:
    from humanbench.backbones.transformers_models import check_known

    with pytest.raises(BackboneError, match="model type 'bert' is no encoder of pictures that is known here"):
        check_known({"model_type": "bert"}, "hf-hub:someone/something")


def test_a_mean_that_no_file_says_is_asked_for(tmp_path: Path) -> None:
    config, model_class = transformers_cases()["ViT"]
    model_class(config).save_pretrained(str(tmp_path))
    with pytest.raises(BackboneError, match="nothing says the mean of its input; say it with --mean and --std"):
        load_backbone(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2}'
    )
    backbone = load_backbone(str(tmp_path))
    assert backbone.preprocessing.mean == (0.1, 0.2, 0.3)
    assert backbone.preprocessing.interpolation == "bilinear"
    assert backbone.report is not None
    assert backbone.report.scheme == "transformers"


GRIDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "beit_base_patch16_224": ({"depth": 1, "embed_dim": 48, "num_heads": 4}, {"img_size": 64}, {"img_size": (96, 64)}),
    "eva02_tiny_patch14_224": ({"depth": 1}, {"img_size": 56}, {"img_size": (84, 56)}),
    "swin_tiny_patch4_window7_224": (
        {"embed_dim": 24, "depths": (1, 1), "num_heads": (1, 2)},
        {"img_size": 64, "window_size": 4},
        {"img_size": (96, 48), "window_size": 6},
    ),
}
"""Network -> its sizes, what the file was written with, and what it is loaded into."""


@pytest.mark.parametrize("name", GRIDS)
@torch.no_grad()
def test_grids_of_other_sizes_are_resized_as_timm_does(name: str, tmp_path: Path) -> None:
    """Tables of relative positions and grids with rotary parts: by timm's own conversion, at height unlike width."""
    sizes, written, loaded = GRIDS[name]
    file = disturbed(timm.create_model(name, num_classes=0, **sizes, **written))
    torch.save(file.state_dict(), tmp_path / "weights.pth")
    pixels = {"mean": "half", "std": "half"}
    backbone = load_backbone(name, tmp_path / "weights.pth", **sizes, **loaded, **pixels)
    theirs = timm.create_model(name, num_classes=0, **sizes, **loaded).eval()
    convert = sys.modules[type(theirs).__module__].checkpoint_filter_fn
    theirs.load_state_dict(convert(dict(file.state_dict()), theirs))
    before = file.state_dict()
    assert any(n in before and before[n].shape != value.shape for n, value in theirs.state_dict().items())
    height, width = loaded["img_size"]
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(5))
    expected = theirs.forward_features(images)
    expected = theirs.fc_norm(expected) if hasattr(theirs, "fc_norm") else expected  # BEiT's only norm
    features = backbone(images)
    if expected.ndim == 4:
        assert torch.allclose(features.map, expected.permute(0, 3, 1, 2), atol=1e-5)
    else:
        assert torch.allclose(features.tokens, expected[:, -features.tokens.shape[1] :], atol=1e-5)
    assert backbone.report is not None
    assert not backbone.report.missing
