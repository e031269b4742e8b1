"""Random pose tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.writers.people import WITHOUT_PEOPLE

ONE_PERSON = {"human36m", "penn_action", "mpi_inf_3dhp", "aist_plusplus"}
"""Formats whose pictures hold exactly one person."""
WIDTH, HEIGHT = 96, 128


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 9) -> pd.DataFrame:
    """`n` pictures with one to three people (in formats for one person: one), and one picture without people."""
    single = card.reader.format in ONE_PERSON
    counts = np.ones(n, int) if single else rng.integers(1, 4, n)
    image = [(int(s), WIDTH, HEIGHT) for s in rng.integers(0, 2**31, n)]
    people = [_person(card, rng, crowd=not single) for _ in range(counts.sum())]
    which = np.repeat(np.arange(n), counts)
    made = pd.DataFrame(
        {
            "image": [image[i] for i in which],
            "size": [(WIDTH, HEIGHT)] * len(which),
            "image_id": which,
            "annotation_id": np.arange(len(which)),
            **{name: [person[name] for person in people] for name in people[0]},
        }
    )
    if not single:
        made.attrs[WITHOUT_PEOPLE] = [((int(rng.integers(0, 2**31)), WIDTH, HEIGHT), (WIDTH, HEIGHT))]
    return made


def _person(card: DatasetCard, rng: np.random.Generator, crowd: bool) -> dict[str, object]:
    """Some joints hidden, some not labelled; a person of a crowd without any, where the format has crowds."""
    joints = len(card.labels.keypoints)
    xy = rng.uniform(10, 60, (joints, 2)).round(2)  # in every box
    keypoints = np.concatenate([xy, rng.choice([0, 1, 2], (joints, 1), p=[0.2, 0.2, 0.6])], axis=1)
    iscrowd = crowd and rng.random() < 0.15
    if iscrowd:
        keypoints[:, 2] = 0
    elif not (keypoints[:, 2] > 0).any():
        keypoints[0, 2] = 2
    keypoints[keypoints[:, 2] == 0] = 0
    low = rng.uniform(0, 10, 2).round(2)
    sides = rng.uniform(60, 80, 2).round(2)
    person: dict[str, object] = {
        "bbox": np.concatenate([low, sides]),
        "keypoints": keypoints,
        "area": float((0.6 * sides.prod()).round(2)),
        "iscrowd": int(iscrowd),
    }
    if card.reader.format == "mpii":
        head = rng.uniform(5, 20, (2, 2)).round(2)
        person |= {"center": low + sides / 2, "scale": float(sides[1] / 200), "headbox": np.sort(head, axis=0)}
    return person
