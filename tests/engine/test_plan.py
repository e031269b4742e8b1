"""What an evaluation is asked for, and what is checked and known before a weight or a picture is read."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import humanbench
from humanbench import load_backbone
from humanbench.backbones import sources
from humanbench.backbones.spec import outline
from humanbench.cli import main
from humanbench.cli.eval import command as eval_command
from humanbench.cli.finetuning import request_from
from humanbench.cli.plan import command as plan_command
from humanbench.cli.plan import command_for
from humanbench.engine import speed
from humanbench.errors import HumanbenchError
from humanbench.evaluation import estimate as estimate_module
from humanbench.evaluation import plan as plan_module
from humanbench.evaluation.cluster import request_for
from humanbench.evaluation.estimate import Rate, estimate
from humanbench.evaluation.plan import plan_for
from humanbench.evaluation.request import Request
from tests.engine.toy import FAST, toy_backbone

SMALL = ("--backbone", "vit", "--arch", "embed_dim=16", "--arch", "depth=3", "--arch", "num_heads=2")

OPTION_OF = {"set": "overrides", "architecture": "arch", "cache": "no_cache", "weights": "no_weights"}
"""Options whose names differ from those of the arguments they fill."""


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in args])


def test_evaluate_takes_what_a_request_holds_and_says_what_each_is() -> None:
    taken, fields = inspect.signature(humanbench.evaluate).parameters, inspect.signature(Request).parameters
    assert list(taken.values()) == list(fields.values())
    lines = (inspect.getdoc(humanbench.evaluate) or "").partition("Args:\n")[2].splitlines()
    named = [line.strip().partition(":")[0] for line in lines if line.startswith("    ") and line[4] != " "]
    assert named == list(fields)


@pytest.mark.parametrize("verb", [eval_command, plan_command], ids=["eval", "plan"])
def test_the_options_of_a_verb_fill_a_request_with_its_defaults(verb: Any) -> None:
    filled = verb.make_context(verb.name, ["--backbone", "vit"]).params
    for name, parameter in inspect.signature(Request).parameters.items():
        if name in ("backbone", "command"):
            continue
        value = filled[OPTION_OF.get(name, name)]
        expected = not parameter.default if name in ("cache", "weights") else parameter.default
        assert value == expected or (expected is None and value == ()), name


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(TypeError, match="datsets"):
        humanbench.evaluate("vit", datsets="pa100k")


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading or fetching weights fails the test."""

    def read(*args: Any, **kwargs: Any) -> Any:
        pytest.fail("weights were asked for")

    for name in ("fetch_first", "from_hub"):
        monkeypatch.setattr(sources, name, read)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--datasets", "pa100"], "did you mean pa100k"),
        (["--datasets", "rapv2"], "rapv2: no such folder under"),
        (["--task", "pose"], "no dataset found under"),
        (["--checkpoint", "absent.pth"], "absent.pth: there is no such checkpoint"),
        (["--set", "optim.lrr=1"], "did you mean lr"),
        (["--out", "/dev/null/run"], "/dev/null: is a file, and a run needs a folder"),
    ],
)
@pytest.mark.usefixtures("no_weights")
def test_what_is_wrong_is_found_before_weights_are_read(data_root: Path, options: list[str], message: str) -> None:
    result = run("eval", "--backbone", "mae_vitb", "--data-root", data_root, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


@pytest.mark.usefixtures("no_weights")
def test_a_subset_file_is_read_before_anything_is_written(data_root: Path, tmp_path: Path) -> None:
    empty, out = tmp_path / "empty.csv", tmp_path / "run"
    empty.touch()
    options = ["--datasets", "pa100k", "--subset", empty, "--out", out]
    result = run("eval", "--backbone", "mae_vitb", "--data-root", data_root, *options)
    assert result.exit_code == 2, result.output
    assert "empty.csv: a subset CSV has the columns split, id" in result.stderr
    assert not out.exists()


def test_a_folder_that_may_not_be_written_and_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_module.check_writable(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []
    with monkeypatch.context() as context:
        context.setattr(plan_module.os, "access", lambda place, how: False)
        with pytest.raises(humanbench.errors.HumanbenchError, match=f"{tmp_path}: may not be written"):
            plan_module.check_writable(tmp_path / "run")
    monkeypatch.setattr(plan_module, "_LEAST_ROOM", 2**70)
    with pytest.raises(humanbench.errors.HumanbenchError, match="MB are free, too few for a run"):
        plan_module.check_writable(tmp_path / "run")


@pytest.mark.usefixtures("no_weights")
def test_a_dry_run_needs_neither_weights_nor_data(tmp_path: Path) -> None:
    """The README's command, of two datasets: ViT-B's blocks 10 and 11, the final norm and the head train."""
    result = run(
        "eval", "--backbone", "mae_vitb", "--protocol", "partial", "--dry-run", "--json", "--data-root", tmp_path,
        "--datasets", "pa100k,market1501",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    pa100k, market = (document["cost"] for document in json.loads(result.stdout))
    assert (pa100k["counts"], pa100k["train_images"], pa100k["test_images"]) == ("card", 90_000, 10_000)
    assert pa100k["trainable"] == 2 * 7_087_872 + 1536 + 26 * 768 + 26 * 3
    # The neck's weight, and a weight for each of the 751 people that Market-1501 trains on.
    assert market["trainable"] == 2 * 7_087_872 + 1536 + 768 + 751 * 768
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_the_benchmark_is_a_screenful_with_a_sum(tmp_path: Path) -> None:
    result = run("eval", *SMALL, "--dry-run", "--data-root", tmp_path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) <= 40
    assert sum(line.split()[0].endswith("-partial-s0*") for line in lines) == 19
    (total,) = [line for line in lines if line.startswith("19 cells: ")]
    for unit in ("hours", "GB a process", "GB on disk", "M parameters", "sustains 20 TFLOP/s"):
        assert unit in total
    (sums,) = [line.split() for line in lines if line.startswith("19 cells ")]
    columns = list(zip(*(line.split() for line in lines if "-partial-s0*" in line), strict=True))
    assert sums[2:5] == [f"{sum(int(n.replace(',', '')) for n in column):,}" for column in columns[1:4]]
    assert float(sums[-1].replace(",", "")) == pytest.approx(sum(map(float, columns[-1])), rel=0.01)
    planned = run("plan", *SMALL, "--data-root", tmp_path, "--datasets", "coco_pose")
    assert planned.exit_code == 0, planned.output
    assert "262,465 training and 11,004 test images by the card" in planned.stdout
    assert [line for line in planned.stdout.splitlines() if line and line[0] != "#"] == [
        line for line in planned.stdout.splitlines() if line.startswith("humanbench eval ")
    ]


def cost_of(data_root: Path, protocol: str, *options: str, **changed: Any) -> dict[str, Any]:
    """What `--dry-run` says of PA-100K, with overrides of the recipe."""
    settings = FAST["attribute"] | changed
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    words = ("--arch", "patch_size=16", "--arch", "img_size=32", "--suite", "mini", "--data-root", data_root)
    run_ = run("eval", *SMALL, *words, "--datasets", "pa100k", "--protocol", protocol, "--dry-run", "--json",
               *overrides, *options)  # fmt: skip
    assert run_.exit_code == 0, run_.output
    (document,) = json.loads(run_.stdout)
    cost: dict[str, Any] = document["cost"]
    return cost


def test_a_stored_trunk_runs_once_and_takes_room(data_root: Path) -> None:
    """24 training and 12 test pictures, 3 epochs of 3 batches of 8."""
    stored = cost_of(data_root, "head", **{"train.views": 1})
    fresh = cost_of(data_root, "head", "--no-cache", **{"train.views": 1})
    trunk = stored["gflops"] - (stored["training_gflops"] - stored["gflops"]) / 2
    assert fresh["total_tflops"] - stored["total_tflops"] == pytest.approx((72 - 24) * trunk / 1e3)
    assert fresh["trunk_gb"] == 0
    assert stored["trunk_gb"] > 0
    assert stored["disk_gb"] == pytest.approx(stored["trunk_gb"] + 3 * 4 * stored["trainable"] / 1e9)  # AdamW
    never_twice = cost_of(data_root, "head", **{"train.views": 3})
    assert never_twice["total_tflops"] == pytest.approx(fresh["total_tflops"])


def test_weights_that_are_not_kept_take_no_room(data_root: Path) -> None:
    assert cost_of(data_root, "full")["weights_gb"] == pytest.approx(4 * cost_of(data_root, "full")["trainable"] / 1e9)
    assert cost_of(data_root, "full", "--no-weights")["weights_gb"] == 0


def test_hours_are_those_of_the_rate(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = cost_of(data_root, "head")
    assert usual["hours"] == pytest.approx(usual["total_tflops"] / 20 / 3600)
    assert cost_of(data_root, "head", "--rate", "40")["hours"] == pytest.approx(usual["hours"] / 2)
    monkeypatch.setattr(
        estimate_module,
        "measured_forwards",
        lambda *arguments: speed.Forwards({"forward_1_fp32": 5.0, "forward_32_fp32": 50.0}),
    )
    measured = cost_of(data_root, "head", "--rate", "measured")
    assert measured["tflops_per_second"] == pytest.approx(50 * usual["gflops"] / 1e3)
    for wrong in ("0", "fast", "inf"):
        assert run("plan", *SMALL, "--rate", wrong).exit_code == 2


def test_a_rate_is_measured_on_the_network_without_its_weights(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "BATCHES", (1,))
    plan = plan_for(
        Request(toy_backbone(), datasets="pa100k", suite="mini", set=FAST["attribute"], data_root=data_root), dry=True
    )
    measured, _ = estimate(plan, plan.cells[0], Rate(None, "cpu"))
    assert measured.tflops_per_second > 0


def test_of_a_card_s_counts_and_of_a_dataset_on_disk_the_network_is_the_same(data_root: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {"datasets": "pa100k", "suite": "mini", "set": FAST["attribute"]}
    there = plan_for(Request(toy_backbone(), data_root=data_root, **common), dry=True)
    absent = plan_for(Request(toy_backbone(), data_root=tmp_path, **common), dry=True)
    (read, report), (counted, expected) = (estimate(plan, plan.cells[0]) for plan in (there, absent))
    assert report == expected
    assert (read.counts, counted.counts) == ("disk", "card")
    assert read.gflops == counted.gflops
    assert (read.train_images, counted.train_images) == (24, 90_000)


def test_a_dry_run_of_what_is_on_disk_leaves_the_rest_out(data_root: Path) -> None:
    result = run("eval", *SMALL, "--suite", "mini", "--data-root", data_root, "--dry-run", "--task", "attribute")
    names = [line.split()[0] for line in result.stdout.splitlines()[1:3]]
    assert names == ["pa100k-partial-s0", "peta-partial-s0"]
    assert "2 cells: " in result.stdout


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("vit", {"embed_dim": 16, "depth": 1, "num_heads": 2}), ("mini_random", {}), ("random:vit_tiny_patch16_224", {})],
)
def test_an_outline_says_what_the_backbone_will_say(name: str, architecture: dict[str, Any]) -> None:
    loaded, known = load_backbone(name, **architecture), outline(name)
    assert (known.name, known.settled) == (loaded.name, True)
    assert known.pretrained_on == loaded.pretrained_on


def test_cluster_has_the_name_it_had(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Job:
        job_id = 7

    def submit(cluster: str, request: Any, plan: Any, settings: Any) -> list[Job]:
        asked.append(cluster)
        return [Job() for _ in plan.cells]

    monkeypatch.setattr("humanbench.evaluation.cluster.submit", submit)
    for option in ("--cluster", "--submit"):
        result = run(
            "eval", *SMALL, "--suite", "mini", "--data-root", data_root, "--datasets", "pa100k", option, "slurm",
            "--out", tmp_path / "run",
        )  # fmt: skip
        assert (result.exit_code, "pa100k-partial-s0: job 7" in result.stderr) == (0, True), result.output
    assert asked == ["slurm", "slurm"]
    assert "--submit" not in run("eval", "--help").stdout


def test_a_job_of_the_embedded_suite_names_no_place_of_this_machine(data_root: Path) -> None:
    """Each machine has its own copy in its cache; a root that was given is where all of them look."""
    words = {"datasets": "pa100k", "suite": "mini", "set": FAST["attribute"]}
    given = Request(toy_backbone(), data_root=data_root, **words)
    plan = plan_for(given, dry=True)
    assert request_for(given, plan, plan.cells[0]).data_root == str(data_root)
    assert request_for(dataclasses.replace(given, data_root=None), plan, plan.cells[0]).data_root is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "head", "set": ["freezing.lora_rank=4"]}, "is of the regime lora; the regime here is head"),
        ({"set": ["optim.learning_rate=1"]}, "optim.learning_rate"),
        ({"variant": "nope"}, "has no recipe variant 'nope'"),
    ],
)
def test_what_needs_no_network_is_checked_before_one_is_loaded(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HumanbenchError, match=re.escape(message)):
        Request("no-such-network", datasets="pa100k", **changes)


