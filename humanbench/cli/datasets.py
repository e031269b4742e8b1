"""`humanbench datasets`: the cards and their state on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import (
    SCALE,
    SEED,
    FiniteRange,
    OneValueGroup,
    data_options,
    dataset_ids,
    following_options,
    json_option,
    print_json,
)
from humanbench.errors import CardError, DataError

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard, RemoteFile
    from humanbench.data.report import Report
    from humanbench.data_root import DataRoot


@click.group(name="datasets", cls=OneValueGroup)
def command() -> None:
    """The dataset cards and their state on disk.

    A dataset lies in a folder of its id under the data root (--data-root), or where --set or the configuration file
    says, as distributed; `show` prints the layout.
    """


def _state(card: DatasetCard, data_root: DataRoot | None) -> str:
    """`absent`, `present` or `synthetic`: what lies in the dataset's folder."""
    from humanbench.data.samples import dataset_folder, is_synthetic

    folder = dataset_folder(card, data_root)
    if not folder.is_dir():
        return "absent"
    return "synthetic" if is_synthetic(folder) else "present"


def _roles(card: DatasetCard) -> str:
    """In words, what the benchmark uses the dataset for."""
    pretraining = (
        "" if not card.pretraining else "pretraining (37, 15)" if card.pretraining.subset else "pretraining (37)"
    )
    return " + ".join(r for r in (pretraining, "evaluation" if card.evaluation else "") if r)


@command.command("list")
@click.argument("ids", nargs=-1, shell_complete=dataset_ids)
@click.option("--task", metavar="T", help="Only datasets of this task.")
@data_options
@json_option
def list_datasets(ids: tuple[str, ...], task: str | None, data_root: DataRoot | None, as_json: bool) -> None:
    """List the datasets, or those that match IDS (wildcards allowed), and which are on disk."""
    from humanbench.cards import select_cards
    from humanbench.data_root import find_data
    from humanbench.tasks.registry import task_named

    chosen = select_cards(ids, task and task_named(task).name)
    rows = [
        {
            "id": card.id,
            "name": card.name,
            "task": card.task,
            "use": _roles(card),
            "metric": card.evaluation.main if card.evaluation else None,
            "access": card.access.kind,
            "state": _state(card, data_root),
        }
        for card in sorted(chosen, key=lambda c: (c.task, c.id))
    ]
    if as_json:
        print_json(rows)
        return
    from rich.console import Console

    from humanbench.cli.tables import plain_table

    table = plain_table(["dataset", "task", "use", "metric", "access", "on disk"])
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(row["id"], row["task"], row["use"], row["metric"] or "", row["access"], row["state"])
    Console().print(table)
    present = sum(row["state"] != "absent" for row in rows)
    click.echo(f"{len(rows)} datasets, {present} on disk under {find_data(data_root)}", err=True)


@command.command("show")
@click.argument("dataset_id", metavar="ID", shell_complete=dataset_ids)
@data_options
@json_option
def show(dataset_id: str, data_root: DataRoot | None, as_json: bool) -> None:
    """Print the card of dataset ID: what it is, how to get it, how it must lie on disk, what is unsure."""
    from humanbench.cards import load_card

    card = load_card(dataset_id)
    if as_json:
        click.echo(card.model_dump_json(indent=1))
        return
    from humanbench.cli.card_page import card_page

    click.echo(card_page(card, _state(card, data_root), data_root))


@command.command("verify")
@click.argument("ids", nargs=-1, shell_complete=dataset_ids)
@click.option("--all", "everything", is_flag=True, help="Every dataset that is on disk.")
@click.option("--every", default=100, show_default=True, type=click.IntRange(1), help="Decode every n-th image.")
@data_options
@following_options
@json_option
def verify_datasets(
    ids: tuple[str, ...], everything: bool, every: int, data_root: DataRoot | None, as_json: bool
) -> None:
    """Check structure, counts, label ranges, images and fingerprint of IDS; exit 1 when one is not as its card says."""
    from humanbench.cards import select_cards
    from humanbench.data.verify import verify
    from humanbench.data_root import find_data

    if not ids and not everything:
        raise CardError("name the datasets to verify (wildcards allowed), or give --all for those on disk")
    chosen = [c for c in select_cards(ids) if not everything or _state(c, data_root) != "absent"]
    if not chosen:
        raise DataError(
            f"no dataset found under {find_data(data_root)} (`humanbench datasets list` shows what is looked for)"
        )
    reports = [verify(card, data_root=data_root, every=every) for card in chosen]
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            _print_report(report)
    if not all(report.ok for report in reports):
        raise SystemExit(1)


