"""`humanbench demo`: the whole path on procedural data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from humanbench.cli.options import SCALE, SEED, OneValue, following_options

if TYPE_CHECKING:
    from humanbench.demo import Shown


@click.command(name="demo", cls=OneValue)
@click.option("--out", metavar="DIR", default="runs/demo", show_default=True, help="Folder for all that is made.")
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=SCALE,
    help="Size of the datasets: 1 is a few hundred pictures each.",
)
@following_options
def command(out: str, seed: int, scale: float) -> None:
    """Write six procedural datasets, one of each task, finetune two small backbones on them, score what they predict,
    compare the two, and build the pages of a leaderboard.

    Needs no data, no GPU and a few minutes. An interrupted run goes on with the same command. The numbers are
    synthetic: they show that the machinery works, no more. Exit code 1 when a cell failed.
    """
    from pathlib import Path

    from humanbench.cli.compare import show
    from humanbench.demo import demo
    from humanbench.progress import note

    folder = Path(out).expanduser().absolute()
    shown = demo(folder, scale, seed, say=lambda text: note(f"{text} …"))
    _table(shown)
    click.echo()
    show(shown.comparison)
    click.echo(
        f"\nAll of it is synthetic. Data, predictions and results: {folder}. To score one of them again:\n"
        f"  {_again(shown, folder)}\nThe leaderboard: {shown.site.front}"
    )
    if any(results.failed for results in (*shown.runs, *shown.further)):
        click.get_current_context().exit(1)


def _table(shown: Shown) -> None:
    """Both backbones' main metric of each dataset, with its interval."""
    from humanbench.cards import load_card
    from humanbench.cli.tables import plain_table, value_and_interval, wide_console
    from humanbench.results.cells import cell_numbers

    heads = [text for results in shown.runs for text in (results[0].backbone, "95 % interval")]
    table = plain_table(["dataset", "task", "metric"], heads, "synthetic data")
    numbers = [cell_numbers([result] for result in results) for results in shown.runs]
    for index, result in enumerate(shown.runs[0]):
        card = load_card(result.dataset)
        assert card.evaluation is not None
        cells = [text for column in numbers for text in value_and_interval(column[index])]
        table.add_row(card.id, card.task, card.evaluation.main, *cells)
    console = wide_console()
    console.print(table)
    for results in (*shown.runs, *shown.further):
        for failed in results.failed:
            console.print(f"{failed.backbone} on {failed.dataset}: {failed.reason}", markup=False, soft_wrap=True)


def _again(shown: Shown, folder: object) -> str:
    """A command that scores predictions of the run once more."""
    results = shown.runs[-1]
    done = next((result for result in results if result.status == "done"), results[0])
    return (
        f"humanbench score {done.dataset} --predictions {results.folder}/{done.predictions} --data-root {folder}/data"
    )
