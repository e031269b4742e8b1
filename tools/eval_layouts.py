"""`python -m tools.eval_layouts [WORD …]`: does `humanbench eval` run with each family of networks that people bring?

The networks are those of `tools.layouts`: tiny, random, written by transformers or under the names of their authors.
For each the command line of the page is run in this process, with an iteration a dataset:

    humanbench eval --backbone FILE --suite mini --protocol head --datasets pa100k,cihp

Prints a table of what ran, for docs/checkpoint-layouts.md, and ends with 1 where a cell did not end and the network was
not refused in a sentence. The numbers of the cells mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from click.testing import CliRunner

from humanbench.cards import load_card
from humanbench.cli import main as command_line
from humanbench.data.mannequin.pool import workers
from humanbench.data.mannequin.suite import synthesize
from tools.layout_parts import Layout
from tools.layouts import layouts

DATASETS = ("pa100k", "cihp")
FAMILIES = ("transformers)", "PATH (", "UniHCP", "Hulk", "HAP", "Sapiens", "SOLIDER", "ViTPose", "I-JEPA")
"""Words in names of the families that are run; the others are timm's, which `tools.families` runs."""

QUICK = {"train.iterations": 1, "train.batch_size": 2, "train.views": 0}
SCALE = 0.02


@dataclass(frozen=True)
class Row:
    """A layout, and what the command said: `runs`, `refused`, or what went wrong."""

    layout: Layout
    outcome: str
    words: str
    seconds: float


def copies(root: Path) -> Path:
    """A data root with the smallest procedural copies of the datasets."""
    with workers(1) as pool:
        for name in DATASETS:
            synthesize(load_card(name), root, pool, scale=SCALE)
    return root


def chosen(words: Sequence[str]) -> list[Layout]:
    """The layouts of the families, with one of the words in their names where there are words."""
    rows = [row for row in layouts() if any(family in row.family for family in FAMILIES)]
    return [r for r in rows if not words or any(word.lower() in f"{r.family} {r.layout}".lower() for word in words)]


def options(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Arguments of `load_backbone` as those of the command."""
    for key, value in arguments.items():
        if key in ("mean", "std", "interpolation"):
            yield from (f"--{key}", str(value))
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield from ("--arch", f"{key}={text}")


def run(layout: Layout, data_root: Path) -> Row:
    """Write the network and evaluate it."""
    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        place = Path(folder) / "weights"
        place.mkdir()
        torch.manual_seed(3)
        name, checkpoint, _ = layout.write(place)
        line = ["eval", "--backbone", name, "--suite", "mini", "--protocol", "head", "--datasets", ",".join(DATASETS)]
        line += ["--data-root", str(data_root), "--out", str(Path(folder) / "out"), "--device", "cpu", "--json"]
        line += [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
        line += ["--checkpoint", checkpoint] if checkpoint else []
        ended = CliRunner().invoke(command_line, [*line, *options(layout.arguments)])
    said = ended.stderr.strip().replace(f"{folder}/weights/", "")
    seconds = time.perf_counter() - started
    if ended.exit_code == 2 and ended.exception is not None and isinstance(ended.exception, SystemExit):
        return Row(layout, "refused", said.splitlines()[-1].removeprefix("humanbench: "), seconds)
    if ended.exit_code or not ended.stdout.strip():
        return Row(layout, "fails", repr(ended.exception) if ended.exception else said[-300:], seconds)
    cells = json.loads(ended.stdout)
    states = {cell["dataset"]: cell["status"] for cell in (cells if isinstance(cells, list) else cells["results"])}
    return Row(layout, "runs" if states == dict.fromkeys(DATASETS, "done") else "fails", str(states), seconds)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| family | layout | eval |"
    yield "| --- | --- | --- |"
    for row in rows:
        words = row.outcome if row.outcome == "runs" else f"{row.outcome}: {row.words}"
        yield f"| {row.layout.family} | {row.layout.layout} | {words.replace('|', '/')} |"


def main(arguments: Sequence[str]) -> None:
    """Print the table; end with 1 where a network neither runs nor is refused as its layout says."""
    parser = argparse.ArgumentParser(prog="python -m tools.eval_layouts", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="parts of names of families and layouts")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    with TemporaryDirectory() as folder:
        root = copies(Path(folder))
        for layout in chosen(asked.words):
            rows.append(run(layout, root))
            print(f"{layout.family}, {layout.layout}: {rows[-1].outcome} {rows[-1].words}", file=sys.stderr, flush=True)
    print("\n".join(lines(rows)))
    runs = sum(row.outcome == "runs" for row in rows)
    print(f"\n{runs} of {len(rows)} run, {sum(row.outcome == 'refused' for row in rows)} are refused in a sentence")
    wrong = [row for row in rows if row.outcome != ("refused" if row.layout.refused else "runs")]
    sys.exit(1 if wrong or not rows else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
