"""One side of `bench.inputs`, in a process of its own: CPU milliseconds per picture, from files to the network's input.

    python -P bench/input_side.py FOLDER TASK LIBRARY

FOLDER holds `*.jpg` and, for parsing, `maps/*.png`. LIBRARY is what a recipe's `input.library` says, `today` for a
checkout that has no such key, `peer` for the peers of `bench.input_peers`. Works with any checkout on PYTHONPATH.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

CARDS = {
    "pose": "coco_pose",
    "parsing": "cihp",
    "reid": "market1501",
    "detection": "crowdhuman",
    "attribute": "pa100k",
    "counting": "shanghaitech_a",
}
BATCH = 8
PASSES = 1


def table(card: Any, task: str, files: Sequence[Path]) -> pd.DataFrame:
    """A training table of these pictures with labels from a seed: one person in the middle of each."""
    rng = np.random.default_rng(0)
    sizes = [Image.open(file).size for file in files]
    boxes = [np.array([w * 0.2, h * 0.1, w * 0.5, h * 0.8]) for w, h in sizes]
    columns: dict[str, Any] = {"id": [file.stem for file in files], "image": [str(file) for file in files]}
    if task == "pose":
        points = [np.concatenate([b[:2] + rng.random((17, 2)) * b[2:], np.full((17, 1), 2.0)], 1) for b in boxes]
        columns |= {"bbox": boxes, "keypoints": points, "iscrowd": False, "image_id": range(len(files))}
        columns |= {"annotation_id": range(len(files))}
    elif task == "parsing":
        columns["label"] = [str(file.parent / "maps" / f"{file.stem}.png") for file in files]
    elif task == "reid":
        columns["pid"] = np.arange(len(files)) // 4
    elif task == "detection":
        columns["boxes"] = [np.stack([box] * 20) for box in boxes]
        columns["ignore"] = [np.zeros(20, bool)] * len(files)
    elif task == "counting":
        columns["points"] = [rng.random((200, 2)) * size for size in sizes]
    else:
        columns |= {name: rng.integers(0, 2, len(files), np.int8) for name in card.labels.attributes}
    made = pd.DataFrame(columns)
    made.attrs |= {"dataset": card.id, "split": "train"}
    return made


def ours(folder: Path, task: str, library: str) -> tuple[Callable[[Sequence[int]], Any], Callable[[Any], Any], int]:
    """What a worker does for a batch, what happens after it, and how many pictures there are."""
    from humanbench.backbones.features import Preprocessing
    from humanbench.cards import load_card
    from humanbench.recipes import load_recipe
    from humanbench.tasks.training import training_of

    card, files = load_card(CARDS[task]), sorted(folder.glob("*.jpg"))
    chosen = {} if library == "today" else {"input.library": library}
    recipe = load_recipe(card, "full", overrides=chosen)
    training = training_of(card)
    look = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", (224, 224))
    data = training.training_data(card, {"train": table(card, task, files)}, recipe, look, 0)
    after = getattr(importlib.import_module("humanbench.data.collate"), "normalised", lambda batch, look: batch)

    def read(indices: Sequence[int]) -> Any:
        return training.collate([data[index] for index in indices])

    return read, lambda batch: after(batch, look), len(data)


def peers(folder: Path, task: str) -> tuple[Callable[[Sequence[int]], Any], Callable[[Any], Any], int]:
    """The peer of the task, in the same two parts."""
    from bench import input_peers

    files = sorted(folder.glob("*.jpg"))
    read_one, after = input_peers.PEERS[task]
    rng = np.random.default_rng(0)
    return lambda indices: [read_one(str(files[index]), rng) for index in indices], after, len(files)


def measure(folder: Path, task: str, library: str) -> dict[str, float]:
    """The least of the passes, after one that does not count."""
    torch.set_num_threads(1)
    read, after, count = peers(folder, task) if library == "peer" else ours(folder, task, library)
    batches = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    best = {"worker": float("inf"), "after": float("inf")}
    for turn in range(PASSES + 1):
        spent = {"worker": 0.0, "after": 0.0}
        for indices in batches if turn else batches[:1]:
            start = time.process_time()
            batch = read(indices)
            middle = time.process_time()
            after(batch)
            spent["worker"] += middle - start
            spent["after"] += time.process_time() - middle
        if turn and sum(spent.values()) < sum(best.values()):
            best = spent
    return {name: seconds / count * 1000 for name, seconds in best.items()}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
