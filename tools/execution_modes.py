"""Whether a way of computing recipes agrees with them: `python -m tools.execution_modes BASE MODE --data-root DIR`.

BASE and MODE are run folders of the same backbone, regime, datasets and seeds, MODE with `--precision bf16`, say.
Prints the table of docs/execution.md. A mode agrees on a task in a regime where for each of its datasets that was run

- `compare` finds no difference, and
- the mean difference over seeds is not larger than what another seed does to a single training: the standard deviation
  over seeds that `compare` reckons with.

At least three seeds are asked for. The second condition is there because finding no difference proves none: with few
test pictures `compare` would see nothing of a large one.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from humanbench import compare, load_results
from humanbench.comparison.report import CellReport
from humanbench.results import FOLDER

SEEDS = 3


class Agreement(NamedTuple):
    """Of one dataset: both values, their difference, the noise that it is held against, and what follows."""

    dataset: str
    where: str
    metric: str
    seeds: int
    base: float
    mode: float
    noise: float
    verdict: str
    agrees: bool


def agreement(cell: CellReport) -> Agreement:
    """What a compared cell says of a mode."""
    seeds = min(cell.base_seeds, cell.new_seeds)
    agrees = seeds >= SEEDS and cell.verdict == "no difference" and abs(cell.new - cell.base) <= cell.seed_sd
    about = (
        cell.dataset,
        f"{cell.task}/{cell.regime}",
        cell.metric,
        seeds,
        cell.base,
        cell.new,
        cell.seed_sd,
        cell.verdict,
    )
    return Agreement(*about, agrees)


def agreeing_tasks(rows: Sequence[Agreement]) -> list[str]:
    """Tasks and regimes of which all datasets that were run agree."""
    tasks = dict.fromkeys(row.where for row in rows)
    return [where for where in tasks if all(row.agrees for row in rows if row.where == where)]


def table(rows: Sequence[Agreement]) -> str:
    """Markdown."""
    lines = ["| dataset | metric | seeds | as shipped | mode | difference | noise of a seed | compare | agrees |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        numbers = f"{row.base:.2f} | {row.mode:.2f} | {row.mode - row.base:+.2f} | {row.noise:.2f}"
        verdict = f"{row.verdict} | {'yes' if row.agrees else 'no'}"
        lines.append(f"| {row.dataset} | {row.metric} | {row.seeds} | {numbers} | {verdict} |")
    return "\n".join(lines)


def as_if_of(base: Path, mode: Path, folder: Path) -> Path:
    """A copy of MODE's results that are said to be by BASE's recipes, for else `compare` would refuse them."""
    recipes = {result.dataset: result.cell.recipe_sha256 for result in load_results(base)}
    (folder / FOLDER).mkdir(parents=True)
    shutil.copytree(mode / "predictions", folder / "predictions")
    for number, result in enumerate(r for r in load_results(mode) if r.dataset in recipes):
        cell = result.cell.model_copy(update={"recipe_sha256": recipes[result.dataset]})
        copy = result.model_copy(update={"cell": cell, "variant": None})
        (folder / FOLDER / f"{number}.json").write_text(copy.to_json(), encoding="utf-8")
    return folder


@click.command()
@click.argument("base", type=click.Path(path_type=Path, exists=True))
@click.argument("mode", type=click.Path(path_type=Path, exists=True))
@click.option("--data-root", type=click.Path(path_type=Path, exists=True))
def main(base: Path, mode: Path, data_root: Path | None) -> None:
    """Print the table, and what goes to `agrees` of protocols/execution.toml."""
    with TemporaryDirectory() as folder:
        report = compare(base, as_if_of(base, mode, Path(folder) / "mode"), data_root=data_root)
    rows = [agreement(cell) for cell in report.cells if cell.verdict != "not comparable"]
    click.echo(table(rows))
    click.echo(f"\nagrees = {agreeing_tasks(rows)}")


if __name__ == "__main__":
    main()
