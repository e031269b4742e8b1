"""What can be asked of a pretraining, and what is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from humanbench import load_backbone
from humanbench.backbones.cards import parse_backbone_card
from humanbench.backbones.config_files import header_of
from humanbench.cli import main
from humanbench.errors import BackboneError
from humanbench.pretrain.run import pretrain
from tests.pretrain.asked import request, start_card
from tests.pretrain.small import DATASETS, SET, TINY


def cli(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["pretrain", *(str(word) for word in words)])


def test_dry_run_prints_the_paper_s_table() -> None:
    shown = cli("--dry-run")
    assert shown.exit_code == 0, shown.output
    for text in ("11,019,187", "10,823,338", "25 entries", "37 datasets", "3,584,000", "DukeMTMC"):
        assert text in shown.output
    part = cli("--dry-run", "--collection", "subset", "--tasks", "pose,reid", "--json")
    assert set(json.loads(part.stdout)["entries"]) == {
        "pose_coco", "pose_aic", "pose_posetrack", "reid_4sets", "reid_LaST_PRCC_DGMarket",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--datasets", "market1502"], "market1502 is in no entry of path; did you mean market1501"),
        (["--datasets", "atr"], "atr is in no entry of path"),
        (["--tasks", "poses"], "no task is called 'poses'; did you mean pose?"),
        (["--set", "optim.speed=1"], "optim.speed"),
        (["--variant", "huge"], "no variant 'huge'"),
        (["--suite", "tiny"], "no suite is called 'tiny'"),
    ],
)
def test_wrong_requests_are_one_sentence(words: list[str], message: str) -> None:
    done = cli(*words)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_missing_datasets(root: Path, tmp_path: Path) -> None:
    """All that are absent are named; `--allow-missing` goes on without them."""
    overrides = [word for key, value in SET.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    words = ["--suite", "mini", "--backbone", start_card(tmp_path), "--data-root", root, "--out", tmp_path / "run"]
    refused = cli(*words, *overrides)
    assert refused.exit_code == 2
    assert f"{37 - len(DATASETS)} of 37 datasets are not under" in refused.output
    assert "--allow-missing" in refused.output
    assert not (tmp_path / "run").exists()
    made = cli(*words, *overrides, "--allow-missing", "--iterations", "1", "--device", "cpu", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["card"] == str(tmp_path / "run" / "card.toml")
    assert (tmp_path / "run" / "backbone.safetensors").is_file()


@pytest.mark.parametrize("how", ["set", "configuration"])
def test_a_dataset_in_a_place_of_its_own(how: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--set datasets.ID.root=` and the configuration file count in pretraining as everywhere."""
    base = tmp_path / "data"
    base.mkdir()
    for name in DATASETS[1:]:
        (base / name).symlink_to(root / name)
    dataset = root / DATASETS[0]
    settings = SET | {"iterations": 1}
    if how == "set":
        settings |= {f"datasets.{DATASETS[0]}.root": str(dataset)}
        folder = pretrain(request(base, tmp_path / "run", start_card(tmp_path), set=settings))
    else:
        monkeypatch.setenv("HUMANBENCH_DATA", str(base))
        monkeypatch.setenv("HUMANBENCH_CONFIG", str(tmp_path / "config.toml"))
        (tmp_path / "config.toml").write_text(f"[datasets.{DATASETS[0]}]\nroot = {json.dumps(str(dataset))}\n")
        made = request(base, tmp_path / "run", start_card(tmp_path), set=settings)
        folder = pretrain(replace(made, suite="humanbench-v1", data_root=None))
    assert (folder / "backbone.safetensors").is_file()


