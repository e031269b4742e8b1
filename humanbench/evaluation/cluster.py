"""Cells as jobs of a cluster, through submitit: independent, idempotent, one folder for all."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from humanbench.engine.context import CellSpec
from humanbench.errors import HumanbenchError
from humanbench.evaluation.plan import Plan, plan_for
from humanbench.evaluation.request import Request
from humanbench.evaluation.run import run_plan
from humanbench.overrides import relocated
from humanbench.suites import MINI

Cluster = Literal["slurm", "local"]


def request_for(request: Request, plan: Plan, spec: CellSpec) -> Request:
    """The request for one cell of a plan, with everything that the plan has settled."""
    root = plan.context.data_root
    embedded = request.suite == MINI and request.data_root is None  # a place in the cache of this machine
    return dataclasses.replace(
        request,
        datasets=[spec.card.id],
        task=None,
        scenario=None,
        protocol=spec.recipe.regime,
        seed=spec.seed,
        corrupt=spec.corruption.text if spec.corruption else None,
        seeds=1,
        shard=None,
        out=os.fspath(plan.context.folder.path),
        data_root=None if embedded else os.fspath(root),
        set=relocated(request.set, root.settings([spec.card.id, *spec.recipe.train.on])),
    )


def run_request(request: Request) -> list[str]:
    """What a job runs; the results as JSON."""
    return [result.to_json() for result in run_plan(plan_for(request))]


def submit(cluster: Cluster, request: Request, plan: Plan, settings: Mapping[str, Any]) -> Sequence[Any]:
    """Submit every cell of a plan as a job; submitit's job objects, in the order of the cells.

    `settings` are submitit's (`timeout_min`, `gpus_per_node`, `slurm_partition` …). Raises `HumanbenchError` where
    submitit is not installed or does not know a setting.
    """
    try:
        import submitit
    except ImportError as error:
        raise HumanbenchError(f"--cluster {cluster} needs submitit: pip install 'humanbench[slurm]'") from error
    try:
        executor = submitit.AutoExecutor(folder=plan.context.folder.path / "jobs", cluster=cluster)
        executor.update_parameters(name="humanbench", **settings)
    except (NameError, RuntimeError, TypeError) as error:
        raise HumanbenchError(f"--cluster {cluster}: {' '.join(str(error).split())}") from error
    return [executor.submit(run_request, request_for(request, plan, spec)) for spec in plan.cells]
