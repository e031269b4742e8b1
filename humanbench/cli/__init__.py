"""The command line: one module per verb, imported only when that verb runs."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from typing import Any

import click

from humanbench._version import __version__
from humanbench.errors import DataWarning, HumanbenchError
from humanbench.text import nearest

_VERBS = {
    "backbones": ("humanbench.cli.backbones", "the backbone cards, and how to get their weights"),
    "cache": ("humanbench.cli.cache", "what is stored to save time, and clearing it"),
    "compare": ("humanbench.cli.compare", "two runs cell by cell; a gate for continuous integration"),
    "datasets": ("humanbench.cli.datasets", "the dataset cards and their state on disk"),
    "demo": ("humanbench.cli.demo", "two small backbones on procedural data, from pictures to a leaderboard"),
    "doctor": ("humanbench.cli.doctor", "versions, device, disks, caches and data: what a run would stumble over"),
    "eval": ("humanbench.cli.eval", "finetune a backbone on every dataset found, predict and score"),
    "export": ("humanbench.cli.export", "results as model-card metadata, LaTeX, Markdown or CSV"),
    "failures": ("humanbench.cli.failures", "the test pictures on which a run is furthest off"),
    "groups": ("humanbench.cli.groups", "metrics by group of people and pictures, and the largest gaps"),
    "leaderboard": ("humanbench.cli.leaderboard", "the static site of results, and submissions to it"),
    "plan": ("humanbench.cli.plan", "the cells of an eval as independent jobs, with their cost"),
    "predict": ("humanbench.cli.predict", "a folder of pictures through a finetuned network"),
    "pretrain": ("humanbench.cli.pretrain", "PATH or masked autoencoding on the registry's datasets"),
    "score": ("humanbench.cli.score", "metrics of a predictions file against the ground truth on disk"),
    "submit": ("humanbench.cli.submit", "a run as a submission to the leaderboard, checked as the board does"),
    "weights": ("humanbench.cli.weights", "what runs have finetuned, and how large it is"),
}

_show = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
    """What a dataset's user should know as a line like those of errors; other warnings as ever."""
    if issubclass(category, DataWarning):
        click.echo(f"humanbench: {one_line(str(message))}", err=True)
    else:
        _show(message, category, *rest, **more)


def one_line(text: str) -> str:
    """A sentence on one line, whatever was quoted in it: a second line could be read as a command by a CI system."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if printable == text else " ".join(printable.split())


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""


class Verbs(click.Group):
    """A group that knows its commands by name and imports one only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(_VERBS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _VERBS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{nearest(args[0], list(_VERBS))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            warnings.showwarning = _show_warning
            logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # speaks of compilers nobody needs
            return super().invoke(ctx)
        except HumanbenchError as error:
            click.echo(f"humanbench: {one_line(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)
        except OSError as error:  # a file that may not be read, a full disk ...
            place = error.filename or "input or output"
            click.echo(f"humanbench: {one_line(f'{place}: {error.strerror or error}')}", err=True)
            ctx.exit(HumanbenchError.exit_code)
        except KeyboardInterrupt:
            click.echo("humanbench: interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="humanbench")
def main() -> None:
    """Score human-centric vision backbones on public datasets, in six tasks and three scenarios.

    Results go to stdout, progress and messages to stderr. Exit code 0: done; 1: ran, but the answer is no; 2: wrong
    usage or input. Data lives under $HUMANBENCH_DATA, one folder per dataset id; --data-root wins.
    """
