"""`humanbench pretrain`: PATH or masked autoencoding on the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import SEED, OneValue, data_root_option, following_options, json_option, print_json

if TYPE_CHECKING:
    from humanbench.pretrain.recipe import PretrainRecipe


@click.command(name="pretrain", cls=OneValue)
@click.option("--method", type=click.Choice(["path", "mae"]), default="path", show_default=True)
@click.option("--backbone", metavar="NAME", help="What it starts from.  [default: the recipe's]")
@click.option("--checkpoint", metavar="FILE|hf-hub:…", help="Weights to load into it.")
@click.option("--collection", type=click.Choice(["full", "subset"]), help="The paper's 37 datasets, or its 15.")
@click.option("--datasets", metavar="A,B", help="Of the recipe's datasets these alone.")
@click.option("--tasks", metavar="A,B", help="Datasets of these tasks alone.")
@click.option("--suite", default="humanbench-v1", show_default=True, metavar="NAME", help="humanbench-v1, or mini.")
@click.option("--variant", metavar="NAME", help="A named variant of the recipe (vitl).")
@data_root_option
@click.option("--allow-missing", is_flag=True, help="Go on without datasets that are not on disk.")
@click.option("--out", metavar="DIR", help="Folder of the run.  [default: runs/pretrain-METHOD(-VARIANT)(-mini)]")
@click.option("--seed", type=SEED, help="[default: the recipe's]")
@click.option("--device", metavar="D", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")
@click.option("--workers", type=click.IntRange(0), help="Processes that read images.  [default: by device]")
@click.option("--iterations", type=click.IntRange(0), metavar="N", help="Steps, in place of the recipe's.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override the recipe (projector.sharing=flat)."
)
@click.option(
    "--log",
    metavar="A,B",
    help="Follow it with these too: tensorboard, wandb, mlflow … (of accelerate); csv is always written.",
)
@click.option("--resume", metavar="DIR", help="Go on from a folder of dumps.")
@click.option("--dry-run", is_flag=True, help="Print the entries and the images they should have; train nothing.")
@following_options
@json_option
def command(dry_run: bool, as_json: bool, **options: Any) -> None:
    """Pretrain a backbone on registered datasets.

    Writes backbone.safetensors with a card.toml for `humanbench eval --backbone DIR/card.toml`, and for PATH a dump of
    every entry in the layout of the released code. An interrupted run goes on after its last save. One process, or
    many under `torchrun`.
    """
    from humanbench.pretrain.run import pretrain, recipe_of

    request = _request(options)
    if dry_run:
        recipe = recipe_of(request)
        click.echo(recipe.model_dump_json(indent=1)) if as_json else _show(recipe)
        return
    folder = pretrain(request)
    if as_json:
        print_json({"folder": str(folder), "card": str(folder / "card.toml")})


def _request(options: dict[str, Any]) -> Any:
    from humanbench.pretrain.run import PretrainRequest
    from humanbench.provenance import command_line

    taken = dict(options)
    overrides = list(taken.pop("overrides"))
    iterations = taken.pop("iterations")
    if iterations is not None:
        overrides.append(f"iterations={iterations}")
    for name in ("datasets", "tasks"):
        taken[name] = [part for part in (taken[name] or "").split(",") if part]
    return PretrainRequest(set=overrides, command=command_line(), **taken)


def _show(recipe: PretrainRecipe) -> None:
    from rich.console import Console

    from humanbench.cli.tables import plain_table

    numbers = ["images", "loss weight", "GPUs", "batch", "drop path", "share"]
    table = plain_table(["entry", "datasets", "projector", "head"], numbers)
    for name, entry in recipe.entries.items():
        images = sum(card.pretraining.images for card in entry.cards() if card.pretraining)
        table.add_row(
            name, ", ".join(entry.datasets), entry.group, entry.head or name, f"{images:,}",
            f"{entry.loss_weight:,.10g}", str(entry.parts), str(entry.batch), f"{entry.drop_path:g}",
            f"{recipe.weights[name]:.3g}",
        )  # fmt: skip
    total = sum(card.pretraining.images for card in recipe.datasets if card.pretraining)
    weight = sum(entry.loss_weight for entry in recipe.entries.values())
    parts = sum(entry.parts for entry in recipe.entries.values())
    table.add_section()
    table.add_row(
        f"{len(recipe.entries)} entries", f"{len(recipe.datasets)} datasets", "", "", f"{total:,}",
        f"{weight:,.10g}", str(parts), "", "", "1",
    )  # fmt: skip
    console = Console(width=180, soft_wrap=True)
    console.print(table)
    images = sum(entry.images for entry in recipe.entries.values())
    optim, how = recipe.optim, recipe.schedule
    console.print(
        f"\n{recipe.method} from {recipe.backbone}: {recipe.iterations:,} steps of {images:,} images; {optim.name}, "
        f"lr {optim.lr:g}, weight decay {optim.weight_decay:g}, layer decay {optim.layer_decay:g}, {how.name} after "
        f"{how.warmup} steps of warm-up; source: {recipe.source}",
        highlight=False,
    )
    for note in recipe.notes:
        console.print(f"- {note}", highlight=False)
