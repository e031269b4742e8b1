"""What a pretraining leaves: names of the released code, files that load again, direct evaluation."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import humanbench
from humanbench import load_backbone
from humanbench.backbones.grouped_forward.vit import as_cells
from humanbench.cards import load_card, scenario
from humanbench.cli import main
from humanbench.errors import BackboneError, HumanbenchError
from humanbench.leaderboard.submissions.rerun import rerun
from humanbench.leaderboard.submissions.store import load_store
from humanbench.pretrain import entry_checkpoints
from humanbench.pretrain.direct import Direct, open_direct
from humanbench.pretrain.run import pretrain
from humanbench.pretrain.trunk import as_maps, projected
from humanbench.tasks.attribute.options import AttributeLossOptions
from humanbench.tasks.attribute.training import AttributeHead
from tests.pretrain.asked import request, start_card
from tests.pretrain.small import DATASETS, SET, TINY, build, recipe, start, weights, work
from tests.samples import PARITY

pytestmark = pytest.mark.xdist_group("entry checkpoints")  # what its fixtures make is made once

KEYS = PARITY.parent / "method" / "keys"


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny pretraining that started from a card."""
    out = tmp_path_factory.mktemp("run")
    return pretrain(request(root, out / "path", start_card(out)))


def test_names_of_a_dump(run: Path) -> None:
    """Those of the released code: `module.` and backbone_module, neck_module or decoder_module."""
    dumps = {path.name: entry_checkpoints.read_entry_checkpoint(path) for path in sorted((run / "dumps").iterdir())}
    assert list(dumps) == [f"ckpt_task{n}_iter_newest.pth.tar" for n in range(4)]
    pose, attributes, reid, detection = dumps.values()
    assert pose["step"] == 4
    assert {".".join(name.split(".")[:2]) for name in pose["state_dict"]} == {
        "module.backbone_module", "module.neck_module", "module.decoder_module",
    }  # fmt: skip
    assert pose["state_dict"]["module.backbone_module.pos_embed"].shape == (1, 16, 16)
    assert "module.backbone_module.cls_token" not in pose["state_dict"]
    assert reid["state_dict"]["module.backbone_module.cls_token_pos_embed"].shape == (1, 1, 16)
    assert attributes["state_dict"]["module.decoder_module.logits.0.weight"].shape == (80, 16)
    assert "module.decoder_module.predictor.query_feat.weight" in detection["state_dict"] or any(
        name.startswith("module.decoder_module.predictor.") for name in detection["state_dict"]
    )
    trunk = "module.backbone_module.blocks.0.mlp.fc1.weight"
    assert torch.equal(pose["state_dict"][trunk], detection["state_dict"][trunk])


@pytest.mark.skipif(not KEYS.is_dir(), reason=f"the released key lists are not at {KEYS}")
@pytest.mark.parametrize(
    ("entry", "part", "file"),
    [
        ("pose_coco", "module.backbone_module.", "path_vitb_keys.txt"),
        ("pose_coco", "module.decoder_module.", "path_pose_head_keys.txt"),
        ("attr_rap2_pa100k", "module.decoder_module.", "path_attr_head_keys.txt"),
    ],
)
def test_released_names(entry: str, part: str, file: str, root: Path) -> None:
    """Every name of the released lists (as far as three blocks reach), and no other."""
    network, entries = build(recipe(), root)
    data = next(s for s in entries if s.name == entry)
    names = {name.removeprefix(part) for name in entry_checkpoints.tensor_names(network, data) if name.startswith(part)}
    lines = (KEYS / file).read_text().split("\n")
    released = {line.split("\t")[0].removeprefix(part.removeprefix("module.")) for line in lines if line}
    deep = {f"blocks.{i}." for i in range(3, 12)}
    assert names == {name for name in released if not any(name.startswith(prefix) for prefix in deep)}


