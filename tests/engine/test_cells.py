"""A cell from its data to its record: skipping, failing, repeating, and what the record holds."""

from __future__ import annotations

import errno
import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import humanbench
from humanbench import scoring
from humanbench.cards import load_card
from humanbench.data.samples import MARKER, load_samples
from humanbench.data.transforms import normalise
from humanbench.engine import cell as engine_cell
from humanbench.engine import checkpoint, fit, speed
from humanbench.engine.devices import accelerator_for
from humanbench.engine.finetune import Finetune
from humanbench.engine.predict import predict
from humanbench.engine.run_folder import BusyError, RunFolder
from humanbench.errors import HumanbenchError
from humanbench.hashing import content_sha256
from humanbench.recipes import load_recipe
from humanbench.regimes import freeze
from humanbench.results import Result
from humanbench.run_log import RunLog
from humanbench.tasks.attribute import training as attribute_model
from tests.engine.toy import FAST, toy_backbone

Run = Callable[..., Result]


def results(folder: Path) -> list[Path]:
    return sorted((folder / "results").glob("*.json"))


@pytest.mark.parametrize("protocol", ["full", "partial", "head"])
def test_the_record_says_what_was_done(run: Run, data_root: Path, tmp_path: Path, protocol: str) -> None:
    result = run("pa100k", protocol)
    folder = tmp_path / "run"
    assert (result.status, result.regime, result.main, result.task) == ("done", protocol, "mA", "attribute")
    assert result.scenario == "undisclosed"
    path = folder / result.predictions
    assert result.provenance.predictions_sha256 == content_sha256(path)
    rescored = scoring.score("pa100k", path, data_root=data_root)
    assert rescored.metrics == result.metrics
    stem = path.stem
    report = json.loads((folder / "freeze" / f"{stem}.json").read_text())
    assert report["regime"] == protocol
    assert sum(n for _, n in report["trainable"]) == result.trainable
    assert json.loads((folder / "recipes" / f"{stem}.json").read_text())["optim"]["name"] == "adamw"
    assert {"packages", "python", "git_commit"} <= json.loads((folder / "environment.json").read_text()).keys()
    weights = json.loads((folder / "backbone.json").read_text())
    assert (weights["weights_sha256"], weights["name"]) == (result.cell.weights_sha256, result.backbone)
    assert "epoch 3/" in (folder / "log.txt").read_text()
    assert len(result.history) == result.epochs
    assert result.provenance.images_per_second["fit"] > 0
    assert (result.cost.height, result.cost.width) == (32, 32)
    # 4 patches of 3 x 16 x 16 and a class token, 16 wide; per block: qkv, attention (2 heads of 8), projection, mlp
    embedding = 2 * 4 * (3 * 256) * 16
    block = 2 * 5 * 16 * 48 + 2 * (2 * 2 * 5 * 5 * 8) + 2 * 5 * 16 * 16 + 2 * (2 * 5 * 16 * 64)
    assert result.cost.gflops == pytest.approx((embedding + 3 * block) / 1e9)
    assert result.storage.added >= 4 * result.trainable
    assert result.provenance.peak_memory == {}


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Result], dict[str, float]]:
    """Forwards are timed, as they are outside tests; what a result holds of that."""
    monkeypatch.setattr(speed, "BATCHES", (1, 32))
    monkeypatch.setattr(speed, "_ENOUGH", 0.001)
    monkeypatch.setattr(speed, "_measured", {})
    return lambda result: {
        name: value for name, value in result.provenance.images_per_second.items() if name.startswith("forward")
    }


def test_forwards_are_timed_once_for_a_network_and_head(
    run: Run, timed: Callable[[Result], dict[str, float]], tmp_path: Path
) -> None:
    first = timed(run("pa100k", "partial"))
    assert set(first) == {"forward_1_fp32", "forward_32_fp32"}
    assert min(first.values()) > 0
    assert timed(run("pa100k", "head", seed=1)) == first, "the same network, from stored trunk outputs"
    assert timed(run("market1501", "head")) != first
    assert len(speed._measured) == 2


