"""`humanbench score`: metrics of a predictions file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import SEED, OneValue, data_options, dataset_ids, following_options, json_option

if TYPE_CHECKING:
    from humanbench.scoring import ScoreReport


@click.command(name="score", cls=OneValue)
@click.argument("dataset", shell_complete=dataset_ids)
@click.option("--predictions", required=True, metavar="PATH", help="The file, or folder of label maps, to score.")
@data_options
@click.option("--split", metavar="NAME", help="Score this split.  [default: the test split of the card]")
@click.option(
    "--subset", metavar="FILE", help="CSV or TOML file naming the sample ids to score, as a part of the split."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the bootstrap intervals.")
@following_options
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Score predictions for DATASET against the ground truth on disk, with 95 % bootstrap intervals.

    The file's format depends on the task: NumPy arrays (reid), COCO results JSON (pose, detection), PNG label maps in a
    folder or zip archive (parsing), CSV (attribute, counting).
    """
    from humanbench.scoring import score

    report = score(**options)
    if as_json:
        click.echo(report.to_json())
    else:
        show(report)


def show(report: ScoreReport) -> None:
    """Print the metrics that the card reports."""
    from rich.console import Console

    from humanbench.cards import load_card
    from humanbench.cli.tables import plain_table
    from humanbench.metrics.directions import CALIBRATION
    from humanbench.scoring import error_by_chance

    evaluation = load_card(report.dataset).evaluation
    assert evaluation is not None
    labels = ["synthetic"] * report.synthetic + [f"subset {report.subset}"] * (report.subset is not None)
    title = f"{report.dataset} {report.split}" + (f"  ({', '.join(labels)})" if labels else "")
    table = plain_table(["metric"], ["value", "95 % interval", f"n ({report.unit})"], title)
    table.title_style = ""
    beside = [n for n in CALIBRATION if n in report.metrics]
    for name in [*([n for n in evaluation.report if n in report.metrics] or [report.main]), *beside]:
        m = report.metrics[name]
        table.add_row(
            name,
            _number(m.value),
            f"{_number(m.low)} – {_number(m.high)}",
            str(m.n),
            style="bold" * (name == report.main),
        )
    console = Console()
    console.print(table)
    if beside and math.isfinite(remains := error_by_chance(report.reliability)):
        console.print(f"{beside[0]} that right probabilities would have on as few cases: about {remains:.2f}")
    for name, value in report.info.items():
        console.print(f"{name}: {value}")
    console.print(f"predictions sha256 {report.predictions_sha256}", soft_wrap=True, style="dim")


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"
