"""The sanity table's code on a small procedural dataset: what is learnt beats the mean target."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sanity.suite import Suite
from bench.sanity.table import markdown
from humanbench.cards import load_card
from humanbench.data.mannequin.suite import synthesize, workers
from humanbench.errors import DataError


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanity")
    with workers(1) as pool:
        synthesize(load_card("human36m_pose"), folder, pool, scale=0.25)
    return folder


def test_learners_beat_the_mean_target_and_the_table_says_synthetic(data_root: Path) -> None:
    suite = Suite(data_root, work=6e6, learners=("chance", "pixels", "trained"))
    row = suite.row(load_card("human36m_pose"))
    assert row.metric == "EPE"
    assert row.beats("pixels", "chance")
    assert row.beats("trained", "chance", clearly=True)
    page = markdown([row], suite)
    assert "All numbers are synthetic" in page
    assert "## in-dataset (1)" in page
    assert "| human36m_pose | EPE ↓ |" in page


def test_real_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "human36m_pose").mkdir()
    with pytest.raises(DataError, match="no procedural copy of human36m_pose"):
        Suite(tmp_path).row(load_card("human36m_pose"))
