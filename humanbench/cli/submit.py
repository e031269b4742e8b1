"""`humanbench submit`: a run as a submission to the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.leaderboard import finish
from humanbench.cli.options import OneValue, data_options, following_options, json_option, pretrained_on_option

if TYPE_CHECKING:
    from humanbench.data_root import DataRoot


@click.command(name="submit", cls=OneValue)
@click.argument("run", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="RUN_DIR")
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH", help="A .zip file, or a folder to make.")
@click.option("--name", help="What the submission is called.  [default: backbone and regimes]")
@click.option("--submitter", default="", help="Who submits it; shown on the entry's page.")
@pretrained_on_option
@click.option(
    "--card", metavar="CARD.toml", help="A card of the backbone that was written after the run; it names the row."
)
@click.option("--check", is_flag=True, help="Only say what the board would; write nothing.")
@click.option("--push", "place", metavar="hf:ORG/REPO", help="Open a pull request on a dataset repository of the hub.")
@data_options
@following_options
@json_option
def command(
    run: Path, out: Path | None, check: bool, place: str | None, data_root: DataRoot | None, as_json: bool, **facts: Any
) -> None:
    """Make a submission of RUN_DIR, after the check that the board makes. Exit code 1 if it would be rejected.

    A submission holds results, predictions, recipes, freeze reports, environment and what is known of the backbone.
    """
    from humanbench.leaderboard.submissions.bundle import default_name, gathered, write_submission
    from humanbench.leaderboard.submissions.hub import push, repository
    from humanbench.leaderboard.submissions.rescore import check_submission

    if place is not None:
        repository(place)
    with gathered(run, **facts) as folder:
        report = check_submission(folder, data_root)
        report.source = str(run)
        done: dict[str, str] = {}
        if report.ok and not check:
            if place is None or out is not None:
                done["written"] = str(write_submission(folder, out or Path(default_name(run))))
            if place is not None:
                done["pull request"] = push(folder, place)
    finish(report, done, as_json, indent="")
