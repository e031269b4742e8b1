"""`humanbench compare`: two runs cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import SEED, OneValue, data_options, following_options, json_option

if TYPE_CHECKING:
    from humanbench.comparison import Comparison


@click.command(name="compare", cls=OneValue)
@click.argument("base")
@click.argument("new")
@click.option("--gate", is_flag=True, help="Exit 1 when NEW is worse by more than the margin beyond doubt.")
@click.option(
    "--margin",
    type=float,
    metavar="X",
    help="Points of metrics in percent; percent of BASE's value for errors and for cells together.  "
    "[default: 1 point, 5 percent, 1 percent]",
)
@click.option(
    "--undecided",
    is_flag=True,
    help="Print only the datasets, separated by commas, where more training seeds may change what the gate says.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json", "junit"]), default="text", show_default=True
)
@click.option("--save", multiple=True, metavar="FILE", help="Also write FILE.md, FILE.json or FILE.xml (JUnit).")
@data_options
@click.option("--subset", metavar="FILE", help="The file of sample ids of results on a subset.")
@click.option("--groups", is_flag=True, help="Also by the groups that labels tell apart (docs/groups.md).")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the bootstrap.")
@following_options
@json_option
def command(gate: bool, undecided: bool, form: str, save: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare the runs BASE and NEW: run folders of eval, results files, or names of shipped baselines.

    Per cell both values, their difference with its interval, a p-value corrected over the cells, the drop that could
    have been detected, and a verdict; the same for the cells of a task and of a board together. With the predictions of
    both runs and the ground truth here, intervals are paired over the same test units.

    Exit code 1 with --gate and a regression, 2 when no cell can be compared.
    """
    from humanbench.comparison import compare
    from humanbench.comparison.formats import FORMATS, headline
    from humanbench.comparison.saving import check_names, write

    check_names(save)
    report = compare(**options)
    for name in save:
        write(report, name)
    form = "json" if as_json else form
    if undecided:
        click.echo(",".join(report.undecided))
    elif form == "text":
        show(report)
    else:
        click.echo(FORMATS[form](report).rstrip("\n"))
    code = 2 if not report.comparable else int(gate and report.regressed)
    if code:
        click.echo(f"humanbench: {headline(report)}", err=True)
        click.get_current_context().exit(code)


def show(report: Comparison) -> None:
    """Print the tables of a comparison, and what they come to."""
    from rich.markup import escape

    from humanbench.cli.tables import wide_console
    from humanbench.comparison import formats
    from humanbench.comparison.report import boards

    console = wide_console(140, highlight=False)
    for name, side in zip(("BASE", "NEW "), formats.sides(report), strict=True):
        console.print(f"{name} {escape(side)}", soft_wrap=True)
    styles = {"better": "green", "worse": "red", "not comparable": "yellow"}
    for board, cells in boards(report.cells).items():
        rows = [(row, styles.get(verdict, "")) for row, verdict in formats.folded_rows(cells)]
        console.print(_table(board, formats.CELLS, rows))
        together = [group for group in report.together if group.board == board]
        if together:
            rows = [(formats.together_row(one), styles.get(one.verdict, "")) for one in together]
            console.print(_table("", formats.TOGETHER, rows))
        averages = [(formats.average_row(average), "") for average in report.averages if average.board == board]
        if averages:
            head = ("mean over", "cells", "rank BASE", "rank NEW", "relative change")
            console.print(_table("", head, averages))
        if costs := formats.cost_rows(report, board):
            words = [f"{name} {base} → {new}" if base else name for name, _, base, new in costs]
            console.print(escape(f"cost, median of the cells: {'; '.join(words)}"), style="dim", soft_wrap=True)
        for grouping in report.groups:
            if grouping.board == board:
                rows = [(row, "") for row in formats.group_rows(grouping)]
                console.print(_table("", formats.group_head(grouping), rows))
    if reason := formats.not_together(report):
        console.print(escape(reason), style="dim", soft_wrap=True)
    if report.comparable:
        console.print(formats.DETECTS, style="dim", soft_wrap=True)
    if report.groups:
        console.print(f"{formats.GROUPS_SAY}.", style="dim", soft_wrap=True)
    for note in [*formats.notes(report), *report.groups_absent]:
        console.print(escape(note), style="dim", soft_wrap=True)
    if report.comparable:  # else it is the error
        console.print(escape(formats.headline(report)), soft_wrap=True, style="bold")


def _table(title: str, head: tuple[str, ...], rows: list[tuple[tuple[str, ...], str]]) -> Any:
    from rich.markup import escape

    from humanbench.cli.tables import plain_table

    words = {head[0], "metric", "verdict"}
    table = plain_table([], title=escape(title))
    for column in head:
        table.add_column(escape(column), justify="left" if column in words else "right")
    for row, style in rows:
        table.add_row(*map(escape, row), style=style)
    return table