def _print_report(report: Report) -> None:
    from rich.console import Console

    from humanbench.cli.tables import plain_table

    marks = {"ok": "[green]ok[/]", "warn": "[yellow]unsure[/]", "fail": "[red]FAIL[/]"}
    table = plain_table(["check", "split", "expected", "found", ""], title=report.title)
    for row in report.rows:
        table.add_row(row.check, row.split, str(row.expected), str(row.found), marks[row.status])
    Console().print(table)
    for row in report.rows:
        if row.status == "fail":
            where = f"{report.dataset} {row.split}".rstrip()
            click.echo(f"FAIL {where}, {row.check}: expected {row.expected}, found {row.found}")


@command.command("preview")
@click.argument("ids", nargs=-1, required=True, shell_complete=dataset_ids)
@click.option("--split", help="Split to draw.  [default: the first with public labels]")
@click.option("--out", metavar="DIR", default=".", show_default=True, help="Folder for <id>.png.")
@click.option("--subset", metavar="FILE", help="CSV or TOML of sample ids to draw from.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which samples are drawn.")
@data_options
def preview(
    ids: tuple[str, ...], split: str | None, out: str, subset: str | None, seed: int, data_root: DataRoot | None
) -> None:
    """Write a contact sheet per dataset with the labels drawn on the images."""
    from humanbench.cards import select_cards
    from humanbench.data.preview import contact_sheet, preview_table
    from humanbench.files import write_whole

    for card in select_cards(ids):
        table = preview_table(card, split, data_root=data_root, subset=subset)
        sheet = contact_sheet(card, table, seed=seed)
        target = Path(out) / f"{card.id}.png"
        write_whole(target, partial(sheet.save, format="PNG"))
        click.echo(str(target))


@command.command("extract")
@click.argument("dataset_id", metavar="ID", shell_complete=dataset_ids)
@data_options
def extract(dataset_id: str, data_root: DataRoot | None) -> None:
    """Unpack the images of dataset ID where its archive keeps them inside one file; done once, before anything else."""
    from humanbench.cards import load_card
    from humanbench.data.readers import find_root, reader_for
    from humanbench.data.samples import dataset_folder

    card = load_card(dataset_id)
    unpack = getattr(reader_for(card), "extract", None)
    if unpack is None:
        raise CardError(f"{card.id}: there is nothing to extract, its images are read as distributed")
    for folder in unpack(card, find_root(card, dataset_folder(card, data_root))):
        click.echo(str(folder))


@command.command("download")
@click.argument("dataset_id", metavar="ID", shell_complete=dataset_ids)
@click.option(
    "--from", "given", multiple=True, metavar="FILE|ADDRESS", help="What you were given, in place of the card's files."
)
@click.option("--dry-run", is_flag=True, help="Only list the files, with what is known of them.")
@data_options
@following_options
@json_option
def download_files(
    dataset_id: str, given: tuple[str, ...], dry_run: bool, data_root: DataRoot | None, as_json: bool
) -> None:
    """Fetch the files of dataset ID whose addresses its card knows, and unpack archives into its folder.

    An interrupted download goes on. Lengths and sums are checked where they are known, and recorded where they are not.
    --from takes files and addresses that you were given, after an agreement say. Exit code 1 where a part remains to be
    fetched by hand, 2 where all of it does: the message says how.
    """
    from humanbench.cards import load_card
    from humanbench.data.downloads import by_hand, download, files_of
    from humanbench.data_root import find_data

    card = load_card(dataset_id)
    files = files_of(card, given)
    if dry_run:
        _print_files(files, as_json)
        return
    click.echo(f"licence of {card.id}: {card.licence}", err=True)
    laid = []
    for one in download(card, find_data(data_root), files):
        laid.append(one)
        if not as_json:
            click.echo(f"{one.path}  sha256 {one.sha256}{'  (was there)' if one.was_there else ''}")
    whole = bool(given) or card.access.whole
    if as_json:
        listed = [{"path": str(one.path), "sha256": one.sha256, "was_there": one.was_there} for one in laid]
        print_json({"dataset": card.id, "files": listed, "whole": whole})
    if not whole:
        click.echo(f"the rest is to be fetched by hand: {by_hand(card)}", err=True)
        raise SystemExit(1)
    click.echo(f"next: humanbench datasets verify {card.id}", err=True)


def _print_files(files: tuple[RemoteFile, ...], as_json: bool) -> None:
    if as_json:
        print_json([file.model_dump() for file in files])
        return
    for file in files:
        size = f"{file.bytes:,} bytes" if file.bytes is not None else "length unknown"
        sums = f"sha256 {file.sha256}" if file.sha256 else f"md5 {file.md5}" if file.md5 else "sums unknown"
        click.echo(f"{file.to}{'  (unpacked)' if file.unpack else ''}  {size}, {sums}  {file.url}")


@command.command("synthesize")
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
    from humanbench.cards import evaluated as evaluated_cards
    from humanbench.cards import select_cards
    from humanbench.cli.signals import ended_by_signals
    from humanbench.data.mannequin.pool import workers as pool_of
    from humanbench.data.mannequin.suite import check_card, synthesize

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
