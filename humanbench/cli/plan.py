"""`humanbench plan`: the cells of a run as independent jobs."""

from __future__ import annotations

from typing import Any

import click

from humanbench.cli.costs import rate_option
from humanbench.cli.finetuning import finetuning_options, request_from
from humanbench.cli.options import OneValue, json_option, print_json


@click.command(name="plan", cls=OneValue)
@finetuning_options
@rate_option
@json_option
def command(rate: float | None, as_json: bool, **options: Any) -> None:
    """Print a command per cell of the `eval` with the same options, and what the cells will cost, with the sum.

    The jobs are independent and may share the folder: run them in any order, anywhere, again after a failure.
    """
    from humanbench.cli.costs import cost, table, total
    from humanbench.evaluation.cluster import request_for
    from humanbench.evaluation.estimate import Rate, estimate
    from humanbench.evaluation.plan import plan_for

    request = request_from(options)
    plan = plan_for(request, dry=True)
    documents, estimates = [], []
    for spec in plan.cells:
        estimated, _ = estimate(plan, spec, Rate(rate, request.device))
        estimates.append(estimated)
        line = command_for(request_for(request, plan, spec))
        documents.append({"command": line} | estimated.as_dict())
        if not as_json:
            click.echo(f"# {cost(estimated)}\n{line}")
    if as_json:
        print_json(documents)
    else:
        click.echo("\n".join(f"# {line}" for line in f"{table(estimates)}\n{total(estimates)}".splitlines()))


_VALUES = (
    "checkpoint", "variant", "head", "data_root", "fraction", "corrupt", "subset", "out", "device", "workers",
    "pretrained_on", "precision", "log",
)  # fmt: skip
"""Arguments of a request with an option of their name."""


def command_for(request: Any) -> str:
    """The command line of a request for one cell."""
    import shlex

    from humanbench.backbones.preprocessing import PIXELS

    words = ["humanbench", "eval", "--backbone", request.backbone, "--protocol", request.protocol]
    words += ["--datasets", ",".join(request.datasets), "--suite", request.suite, "--seed", str(request.seed)]
    for name in _VALUES:
        value = getattr(request, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    words += ["--draw", str(request.draw)] if request.draw else []
    words += ["--no-cache"] * (not request.cache) + ["--no-weights"] * (not request.weights)
    words += ["--compile"] * request.compile
    words += [word for text in request.set for word in ("--set", text)]
    words += [word for name, path in request.inputs.items() for word in ("--input", f"{name}={path}")]
    for name, value in request.architecture.items():
        words += [f"--{name}", str(value)] if name in PIXELS else ["--arch", f"{name}={_toml(value)}"]
    return shlex.join(words)


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
