"""What a stranger's entry names is not fetched unasked, and nothing of this machine is ever read or called for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from humanbench.backbones import load_backbone
from humanbench.backbones.arguments import STRUCTURE
from humanbench.backbones.config_files import HEADER
from humanbench.backbones.record import from_record
from humanbench.errors import BackboneError, HumanbenchError
from humanbench.leaderboard.model.entries import BoardEntry, entries_of
from humanbench.leaderboard.submissions.rerun import rerun, strange_places
from tests.leaderboard.made import made_result

PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}


def entry(backbone: str, checkpoint: str | None = None, **record: Any) -> BoardEntry:
    (one,) = entries_of([made_result("pa100k", backbone, checkpoint=checkpoint)], lambda _: (), submission="s")
    return replace(one, record={"name": backbone, **record} if record else None)


def network(**architecture: Any) -> dict[str, Any]:
    return {"network": {"architecture": architecture, "preprocessing": PIXELS, "load": None}}


@pytest.mark.parametrize(
    ("of", "places"),
    [
        (entry("mae_vitb"), []),
        (entry("resnet18"), []),
        (entry("timm:resnet18"), []),
        (entry("hf-hub:evil/net"), ["hf-hub:evil/net"]),
        (entry("vit", "hf-hub:evil/net:w.bin"), ["hf-hub:evil/net:w.bin"]),
        (entry("x", card={"id": "x", "weights": [{"url": "http://e/w.pth"}]}, **network(timm="resnet18")), ["http://e/w.pth"]),
        (entry("x", card={"id": "x", "weights": [{"hub": "e/x"}]}, **network(timm="resnet18")), ["hf-hub:e/x"]),
        (entry("mae_vitb", card={"id": "mae_vitb", "weights": [{"url": "u"}]}, **network(timm="resnet18")), []),
    ],
)  # fmt: skip
def test_what_an_entry_would_have_fetched_is_named_and_asked_for(
    of: BoardEntry, places: list[str], tmp_path: Path
) -> None:
    assert strange_places(of) == places
    if places:
        with pytest.raises(HumanbenchError, match=f"names {places[0]}.*--trust"):
            rerun(of, tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("backbone", "checkpoint"),
    [
        ("/etc/card.toml", None), ("local-dir:/etc", None), ("../x/w.pth", None), ("mae_vitb", "/etc/w.pth"),
        ("vit", "~/w.pth"), ("random:/etc/x.toml", None), (".", None),
    ],
)  # fmt: skip
def test_paths_in_an_entry_are_never_read(backbone: str, checkpoint: str | None, tmp_path: Path) -> None:
    of = entry(backbone, checkpoint)
    with pytest.raises(HumanbenchError, match="would be a file or folder of this machine and is not read"):
        rerun(of, tmp_path / "run", trust=True)


def test_a_builder_that_a_record_or_a_file_names_is_not_called(tmp_path: Path) -> None:
    bomb = {"builder": "os:mkdir", "arguments": {"path": str(tmp_path / "pwned")}}
    with pytest.raises(BackboneError, match="names the builder 'os:mkdir', which no installed card has"):
        from_record({"name": "x", **network(**bomb)})
    words = {HEADER: __import__("json").dumps({"architecture": bomb, **PIXELS})}
    save_file({"patch_embed.proj.weight": torch.zeros(8, 3, 4, 4)}, tmp_path / "x.safetensors", words)
    with pytest.raises(BackboneError, match="names the builder 'os:mkdir'"):
        load_backbone(str(tmp_path / "x.safetensors"))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("checkpoint_path", "/etc/passwd", "only what does is passed on"),
        ("pretrained_cfg", {"url": "http://e/x"}, "only what does is passed on"),
        ("features_only", True, "only what does is passed on"),
        ("depth", 10**30, "no network has that"),
        ("depth", 100_000, "no network has that"),
        ("img_size", 0, "no network has that"),
        ("img_size", [0, 0], "no network has that"),
        ("embed_dim", -1, "no network has that"),
        ("mlp_ratio", float("nan"), "no network has that"),
        ("act_layer", {"x": 1}, "no network has that"),
        ("num_heads", 7, "cannot be built with"),
    ],
)  # fmt: skip
def test_arguments_reach_timm_by_a_list(key: str, value: Any, said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        load_backbone("random:vit_tiny_patch16_224", **{key: value})


@pytest.mark.parametrize("name", ["hf-hub:evil/net", "local-dir:/etc"])
def test_addresses_in_an_architecture_are_no_networks_of_timm(name: str) -> None:
    with pytest.raises(BackboneError, match="timm has no network called"):
        from_record({"name": "x", **network(timm=name)})


def test_the_list_leaves_out_all_that_timm_itself_loads_or_calls() -> None:
    assert not STRUCTURE & {
        "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "checkpoint_path", "cache_dir",
        "scriptable", "exportable", "features_only", "feature_cls", "kwargs_filter", "model_cfg", "block_fn",
    }  # fmt: skip