def test_gone_on_from_dumps(run: Path, root: Path, tmp_path: Path) -> None:
    """Weights, optimiser and step of all entries, put together again."""
    network, entries = build(recipe(), root)
    weights_by_unit, moments, step = entry_checkpoints.read_all(run / "dumps", network, entries)
    again = work(recipe(iterations=6), root, tmp_path / "a.pt")
    again.load(weights_by_unit, moments)
    assert step == 4
    state = entry_checkpoints.read_entry_checkpoint(run / "dumps" / "ckpt_task0_iter_newest.pth.tar")
    for name, (unit, inner) in entry_checkpoints.tensor_names(again.network, again.entries[0]).items():
        assert torch.equal(again.network.unit(unit).state_dict()[inner], state["state_dict"][name])
    moved = again.moments()["trunk"]["trunk.blocks.0.mlp.fc1.weight"]
    assert moved["step"] == 4
    stored = state["optimizer"]["module.backbone_module.blocks.0.mlp.fc1.weight"]["momentum"]
    assert torch.equal(moved["momentum"], stored)
    before = weights(again.network)
    again.state.step = step
    again.run()
    assert again.state.step == 6
    assert not torch.equal(before["backbone.trunk.pos_embed"], again.network.state_dict()["backbone.trunk.pos_embed"])


def test_foreign_dumps_are_refused(run: Path, root: Path, tmp_path: Path) -> None:
    network, entries = build(recipe(group__pose__set__head__channels=4), root)
    with pytest.raises(BackboneError, match="a dump of another architecture or entry than pose_coco"):
        entry_checkpoints.read_all(run / "dumps", network, entries)
    with pytest.raises(BackboneError, match="there is no such dump"):
        entry_checkpoints.read_all(tmp_path, network, entries)
    (tmp_path / "ckpt_task0_iter_newest.pth.tar").write_text("<html>")
    with pytest.raises(BackboneError, match="not a PyTorch checkpoint"):
        open_direct("vit", tmp_path, dict(TINY))
    direct = open_direct("vit", run / "dumps", TINY | {"depth": 2})
    with pytest.raises(BackboneError, match="another architecture"):
        direct.backbone(load_card("coco_pose"))


def test_shapes_alone_do_not_tell_dumps_apart(run: Path, root: Path, tmp_path: Path) -> None:
    """Of another entry with the same shapes, of another step, of one dataset twice: refused."""
    network, entries = build(recipe(), root)
    shutil.copytree(run / "dumps", tmp_path / "a")
    files = sorted((tmp_path / "a").iterdir())
    content = entry_checkpoints.read_entry_checkpoint(files[2])
    content["about"]["entry"]["datasets"] = ["market1501", "msmt17"]
    torch.save(content, files[2])
    with pytest.raises(BackboneError, match=r"market1501, msmt17.*where one of reid_4sets .market1501, cuhk03. is wan"):
        entry_checkpoints.read_all(tmp_path / "a", network, entries)
    shutil.copytree(run / "dumps", tmp_path / "b")
    content = entry_checkpoints.read_entry_checkpoint(tmp_path / "b" / files[1].name)
    torch.save(content | {"step": 2}, tmp_path / "b" / files[1].name)
    for opened in (
        lambda: entry_checkpoints.read_all(tmp_path / "b", network, entries),
        lambda: direct_of(tmp_path / "b"),
    ):
        with pytest.raises(BackboneError, match=r"task1_iter_newest.pth.tar of step 2, ckpt_task.* of step 4"):
            opened()
    shutil.copytree(run / "dumps", tmp_path / "c")
    shutil.copyfile(tmp_path / "c" / files[0].name, tmp_path / "c" / "ckpt_task7_iter_newest.pth.tar")
    with pytest.raises(BackboneError, match="are both of coco_pose"):
        direct_of(tmp_path / "c")


def direct_of(folder: Path) -> Direct:
    return open_direct("vit", folder, dict(TINY))


def test_dumps_of_another_pretraining_go(root: Path, tmp_path: Path) -> None:
    """A folder in which dumps were left holds the new run's alone."""
    card = start_card(tmp_path)
    settings = SET | {"iterations": 1}
    (pretrain(request(root, tmp_path / "run", card, set=settings)) / "course.json").unlink()
    folder = pretrain(request(root, tmp_path / "run", card, set=settings, datasets=["market1501", "cuhk03"]))
    assert [path.name for path in (folder / "dumps").iterdir()] == ["ckpt_task0_iter_newest.pth.tar"]
    assert direct_of(folder / "dumps").datasets == ("market1501", "cuhk03")


