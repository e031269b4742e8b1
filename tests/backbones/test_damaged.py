"""Every defect of a checkpoint file is one sentence, whatever is in it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from humanbench.backbones import load_backbone
from humanbench.errors import BackboneError
from tests.backbones.tiny import TINY

NAME = "blocks.0.attn.qkv.weight"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return dict(load_backbone("random:vit", **TINY).trunk.state_dict())


def loaded(state: dict[str, Any], path: Path) -> None:
    torch.save(state, path)
    load_backbone("vit", path, num_heads=TINY["num_heads"])


def test_the_state_itself_loads(state: dict[str, Tensor], tmp_path: Path) -> None:
    loaded(state, tmp_path / "x.pth")


@pytest.mark.parametrize("name", [NAME, "patch_embed.proj.weight", "pos_embed", "cls_token", "norm.weight"])
@pytest.mark.parametrize(
    "change",
    [
        lambda v: torch.tensor(1.0),
        lambda v: torch.zeros(0),
        lambda v: v[..., :0],
        lambda v: v.long(),
        lambda v: v.bool(),
        lambda v: v.to(torch.complex64),
        lambda v: v * float("inf"),
        lambda v: v.to_sparse(),
        lambda v: v.to("meta"),
        lambda v: torch.quantize_per_tensor(v.flatten(), 0.1, 0, torch.qint8),
        lambda v: v.unsqueeze(0),
        lambda v: "text",
    ],
)
def test_an_odd_tensor_is_one_sentence(
    state: dict[str, Tensor], tmp_path: Path, name: str, change: Callable[[Tensor], Any]
) -> None:
    with pytest.raises(BackboneError):
        loaded(state | {name: change(state[name])}, tmp_path / "x.pth")


@pytest.mark.parametrize("number", ["9" * 30, "99999", "x", "-1", "", "1_0", "٣"])
def test_blocks_are_numbered_one_by_one(state: dict[str, Tensor], tmp_path: Path, number: str) -> None:
    with pytest.raises(BackboneError, match=r"one is numbered|does not fit|loaded"):
        loaded(state | {f"blocks.{number}.norm1.weight": state["norm.weight"]}, tmp_path / "x.pth")


def test_a_flipped_bit_of_the_data_is_found(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(state, path)
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackboneError, match="damaged checkpoint"):
        load_backbone("vit", path, num_heads=TINY["num_heads"])


def test_a_number_too_large_for_float32_is_not_finite(state: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"of norm\.weight are not finite numbers of float32"):
        loaded(state | {"norm.weight": state["norm.weight"].double() * 1e300}, tmp_path / "x.pth")


def test_an_expert_of_a_file_without_experts_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(BackboneError, match="expert=1 is given, and the file has no experts"):
        load_backbone("vit", tmp_path / "x.pth", num_heads=TINY["num_heads"], expert=1)
