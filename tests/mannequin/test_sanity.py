"""The sanity table's code on small procedural datasets: what is learnt beats what knows no picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from humanbench.cards import load_card
from humanbench.data.mannequin.pool import workers
from humanbench.data.mannequin.suite import synthesize
from humanbench.errors import DataError
from tools.sanity.suite import Suite
from tools.sanity.table import markdown


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanity")
    with workers(1) as pool:
        synthesize(load_card("market1501"), folder, pool, scale=0.25)
        synthesize(load_card("human36m_pose"), folder, pool, scale=0.25)
    return folder


def test_a_trained_network_is_above_chance_and_the_table_says_synthetic(data_root: Path) -> None:
    suite = Suite(data_root, work=3e6, learners=("chance", "trained"))
    row = suite.row(load_card("market1501"))
    assert row.beats("trained", "chance", clearly=True)
    page = markdown([row], suite)
    assert "All numbers are synthetic" in page
    assert "## in-dataset (1)" in page
    assert "| market1501 | mAP ↑ | 25 |" in page  # a quarter of the 100 queries


def test_ridge_on_pixels_is_above_the_mean_pose(data_root: Path) -> None:
    row = Suite(data_root, learners=("chance", "pixels", "random")).row(load_card("human36m_pose"))
    assert row.metric == "EPE"
    assert row.beats("pixels", "chance")
    assert not row.beats("random", "untouched")  # that one was not asked for


def test_real_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "human36m_pose").mkdir()
    with pytest.raises(DataError, match="no procedural copy of human36m_pose"):
        Suite(tmp_path).row(load_card("human36m_pose"))