def test_a_forward_that_takes_long_is_measured_at_batch_1_only(
    run: Run, timed: Callable[[Result], dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_seconds", lambda model, batch, meter: 0.5)
    assert timed(run("pa100k", "none")) == {"forward_1_fp32": 2.0}


def test_direct_evaluation_of_features(run: Run) -> None:
    direct = run("market1501", "none")
    assert (direct.status, direct.epochs, direct.trainable) == ("done", 0, 0)
    # The tested feature lies under the head, so training the head alone changes nothing.
    assert run("market1501", "head").metrics == direct.metrics
    with pytest.raises(HumanbenchError, match="--protocol none is for reid, attribute"):
        run("crowdhuman", "none")


def test_nearest_neighbours_among_the_training_people(run: Run, data_root: Path, tmp_path: Path) -> None:
    """Remembered are the features of the training pictures, in the order of their labels."""
    result = run("pa100k", "none")
    assert (result.status, result.epochs, result.trainable) == ("done", 0, 0)
    card = load_card("pa100k")
    tables = {"train": load_samples("pa100k", "train", data_root)}
    recipe = load_recipe(card, "none", "mini", overrides={"input.size": [32, 32]})
    backbone = toy_backbone()
    head = attribute_model.training.build_head(card, tables, recipe, backbone)
    data = attribute_model.training.test_data(card, tables, recipe, backbone.preprocessing, {})
    finetune = Finetune(backbone, head, freeze(backbone, head, "none"))
    features = predict(
        accelerator_for("cpu", "no"), finetune, attribute_model.training, data, recipe, RunLog(loud=False)
    ).decoded
    head.set_reference_features(features)
    assert torch.equal(head.labels, torch.from_numpy(attribute_model.labels_of(card, tables)).float())
    for row in (0, len(data) - 1):
        with torch.no_grad():
            image = normalise(data[row]["image"][None], backbone.preprocessing)
            pooled = backbone(image).pooled[0]
        assert torch.allclose(head.reference[row] + head.shared, pooled / pooled.norm(), atol=1e-6)


def test_a_finished_cell_is_found_by_its_content(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run()
    (path,) = results(tmp_path / "run")
    with monkeypatch.context() as context:
        context.setattr(fit.Fit, "run", lambda self: pytest.fail("was fitted again"))
        assert run() == first
        assert run(backbone=toy_backbone()) == first
    renamed = path.with_name(f"renamed-{path.name}")
    path.rename(renamed)
    assert run() == first
    assert results(tmp_path / "run") == [renamed]


def test_what_is_said_of_a_backbone_later_counts_without_another_training(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run()
    assert first.scenario == "undisclosed"
    monkeypatch.setattr(fit.Fit, "run", lambda self: pytest.fail("was fitted again"))
    named = toy_backbone()
    named.name, named.pretrained_on = "named", ("peta",)
    later = run(backbone=named)
    assert later == first.model_copy(update={"backbone": "named", "scenario": "out-of-dataset"})
    assert list(humanbench.load_results(tmp_path / "run")) == [later]
    assert run(backbone=named, pretrained_on="pa100k").scenario == "in-dataset"
    assert run(backbone=named, pretrained_on="undisclosed") == first.model_copy(update={"backbone": "named"})
    assert json.loads((tmp_path / "run" / "backbone.json").read_text())["pretrained_on"] is None
    assert len(results(tmp_path / "run")) == 1
    assert len(list((tmp_path / "run" / "set_aside").iterdir())) == 3


@pytest.mark.parametrize("change", ["weights", "recipe", "seed", "picture"])
def test_other_content_is_another_cell(run: Run, data_root: Path, tmp_path: Path, change: str) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data_root / "pa100k", copy / "pa100k")
    before = run("pa100k", "head", data_root=copy)
    changed: dict[str, Any] = {"weights": {"backbone": toy_backbone(1)}, "recipe": {"set": {"optim.lr": 0.02}}}.get(
        change, {}
    )
    changed |= {"seed": 5} if change == "seed" else {}
    if change == "picture":
        picture = load_samples(load_card("pa100k"), "test", copy)["image"].iloc[0]
        Image.new("RGB", (32, 40), "red").save(picture)
    after = run("pa100k", "head", data_root=copy, **changed)
    assert after.cell.id != before.cell.id
    assert len(results(tmp_path / "run")) == 2


def test_a_loss_that_is_not_finite_fails_its_cell_only(data_root: Path, tmp_path: Path) -> None:
    done = humanbench.evaluate(
        toy_backbone(), "partial", ["pa100k", "peta"], suite="mini", data_root=data_root, out=tmp_path, device="cpu",
        set=FAST["attribute"] | {"optim.lr": 1e30},
    )  # fmt: skip
    assert [r.status for r in done] == ["failed", "failed"]
    assert "the loss is nan in epoch" in done[0].reason
    assert "smaller optim.lr" in done[0].reason
    again = humanbench.evaluate(
        toy_backbone(), "partial", ["pa100k", "peta"], suite="mini", data_root=data_root, out=tmp_path, device="cpu",
        set=FAST["attribute"],
    )  # fmt: skip
    assert [r.status for r in again] == ["done", "done"]
    assert len(results(tmp_path)) == 4
    assert {r.status for r in humanbench.load_results(tmp_path)} == {"done", "failed"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "out of memory (CUDA"),
        (MemoryError("no more"), "out of memory (no more)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory (Default"),
        (KeyError("odd"), "KeyError: 'odd'"),
    ],
)
def test_errors_in_a_cell_are_recorded_and_the_rest_goes_on(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    build = attribute_model.training.build_head

    def fail_once(card: Any, *rest: Any) -> Any:
        if card.id == "pa100k":
            raise error
        return build(card, *rest)

    monkeypatch.setattr(attribute_model.training, "build_head", fail_once)
    done = humanbench.evaluate(
        toy_backbone(), "head", ["pa100k", "peta"], suite="mini", data_root=data_root, out=tmp_path, device="cpu",
        set=FAST["attribute"],
    )  # fmt: skip
    assert [r.status for r in done] == ["failed", "done"]
    assert done.failed[0].reason.startswith(reason)
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert [json.loads(p.read_text())["status"] for p in results(tmp_path)] == ["failed", "done"]


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_failed_cell_is_as_synthetic_as_its_data(run: Run, data_root: Path, tmp_path: Path, synthetic: bool) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data_root / "pa100k", copy / "pa100k")
    if synthetic:
        (copy / "pa100k" / MARKER).write_text("{}")
    result = run(data_root=copy, set={"optim.lr": 1e30})
    assert (result.status, result.synthetic) == ("failed", synthetic)


def test_a_picture_that_does_not_decode_fails_its_cell(run: Run, data_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data_root / "pa100k", copy / "pa100k")
    picture = Path(load_samples(load_card("pa100k"), "test", copy)["image"].iloc[3])
    picture.write_bytes(picture.read_bytes()[:100])
    result = run(data_root=copy)
    assert result.status == "failed"
    assert picture.name in result.reason


def test_a_full_disk_ends_the_run_and_leaves_nothing_half_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", "checkpoint")

    with monkeypatch.context() as context:
        context.setattr(checkpoint.torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            run()
    assert not [p for p in (tmp_path / "run").rglob("*") if "checkpoints" in p.parts and p.is_file()]
    assert not results(tmp_path / "run")
    assert run().status == "done"


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    path, state = tmp_path / "fit.pt", {"weights": torch.zeros(10_000)}
    checkpoint.save_checkpoint(path, "before", {})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as a full disk: writing ends in the middle
    try:
        with pytest.raises(OSError, match=r"File too large: .*fit\.pt"):
            checkpoint.save_checkpoint(path, "after", state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    checkpoint.save_checkpoint(path, "after", state)
    content = checkpoint.load_checkpoint(path, "after")
    assert content is not None
    assert torch.equal(content["weights"], state["weights"])


def test_a_damaged_checkpoint_is_not_used(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(out=tmp_path / "undisturbed")
    with monkeypatch.context() as context:
        context.setattr(engine_cell, "predict", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run()
    (path,) = (tmp_path / "run" / "checkpoints").glob("*.pt")
    path.write_bytes(path.read_bytes()[:1000])
    assert run().history == whole.history


@pytest.fixture(scope="module")
def interrupted(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a run that ended after its fit, and the result of one that was left alone."""
    folder = tmp_path_factory.mktemp("interrupted")
    options = {"suite": "mini", "data_root": data_root, "device": "cpu", "set": FAST["attribute"]}
    with pytest.MonkeyPatch.context() as context:
        context.setenv("HUMANBENCH_CACHE", str(folder / "cache"))
        (whole,) = humanbench.evaluate(toy_backbone(), datasets="pa100k", out=folder / "whole", **options)
        context.setattr(engine_cell, "predict", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            humanbench.evaluate(toy_backbone(), datasets="pa100k", out=folder / "run", **options)
    return folder / "run", whole


def without(state: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in names}


def flipped(path: Path) -> None:
    """Change a bit of a weight: the archive can be read as before."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def resaved(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Save the checkpoint again with another state."""

    def save(path: Path) -> None:
        saved = torch.load(path, weights_only=True)
        torch.save({"identity": saved["identity"], "state": change(saved["state"])}, path)

    return save


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]) and None,
    "empty": lambda path: path.write_bytes(b"") and None,
    "no archive": lambda path: path.write_text("weights") and None,
    "a flipped bit": flipped,
    "no state": resaved(lambda state: 3),
    "of an earlier version": resaved(lambda s: without(s, "trainable", "ema") | {"learnt": {}, "average": None}),
    "of other shapes": resaved(lambda s: s | {"trainable": {n: t[None] for n, t in s["trainable"].items()}}),
    "without its progress": resaved(lambda s: s | {"progress": {"epochs": 3}}),
    "another optimiser's": resaved(lambda s: s | {"optimiser": {"state": {}, "param_groups": []}}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_starts_the_fit_anew_and_says_so(
    run: Run, interrupted: tuple[Path, Result], tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, whole = interrupted
    shutil.copytree(folder, tmp_path / "run")
    (path,) = (tmp_path / "run" / "checkpoints").glob("*.pt")
    DAMAGES[damage](path)
    again = run()
    assert (again.status, again.history) == ("done", whole.history)
    assert again.provenance.predictions_sha256 == whole.provenance.predictions_sha256
    assert f"it starts anew: {path}" in capsys.readouterr().err
    assert "going on after epoch" not in (tmp_path / "run" / "log.txt").read_text()


def test_a_results_file_that_was_cut_off_is_set_aside(run: Run, tmp_path: Path) -> None:
    first = run()
    (path,) = results(tmp_path / "run")
    path.write_bytes(path.read_bytes()[:300])
    again = run()
    assert again.metrics == first.metrics
    assert [p.name for p in (tmp_path / "run" / "set_aside").iterdir()] == [path.name]
    assert humanbench.load_results(tmp_path / "run")[0] == again
    assert "moved to set_aside/" in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize("change", ["removed", "altered"])
def test_predictions_that_are_gone_or_changed_are_made_again(run: Run, tmp_path: Path, change: str) -> None:
    first = run()
    predictions = tmp_path / "run" / first.predictions
    content = predictions.read_bytes()
    predictions.unlink()
    if change == "altered":
        predictions.write_bytes(content + b"\n")
    again = run()
    assert predictions.read_bytes() == content
    assert again.metrics == first.metrics
    assert run() == again
    assert humanbench.load_results(tmp_path / "run")[0] == again


def test_a_failure_before_the_data_is_read_does_not_stay_beside_the_success(
    run: Run, data_root: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data_root / "pa100k", copy / "pa100k")
    (annotations,) = (copy / "pa100k").rglob("annotation.mat")
    annotations.rename(tmp_path / "annotation.mat")
    assert run(data_root=copy).status == "failed"
    (tmp_path / "annotation.mat").rename(annotations)
    done = run(data_root=copy)
    assert done.status == "done"
    assert list(humanbench.load_results(tmp_path / "run")) == [done]
    assert len(list((tmp_path / "run" / "set_aside").iterdir())) == 1


def test_two_runs_in_one_folder(run: Run, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").claim(["pa100k-partial-s0"]):
        with pytest.raises(BusyError, match=r"pa100k-partial-s0 is being worked on by process \d+ on .* --out"):
            run()
        assert run(seed=1).status == "done"  # another cell of the same folder is free
    assert run().status == "done"


def test_all_locks_or_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim(["b"]), pytest.raises(BusyError), folder.claim(["a", "b"]):
        pass
    with folder.claim(["a", "b"]):  # the failed claim let go of "a"
        pass


def test_seeds_give_mean_and_spread(data_root: Path, tmp_path: Path) -> None:
    done = humanbench.evaluate(
        toy_backbone(), "head", "pa100k", suite="mini", data_root=data_root, out=tmp_path, device="cpu",
        seeds=3, seed=4, set=FAST["attribute"],
    )  # fmt: skip
    frame = done.to_frame()
    assert list(frame["seed"]) == [4, 5, 6]
    (row,) = done.over_seeds().to_dict("records")
    assert row["mean"] == pytest.approx(frame["value"].mean())
    assert row["std"] == pytest.approx(frame["value"].std(ddof=1))
    assert row["count"] == 3
    assert len(humanbench.load_results(tmp_path)) == 3


def test_part_of_a_dataset_is_labelled(run: Run, data_root: Path, tmp_path: Path) -> None:
    rows = ["split,id"]
    for split in ("train", "val", "test"):
        rows += [f"{split},{i}" for i in load_samples("pa100k", split, data_root)["id"].iloc[:9]]
    (tmp_path / "few.csv").write_text("\n".join(rows))
    result = run(subset=tmp_path / "few.csv")
    assert (result.status, result.subset, result.metrics["F1"].n) == ("done", "few", 9)
    with pytest.raises(HumanbenchError, match="names samples of one dataset"):
        humanbench.evaluate(toy_backbone(), task="attribute", data_root=data_root, subset=tmp_path / "few.csv")
