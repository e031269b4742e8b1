"""`python -m bench.sanity`: the table of simple learners on the embedded suite."""

from __future__ import annotations

from pathlib import Path

import click

from humanbench.cards import evaluated, load_card


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("ids", nargs=-1, metavar="[DATASET…]")
@click.option("--data-root", metavar="DIR", required=True, help="Where `humanbench datasets synthesize` wrote to.")
@click.option("--out", metavar="FILE", default="-", help="Markdown file to write; standard output by default.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of weights, batches and intervals.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Of one network.")
def main(ids: tuple[str, ...], data_root: str, out: str, seed: int, threads: int) -> None:
    """Fit simple learners on procedural datasets (all 19 by default) and write the table of their scores."""
    import torch

    from bench.sanity.suite import Suite
    from bench.sanity.table import markdown

    torch.set_num_threads(threads)
    suite = Suite(Path(data_root), seed)
    rows = []
    for card in [load_card(name) for name in ids] or evaluated():
        rows.append(suite.row(card))
        click.echo(f"{card.id}: {rows[-1].brief()}", err=True)
    with click.open_file(out, "w", encoding="utf-8") as file:
        file.write(markdown(rows, suite))


if __name__ == "__main__":
    main(prog_name="python -m bench.sanity")
