"""`humanbench leaderboard`: the static site, and submissions to it."""

from __future__ import annotations

from pathlib import Path

import click

from humanbench.cli.options import json_option

_HELP = {"help_option_names": ["-h", "--help"]}


@click.group(name="leaderboard", context_settings=_HELP)
def command() -> None:
    """A static site of results; checking, accepting and withdrawing submissions."""


@command.command("build", context_settings=_HELP)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--out", type=click.Path(path_type=Path), default="site", show_default=True, metavar="DIR")
@json_option
def build(runs: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Write the site: the published numbers and the results of RUN folders or files."""
    import json

    from humanbench.leaderboard.events import events_of
    from humanbench.leaderboard.frames import entries_of, seen_by
    from humanbench.leaderboard.site import build_site
    from humanbench.results import load_results

    results = load_results(*runs) if runs else []
    entries = entries_of(results, seen_by)
    site = build_site(out, entries, events_of(entries))
    click.echo(
        json.dumps({"index": str(site.front), "pages": site.pages, "entries": site.entries})
        if as_json
        else str(site.front)
    )