def test_no_gpu_for_a_recipe_of_that_size(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """80,000 steps of the paper's batches on a processor: years; the sentence says so and what to do."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = cli(
        "--backbone", "random:vit_tiny_patch16_224", "--data-root", root, "--allow-missing", "--out", tmp_path / "a"
    )
    assert done.exit_code == 2
    assert "no GPU here: on this processor 80,000 steps would take about" in done.output.splitlines()[-1]
    assert not (tmp_path / "a" / "backbone.safetensors").exists()


@pytest.mark.parametrize(
    ("method", "settings"), [("path", SET | {"iterations": 0}), ("mae", {"iterations": 0, "masking.heads": 2})]
)
def test_without_steps_the_start_is_written(method: str, settings: dict[str, Any], root: Path, tmp_path: Path) -> None:
    """How the mini backbone without training is made; PATH's class tokens start as the backbone's, at its position."""
    card = start_card(tmp_path)
    given = load_file(tmp_path / "backbone.safetensors")
    given["pos_embed"][:, 0] = 2.0
    save_file(given, tmp_path / "backbone.safetensors")
    folder = pretrain(request(root, tmp_path / 'My "run" é', card, method=method, set=settings))
    made = load_file(folder / "backbone.safetensors")
    assert parse_backbone_card(folder / "card.toml").id == "my__run___"
    assert made.keys() == given.keys()
    assert all(torch.equal(made[name], given[name]) for name in made)


@pytest.mark.parametrize("method", ["path", "mae"])
@pytest.mark.parametrize("name", ["random:deit3_small_patch16_224", "random:vit_xsmall_patch16_clip_224", "vit"])
def test_networks_without_a_card(method: str, name: str, root: Path, tmp_path: Path) -> None:
    """Layer scales, a norm before the blocks, positions without one for the class token: the card builds the same."""
    if name == "vit":
        tensors = load_backbone("vit", init_values=0.1, pre_norm=True, act_layer="quick_gelu", mlp_ratio=2.0, **TINY)
        name = str(tmp_path / "own.safetensors")
        assert tensors.architecture is not None
        header = header_of(tensors.architecture, vars(tensors.preprocessing))
        save_file({k: v.contiguous() for k, v in tensors.trunk.state_dict().items()}, name, metadata=header)
    settings = {"iterations": 1} | {k: v for k, v in SET.items() if method == "path" or k != "projector.reduction"}
    chosen = ["market1501", "cuhk03"] if method == "path" else ["coco_pose"]
    given = request(root, tmp_path / "run", Path(name), method=method, datasets=chosen, set=settings)
    folder = pretrain(replace(given, backbone=name))
    made = load_backbone(str(folder / "card.toml"))
    assert made.report is not None
    assert not made.report.missing
    like = load_backbone(name).trunk
    for part in ("norm_pre", "blocks"):
        assert repr(getattr(made.trunk, part)) == repr(getattr(like, part))
    assert made.trunk.cls_token is not None
    assert made.architecture is not None
    assert made.card is not None
    assert made.card.architecture == made.architecture


def test_the_bare_file_is_the_card(root: Path, tmp_path: Path) -> None:
    """The weights alone build the card's network with the card's preprocessing: its heads are in no tensor."""
    folder = pretrain(request(root, tmp_path / "run", start_card(tmp_path), set=SET | {"iterations": 1}))
    card, bare = load_backbone(str(folder / "card.toml")), load_backbone(str(folder / "backbone.safetensors"))
    assert repr(bare.trunk) == repr(card.trunk)
    assert bare.trunk.blocks[0].attn.num_heads == TINY["num_heads"]  # type: ignore[union-attr,index]
    assert bare.preprocessing == card.preprocessing
    assert bare.weights_sha256 == card.weights_sha256
    assert bare.report is not None
    assert not bare.report.guesses


def test_a_network_that_saw_no_class_token_gets_none(root: Path, tmp_path: Path) -> None:
    """Without ReID nothing trains one, so the card's network has none that would start at random."""
    settings = SET | {"iterations": 1}
    folder = pretrain(request(root, tmp_path / "run", start_card(tmp_path), datasets=["coco_pose"], set=settings))
    made = load_backbone(str(folder / "card.toml"))
    assert made.trunk.cls_token is None
    assert made.report is not None
    assert not made.report.missing


def test_a_card_is_checked_before_the_training(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("humanbench.pretrain.run._architecture", lambda start, tensors: start.architecture)
    with pytest.raises(BackboneError, match=r"what is trained does not fit a network built like it .cls_token"):
        pretrain(request(root, tmp_path / "run", start_card(tmp_path), set=SET))
    assert not (tmp_path / "run" / "backbone.safetensors").exists()


def test_networks_that_have_no_projector(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"projectors are for plain .* --set projector.enabled=false"):
        pretrain(request(root, tmp_path / "r", Path("random:resnet18"), set={}))
    with pytest.raises(BackboneError, match="register tokens cannot be pretrained"):
        pretrain(request(root, tmp_path / "r", Path("random:vit_small_patch14_reg4_dinov2"), set={}))
