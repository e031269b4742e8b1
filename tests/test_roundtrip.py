"""Every dataset: random tables written in the official form and read back field by field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from humanbench.cards import DatasetCard, cards, load_card
from humanbench.data.labels import load_label
from humanbench.data.samples import load_samples
from humanbench.data.writers import writer_for
from tests import make


@pytest.mark.parametrize("name", sorted(cards()))
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    card = load_card(name)
    tables = make.tables(card, np.random.default_rng(7))
    root = tmp_path / card.id / card.reader.roots[0]
    root.mkdir(parents=True)
    written = writer_for(card).write(card, root, tables, make.save)
    assert set(written) == set(tables)
    for split, expected in written.items():
        assert len(expected) > 0
        got = load_samples(card, split, data_root=tmp_path)
        assert_same(card, got, expected)
        assert all(Path(p).is_file() for p in got["image"])


def assert_same(card: DatasetCard, got: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(got["id"]) == list(expected["id"])
    for column in expected.columns:
        if card.task == "parsing" and column == "label":
            for path, array in zip(got[column], expected[column], strict=True):
                np.testing.assert_array_equal(load_label(card, path), array)
            continue
        for mine, theirs in zip(got[column], expected[column], strict=True):
            if isinstance(theirs, np.ndarray | list | tuple):
                np.testing.assert_allclose(np.asarray(mine, float), np.asarray(theirs, float), atol=1e-6)
            elif isinstance(theirs, float):
                assert mine == pytest.approx(theirs, rel=1e-9), f"{column}: read {mine!r}, written {theirs!r}"
            else:
                assert mine == theirs, f"{column}: read {mine!r}, written {theirs!r}"
