"""The loop: the same weights in one process and two, interrupted or not; what is shared, and what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from humanbench.data.collate import normalised
from humanbench.engine import checkpoint as checkpoint_module
from humanbench.engine.batches import WorkerError
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.pretrain import loop
from humanbench.pretrain.entries import batch_plan
from humanbench.pretrain.network import projector_name
from humanbench.pretrain.ranks import assign, ranks_by_module
from humanbench.pretrain.running_statistics import RunningStatistics
from tests.pretrain.small import build, kind, recipe, weights, work

ROOT = Path(__file__).resolve().parents[2]


UNDECIDED = ("qkv.bias", "in_proj_bias", "logits.0.bias", "last_proj.bias", "fc2.bias", "running_mean")
"""Endings of tensors whose gradient is zero but for rounding, which Adafactor scales up: biases of keys (softmax does
not see them) and biases that only a batch normalisation reads, whose running mean follows them."""


def largest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


METHODS = ("path", "mae", "convolutional")


@pytest.fixture(scope="module")
def two_processes(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two gloo processes leave of each method."""
    out = tmp_path_factory.mktemp("two")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(ROOT / "tests" / "pretrain" / "two.py"), str(root), str(out), *METHODS,
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.xdist_group("two processes of a pretraining")
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_make_the_same_update(method: str, two_processes: Path, root: Path, tmp_path: Path) -> None:
    """Entries split over two gloo processes, two of them over both; up to the order of summation."""
    one = kind(method, root, tmp_path / "one.pt")
    start = weights(one.network)
    one.run()
    two = torch.load(two_processes / f"{method}.pt", weights_only=True)
    assert 0 < len(two["microbatches"]) < len(one.microbatches)  # the other process had something to do
    moved = largest(start, weights(one.network))
    assert moved > 1e-3
    shared = ("running_mean",) if method == "convolutional" else ()  # no bias before the norms of its trunk
    mine = {
        n: t
        for n, t in weights(one.network).items()
        if not n.endswith(UNDECIDED) or (n.startswith("backbone.") and n.endswith(shared))
    }
    assert bool(shared) == any(n.startswith("backbone.") and n.endswith("running_mean") for n in mine)
    assert len(mine) > 0.8 * len(two["network"])
    assert largest({name: two["network"][name] for name in mine}, mine) < 1e-5
    assert largest(two["network"], weights(one.network)) < moved
    for unit, moments in one.moments().items():
        assert two["moments"][unit].keys() == moments.keys()


