"""The benchmarks: every module of `bench/` that lists cases lists what `python -m bench` can measure."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import bench
from bench import telling_apart
from humanbench.cards import evaluated


def test_cases_have_what_the_table_asks_for() -> None:
    names = []
    for info in pkgutil.iter_modules(bench.__path__):
        if info.name == "__main__":
            continue
        for case in getattr(importlib.import_module(f"bench.{info.name}"), "CASES", ()):
            assert callable(case.inputs), info.name
            assert callable(case.ours), info.name
            assert bool(case.peer_name) == hasattr(case, "peer"), case.name
            assert isinstance(case.aim, str), case.name
            names.append(case.name)
    assert len(names) == len(set(names)) > 10


def test_the_way_from_chance_to_perfect() -> None:
    """Chance is a column of the table of simple learners; perfect is 100 %, for errors 0."""
    chance = telling_apart.chances(telling_apart.TABLE.read_text(encoding="utf-8"))
    assert chance.keys() == {card.id for card in evaluated()}
    assert chance["pa100k"] == 50.0
    assert 95 < chance["caltech"] <= 100
    assert [telling_apart.way(*of) for of in (("mA", 50.0, 60.0), ("EPE", 8.0, 2.0), ("AP", 0.0, 0.0))] == [
        0.2,
        0.75,
        0,
    ]


def test_what_is_told_apart_of_two_baselines() -> None:
    chance = dict.fromkeys((card.id for card in evaluated()), 0.0)
    rows = telling_apart.rows("mini_random-head", "mini_path-head", chance)
    assert len(rows) == 19
    assert {row.verdict for row in rows if row.dataset in ("market1501", "msmt17", "pa100k")} == {"better"}
    with pytest.raises(SystemExit, match="no chance, or nothing to compare with, for aic"):
        telling_apart.rows("mini_random-head", "mini_path-head", {})
