"""`humanbench leaderboard`: the static site, and submissions to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import OneValueGroup, data_options, following_options, json_option, print_json

if TYPE_CHECKING:
    from humanbench.data_root import DataRoot
    from humanbench.leaderboard.submissions.rescore import SubmissionReport

_store_option = click.option(
    "--submissions",
    "store",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of accepted submissions.  [default: leaderboard/submissions of the working folder]",
)


@click.group(name="leaderboard", cls=OneValueGroup)
def command() -> None:
    """A static site of results; checking, accepting and withdrawing submissions."""


@command.command("build")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--out", type=click.Path(path_type=Path), default="site", show_default=True, metavar="DIR", help="Where to write."
)
@_store_option
@click.option("--check", is_flag=True, help="Fail on invalid HTML and dead links.")
@click.option(
    "--data-root",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where the procedural pictures lie on which predictions are drawn.  [default: the embedded suite's]",
)
@following_options
@json_option
def build(
    runs: tuple[str, ...], out: Path, store: Path | None, check: bool, data_root: str | None, as_json: bool
) -> None:
    """Write the site: the published numbers, accepted submissions, and the results of RUN folders or files.

    The site needs no server and no network: its index.html opens from the disk. The task pages show predictions of
    synthetic runs, where these and the procedural pictures are at hand; no picture of a real dataset is copied.
    """
    from humanbench.leaderboard.site.build import build as build_from

    if check:
        from humanbench.leaderboard.site.html_check import problems
    _known(store)  # said; the default one need not be there, which only None tells `build`
    site = build_from(runs, out, store, Path(data_root).expanduser() if data_root is not None else None)
    for text in site.left_out:
        click.echo(f"humanbench: {text}", err=True)
    faults = problems(site.folder) if check else []
    if as_json:
        document = {"index": str(site.front), "pages": site.pages, "entries": site.entries, "left_out": site.left_out}
        print_json(document | ({"problems": faults} if check else {}))
    else:
        for text in faults:
            click.echo(text)
        click.echo(site.front)
    if faults:
        click.get_current_context().exit(1)


@command.command("serve")
@click.argument("site", type=click.Path(path_type=Path), default="site", metavar="[SITE]")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
def serve(site: Path, port: int) -> None:
    """Show a built site at http://127.0.0.1:PORT, to this machine alone, until Ctrl-C."""
    from humanbench.leaderboard.site.serve import server_of

    with server_of(site, port) as server:
        click.echo(f"http://127.0.0.1:{server.server_port}/")
        server.serve_forever()


@command.command("check")
@click.argument("submission", type=click.Path(path_type=Path, exists=True))
@data_options
@_store_option
@following_options
@json_option
def check(submission: Path, data_root: DataRoot | None, store: Path | None, as_json: bool) -> None:
    """Check a SUBMISSION (.zip or folder) and compute its numbers again. Exit code 1 if it is rejected."""
    from humanbench.leaderboard.submissions import store as stored
    from humanbench.leaderboard.submissions.rescore import check_submission

    report = check_submission(submission, data_root)
    if report.ok and (copy := stored.copied(report.results, stored.load_store(_known(store)))):
        report.problems.append(copy)
    finish(report, {}, as_json)


@command.command("verify")
@_store_option
@following_options
@json_option
def verify(store: Path | None, as_json: bool) -> None:
    """Read every byte of the accepted submissions and say what is not as it was accepted. Exit code 1 if anything."""
    from humanbench.leaderboard.submissions.log import read_events
    from humanbench.leaderboard.submissions.store import verify_store

    place = _known(store)
    wrong = verify_store(place)
    if as_json:
        print_json({"submissions": str(place), "problems": wrong})
    else:
        count = sum(event.event == "accepted" for event in read_events(place)[0])
        for text in wrong or [f"{place}: {count} accepted, all as they were"]:
            click.echo(text)
    if wrong:
        click.get_current_context().exit(1)


@command.command("accept")
@click.argument("submission", type=click.Path(path_type=Path, exists=True))
@data_options
@_store_option
@following_options
@json_option
def accept(submission: Path, data_root: DataRoot | None, store: Path | None, as_json: bool) -> None:
    """Check a SUBMISSION and add it to the accepted ones. Nothing that was accepted is ever replaced."""
    from humanbench.leaderboard.submissions import store as stored

    place = _said(stored.default_store()) if store is None else store
    report, name = stored.accept(submission, place, data_root)
    finish(report, {"submission": name}, as_json)


@command.command("withdraw")
@click.argument("entry")
@click.option("--reason", required=True, help="Why; it stays on the entry's page.")
@_store_option
def withdraw(entry: str, reason: str, store: Path | None) -> None:
    """Take an accepted submission (by its id, or that of an ENTRY) out of the rankings. It stays on record."""
    from humanbench.leaderboard.submissions import store as stored

    click.echo(f"withdrawn: {stored.withdraw(entry, reason, _known(store))}")


@command.command("rerun")
@click.argument("entry")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Run folder.  [default: runs/rerun-ENTRY]")
@click.option("--checkpoint", metavar="FILE", help="Where the weights lie here.  [default: where the entry says]")
@click.option("--device", metavar="D", help="cpu, cuda, cuda:1 …")
@click.option("--trust", is_flag=True, help="Load what the entry itself names: a repository of the hub, a URL.")
@data_options
@_store_option
@following_options
@json_option
def rerun(
    entry: str, out: Path | None, checkpoint: str | None, store: Path | None, as_json: bool, **options: Any
) -> None:
    """Finetune an accepted ENTRY again. Exit code 1 where a number's interval does not meet the accepted one's."""
    from humanbench.leaderboard.submissions import rerun as rerunning

    board_entry = rerunning.find_entry(entry, _known(store))
    for place in rerunning.strange_places(board_entry, checkpoint):
        click.echo(f"{board_entry.id} names: {place}", err=True)
    cells = rerunning.rerun(board_entry, out or Path(f"runs/rerun-{board_entry.id}"), checkpoint, **options)
    if as_json:
        documents = [vars(cell) | {"now": None if cell.now != cell.now else cell.now} for cell in cells]
        print_json(documents)
    else:
        for cell in cells:
            verdict = cell.note or ("agrees" if cell.agrees else "differs")
            numbers = f"{cell.metric} {cell.before:.2f}, again {cell.now:.2f}"
            click.echo(f"{cell.dataset} seed {cell.seed}: {numbers}: {verdict}")
    if not all(cell.agrees for cell in cells):
        click.get_current_context().exit(1)


def _known(store: Path | None) -> Path:
    """The accepted submissions: those given, or the default ones, said on stderr."""
    from humanbench.leaderboard.submissions.store import store_folder

    place = store_folder(store)
    return _said(place) if store is None else place


def _said(place: Path) -> Path:
    note = "" if place.is_dir() else " (not there yet)"
    click.echo(f"accepted submissions: {place.absolute()}{note}", err=True)
    return place


def finish(report: SubmissionReport, fields: Mapping[str, str | None], as_json: bool, indent: str = "  ") -> None:
    """Print what a check came to, and what was done after it; exit code 1 for a submission that is rejected."""
    import json

    from humanbench.leaderboard.submissions.rescore import summary

    if as_json:
        click.echo(json.dumps({**fields, **report.as_dict()}, indent=1, allow_nan=False))
    else:
        click.echo(summary(report))
        for name, value in fields.items():
            if value:
                click.echo(f"{indent}{name}: {value}")
    if not report.ok:
        click.get_current_context().exit(1)
