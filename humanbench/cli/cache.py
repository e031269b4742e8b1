"""`humanbench cache`: what is stored to save time, and clearing it."""

from __future__ import annotations

import click

from humanbench.cli.options import OneValueGroup, json_option, print_json


@click.group(name="cache", cls=OneValueGroup)
def command() -> None:
    """What is kept under $HUMANBENCH_CACHE (default ~/.cache/humanbench); all of it can be computed again."""


@command.command("info")
@json_option
def info(as_json: bool) -> None:
    """List what is stored and how much room it takes."""
    import dataclasses

    from humanbench.engine.cache import cache_items
    from humanbench.paths import cache_folder

    items = cache_items()
    total = sum(item.bytes for item in items)
    if as_json:
        listed = [dataclasses.asdict(item) for item in items]
        print_json({"folder": str(cache_folder()), "bytes": total, "entries": listed})
        return
    for item in items:
        click.echo(f"{item.part:<14}{item.bytes / 1e6:>10.1f} MB  {item.name}  {item.about}")
    click.echo(f"{total / 1e6:.1f} MB in {cache_folder()}", err=True)


@command.command("clear")
@click.argument("parts", nargs=-1)
def clear_parts(parts: tuple[str, ...]) -> None:
    """Remove PARTS of the cache: trunk (the default), mini, weights (downloads), files.sqlite, compiled."""
    from humanbench.engine.cache import clear

    click.echo(f"freed {clear(parts or ('trunk',)) / 1e6:.1f} MB", err=True)
