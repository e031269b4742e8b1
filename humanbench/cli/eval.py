"""`humanbench eval`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.costs import rate_option
from humanbench.cli.finetuning import finetuning_options, request_from
from humanbench.cli.options import OneValue, following_options, json_option, print_json

if TYPE_CHECKING:
    from humanbench.evaluation.plan import Plan
    from humanbench.evaluation.request import Request
    from humanbench.results import Results

INTERVAL = "95 % of units and seed"
"""Two things in one interval: the lines of finished cells state that of test units alone."""

_CLUSTERS = click.Choice(["slurm", "local"])


@click.command(name="eval", cls=OneValue)
@finetuning_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would train and cost, with -v also freeze reports and recipes; needs no weights, no data.",
)
@rate_option
@click.option("--cluster", type=_CLUSTERS, help="Every cell as a job, through submitit.")
@click.option("--submit", "old_cluster", type=_CLUSTERS, hidden=True)  # the name that --cluster had
@click.option(
    "--job", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of --cluster (timeout_min=600 …)."
)
@following_options
@json_option
def command(
    dry_run: bool,
    rate: float | None,
    cluster: str | None,
    old_cluster: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Finetune a backbone on every evaluation dataset found, predict, score, and keep the results.

    Cells that are done already with the same content are skipped, an interrupted one goes on after its last epoch.
    One process, or many under `accelerate launch` and `torchrun`. Exit code 1 when a cell failed.
    """
    cluster = cluster or old_cluster
    if settings and cluster is None:
        raise click.UsageError("--job is a setting of --cluster; give --cluster slurm or --cluster local")
    request = request_from(options)
    if dry_run:
        _look(request, rate, as_json)
        return
    from humanbench.engine.devices import is_main_process
    from humanbench.evaluation.plan import plan_for
    from humanbench.evaluation.run import run_plan

    plan = plan_for(request)
    results = run_plan(plan) if cluster is None else _submitted(cluster, request, plan, settings)
    if results is None:
        return
    if is_main_process():
        _show(results, as_json)
    if results.failed:
        click.get_current_context().exit(1)


def _look(request: Request, rate: float | None, as_json: bool) -> None:
    """What a run would do and cost."""
    from humanbench.cli.costs import cost, table, total
    from humanbench.evaluation.estimate import Rate, estimate
    from humanbench.evaluation.plan import plan_for
    from humanbench.progress import Loudness, loudness

    verbose = loudness() is Loudness.VERBOSE
    plan = plan_for(request, dry=True)
    documents, numbers = [], []
    for spec in plan.cells:
        estimated, report = estimate(plan, spec, Rate(rate, request.device))
        numbers.append(estimated)
        documents.append(
            {"cost": estimated.as_dict(), "freeze": report.as_dict(), "recipe": spec.recipe.model_dump(mode="json")}
        )
        if verbose and not as_json:
            click.echo(f"== {spec.name}\n{report.to_text()}\n\nrecipe {spec.recipe.sha256}")
            click.echo(spec.recipe.model_dump_json(indent=1))
            click.echo(f"\n{cost(estimated)}\n")
    if as_json:
        print_json(documents)
        return
    if not verbose:
        click.echo(table(numbers))
    click.echo(total(numbers))
    if plan.left_out:
        click.echo(plan.left_out)


def _submitted(cluster: str, request: Request, plan: Plan, settings: tuple[str, ...]) -> Results | None:
    """Submit; the results of a local cluster, which are waited for, or None."""
    from typing import cast

    from humanbench.evaluation.cluster import Cluster, submit
    from humanbench.recipes import parse_override
    from humanbench.results import Result, Results

    jobs = submit(
        cast(Cluster, cluster),
        request,
        plan,
        dict(parse_override(text, "--job", "timeout_min=600") for text in settings),
    )
    for spec, job in zip(plan.cells, jobs, strict=True):
        click.echo(f"{spec.name}: job {job.job_id}", err=True)
    if cluster != "local":
        return None
    return Results(
        [Result.model_validate_json(text) for job in jobs for text in job.result()], plan.context.folder.path
    )


def _show(results: Results, as_json: bool) -> None:
    import json

    from humanbench.cli.tables import plain_table, value_and_interval, wide_console
    from humanbench.results.cells import cell_numbers, labels

    if as_json:
        print_json([json.loads(result.to_json()) for result in results])
        return
    table = plain_table(["dataset", "scenario", "protocol", "seed", "metric"], ["value", INTERVAL])
    table.add_column("")
    for result, number in zip(results, cell_numbers([result] for result in results), strict=True):
        table.add_row(
            result.dataset, result.scenario, result.regime + (f", {result.variant}" if result.variant else ""),
            str(result.seed), result.main, *value_and_interval(number),
            ", ".join(labels(result)), style="red" * (number is None),
        )  # fmt: skip
    console = wide_console()
    console.print(table)
    for result in results.failed:
        console.print(f"{result.dataset}, seed {result.seed}: {result.reason}", markup=False, soft_wrap=True)
    if len({result.seed for result in results}) > 1:
        console.print(_over_seeds(results))
    console.print(f"results in {results.folder}", soft_wrap=True, style="dim", highlight=False)


def _over_seeds(results: Results) -> Any:
    from statistics import stdev

    from humanbench.cli.tables import plain_table, value_and_interval

    table = plain_table(["dataset", "metric", "mean", INTERVAL, "standard deviation", "seeds"], title="over seeds")
    for cell, number in results.cells():
        spread = f"{stdev(number.trained.base):.2f}" if number.seeds > 1 else ""
        texts = (*value_and_interval(number), spread, str(number.seeds))
        table.add_row(cell[0].dataset, cell[0].main, *texts)
    return table
