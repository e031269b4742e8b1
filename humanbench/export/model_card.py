"""Results as the front matter of a model card: `model-index`, as the Hugging Face hub defines it."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from humanbench.cards import DatasetCard, Task, load_card
from humanbench.comparison.runs import CellRuns, StoredResult
from humanbench.errors import HumanbenchError
from humanbench.export.boards import TASK, cells_by_row
from humanbench.names import shown

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

HUB_TASK: dict[Task, str] = {
    "reid": "image-feature-extraction",
    "pose": "keypoint-detection",
    "parsing": "image-segmentation",
    "attribute": "image-classification",
    "detection": "object-detection",
    "counting": "other",
}
"""The hub's name of each task; it has none for counting."""


def model_card(entries: Iterable[StoredResult], name: str | None) -> str:
    """YAML front matter with an evaluation per cell and reported metric, mean over seeds.

    Synthetic data and subsets are part of the dataset's name and type, so that no number of theirs is taken for one of
    the dataset. Raises `HumanbenchError` for results of several backbones.
    """
    from huggingface_hub import ModelCardData

    rows = cells_by_row(entries)
    backbones = sorted({backbone for backbone, _ in rows})
    if len(backbones) > 1:
        raise HumanbenchError(
            f"these runs hold {len(backbones)} backbones ({', '.join(backbones)}), and a model card is of one: "
            "name the runs of one"
        )
    results = [
        one for (_, regime), cells in rows.items() for cell in cells if not cell.failed for one in _cell(cell, regime)
    ]
    if not results:
        raise HumanbenchError("these runs hold no finished result to put on a model card")
    data = ModelCardData(model_name=shown(name or backbones[0]), eval_results=results, tags=["humanbench"])
    return f"---\n{data.to_yaml()}\n---\n"


def _cell(cell: CellRuns, regime: str) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    result = cell.first.result
    card = load_card(result.dataset)
    labels = ["synthetic copy"] * result.synthetic + [f"subset {shown(s)}" for s in [result.subset] if s]
    for metric, value, about in _metrics(cell, card):
        yield EvalResult(
            task_type=HUB_TASK[card.task],
            task_name=f"{TASK[card.task]}, {regime}",
            dataset_type="-".join([card.id, *(re.sub(r"\W+", "-", label) for label in labels)]),
            dataset_name=card.name + (f" ({', '.join(labels)})" if labels else ""),
            dataset_config=", ".join(
                [result.suite, result.regime, *([shown(result.variant)] if result.variant else [])]
            ),
            dataset_split=result.split,
            dataset_args={
                "fingerprint": cell.first.fingerprint,
                "synthetic": result.synthetic,
                "subset": result.subset,
            },
            metric_type=re.sub(r"\W+", "_", metric.lower()),
            metric_name=metric,
            metric_value=round(value, 4),
            metric_args=about,
        )


def _metrics(cell: CellRuns, card: DatasetCard) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Metrics that the card reports, main first: mean over seeds, and what else is known of it."""
    results = [entry.result for entry in cell.entries]
    reported = card.evaluation.report if card.evaluation else ()
    for name in dict.fromkeys((results[0].main, *reported)):
        known = [result.metrics[name] for result in results if name in result.metrics]
        values = [metric.value for metric in known]
        if not values or len(values) < len(results) or any(map(math.isnan, values)):
            continue
        about: dict[str, Any] = {"n": known[0].n, "unit": results[0].unit, "seeds": [result.seed for result in results]}
        if len(values) > 1:
            about["standard_deviation"] = round(statistics.stdev(values), 4)
        elif not math.isnan(known[0].low):
            about["interval_95"] = [round(known[0].low, 4), round(known[0].high, 4)]
        yield name, statistics.fmean(values), about
