"""`python -m tools.timm_sweep [PATTERN …]`: does every network of timm give what the six heads read?

Every network below 110 million parameters is built with random weights, sees a picture of its own size, and the six
heads, as the mini suite has them, stand on its features once. Prints one line a network that does not, with
the sentence that says why, and the counts. `--out FILE` keeps a line of JSON a network; networks in it are not run
again.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import timm
import torch
from timm.layers import weight_init
from torch import Tensor

from humanbench.backbones import Backbone, load_backbone
from humanbench.cards import load_card
from humanbench.errors import HumanbenchError
from humanbench.recipes import load_recipe
from humanbench.tasks.training import training_of

LIMIT = 110e6
DATASETS = ("market1501", "coco_pose", "cihp", "pa100k", "crowdhuman", "shanghaitech_a")
"""A dataset of each task."""


@dataclass(frozen=True)
class Ran:
    """What became of a network: `runs`, `refused` (a sentence) or `fails` (an error that is no sentence of ours)."""

    network: str
    outcome: str
    reason: str
    parameters: int
    seconds: float


def parameters(name: str) -> int:
    """How many timm's network has without its classifier; counted without memory for them."""
    with torch.device("meta"):
        return sum(p.numel() for p in timm.create_model(name, pretrained=False, num_classes=0).parameters())


@cache
def _tables(name: str) -> Mapping[str, pd.DataFrame]:
    """The training table that a head is built from: two samples."""
    columns: dict[str, Any] = {"pid": [1, 2], **{label: [0, 1] for label in load_card(name).labels.attributes}}
    table = pd.DataFrame(columns)
    table.attrs["dataset"] = name
    return {"train": table}


@torch.no_grad()
def check(backbone: Backbone) -> None:
    """Run the features of one picture of the network's own size through a head of each task."""
    height, width = backbone.preprocessing.input_size
    features = backbone(torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0)))
    parts = [*features.maps, features.pooled, *([] if features.class_token is None else [features.class_token])]
    levels = list(zip(features.maps, backbone.strides, backbone.channels, strict=True))
    if any(level.shape[1] != channels for level, _, channels in levels):
        raise AssertionError(f"maps of {[tuple(m.shape) for m in features.maps]} for channels {backbone.channels}")
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise AssertionError("features that are not finite")
    batch = {"input_size": (height, width), "size": torch.tensor([[height, width]])}
    for name in DATASETS:
        card = load_card(name)
        head = training_of(card).build_head(card, _tables(name), load_recipe(card, "full", "mini"), backbone)
        head(features, batch)


def ran(name: str) -> Ran:
    """Build one network and run it."""
    started, outcome, reason, count = time.perf_counter(), "runs", "", 0
    try:
        backbone = load_backbone(f"random:timm:{name}")
        count = sum(p.numel() for p in backbone.parameters())
        check(backbone)
    except HumanbenchError as error:
        outcome, reason = "refused", str(error)
    except Exception as error:  # what is looked for: anything that is no sentence
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome, reason = "fails", f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    return Ran(name, outcome, reason, count, round(time.perf_counter() - started, 2))


def lines(rows: Sequence[Ran]) -> Iterator[str]:
    """What does not run, and the counts, in Markdown."""
    yield "| network | why it does not run |"
    yield "| --- | --- |"
    for row in rows:
        if row.outcome != "runs":
            yield f"| `{row.network}` | {row.reason.replace('|', '/')} |"
    counts = Counter(row.outcome for row in rows)
    yield ""
    yield (
        f"{counts['runs']} of {len(rows)} networks run, {counts['refused']} are refused in a sentence, "
        f"{counts['fails']} fail"
    )


def _normal(tensor: Tensor, mean: float, std: float, a: float, b: float) -> Tensor:
    """Takes the place of timm's truncated normal distribution, which is slow to draw from."""
    return tensor.normal_(mean, std)


def main(arguments: Sequence[str]) -> None:
    """Run the networks and print the list; end with 1 where one fails with an error that is no sentence."""
    parser = argparse.ArgumentParser(prog="python -m tools.timm_sweep", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="wildcards of names (default: all)")
    parser.add_argument("--out", type=Path, help="file of JSON lines that is read and added to")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    known: dict[str, Ran] = {}
    if asked.out is not None and asked.out.is_file():
        known = {row["network"]: Ran(**row) for row in map(json.loads, asked.out.read_text().splitlines())}
    weight_init._trunc_normal_ = _normal
    rows = []
    for name in timm.list_models():
        if asked.patterns and not any(fnmatch.fnmatch(name, pattern) for pattern in asked.patterns):
            continue
        if name not in known and parameters(name) > LIMIT:
            continue
        row = known.get(name) or ran(name)
        rows.append(row)
        if name not in known:
            print(f"{row.network}: {row.outcome} {row.reason} ({row.seconds:.1f} s)", file=sys.stderr, flush=True)
            if asked.out is not None:
                with asked.out.open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print("\n".join(lines(rows)))
    sys.exit(1 if any(row.outcome == "fails" for row in rows) else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
