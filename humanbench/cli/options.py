"""Options that several verbs share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from humanbench.data_root import DataRoot


class OneValue(click.Command):
    """A command that refuses an option with a single value which is given several times, of which click takes the last
    without a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            single = [p for p in order if isinstance(p, click.Option) and not (p.multiple or p.is_flag or p.count)]
            twice = next((option for option in single if single.count(option) > 1), None)
            if twice is not None and not any(option.is_eager for option in order):
                raise click.UsageError(f"{twice.opts[-1]} is given {single.count(twice)} times; give it once", ctx)
        return super().parse_args(ctx, args)


class OneValueGroup(click.Group):
    """A group of such commands."""

    command_class = OneValue


data_root_option: Callable[[Any], Any] = click.option(
    "--data-root",
    metavar="DIR",
    help="Folder with one folder per dataset id.  [default: $HUMANBENCH_DATA or ~/humanbench-data]",
)
_place_option: Callable[[Any], Any] = click.option(
    "--set", "settings", multiple=True, metavar="datasets.ID.root=DIR", help="Where one dataset lies instead."
)


class FiniteRange(click.FloatRange):
    """A number of a range, neither infinite nor NaN, which click's own range lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


SCALE = FiniteRange(0, min_open=True)
"""How large a procedural copy is."""


pretrained_on_option: Callable[[Any], Any] = click.option(
    "--pretrained-on",
    metavar="NAMES",
    help="What the backbone has seen: dataset ids and other names, with commas; or undisclosed, or nothing.  "
    "[default: as its card says]",
)

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)


def print_json(document: Any) -> None:
    """What `--json` prints."""
    click.echo(json.dumps(document, indent=1))


_quiet_option: Callable[[Any], Any] = click.option(
    "-q", "--quiet", is_flag=True, help="Say nothing but results, warnings and errors."
)
_verbose_option: Callable[[Any], Any] = click.option(
    "-v", "--verbose", is_flag=True, help="Say also what only log files hold, and progress more often."
)


def following_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-q` and `-v`, which say how much goes to stderr (`humanbench.progress.loudness`)."""

    @wraps(command)
    def told(*args: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        from humanbench.progress import Loudness, said_at

        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose exclude each other")
        level = Loudness.QUIET if quiet else Loudness.VERBOSE if verbose else Loudness.NORMAL
        with said_at(level):
            return command(*args, **options)

    both: Callable[..., Any] = _quiet_option(_verbose_option(told))
    return both


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-root` and `--set datasets.ID.root=DIR`; the command gets both as `data_root`, None without either."""

    @wraps(command)
    def with_data(*args: Any, data_root: str | None, settings: tuple[str, ...], **options: Any) -> Any:
        return command(*args, data_root=_data(data_root, settings), **options)

    both: Callable[..., Any] = data_root_option(_place_option(with_data))
    return both


def _data(data_root: str | None, settings: tuple[str, ...]) -> DataRoot | None:
    if data_root is None and not settings:
        return None
    from humanbench.data_root import find_data, places
    from humanbench.recipes import parse_override

    return find_data(
        data_root, places(dict(parse_override(text, "--set", "datasets.pa100k.root=/data/pa100k") for text in settings))
    )


SEED = click.IntRange(0, (1 << 32) - 1)
"""What every generator of random numbers takes for a seed."""


def dataset_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What a shell suggests as the id of a dataset: those that come with the package, whose cards are called so.

    Names alone, so that Tab answers before any card is read.
    """
    from humanbench.paths import shipped

    return sorted(path.stem for path in shipped("datasets").glob(f"{_plain(incomplete)}*.toml"))


def _plain(text: str) -> str:
    """What was typed as far as it can begin an id."""
    return "".join(c for c in text if c.isalnum() or c == "_")
