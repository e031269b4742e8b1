"""Names and orders of training data as arrays: the same as the lists that they stand for."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from humanbench.data.sampling import shuffled_batches
from humanbench.data.strings import Strings


def test_strings_are_those_of_the_list() -> None:
    texts = ["a/1.jpg", "", "bü/名.jpg", os.fsdecode(b"\xff.jpg"), "\ud800", "z" * 5000]
    strings = Strings(iter(texts))
    assert list(strings) == texts
    assert strings[1:6:2] == texts[1:6:2]
    assert strings[-1] == texts[-1]
    assert strings[np.int64(2)] == texts[2]
    assert list(pickle.loads(pickle.dumps(strings))) == texts
    assert "a/1.jpg" in strings
    for beyond in (6, -7):
        with pytest.raises(IndexError):
            strings[beyond]
    assert list(Strings([])) == []


@pytest.mark.parametrize(("count", "size"), [(0, 4), (1, 4), (4, 4), (5, 4), (6, 4), (103, 10), (107, 10)])
def test_batches_are_slices_of_the_epochs_permutation(count: int, size: int) -> None:
    order = np.random.default_rng((3, 2)).permutation(count).tolist()
    expected = [order[start : start + size] for start in range(0, count, size)]
    if len(expected) > 1 and 2 * len(expected[-1]) < size:
        expected[-2:] = [expected[-2] + expected[-1]]
    batches = shuffled_batches(count, size, 3, 2)
    assert list(batches) == expected
    assert batches[1:] == expected[1:]
    assert len(batches) == len(expected)
    assert all(type(row) is int for batch in batches for row in batch)