def test_a_finished_pretraining_is_neither_repeated_nor_replaced(root: Path, tmp_path: Path) -> None:
    """Not by one with other data, nor by another method, nor where nobody can say what it was."""
    card = start_card(tmp_path)
    settings = SET | {"iterations": 1}
    asked = request(root, tmp_path / "run", card, set=settings)
    folder = pretrain(asked)

    def state() -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.suffix not in (".txt", ".lock")
        }

    before = state()
    assert pretrain(asked) == folder
    assert state() == before
    mae = {name: value for name, value in settings.items() if name != "projector.reduction"}
    others: list[dict[str, Any]] = [{"set": settings, "datasets": ["market1501"]}, {"set": mae, "method": "mae"}]
    for other in others:
        with pytest.raises(HumanbenchError, match="holds a finished pretraining with another recipe"):
            pretrain(request(root, folder, card, **other))
    (folder / "course.json").write_text("{}")
    with pytest.raises(HumanbenchError, match="give another --out, or remove it"):
        pretrain(asked)
    assert set(state()) == set(before)


@pytest.mark.parametrize("state", ["newest", "80000"])
def test_released_attributes_are_in_an_order_of_their_own(state: str, tmp_path: Path) -> None:
    """The released head of RAPv2 and PA-100K: its column 54 is Hat, 76 Female, 39 RAP's Female; others are refused.

    The heads of the embedded suite's recipe say their order themselves. A released dump says by its number alone which
    entry it is of.
    """
    head = AttributeHead(16, np.full(80, 0.5, np.float32), AttributeLossOptions(weighted=True))
    with torch.no_grad():
        head.logits[0].weight.copy_(torch.arange(80.0)[:, None].expand(80, 16))
    trunk = {f"module.backbone_module.{k}": v for k, v in start().trunk.state_dict().items()}
    tensors = {f"module.decoder_module.{k}": v for k, v in head.state_dict().items()}
    torch.save({"step": 80000, "state_dict": trunk | tensors}, tmp_path / f"ckpt_task18_iter_{state}.pth.tar")
    direct = direct_of(tmp_path)
    assert direct.datasets == ("rapv2", "pa100k")
    rows = {}
    for name in ("rapv2", "pa100k"):
        card = load_card(name)
        dataset_head = AttributeHead(
            16, np.full(len(card.labels.attributes), 0.5, np.float32), AttributeLossOptions(weighted=True)
        )
        direct.fill(card, dataset_head)
        labelled = zip(card.labels.attributes, dataset_head.logits[0].weight, strict=True)
        rows |= {f"{name}: {attribute}": int(weight[0]) for attribute, weight in labelled}
    assert sorted(rows.values()) == list(range(80))
    assert rows["rapv2: hs-BaldHead"] == 0
    assert rows["rapv2: Female"] == 39
    assert rows["rapv2: action-Other"] == 53
    assert [rows[f"pa100k: {name}"] for name in ("Hat", "Glasses", "Female", "Back")] == [54, 55, 76, 79]
    strange = load_card("pa100k").model_copy(update={"pretraining": None})
    with pytest.raises(BackboneError, match="the order of pa100k's attributes in a released head is not known"):
        direct.fill(strange, head)


def test_backbone_and_card(run: Path) -> None:
    """timm's names with the ReID entry's class token; what it has seen gives the scenario of later cells."""
    tensors = load_file(run / "backbone.safetensors")
    assert tensors["pos_embed"].shape == (1, 17, 16)
    reid = entry_checkpoints.read_entry_checkpoint(run / "dumps" / "ckpt_task2_iter_newest.pth.tar")["state_dict"]
    assert torch.equal(tensors["cls_token"], reid["module.backbone_module.cls_token"])
    assert torch.equal(tensors["pos_embed"][:, :1], reid["module.backbone_module.cls_token_pos_embed"])
    backbone = load_backbone(str(run / "card.toml"))
    assert backbone.pretrained_on == tuple(sorted({"imagenet-1k", *DATASETS}))
    assert torch.equal(backbone.trunk.blocks[1].attn.qkv.weight, tensors["blocks.1.attn.qkv.weight"])
    names = ("market1501", "msmt17", "shanghaitech_a")
    scenarios = [scenario(load_card(name), backbone.pretrained_on) for name in names]
    assert scenarios == ["in-dataset", "out-of-dataset", "unseen-task"]
    course = json.loads((run / "course.json").read_text())
    assert (course["step"], course["history"][-1]["step"]) == (4, 4.0)
    assert not (run / "checkpoint.pt").exists()


