"""`humanbench doctor`: what of this machine and this installation a run would stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from humanbench.cli.options import OneValue, data_options, json_option, print_json

if TYPE_CHECKING:
    from humanbench.data_root import DataRoot


@click.command(name="doctor", cls=OneValue)
@click.option("--hub", is_flag=True, help="Ask the Hugging Face hub too; nothing else is asked of a network.")
@data_options
@json_option
def command(hub: bool, data_root: DataRoot | None, as_json: bool) -> None:
    """Look at versions, device, threads, disks, caches and data, and say what mends what is wrong.

    Each line is ok, warn (it works, but you may want to know) or bad. Exit code 1 if anything is bad. Nothing is
    written.
    """
    import dataclasses

    from humanbench.doctor import findings

    checks = []
    for one in findings(data_root, hub):
        checks.append(one)
        if not as_json:
            click.echo(f"{click.style(f'{one.state:<5}', fg=_COLOURS[one.state])}{one.name:<20}{one.text}")
            if one.mend:
                click.echo(f"{'':<25}mend: {one.mend}")
    bad = any(one.state == "bad" for one in checks)
    if as_json:
        print_json({"ok": not bad, "checks": [dataclasses.asdict(one) for one in checks]})
    if bad:
        raise SystemExit(1)


_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}
