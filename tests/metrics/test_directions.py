"""The direction of every metric."""

from __future__ import annotations

import csv

import pytest

from humanbench.cards import evaluated
from humanbench.errors import HumanbenchError
from humanbench.metrics.directions import direction
from humanbench.paths import shipped

REPORTED = sorted({name for card in evaluated() if card.evaluation for name in card.evaluation.report})


@pytest.mark.parametrize("metric", REPORTED)
def test_every_reported_metric_has_a_direction(metric: str) -> None:
    """In the paper's tables errors are better low: EPE, miss rate, MAE and MSE; all else is better high."""
    lower = metric in {"EPE", "MAE", "MSE"} or metric.startswith("MR")
    assert direction(metric).higher_is_better is not lower


def test_the_papers_table_agrees() -> None:
    with (shipped("baselines") / "published" / "humanbench-cvpr2023.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 150
    for row in rows:
        assert str(direction(row["metric"]).higher_is_better).lower() == row["higher_is_better"]


def test_variants_have_their_familys_direction_and_others_none() -> None:
    assert not direction("MR-2-reasonable").higher_is_better
    assert direction("recall-all").higher_is_better
    assert direction("mean precision") == direction("IoU 19")
    assert (direction("EPE").gain(8.0, 7.5), direction("mAP").gain(80.0, 79.0)) == (0.5, -1.0)
    with pytest.raises(HumanbenchError, match=r"no metric is called .mAp."):
        direction("mAp")