def test_the_backbone_has_the_class_token_of_the_first_entry_that_has_one(root: Path) -> None:
    network, entries = build(recipe(entries__attr_rap2_pa100k__class_token=True), root)
    owners = [data.name for data in entries if data.entry.class_token]
    assert owners == ["attr_rap2_pa100k", "reid_4sets"]
    tokens = [network.unit(f"tokens.{name}").state_dict() for name in owners]
    tensors = entry_checkpoints.backbone_tensors(network, entries)
    assert torch.equal(tensors["cls_token"], tokens[0]["cls_token"])
    assert torch.equal(tensors["pos_embed"][:, :1], tokens[0]["cls_token_pos_embed"])
    assert not torch.equal(tokens[0]["cls_token"], tokens[1]["cls_token"])


def test_dumps_load_as_backbones(run: Path) -> None:
    """A dump is a checkpoint for finetuning too: `load_backbone` takes the backbone out of it."""
    backbone = load_backbone("vit", run / "dumps" / "ckpt_task0_iter_newest.pth.tar", **TINY)
    assert backbone.report is not None
    assert backbone.report.scheme == "PATH training dump"
    tensors = load_file(run / "backbone.safetensors")
    assert torch.equal(backbone.trunk.blocks[0].attn.qkv.weight, tensors["blocks.0.attn.qkv.weight"])


@torch.no_grad()
def test_direct_features_are_those_of_the_pretraining(run: Path, root: Path) -> None:
    network, entries = build(recipe(), root)
    weights_by_unit, _, _ = entry_checkpoints.read_all(run / "dumps", network, entries)
    for unit, tensors in weights_by_unit.items():
        network.unit(unit).load_state_dict(tensors)
    network.eval()
    direct = open_direct("vit", run / "dumps", dict(TINY))
    images = torch.randn(2, 3, 40, 32)
    for data in entries:
        wanted = network.features(data, images)  # type: ignore[operator]
        given = direct.backbone(load_card(data.entry.datasets[0]))(images)
        assert torch.equal(given.map, wanted.map)
        assert (given.class_token is None) == (not data.entry.class_token)
        if given.class_token is not None and wanted.class_token is not None:
            assert torch.equal(given.class_token, wanted.class_token)


@torch.no_grad()
def test_a_projector_is_built_again_as_it_was_trained(root: Path, tmp_path: Path) -> None:
    """Heads and temperature leave no trace in the shapes of its weights; the dump says them."""
    chosen = recipe(projector__temperature=3.0, projector__heads=4, projector__reduction=2)
    network, entries = build(chosen, root)
    for projector in network.upper.projectors.values():
        for gate in projector.side_gate_params:  # type: ignore[union-attr]
            gate.fill_(2.0)
    network.eval()
    moments: entry_checkpoints.Moments = {unit: {} for data in entries for unit in network.unit_names(data)}
    entry_checkpoints.write_entry_checkpoints(tmp_path, network, entries, chosen, 0, moments)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    wanted = network.features(entries[0], images).map  # type: ignore[operator]
    assert torch.equal(direct_of(tmp_path).backbone(load_card("coco_pose"))(images).map, wanted)


def test_tokens_as_cells_and_maps() -> None:
    tokens = torch.arange(2 * 7 * 3.0).reshape(2, 7, 3)
    (map_,), class_token = as_maps(as_cells(tokens, (2, 3)))
    assert torch.equal(map_[1, :, 1, 2], tokens[1, 6])
    assert class_token is not None
    assert torch.equal(class_token, tokens[:, 0])
    assert as_maps(as_cells(tokens[:, 1:], (2, 3)))[1] is None
    cells = projected(start().trunk, torch.zeros(1, 3, 33, 16), None, None)[0]
    assert cells.shape[1:3] == (3, 1)