def test_a_reading_process_that_is_killed_ends_the_pretraining(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is lost without a trace ends it after `WORKER_TIMEOUT`; torch would wait for ever."""
    monkeypatch.setattr(loop.Microbatches, "__getitem__", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    begun = work(recipe(), root, tmp_path / "one.pt")
    begun._workers = 1
    with pytest.raises(WorkerError, match=r"ended unexpectedly.*--workers 0"):
        begun.run()


def test_interrupted_and_resumed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in step 4, after the save of step 2: to the bit the weights of a run that was left alone."""
    whole = work(recipe(), root, tmp_path / "whole.pt")
    whole.run()
    broken = work(recipe(), root, tmp_path / "broken.pt")
    step = broken.step

    def dies(number: int, batches: Any) -> torch.Tensor:
        if number == 3:
            raise KeyboardInterrupt
        return step(number, batches)

    monkeypatch.setattr(broken, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    again = work(recipe(), root, tmp_path / "broken.pt")
    assert again.checkpointed()
    course = again.run()
    assert largest(weights(whole.network), weights(again.network)) == 0.0
    assert [entry["step"] for entry in course.history] == [2.0, 4.0]
    assert course.images == whole.state.images
    again.check_free()
    other = work(recipe(optim__lr=1e-4), root, tmp_path / "broken.pt")
    assert not other.checkpointed()
    with pytest.raises(HumanbenchError, match=r"another recipe.*would overwrite it; give another --out, or remove it"):
        other.check_free()
    assert work(recipe(save_every=1, recompute=True), root, tmp_path / "broken.pt").checkpointed()


def test_what_entries_share(root: Path, tmp_path: Path) -> None:
    """Backbone: all; projector: a task; head: a dataset, one for both detectors; class token: an entry."""
    chosen = recipe()
    network, entries = build(chosen, root)
    by_name = {data.name: set(network.unit_names(data)) for data in entries}
    assert by_name["pose_coco"] == {"trunk", "projectors.pose", "heads.pose_coco"}
    assert by_name["reid_4sets"] == {"trunk", "projectors.reid", "heads.reid_4sets", "tokens.reid_4sets"}
    assert by_name["ped_CrowdHuman"] == {"trunk", "projectors.detection", "heads.pedestrians"}
    entry = chosen.entries["pose_coco"]
    names = [
        projector_name("pose_coco", entry, recipe(projector__sharing=how).projector)  # type: ignore[arg-type]
        for how in ("hierarchical", "flat", "separate")
    ]
    assert names == ["pose", "all", "pose_coco"]
    flat, _ = build(recipe(projector__sharing="flat"), root)
    assert list(flat.upper.projectors) == ["all"]
    without, listed = build(recipe(projector__enabled=False), root)
    assert not len(without.upper.projectors)
    assert all("projectors" not in name for data in listed for name in without.unit_names(data))


def test_the_last_block_trains_only_without_projector(root: Path, tmp_path: Path) -> None:
    """With projectors the last block feeds nothing: its gradient is zero, weight decay alone shrinks its matrices.

    At a rate of 0.1 and a decay of 0.5 each of two steps leaves 1 - 0.1 x 0.5 = 0.95 of them.
    """
    rates = {"optim.lr": 0.1, "optim.weight_decay": 0.5, "optim.layer_decay": 1.0}
    rates |= {"schedule.name": "cosine", "schedule.warmup": 0, "schedule.end": 1.0}
    for enabled in (True, False):
        made = work(recipe(projector__enabled=enabled, iterations=2, **rates), root, tmp_path / f"{enabled}.pt")
        before = weights(made.network)
        made.run()
        after = weights(made.network)
        block = "backbone.trunk.blocks.2.mlp.fc1."
        assert torch.allclose(after[block + "weight"], before[block + "weight"] * 0.95**2, atol=1e-7) == enabled
        assert torch.equal(after[block + "bias"], before[block + "bias"]) == enabled
        assert not torch.equal(after["backbone.trunk.blocks.1.mlp.fc1.bias"], torch.zeros(64))


def test_gradient_is_the_weighted_sum_over_parts(root: Path, tmp_path: Path) -> None:
    """The backbone's gradient of a step against each entry's loss by hand, weights from the recipe."""
    chosen = recipe(every__drop_path=0.0, save_every=100, iterations=1)
    made = work(chosen, root, tmp_path / "a.pt")
    gradients: dict[str, torch.Tensor] = {}

    def keep() -> None:
        gradients["sum"] = made.network.trunk.blocks[0].attn.qkv.weight.grad.clone()

    made._optimiser.step = keep  # type: ignore[assignment, method-assign]
    made.network.train()
    made.step(0, made._batches(0, 1))

    network, entries = build(chosen, root)
    network.train()
    listed = list(batch_plan(entries, made.microbatches, 0, 0, 1))
    parts = loop.Microbatches(entries)
    total = torch.zeros(())
    for (number, _), draw in zip(made.microbatches, listed, strict=True):
        data = entries[number]
        batch = normalised(parts[draw], network.backbone.preprocessing)
        if "boxes" in batch:
            both = [parts[d] for d, (n, _) in zip(listed, made.microbatches, strict=True) if n == number]
            batch["people"] = max(sum(len(b) for one in both for b in one["boxes"]) / 2, 1.0)
        share = data.entry.loss_weight / sum(e.loss_weight for e in chosen.entries.values()) / data.entry.parts
        total = total + share * torch.stack(list(network.losses(data, batch).values())).sum()
    total.backward()
    expected = network.trunk.blocks[0].attn.qkv.weight.grad
    assert float((gradients["sum"] - expected).norm() / expected.norm()) < 1e-4


def test_running_statistics_are_means_over_all_that_go_through_a_module() -> None:
    """Shared by three microbatches of two entries, of which one has a head: each starts from the step's mean of 1."""
    shared, head = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    for norm in (shared, head):
        norm.running_mean.fill_(1.0)  # type: ignore[union-attr, operator]
    running = RunningStatistics({"trunk": shared, "head": head}, {"trunk": 3, "head": 1})
    running.begin()
    for names, left in ((("trunk",), 10.0), (("trunk",), 20.0), (("trunk", "head"), 60.0)):
        with running.microbatch(names):
            assert shared.running_mean.tolist() == [1.0]  # type: ignore[union-attr]
            for norm in (shared, head)[: len(names)]:
                norm.running_mean.fill_(left)  # type: ignore[union-attr, operator]
                norm.num_batches_tracked += 1  # type: ignore[operator]
    summed: list[str] = []
    running.end(lambda tensor, name: summed.append(name))
    assert shared.running_mean.tolist() == pytest.approx([30.0])  # type: ignore[union-attr]
    assert head.running_mean.tolist() == [60.0]  # type: ignore[union-attr]
    assert (int(shared.num_batches_tracked), int(head.num_batches_tracked)) == (1, 1)  # type: ignore[arg-type]
    assert summed == ["trunk"] * 3 + ["head"] * 3


def test_running_statistics_and_loss_are_means_over_the_parts_of_an_entry(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts: each starts from the step's mean of 1 and leaves 10 and 20, so 15 is kept; losses 3 and 5 make 4."""
    made = work(recipe(), root, tmp_path / "a.pt")
    entry = next(n for n, data in enumerate(made.entries) if data.name == "attr_rap2_pa100k")
    assert made.entries[entry].entry.parts == 2
    norm: Any = made.network.unit("heads.attr_rap2_pa100k").logits[1]  # type: ignore[index]
    norm.running_mean.fill_(1.0)
    given, seen = iter([(10.0, 3.0), (20.0, 5.0)]), []

    def losses(data: Any, batch: Any) -> dict[str, torch.Tensor]:
        mean, loss = next(given)
        seen.append(norm.running_mean.tolist())
        norm.running_mean.fill_(mean)
        return {"a": norm.weight.mean() * loss}  # its weights are 1

    monkeypatch.setattr(made.network, "losses", losses)
    made._running.begin()
    loss = made._entry(0, entry, [0, 1], [{}, {}])
    made._running.end(lambda tensor, name: None)
    assert seen == [[1.0] * 80] * 2
    assert norm.running_mean.tolist() == [15.0] * 80
    assert float(loss) == pytest.approx(4.0)


def test_every_step_has_its_rate(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm-up from 0.1 over 2 of 4 steps: 0.1, 0.55; then a cosine to 0.2: its start 1, its middle (1 + 0.2) / 2."""
    schedule = {"schedule.name": "cosine", "schedule.warmup": 2, "schedule.start": 0.1, "schedule.end": 0.2}
    made = work(recipe(**schedule), root, tmp_path / "a.pt")
    peaks = [group["lr"] for group in made._optimiser.param_groups]
    seen: list[list[float]] = []
    monkeypatch.setattr(made, "_entry", lambda *given: torch.zeros(()))
    monkeypatch.setattr(made._optimiser, "step", lambda: seen.append([g["lr"] for g in made._optimiser.param_groups]))
    made.run()
    expected = [0.1, 0.55, 1.0, 0.6]
    assert seen == [pytest.approx([peak * factor for peak in peaks]) for factor in expected]


def test_layer_decay_and_clipping_reach_the_optimiser(root: Path, tmp_path: Path) -> None:
    """Three blocks at a decay of 0.5: the last has 0.5 ** -1, those before it 1 and 0.5, the patch embedding 0.25."""
    chosen = recipe(optim__lr=1.0, optim__layer_decay=0.5, optim__clip_threshold=0.3)
    made = work(chosen, root, tmp_path / "a.pt")
    groups, trunk = made._optimiser.param_groups, made.network.trunk
    peaks = {id(p): peak for group, peak in zip(groups, made._rates.peaks, strict=True) for p in group["params"]}
    assert [peaks[id(block.attn.qkv.weight)] for block in trunk.blocks] == pytest.approx([0.5, 1.0, 2.0])
    assert peaks[id(trunk.patch_embed.proj.weight)] == pytest.approx(0.25)
    assert {group["clip_threshold"] for group in groups} == {0.3}


def test_drop_path_is_that_of_the_entry(root: Path) -> None:
    """It rises over the blocks to the entry's own: 0.3 for one, 0.2 for all others."""
    network, entries = build(recipe(entries__pose_coco__drop_path=0.3), root)
    network.train()
    for number, expected in ((0, 0.3), (2, 0.2), (0, 0.3)):
        batch = loop.Microbatches(entries)[next(batch_plan(entries, [(number, 0)], 0, 0, 1))]
        network.losses(entries[number], normalised(batch, network.backbone.preprocessing))
        rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in network.trunk.blocks]
        assert max(rates) == rates[-1] == pytest.approx(expected)


def test_parts_are_shared_out_evenly(root: Path) -> None:
    _, entries = build(recipe(), root)
    everything = [(n, p) for n, data in enumerate(entries) for p in range(data.entry.parts)]
    for processes in (1, 2, 3, len(everything)):
        assigned = assign(entries, processes)
        assert sorted(part for share in assigned for part in share) == everything
        assert min(len(share) for share in assigned) >= 1
    with pytest.raises(HumanbenchError, match="start at most"):
        assign(entries, len(everything) + 1)
    users = {0: ("trunk", "a"), 1: ("trunk", "b")}
    assert ranks_by_module([[(0, 0)], [(0, 1), (1, 0)]], users) == {"trunk": (0, 1), "a": (0, 1), "b": (1,)}


def test_draws_do_not_depend_on_who_draws(root: Path) -> None:
    _, entries = build(recipe(), root)
    parts = [(n, p) for n, data in enumerate(entries) for p in range(data.entry.parts)]
    whole = list(batch_plan(entries, parts, 0, 0, 5))
    assert list(batch_plan(entries, parts, 0, 3, 5)) == whole[3 * len(parts) :]
    alone = list(batch_plan(entries, [parts[-1]], 0, 0, 5))
    assert alone == whole[len(parts) - 1 :: len(parts)]
    for entry, rows in whole:
        assert len(rows) == (8 if entries[entry].name == "reid_4sets" else entries[entry].entry.batch)


def test_steps_have_as_many_pictures_whatever_an_epoch_leaves_over(root: Path) -> None:
    """Each row once an epoch, in that epoch's order; a remainder begins the next epoch's first batch."""
    _, entries = build(recipe(group__attribute__batch=5), root)
    data = next(s for s in entries if s.name == "attr_rap2_pa100k")
    count, size = len(data.samples), data.entry.images
    assert count % size
    drawn = [row for step in islice(data.steps(0), 3 * count) for row in step]
    assert all(len(step) == size for step in islice(data.steps(0), 3 * count))
    for epoch in range(3):
        epoch_samples = drawn[epoch * count : (epoch + 1) * count]
        assert {e for e, _ in epoch_samples} == {epoch}
        assert [row for _, row in epoch_samples] == [r for batch in data.samples.batches(size, 0, epoch) for r in batch]
        assert sorted(row for _, row in epoch_samples) == list(range(count))


def test_steps_begin_anywhere_as_if_all_before_had_been_drawn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without drawing the epochs before, where each has all samples once."""
    _, entries = build(recipe(group__attribute__batch=5), root)
    for data in entries:
        whole = list(islice(data.steps(0), 60))
        epochs: list[int] = []
        batches = data.samples.batches

        def noted(size: int, seed: int, epoch: int, batches: Any = batches, epochs: list[int] = epochs) -> Any:
            epochs.append(epoch)
            return batches(size, seed, epoch)

        monkeypatch.setattr(data.samples, "batches", noted)
        for start in (0, 1, 7, 31, 59):
            epochs.clear()
            assert next(data.steps(0, start)) == whole[start]
            if not data.task.whole_batches:
                assert epochs[0] == whole[start][0][0]
            assert list(islice(data.steps(0, start), 60 - start)) == whole[start:]
    assert whole[-1][-1][0] > 0


def test_a_batch_for_batch_statistics(root: Path) -> None:
    with pytest.raises(RecipeError, match="attr_rap2_pa100k: its head normalises over the batch"):
        build(recipe(group__attribute__batch=1), root)


def test_class_token_positions_are_spared_from_decay(root: Path, tmp_path: Path) -> None:
    made = work(recipe(), root, tmp_path / "a.pt")
    token = made.network.unit("tokens.reid_4sets")
    groups = {id(p): group["weight_decay"] for group in made._optimiser.param_groups for p in group["params"]}
    assert [groups[id(p)] for p in token.parameters()] == [0.0, 0.0]
    assert groups[id(made.network.trunk.pos_embed)] == 0.0
    assert groups[id(made.network.trunk.blocks[0].mlp.fc1.weight)] == recipe().optim.weight_decay > 0


def test_weights_that_are_not_finite_are_not_saved(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update after the last finite loss can break them; a checkpoint of that could not be gone on from."""
    made = work(recipe(), root, tmp_path / "a.pt")
    step = made.step

    def breaks(number: int, batches: Any) -> torch.Tensor:
        losses = step(number, batches)
        if number == 3:
            made.network.unit("projectors.reid").last_proj.bias.data[0] = float("nan")  # type: ignore[union-attr, operator]
        return losses

    monkeypatch.setattr(made, "step", breaks)
    with pytest.raises(HumanbenchError, match=r"weights of projectors.reid are not finite by step 4"):
        made.run()
    state = checkpoint_module.load_checkpoint(tmp_path / "a.pt", recipe().sha256)
    assert state is not None
    assert state["course"]["step"] == 2


def test_a_loss_that_is_not_finite_stops_the_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = work(recipe(), root, tmp_path / "a.pt")
    monkeypatch.setattr(made, "step", lambda number, batches: torch.tensor([float("nan"), 1, 1, 1]))
    with pytest.raises(HumanbenchError, match="the loss of pose_coco is not finite by step 2"):
        made.run()
    assert checkpoint_module.load_checkpoint(tmp_path / "a.pt", recipe().sha256) is None
