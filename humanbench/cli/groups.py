"""`humanbench groups`: metrics by group of people and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from humanbench.cli.options import SEED, OneValue, data_options, following_options, json_option
from humanbench.errors import HumanbenchError


@click.command(name="groups", cls=OneValue)
@click.argument("run")
@click.option("--predictions", metavar="PATH", help="Score this file instead; RUN is then the id of its dataset.")
@click.option("--datasets", metavar="A,B", help="Only these.  [default: all of the run that are on this machine]")
@click.option("--subset", metavar="FILE", help="The file of sample ids, where the run is of a subset.")
@click.option(
    "--least", type=click.IntRange(2), default=30, show_default=True, help="Members below which a group has no value."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the bootstrap intervals.")
@data_options
@following_options
@json_option
def command(run: str, predictions: str | None, datasets: str | None, as_json: bool, **options: Any) -> None:
    """The main metric of RUN by every group that labels tell apart, with intervals and the largest gap.

    Sex and age as annotators saw them, size, occlusion, crowding, cameras, density: what a dataset's labels hold. Each
    cell's numbers are kept in RUN/groups, from which a board shows them.
    """
    import json

    from humanbench.by_group import SubgroupReport, subgroups
    from humanbench.cards import cards

    if predictions is None and run in cards() and not Path(run).exists():
        raise HumanbenchError(f"{run} is a dataset: give --predictions FILE with it, or a run folder alone")
    if predictions is not None:
        if run not in cards() and Path(run).exists():
            raise HumanbenchError(f"{run} is no dataset: with --predictions the argument is the id of their dataset")
        if datasets is not None:
            raise click.UsageError("--datasets is for runs; with --predictions the dataset is given in place of RUN")
        reports = [subgroups(run, predictions, **options)]
        if as_json:
            click.echo(reports[0].to_json())
            return
    else:
        from humanbench.comparison.groups import run_subgroups

        names = [name.strip() for name in (datasets or "").split(",") if name.strip()]
        reports = []
        for report_or_reason in run_subgroups(run, names, **options):
            if isinstance(report_or_reason, SubgroupReport):
                reports.append(report_or_reason)
            else:
                click.echo(f"humanbench: {report_or_reason}", err=True)
        if not reports:
            raise HumanbenchError(f"{run}: no cell has groups that can be scored here")
        if as_json:
            click.echo(json.dumps([json.loads(report.to_json()) for report in reports], indent=2))
            return
    click.echo("\n\n".join(map(str, reports)))
