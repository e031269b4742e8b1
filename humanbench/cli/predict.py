"""`humanbench predict`: a folder of pictures through a finetuned network."""

from __future__ import annotations

from typing import Any

import click

from humanbench.cli.options import OneValue, following_options, json_option, print_json


@click.command(name="predict", cls=OneValue)
@click.argument("run", metavar="RUN")
@click.argument("cell", metavar="DATASET_OR_CELL")
@click.argument("pictures", metavar="PICTURES_DIR")
@click.option("--out", metavar="DIR", required=True, help="Folder for predictions and drawn pictures.")
@click.option("--boxes", metavar="FILE", help="Pose: where people are, a JSON list of image_id, bbox, score.")
@click.option("--checkpoint", metavar="FILE|hf-hub:…", help="The backbone's own weights, if not where the run says.")
@click.option("--device", metavar="D", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")
@click.option("--workers", type=click.IntRange(0), help="Processes that read images.  [default: by device]")
@click.option("--skip-unreadable", is_flag=True, help="Leave out pictures that cannot be read, and say which.")
@click.option("--no-drawings", is_flag=True, help="Write the predictions alone.")
@following_options
@json_option
def command(run: str, cell: str, checkpoint: str | None, no_drawings: bool, as_json: bool, **options: Any) -> None:
    """Predict the pictures of a folder with what RUN has finetuned on a dataset (`humanbench weights RUN` lists it).

    Writes the predictions file that `humanbench score` reads for the dataset, the pictures with what was found drawn
    in, and prediction.json, which says of what they are and what was assumed. An interrupted run goes on.
    """
    from humanbench.evaluation.finetuned import load_finetuned
    from humanbench.evaluation.folder import predict_folder
    from humanbench.provenance import command_line

    model = load_finetuned(run, cell, checkpoint)
    outcome = predict_folder(model, drawn=not no_drawings, command=command_line(), **options)
    if as_json:
        print_json(outcome.about | {"folder": str(outcome.folder), "drawn": outcome.drawn})
        return
    left = f" ({len(outcome.about['skipped'])} left out)" if outcome.about.get("skipped") else ""
    click.echo(f"{outcome.about['pictures']:,} pictures{left}: {outcome.predictions}")
    if outcome.drawn:
        click.echo(f"{outcome.drawn:,} drawn: {outcome.folder / 'drawn'}")