def test_a_network_that_a_regime_is_not_for_is_refused_before_any_data_is_read(tmp_path: Path) -> None:
    """Where the data would be there is none, and that is not what is said."""
    backbone = toy_backbone()
    backbone.trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1))
    request = Request(backbone, "lora", datasets="pa100k", suite="mini", data_root=tmp_path)
    with pytest.raises(HumanbenchError, match=r"lora: .* has no projections of attention; take another regime"):
        plan_for(request, dry=True)


_SETTLED = {"task", "scenario", "seeds", "shard", "command"}
"""Arguments that are settled before a cell has a command of its own."""


def test_the_command_of_a_cell_says_every_argument() -> None:
    arguments = {
        "backbone": "mini_path", "protocol": "none", "datasets": ["pa100k"], "suite": "mini", "data_root": "data",
        "out": "run", "seed": 7, "device": "cpu", "set": ["optim.lr=1"], "checkpoint": "a.pth", "subset": "few.csv",
        "variant": "direct", "inputs": {"boxes": "b.json"}, "workers": 2, "cache": False,
        "architecture": {"mean": "half", "num_heads": 3}, "pretrained_on": "pa100k,peta",
        "log": "tensorboard,csv", "weights": False, "precision": "bf16", "compile": True, "fraction": 0.1, "draw": 2,
        "corrupt": "fog:3",
    }  # fmt: skip
    assert arguments.keys() | _SETTLED | {"head"} == {field.name for field in dataclasses.fields(Request)}
    for changes in ({}, {"variant": None, "head": "knn"}):  # a head is a variant, so never both
        _check_command(arguments | changes)


def _check_command(arguments: dict[str, Any]) -> None:
    options_of_eval = {"dry_run", "rate", "quiet", "verbose", "cluster", "old_cluster", "settings", "as_json"}
    words = shlex.split(command_for(Request(**arguments)))
    with eval_command.make_context("eval", words[2:]) as context:
        again = request_from({name: value for name, value in context.params.items() if name not in options_of_eval})
    for name, value in arguments.items():
        assert getattr(again, name) == (",".join(value) if name == "datasets" else value), name


def test_no_dataset_no_seed_and_fewer_than_no_workers_are_refused() -> None:
    """A list that a filter has left empty is not every dataset."""
    with pytest.raises(HumanbenchError, match="an empty list names none"):
        Request("random:vit", datasets=[])
    for number in ({"seeds": 0}, {"workers": -1}):
        with pytest.raises(HumanbenchError, match="at least"):
            Request("random:vit", **number)
