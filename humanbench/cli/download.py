"""`humanbench datasets download`: open datasets from their addresses, others from what was fetched by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from humanbench.cli.completing import dataset_ids
from humanbench.cli.options import OneValue, data_options, following_options, json_option, print_json

if TYPE_CHECKING:
    from humanbench.cards import RemoteFile
    from humanbench.data_root import DataRoot


@click.command("download", cls=OneValue)
@click.argument("dataset_id", metavar="ID", shell_complete=dataset_ids)
@click.option(
    "--from", "given", multiple=True, metavar="FILE|ADDRESS", help="What you were given, in place of the card's files."
)
@click.option("--dry-run", is_flag=True, help="Only list the files, with what is known of them.")
@data_options
@following_options
@json_option
def download_dataset(
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
