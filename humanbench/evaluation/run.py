"""`evaluate`: finetune a backbone on datasets, predict, score, and keep a result of every cell."""

from __future__ import annotations

import inspect
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from humanbench.evaluation.request import Request
from humanbench.results import Results, result_files

if TYPE_CHECKING:
    from humanbench.engine.context import RunContext
    from humanbench.evaluation.plan import Plan

Arguments = ParamSpec("Arguments")


def _taking(request: Callable[Arguments, Request]) -> Callable[[Callable[..., Results]], Callable[Arguments, Results]]:
    """Give a function the arguments of `Request`, their defaults and their documentation."""

    def decorated(function: Callable[..., Results]) -> Callable[Arguments, Results]:
        arguments = inspect.getdoc(request) or ""
        function.__doc__ = f"{inspect.getdoc(function)}\n\n{arguments[arguments.index('Args:') :]}"
        function.__signature__ = inspect.signature(request).replace(return_annotation="Results")  # type: ignore[attr-defined]
        return function

    return decorated


@_taking(Request)
def evaluate(*args: Any, **kwargs: Any) -> Results:
    """Finetune and score a backbone on every dataset of the benchmark that is found; the results of all cells.

    A finished cell of the same content in `out` is not computed again, an interrupted one goes on after its last
    epoch. Cells that fail are in the results with their reason.

    Raises `HumanbenchError` for input that no run can start with: nothing is written then.
    """
    from humanbench.evaluation.plan import plan_for

    return run_plan(plan_for(Request(*args, **kwargs)))


def run_plan(plan: Plan) -> Results:
    """Compute the cells of a plan one after another, alone in their folder (`BusyError` else)."""
    from humanbench.engine.cell import run_cell
    from humanbench.engine.devices import is_main_process

    context, folder = plan.context, plan.context.folder
    with folder.claim(_claimed(plan) if is_main_process() else []):
        if is_main_process():
            _describe_environment(folder.path)
            _describe_backbone(context)
        context.log.write(f"$ {context.command}")
        if plan.left_out:
            context.log.info(plan.left_out)
        results = []
        for number, spec in enumerate(plan.cells, 1):
            context.log.info(f"[{number}/{len(plan.cells)}] {spec.name}")
            results.append(run_cell(context, spec))
    return Results(results, folder.path)


def _claimed(plan: Plan) -> list[str]:
    """Names of the cells that are worked on: of the plan, and those that are to be trained first."""
    there = [path.name for path in result_files(plan.context.folder.path)]
    first = {spec.trained.name for spec in plan.cells if spec.corruption is not None and spec.recipe.fits}
    absent = sorted(name for name in first if not any(file.startswith(f"{name}-") for file in there))
    return list(dict.fromkeys([*absent, *(spec.name for spec in plan.cells)]))


def _describe_backbone(context: RunContext) -> None:
    """`backbone.json`: weights, what they have seen, and all that makes the network; the same on stderr in words."""
    from humanbench.backbones.record import record_of, text_of
    from humanbench.files import write_text

    record = record_of(context.backbone, context.checkpoint, context.pretrained_on)
    write_text(context.folder.path / "backbone.json", json.dumps(record, indent=1) + "\n")
    context.log.info(text_of(context.backbone))


def _describe_environment(folder: Path) -> None:
    import torch

    from humanbench.files import write_text
    from humanbench.provenance import git_state, machine, packages

    commit, dirty = git_state()
    description = {
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
    write_text(folder / "environment.json", json.dumps(description, indent=1) + "\n")
