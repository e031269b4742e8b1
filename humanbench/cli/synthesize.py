"""`humanbench datasets synthesize`: the procedural copies."""

from __future__ import annotations

from typing import Any

import click

from humanbench.cli.completing import dataset_ids
from humanbench.cli.options import SCALE, SEED, FiniteRange, OneValue, following_options
from humanbench.cli.signals import ended_by_signals


@click.command("synthesize", cls=OneValue)
@click.argument("ids", nargs=-1, shell_complete=dataset_ids)
@click.option("--all", "everything", is_flag=True, help="All datasets.")
@click.option("--evaluated", is_flag=True, help="The datasets of the evaluation.")
@click.option("--out", metavar="DIR", required=True, help="Data root to write into: one folder per dataset.")
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=SCALE,
    help="1 is a few hundred pictures a dataset; more goes up to the real counts.",
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Another seed is another world.")
@click.option(
    "--difficulty",
    default=0.0,
    show_default=True,
    type=FiniteRange(0, 1),
    help="From 0, as it is, to 1: people far away and hidden, in poor light, in noisy and blurred pictures.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: number of cores]")
@following_options
def synthesize_datasets(
    ids: tuple[str, ...], everything: bool, evaluated: bool, out: str, workers: int | None, **world: Any
) -> None:
    """Write procedural copies of the datasets IDS (wildcards allowed) in their official layout.

    Nothing in them is real: a marker file says so, and every result from them is labelled synthetic. The same seed and
    scale give the same files, whatever the number of processes; so does the same difficulty.
    """
    from pathlib import Path

    from humanbench.cards import evaluated as evaluated_cards
    from humanbench.cards import select_cards
    from humanbench.data.mannequin.pool import workers as pool_of
    from humanbench.data.mannequin.suite import check_card, synthesize
    from humanbench.errors import CardError

    if not (ids or everything or evaluated):
        raise CardError("name the datasets to write (wildcards allowed), or give --all or --evaluated")
    chosen = {card.id: card for card in (select_cards(ids) if ids or everything else [])}
    chosen |= {card.id: card for card in (evaluated_cards() if evaluated else [])}
    for card in chosen.values():
        check_card(card)
    with ended_by_signals(), pool_of(workers) as pool:
        for card in chosen.values():
            root = Path(out).expanduser().absolute()
            click.echo(str(synthesize(card, root, pool, **world)))
