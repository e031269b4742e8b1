"""`humanbench demo`: the whole path on procedural data."""

from __future__ import annotations

import click


@click.command(name="demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", metavar="DIR", default="runs/demo", show_default=True, help="Folder for data and predictions.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def command(out: str, seed: int) -> None:
    """Write three procedural datasets, predict with simple pixel learners, and score their predictions files.

    Needs no data, no GPU and about a minute. The numbers are synthetic: they show that the machinery works, no more.
    """
    from pathlib import Path

    from humanbench.cli.score import show
    from humanbench.demo import demo

    folder = Path(out).expanduser().absolute()
    click.echo(f"writing procedural datasets to {folder / 'data'}", err=True)
    for report in demo(folder, seed=seed):
        show(report)
    click.echo(
        f"\nData: {folder / 'data'}, predictions: {folder / 'predictions'}. To score one of them again:\n"
        f"  humanbench score pa100k --predictions {out}/predictions/pa100k.csv --data-root {out}/data"
    )
