"""The demonstration: procedural datasets are written, simple pixel learners predict, `score` scores their files.

It shows every station of the path from a card to a number on data that everybody has. The learners are meant to be
simple: thumbnails and ridge regression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard, load_card
from humanbench.data.mannequin.suite import synthesize, workers
from humanbench.data.samples import load_samples
from humanbench.scoring import ScoreReport, score
from humanbench.tasks import attribute, counting, reid

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SHOWN = ("market1501", "pa100k", "shanghaitech_b")
_SUFFIX = {"reid": ".npz", "attribute": ".csv", "counting": ".csv"}


def demo(folder: Path, scale: float = 1.0, seed: int = 0) -> Iterator[ScoreReport]:
    """Write the datasets of `SHOWN` to `folder`/data and predictions to `folder`/predictions; their scores."""
    data, predictions = folder / "data", folder / "predictions"
    predictions.mkdir(parents=True, exist_ok=True)
    with workers() as pool:
        for name in SHOWN:
            synthesize(load_card(name), data, pool, scale=scale, seed=seed)
    for name in SHOWN:
        card = load_card(name)
        path = predictions / f"{name}{_SUFFIX[card.task]}"
        _predict(card, data, path)
        yield score(card, path, data_root=data, seed=seed)


def _predict(card: DatasetCard, data: Path, path: Path) -> None:
    assert card.evaluation is not None
    import pandas as pd

    train = pd.concat([load_samples(card, split, data) for split in card.evaluation.train])
    tests = {split: load_samples(card, split, data) for split in card.evaluation.test}
    _PREDICT[card.task](card, train, tests, path)


def _reid(card: DatasetCard, train: pd.DataFrame, tests: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Thumbnails, whitened with what the training images vary in: no identity is learnt."""
    pixels = _thumbnails(train, (8, 16))
    mean, spread = pixels.mean(axis=0), pixels.std(axis=0) + 0.05
    query, gallery = (((_thumbnails(t, (8, 16)) - mean) / spread).astype(np.float32) for t in tests.values())
    reid.write_predictions(card, tests, reid.Features(query, gallery), path)


def _attribute(card: DatasetCard, train: pd.DataFrame, tests: Mapping[str, pd.DataFrame], path: Path) -> None:
    (test,) = tests.values()
    wanted = train[list(card.labels.attributes)].to_numpy(float)
    share = wanted.mean(axis=0)
    fitted = _ridge(_thumbnails(train, (12, 24)), wanted, _thumbnails(test, (12, 24)))
    # Rare attributes never reach one half: compare with each attribute's own share instead.
    attribute.write_predictions(card, tests, np.clip(0.5 + fitted - share, 0, 1), path)


def _counting(card: DatasetCard, train: pd.DataFrame, tests: Mapping[str, pd.DataFrame], path: Path) -> None:
    (test,) = tests.values()
    counts = train["count"].to_numpy(float)[:, None]
    fitted = _ridge(_thumbnails(train, (32, 24)), counts, _thumbnails(test, (32, 24)))
    counting.write_predictions(card, tests, np.maximum(fitted[:, 0], 0), path)


_PREDICT = {"reid": _reid, "attribute": _attribute, "counting": _counting}


def _thumbnails(table: pd.DataFrame, size: tuple[int, int]) -> Floats:
    """Pictures shrunk to `size` (width, height), a row of values 0..1 each."""
    from PIL import Image

    rows = []
    for path in table["image"]:
        with Image.open(path) as picture:
            rows.append(np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX), float).ravel() / 255)
    return np.array(rows)


def _ridge(inputs: Floats, wanted: Floats, asked: Floats) -> Floats:
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=np.logspace(0, 4, 9)).fit(inputs, wanted)
    result: Floats = np.asarray(model.predict(asked), float).reshape(len(asked), -1)
    return result
