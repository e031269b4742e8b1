"""`evaluate`: finetune a backbone on datasets, predict, score, and keep a result of every cell."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.results import Results
from humanbench.suites import Suite

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone
    from humanbench.engine.planning import Plan
    from humanbench.engine.settings import Overrides, PathLike
    from humanbench.engine.work import Setting


def evaluate(
    backbone: str | Backbone,
    protocol: str = "partial",
    datasets: str | Sequence[str] | None = None,
    task: str | None = None,
    scenario: str | None = None,
    suite: Suite = "humanbench-v1",
    data_root: PathLike | None = None,
    out: PathLike | None = None,
    seed: int = 0,
    seeds: int = 1,
    device: str | None = None,
    set: Overrides | None = None,
    checkpoint: PathLike | None = None,
    subset: PathLike | None = None,
    variant: str | None = None,
    inputs: Mapping[str, PathLike] | None = None,
    shard: str | None = None,
    workers: int | None = None,
    cache: bool = True,
    architecture: Mapping[str, Any] | None = None,
    command: str | None = None,
) -> Results:
    """Finetune and score a backbone on every dataset of the benchmark that is found; the results of all cells.

    `backbone` is a name for `load_backbone` (with `checkpoint` and `architecture`), or a loaded one. `protocol` is a
    regime (full, partial, head, none) or a scenario. `datasets` names some (wildcards allowed), `task` and `scenario`
    narrow them. `suite="mini"` takes the recipes of the embedded suite and, without `data_root`, its data. `set`
    overrides recipes: `{"optim.lr": 1e-4}` or `["optim.lr=1e-4"]`; its key `datasets.ID.root` says where a dataset
    lies. `seeds` runs each cell for seeds `seed`, `seed + 1` … `inputs` are files that a protocol declares (`boxes` of
    a detector). `shard` is `i/n`. `workers` processes read images. `cache=False` computes a frozen trunk's output anew
    every time.

    A finished cell of the same content in `out` is not computed again, an interrupted one goes on after its last
    epoch. Cells that fail are in the results with their reason.

    Raises `HumanbenchError` for input that no run can start with: nothing is written then.
    """
    arguments = dict(locals())
    from humanbench.engine.planning import Request, prepare

    return carry_out(prepare(Request(**arguments)))


def carry_out(plan: Plan) -> Results:
    """Run the cells of a plan one after another, alone in their folder (`BusyError` else)."""
    from humanbench.engine.planning import is_main_process
    from humanbench.engine.run import run_job

    setting = plan.setting
    with setting.folder.claim([job.name for job in plan.jobs] if is_main_process() else []):
        if is_main_process():
            _describe_environment(setting.folder.path)
            _describe_backbone(setting)
        setting.log.write(f"$ {setting.command}")
        if plan.left_out:
            setting.log.info(plan.left_out)
        results = []
        for number, job in enumerate(plan.jobs, 1):
            setting.log.info(f"[{number}/{len(plan.jobs)}] {job.name}")
            results.append(run_job(setting, job))
    return Results(results, setting.folder.path)


def _describe_backbone(setting: Setting) -> None:
    """`backbone.json`: which weights the cells are of and what they have seen, as a submission says it."""
    from humanbench.backbones.cards import portable_card
    from humanbench.files import write_text

    backbone = setting.backbone
    about = {
        "name": backbone.name,
        "checkpoint": setting.checkpoint,
        "weights_sha256": backbone.weights_sha256,
        "pretrained_on": None if backbone.pretrained_on is None else list(backbone.pretrained_on),
        "card": portable_card(backbone.card, setting.checkpoint),
    }
    write_text(setting.folder.path / "backbone.json", json.dumps(about, indent=1) + "\n")


def _describe_environment(folder: Path) -> None:
    import torch

    from humanbench.files import write_text
    from humanbench.provenance import git_state, machine, packages

    commit, dirty = git_state()
    about = {
        "packages": packages(),
        "python": platform.python_version(),
        "platform": machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "git_commit": commit,
        "git_dirty": dirty,
    }
    write_text(folder / "environment.json", json.dumps(about, indent=1) + "\n")
