"""`python -m tools.sanity`: the table of simple learners on the embedded suite."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from humanbench.cards import evaluated, load_card
from humanbench.tasks.registry import task_names


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("ids", nargs=-1, metavar="[DATASET…]")
@click.option("--data-root", metavar="DIR", required=True, help="Where `humanbench datasets synthesize` wrote to.")
@click.option("--out", metavar="FILE", default="-", help="Markdown file to write; standard output by default.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of weights, batches and intervals.")
@click.option("--workers", type=click.IntRange(1), help="Processes, of one thread each.  [default: number of cores]")
def main(ids: tuple[str, ...], data_root: str, out: str, seed: int, workers: int | None) -> None:
    """Fit simple learners on procedural datasets (all 19 by default) and write the table of their scores."""
    from tools.sanity.suite import Suite, rows_of
    from tools.sanity.table import markdown

    chosen = [load_card(name) for name in ids] or evaluated()
    groups = [[card.id for card in chosen if card.task == task] for task in task_names()]
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(rows_of, group, data_root, seed) for group in groups if group]
        rows = sorted((row for job in jobs for row in job.result()), key=lambda row: row.card.id)
    with click.open_file(out, "w", encoding="utf-8") as file:
        file.write(markdown(rows, Suite(Path(data_root), seed)))


if __name__ == "__main__":
    main(prog_name="python -m tools.sanity")
