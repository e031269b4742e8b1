"""`humanbench failures`: the test pictures on which a run is furthest off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from humanbench.cli.options import OneValue, data_options, following_options, json_option, print_json


@click.command(name="failures", cls=OneValue)
@click.argument("run")
@click.option("--second", metavar="RUN", help="A run whose predictions stand beside those of the first.")
@click.option("--datasets", metavar="A,B", help="Only these.  [default: all of the run that are on this machine]")
@click.option(
    "--out", type=click.Path(path_type=Path), default="failures", show_default=True, metavar="DIR", help="The folder."
)
@click.option("--count", type=click.IntRange(1, 200), default=10, show_default=True, help="Test units of each cell.")
@click.option("--subset", metavar="FILE", help="The file of sample ids, where the run is of a subset.")
@data_options
@following_options
@json_option
def command(datasets: str | None, as_json: bool, **options: Any) -> None:
    """Where RUN fails: per dataset the test units that are furthest off, beside their labels, as a local HTML page.

    How far off a unit is depends on the metric: the share of people that are missed, of joints or attributes that are
    wrong, 100 - AP of a query, 100 - mIoU of a picture, people miscounted. Pictures of real datasets stay on this
    machine: their licences do not allow to publish them.
    """
    from humanbench.leaderboard.site.local_failures import write_failures

    names = [name.strip() for name in (datasets or "").split(",") if name.strip()]
    failures = write_failures(datasets=names, **options)
    for note in failures.notes:
        click.echo(f"humanbench: {note}", err=True)
    if as_json:
        print_json({"page": str(failures.page), "cells": failures.cells, "notes": failures.notes})
    else:
        click.echo(failures.page)