def test_direct_evaluation(run: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--protocol none` on every dataset that an entry was trained on; of a joint head the dataset's own columns."""
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    results = humanbench.evaluate(
        str(run / "card.toml"), "none", suite="mini", data_root=root, out=tmp_path / "eval", device="cpu",
        checkpoint=run / "dumps",
    )  # fmt: skip
    assert not results.failed, [r.reason for r in results.failed]
    assert {r.dataset for r in results} == set(DATASETS)
    assert {(r.regime, r.scenario, r.epochs) for r in results} == {("none", "in-dataset", 0)}
    assert len({r.cell.weights_sha256 for r in results}) == 1
    sizes = {}
    for name in ("rapv2", "pa100k"):
        result = next(r for r in results if r.dataset == name)
        sizes[name] = pd.read_csv(tmp_path / "eval" / str(result.predictions)).shape[1] - 1
    assert sizes == {"rapv2": 54, "pa100k": 26}
    again = humanbench.evaluate(
        str(run / "card.toml"), "none", suite="mini", data_root=root, out=tmp_path / "eval", device="cpu",
        checkpoint=run / "dumps", datasets="pa100k",
    )  # fmt: skip
    assert [r.cell.id for r in again] == [r.cell.id for r in results if r.dataset == "pa100k"]


def test_dumps_are_one_entry_of_the_board(
    run: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submitted, accepted and run again as one, from the same dumps alone."""
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    humanbench.evaluate(
        str(run / "card.toml"), "none", suite="mini", data_root=root, out=tmp_path / "eval", device="cpu",
        checkpoint=run / "dumps",
    )  # fmt: skip
    archive, store = tmp_path / "s.zip", tmp_path / "store"
    words = [
        ["submit", tmp_path / "eval", "--out", archive],
        ["leaderboard", "accept", archive, "--submissions", store],
    ]
    for line in words:
        done = CliRunner().invoke(main, [*map(str, line), "--data-root", str(root)])
        assert done.exit_code == 0, done.output
    (accepted,) = load_store(store)
    (entry,) = accepted.entries()
    assert entry.board.labels == ("variant direct",)
    assert entry.pretrained_on is not None
    assert {"imagenet-1k", "coco_pose"} <= set(entry.pretrained_on)
    assert set(entry.scores) == set(DATASETS)
    entry = replace(entry, backbone=str(run / "card.toml"))  # its id alone says nothing on another machine
    again = rerun(entry, tmp_path / "again", run / "dumps", data_root=root, device="cpu")
    assert len(again) == len(DATASETS)
    assert all(cell.before == pytest.approx(cell.now, nan_ok=True) for cell in again)
    other = tmp_path / "other"
    shutil.copytree(run / "dumps", other)
    file = other / "ckpt_task0_iter_newest.pth.tar"
    changed = entry_checkpoints.read_entry_checkpoint(file)
    changed["state_dict"]["module.backbone_module.pos_embed"] += 1
    torch.save(changed, file)
    with pytest.raises(HumanbenchError, match="the weights here are not the entry's"):
        rerun(entry, tmp_path / "others", other, data_root=root, device="cpu")


def test_columns_of_a_joint_head(run: Path) -> None:
    direct = open_direct("vit", run / "dumps", dict(TINY))
    joint = entry_checkpoints.read_entry_checkpoint(run / "dumps" / "ckpt_task1_iter_newest.pth.tar")["state_dict"]
    card = load_card("pa100k")
    head = AttributeHead(16, np.full(26, 0.5, np.float32), AttributeLossOptions(weighted=True))
    direct.fill(card, head)
    assert torch.equal(head.logits[0].weight, joint["module.decoder_module.logits.0.weight"][54:])
    assert torch.equal(head.logits[1].running_var, joint["module.decoder_module.logits.1.running_var"][54:])  # type: ignore[arg-type]


def test_what_direct_evaluation_refuses(run: Path, root: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"suite": "mini", "data_root": root, "out": tmp_path / "x", "device": "cpu"}
    with pytest.raises(HumanbenchError, match="is for --protocol none"):
        humanbench.evaluate("vit", "head", checkpoint=run / "dumps", architecture=TINY, **given)
    with pytest.raises(HumanbenchError, match="the dumps hold no head of lip"):
        humanbench.evaluate("vit", "none", checkpoint=run / "dumps", architecture=TINY, datasets="lip", **given)
    with pytest.raises(HumanbenchError, match="holds no dump"):
        humanbench.evaluate("vit", "none", checkpoint=root, architecture=TINY, **given)
    assert not (tmp_path / "x").exists()
