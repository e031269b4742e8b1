"""`python -m tools.pretrainings`: evaluate backbones on the embedded suite and write the table of their scores.

Cells that are in the folder already are not computed again, so that it can be interrupted and gone on with.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--runs", metavar="DIR", default="runs/pretrainings", show_default=True, help="Folder of the evaluations."
)
@click.option("--out", metavar="FILE", default="-", help="Markdown file to write; standard output by default.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Finetunings per cell.")
@click.option("--protocols", default="head,partial,full,none", show_default=True, metavar="A,B")
@click.option("--datasets", metavar="A,B", help="Of the 19 these alone.")
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="NAME[=DUMPS]",
    help="Cards or files of cards; with dumps for the protocol none.  [default: mini_random, mini_mae, mini_path]",
)
@click.option(
    "--ablation",
    "ablations",
    multiple=True,
    metavar="FILE[=DUMPS]",
    help="Cards of pretrainings that are compared with the last of the backbones.",
)
@click.option("--data-root", metavar="DIR", help="Procedural copies.  [default: the embedded suite]")
@click.option("--table-only", is_flag=True, help="Compute nothing; write the table of what is there.")
def main(
    runs: str, out: str, seeds: int, protocols: str, datasets: str | None, backbones: tuple[str, ...],
    ablations: tuple[str, ...], data_root: str | None, table_only: bool,
) -> None:  # fmt: skip
    """Evaluate pretrainings on the embedded suite, and write the table."""
    from tools.pretrainings.table import markdown
    from tools.pretrainings.work import Trial, evaluated

    trials = [Trial.of(text) for text in backbones or ("mini_random", "mini_mae", "mini_path")]
    without = [Trial.of(text) for text in ablations]
    folder = Path(runs).absolute()
    if not table_only:
        for protocol in protocols.split(","):
            for trial in trials + without:
                evaluated(trial, protocol, folder, seeds, datasets, data_root)
    with click.open_file(out, "w", encoding="utf-8") as file:
        file.write(markdown(trials, without, protocols.split(","), folder, data_root))


if __name__ == "__main__":
    main(prog_name="python -m tools.pretrainings")
