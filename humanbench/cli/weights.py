"""`humanbench weights`: what runs have finetuned."""

from __future__ import annotations

import click

from humanbench.cli.options import OneValue, json_option, print_json


@click.command(name="weights", cls=OneValue)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--save-backbone",
    nargs=2,
    metavar="CELL FILE",
    help="Write the finetuned backbone of a dataset or cell, without its head, as FILE.safetensors for --checkpoint; "
    "what lora has added is merged.",
)
@json_option
def command(runs: tuple[str, ...], save_backbone: tuple[str, str] | None, as_json: bool) -> None:
    """List the finetuned weights of RUN folders: cells, values that were trained, and bytes on disk.

    `humanbench predict` and `humanbench.load_finetuned` load them.
    """
    from itertools import chain

    from humanbench.cli.tables import plain_table, wide_console
    from humanbench.evaluation.finetuned import finetuned_weights

    if save_backbone is not None:
        if len(runs) > 1:
            raise click.UsageError("--save-backbone takes one RUN")
        from humanbench.evaluation.finetuned import load_finetuned

        cell, file = save_backbone
        load_finetuned(runs[0], cell).save_backbone(file)
        if as_json:
            print_json({"file": file})
        else:
            click.echo(file)
        return
    listed = list(chain.from_iterable(finetuned_weights(run) for run in runs))
    if as_json:
        documents = [
            {"cell": one.name, "dataset": one.result.dataset, "task": one.result.task, "regime": one.result.regime,
             "seed": one.result.seed, "trainable": one.result.trainable, "bytes": one.size,
             "file": None if one.file is None else str(one.file)}
            for one in listed
        ]  # fmt: skip
        print_json(documents)
        return
    table = plain_table(["cell", "task"], ["metric", "trained M", "MB"])
    for column in table.columns:
        column.no_wrap = column.header != "task"
    for one in listed:
        result = one.result
        size = f"{one.size / 1e6:,.2f}" if one.file is not None else "not kept" if result.epochs else "none"
        number = f"{result.main} {result.value:.2f}"
        table.add_row(one.name, result.task, number, f"{result.trainable / 1e6:,.2f}", size)
    table.add_section()
    on_disk = [one for one in listed if one.file is not None]
    trained = f"{sum(one.result.trainable for one in on_disk) / 1e6:,.2f}"
    total = f"{sum(one.size for one in on_disk) / 1e6:,.2f}"
    table.add_row(f"{len(on_disk)} of {len(listed)} kept", "", "", trained, total, style="bold")
    wide_console().print(table)
