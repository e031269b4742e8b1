"""Networks that are no plain transformer: pretrained as a whole, without projectors and class tokens of entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import humanbench
from humanbench.backbones import load_backbone
from humanbench.pretrain import entry_checkpoints
from humanbench.pretrain.mae import MaskedPixels, patches
from humanbench.pretrain.recipe import Masking
from humanbench.pretrain.run import pretrain
from humanbench.pretrain.running_statistics import statistics
from tests.pretrain.asked import request
from tests.pretrain.small import SET, convolutional, write

NETWORK = {"embed_dims": [8, 16], "depths": [1, 1], "num_heads": [1, 2]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hierarchical network without training: convolutions, then attention in windows, a map of stride 8."""
    folder = tmp_path_factory.mktemp("start")
    trunk = load_backbone("random:tiny_vit_5m_224", seed=3, **NETWORK).trunk
    entry_checkpoints.write_backbone(folder, {k: v.clone() for k, v in trunk.state_dict().items()}, {})
    fields: dict[str, Any] = {"id": "seer", "name": "seer", "pretrained_on": [], "licence": "none"}
    fields |= {"architecture": {"timm": "tiny_vit_5m_224", "arguments": NETWORK}}
    fields |= {"paper": {"title": "none", "year": 2026, "venue": "none"}}
    entry_checkpoints.write_card(folder, fields)
    return folder / "card.toml"


def without_projectors(**more: Any) -> dict[str, Any]:
    return {k: v for k, v in SET.items() if k != "projector.reduction"} | {"projector.enabled": False} | more


def test_path_without_projectors(root: Path, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry trains the network; what is written is loaded, and the dumps are tested as they are."""
    made = pretrain(request(root, tmp_path / "run", card, set=without_projectors()))
    before, after = load_backbone(str(card)), load_backbone(str(made / "card.toml"))
    moved = [n for n, p in after.trunk.named_parameters() if not torch.equal(p, before.trunk.get_parameter(n))]
    assert len(moved) == len(list(before.trunk.parameters()))
    assert after.report is not None
    assert not after.report.missing
    assert set(after.pretrained_on or ()) >= {"market1501", "coco_pose"}
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    results = humanbench.evaluate(
        str(made / "card.toml"), "none", ["coco_pose", "market1501"], checkpoint=made / "dumps", suite="mini",
        data_root=root, out=tmp_path / "direct", device="cpu",
    )  # fmt: skip
    assert [result.status for result in results] == ["done", "done"]


def test_masked_pixels(root: Path, card: Path, tmp_path: Path) -> None:
    chosen = {k: v for k, v in SET.items() if k != "projector.reduction"}
    made = pretrain(request(root, tmp_path / "run", card, method="mae", set=chosen))
    before, after = load_backbone(str(card)), load_backbone(str(made / "card.toml"))
    moved = [n for n, p in after.trunk.named_parameters() if not torch.equal(p, before.trunk.get_parameter(n))]
    assert len(moved) == len(list(before.trunk.parameters()))


def test_running_statistics_are_those_of_whole_pictures() -> None:
    """As the network has them after a step on the same pictures without a mask; in evaluation they stay."""
    masking = Masking(ratio=0.6, dim=8, depth=1, heads=1, norm_pixels=False)
    images = torch.randn(2, 3, 64, 40) + 1
    masked, whole = convolutional().train(), convolutional().train()
    predictor = MaskedPixels(masked, masking)
    predictor(masked, images).backward()
    whole(images)
    expected = [s.clone() for s in statistics(whole)]
    assert all(torch.equal(a, b) for a, b in zip(statistics(masked), expected, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(statistics(convolutional()), expected, strict=True))
    predictor.eval()(masked.eval(), images)
    assert all(torch.equal(a, b) for a, b in zip(statistics(masked), expected, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("timm", ["tiny_vit_5m_224", "resnet10t"])
def test_nothing_of_what_is_hidden_is_seen(timm: str) -> None:
    """Other pixels under the mask change what is predicted nowhere, and what is to be predicted there alone."""
    network = load_backbone(f"random:{timm}", **(NETWORK if timm.startswith("tiny") else {})).eval()
    masked = MaskedPixels(network, Masking(ratio=0.75, dim=8, depth=1, heads=1, norm_pixels=False))
    masked.decoder_pred.weight.zero_()  # predicts black: the loss is the mean square of the hidden pixels alone
    images = torch.randn(2, 3, 64, 40)
    torch.manual_seed(0)
    loss = masked(network, images)
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    torch.manual_seed(0)
    assert masked(network, images) == loss
    (shown,) = seen
    hidden = (shown[..., :64, :40] == 0).all(dim=1, keepdim=True)
    whole = torch.zeros_like(shown)
    whole[..., :64, :40] = images
    counted = hidden if shown.shape[-2:] == (64, 40) else (shown == 0).all(dim=1, keepdim=True)
    assert torch.isclose(loss, whole.square()[counted.expand_as(whole)].mean(), rtol=1e-4)
    assert 0.6 < float(patches(counted.float().expand_as(whole), network.stride).mean()) < 0.9
