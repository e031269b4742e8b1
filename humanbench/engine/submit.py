"""Cells as jobs of a cluster, through submitit: independent, idempotent, one folder for all."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from humanbench.engine.planning import Request
from humanbench.engine.settings import relocated
from humanbench.errors import HumanbenchError

if TYPE_CHECKING:
    from humanbench.engine.jobs import Job
    from humanbench.engine.planning import Plan

Cluster = Literal["slurm", "local"]


def request_of(request: Request, plan: Plan, job: Job) -> Request:
    """The request for one cell of a plan, with everything that the plan has settled."""
    root = plan.setting.data_root
    return dataclasses.replace(
        request,
        datasets=[job.card.id],
        task=None,
        scenario=None,
        protocol=job.recipe.regime,
        seed=job.seed,
        seeds=1,
        shard=None,
        out=os.fspath(plan.setting.folder.path),
        data_root=os.fspath(root),
        set=relocated(request.set, root.settings([job.card.id, *job.recipe.train.on])),
    )


def run_request(request: Request) -> list[str]:
    """What a job runs; the results as JSON."""
    from humanbench.engine.planning import prepare
    from humanbench.evaluation import carry_out

    return [result.to_json() for result in carry_out(prepare(request))]


def submit(cluster: Cluster, request: Request, plan: Plan, settings: Mapping[str, Any]) -> Sequence[Any]:
    """Submit every cell of a plan as a job; submitit's job objects, in the order of the cells.

    `settings` are submitit's (`timeout_min`, `gpus_per_node`, `slurm_partition` …). Raises `HumanbenchError` where
    submitit is not installed or does not know a setting.
    """
    try:
        import submitit
    except ImportError as error:
        raise HumanbenchError(f"--submit {cluster} needs submitit: pip install 'humanbench[slurm]'") from error
    try:
        executor = submitit.AutoExecutor(folder=plan.setting.folder.path / "jobs", cluster=cluster)
        executor.update_parameters(name="humanbench", **settings)
    except (NameError, RuntimeError, TypeError) as error:
        raise HumanbenchError(f"--submit {cluster}: {' '.join(str(error).split())}") from error
    return [executor.submit(run_request, request_of(request, plan, job)) for job in plan.jobs]
