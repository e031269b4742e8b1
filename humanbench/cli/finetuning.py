"""Options of the verbs that are about finetuning: `eval` and `plan`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import SEED, data_root_option, pretrained_on_option
from humanbench.errors import HumanbenchError

if TYPE_CHECKING:
    from humanbench.evaluation.request import Request


class _ProtocolOption(click.Option):
    """Its help names the regimes that are installed; they are looked for when the help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from humanbench.regimes import REGIMES

        self.help = f"What is finetuned: {', '.join(REGIMES.names())}. A scenario's name is taken as --scenario."
        return super().get_help_record(ctx)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--backbone", required=True, metavar="NAME", help="A card, a timm or hub name, a local file."),
    click.option("--checkpoint", metavar="FILE|hf-hub:…", help="Weights to load into it."),
    click.option(
        "--arch", multiple=True, metavar="KEY=VALUE",
        help="Argument of the network: num_heads=12, act_layer=gelu, img_size=[256,128] …, and prefix=NAME of one of "
        "several networks in the file.",
    ),
    click.option("--mean", metavar="R,G,B", help="Mean of the input, 0..1, or imagenet, clip, half."),
    click.option("--std", metavar="R,G,B", help="Standard deviation of the input, or imagenet, clip, half."),
    click.option("--interpolation", metavar="[bilinear|bicubic]", help="How pictures are resized."),
    pretrained_on_option,
    click.option(
        "--protocol", default="partial", show_default=True, metavar="NAME", cls=_ProtocolOption,
    ),
    click.option("--datasets", metavar="A,B", help="Wildcards allowed.  [default: all that are found]"),
    click.option("--task", metavar="NAME", help="Datasets of this task only."),
    click.option("--scenario", metavar="NAME", help="Datasets that are in this scenario for the backbone only."),
    click.option(
        "--suite", default="humanbench-v1", show_default=True, metavar="NAME",
        help="humanbench-v1, or mini: recipes of the embedded suite, and without --data-root its data.",
    ),
    click.option("--variant", metavar="NAME", help="A named variant of the recipes."),
    click.option(
        "--head", metavar="[mean|class_token|attentive|knn|linear]",
        help="How features become one vector, or what answers without finetuning (docs/heads.md).",
    ),
    data_root_option,
    click.option(
        "--fraction", type=float, metavar="[0.01|0.1|0.25]",
        help="Train on so much of the labels, by fixed lists (docs/few-labels.md).",
    ),
    click.option(
        "--draw", type=int, default=0, metavar="[0|1|2]", help="Which of the lists of --fraction.  [default: 0]"
    ),
    click.option(
        "--corrupt", metavar="NAME:SEVERITY,…",
        help="Test on corrupted pictures: fog:3, fog for all severities, all (docs/robustness.md).",
    ),
    click.option("--subset", metavar="FILE", help="CSV or TOML file with ids: part of a dataset."),
    click.option("--input", "inputs", multiple=True, metavar="NAME=FILE", help="A file the protocol declares."),
    click.option("--out", metavar="DIR", help="Folder of the run.  [default: runs/BACKBONE-PROTOCOL(-mini)]"),
    click.option("--seed", default=0, show_default=True, type=SEED),
    click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Runs per cell."),
    click.option("--device", metavar="D", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]"),
    click.option("--workers", type=click.IntRange(0), help="Processes that read images.  [default: by device]"),
    click.option("--no-cache", is_flag=True, help="Do not store outputs of a frozen trunk."),
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE",
        help="Override a recipe (optim.lr=1e-4), or say where one dataset lies (datasets.ID.root=DIR).",
    ),
    click.option(
        "--precision", metavar="[fp32|tf32|bf16|fp16]",
        help="How products are computed (docs/execution.md).  [default: as the recipe says]",
    ),
    click.option("--compile", is_flag=True, help="Compile the backbone with torch.compile."),
    click.option(
        "--log", metavar="A,B",
        help="Follow the run with these too: tensorboard, wandb, mlflow … (of accelerate); csv is always written.",
    ),
    click.option("--no-weights", is_flag=True, help="Do not keep what was finetuned."),
    click.option("--shard", metavar="I/N", help="The I-th of N parts of the cells."),
)  # fmt: skip


def finetuning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `request_from`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def request_from(options: dict[str, Any]) -> Request:
    """The request that these options make."""
    from humanbench.evaluation.request import Request
    from humanbench.provenance import command_line

    taken = dict(options)
    pixels = {key: value for key in ("mean", "std", "interpolation") if (value := taken.pop(key)) is not None}
    return Request(
        set=list(taken.pop("overrides")),
        inputs=_once([_pair(text) for text in taken.pop("inputs")], "--input"),
        architecture=_once([_argument(text) for text in taken.pop("arch")], "--arch") | pixels,
        cache=not taken.pop("no_cache"),
        weights=not taken.pop("no_weights"),
        command=command_line(),
        **taken,
    )


_OTHER_OPTIONS = {
    "name": "--backbone NAME",
    "checkpoint": "--checkpoint FILE",
    "random": "--backbone random:NAME",
    "seed": "--seed N, which is the training's",
    "mean": "--mean R,G,B",
    "std": "--std R,G,B",
    "interpolation": "--interpolation bicubic",
}
"""What is no argument of a network -> the option that says it."""


def _argument(text: str) -> tuple[str, Any]:
    """Key and value of an argument of the network; `HumanbenchError` for what another option says, and for nan."""
    from humanbench.recipes import parse_override

    key, value = parse_override(text, "--arch", "embed_dim=192")
    if key in _OTHER_OPTIONS:
        raise HumanbenchError(f"--arch {text}: is no argument of the network; give {_OTHER_OPTIONS[key]}")
    if isinstance(value, float) and math.isnan(value):
        raise HumanbenchError(f"--arch {text}: is no number; give one")
    return key, value


def _once(pairs: list[tuple[str, Any]], option: str) -> dict[str, Any]:
    """The pairs by key; `HumanbenchError` where a key has two values."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if values.setdefault(key, value) != value:
            raise HumanbenchError(f"{option} {key}: is given twice, as {values[key]} and {value}; give it once")
    return values


def _pair(text: str) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise HumanbenchError(f"--input {text}: give NAME=FILE, like boxes=detections.json")
    return name, path
