"""The demonstration runs, and says that its numbers are synthetic."""

from __future__ import annotations

from pathlib import Path

from humanbench.demo import SHOWN, demo


def test_demo_scores_every_dataset_it_shows(tmp_path: Path) -> None:
    reports = list(demo(tmp_path, scale=0.1))
    assert [r.dataset for r in reports] == list(SHOWN)
    assert all(r.synthetic for r in reports)
    assert all(r.metrics[r.main].low <= r.metrics[r.main].value <= r.metrics[r.main].high for r in reports)
