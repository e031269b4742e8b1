"""`humanbench export`: results in the forms that papers and model cards take."""

from __future__ import annotations

from pathlib import Path

import click

from humanbench.cli.options import OneValue


@click.command(name="export", cls=OneValue)
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option(
    "--format",
    "form",
    default="markdown",
    show_default=True,
    type=click.Choice(["model-card", "latex", "markdown", "csv"]),
)
@click.option("--only", type=click.Choice(["real", "synthetic"]), help="Results of this kind only.")
@click.option("--name", metavar="NAME", help="The model's name on its card.  [default: the backbone's]")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Write to FILE.  [default: stdout]")
def command(runs: tuple[str, ...], form: str, only: str | None, name: str | None, out: str | None) -> None:
    """Print the results of RUNs (run folders of eval, results files, names of shipped baselines).

    markdown and latex: tables in the layout of the paper's table 3. csv: a row per result and metric. model-card: front
    matter with a model-index, as the Hugging Face hub takes it. Synthetic and real numbers never share a table.
    """
    from humanbench.export import export
    from humanbench.files import write_text

    text = export(*runs, form=form, only=only, name=name)
    if out is None:
        click.echo(text.rstrip("\n"))
        return
    write_text(Path(out), text)
