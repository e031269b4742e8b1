"""Results as the front matter of a model card: `model-index`, as the Hugging Face hub defines it."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from humanbench.cards import load_card
from humanbench.errors import HumanbenchError
from humanbench.export.boards import cells_by_row
from humanbench.names import shown
from humanbench.results.cells import CellNumber, CellRuns, numbers_of
from humanbench.results.stored import StoredResult, labels_of
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def model_card(entries: Iterable[StoredResult], name: str | None) -> str:
    """YAML front matter with an evaluation per cell and reported metric, mean over seeds.

    Synthetic data, subsets and conditions are part of the dataset's name and type, so that no number of theirs is taken
    for one of the dataset. Raises `HumanbenchError` for results of several backbones.
    """
    from huggingface_hub import ModelCardData

    rows = cells_by_row(entries)
    backbones = sorted({backbone for backbone, _ in rows})
    if len(backbones) > 1:
        raise HumanbenchError(
            f"these runs hold {len(backbones)} backbones ({', '.join(backbones)}), and a model card is of one: "
            "name the runs of one"
        )
    results = [one for (_, regime), cells in rows.items() for one in _row(cells, regime)]
    if not results:
        raise HumanbenchError("these runs hold no finished result to put on a model card")
    data = ModelCardData(model_name=shown(name or backbones[0]), eval_results=results, tags=["humanbench"])
    return f"---\n{data.to_yaml()}\n---\n"


def _row(cells: Sequence[CellRuns], regime: str) -> Iterator[EvalResult]:
    """The evaluations of a row: of each finished cell the metrics that its card reports, the main one first."""
    done = [cell for cell in cells if not cell.failed]
    reported = {cell.key: _reported(cell) for cell in done}
    numbers = {name: numbers_of(done, name) for names in reported.values() for name in names}
    for cell in done:
        for name in reported[cell.key]:
            if (number := numbers[name][cell.key]) is not None:
                yield _evaluation(cell, regime, name, number)


def _reported(cell: CellRuns) -> list[str]:
    evaluation = load_card(cell.key.dataset).evaluation
    return list(dict.fromkeys((cell.first.result.main, *(evaluation.report if evaluation else ()))))


def _evaluation(cell: CellRuns, regime: str, metric: str, number: CellNumber) -> EvalResult:
    from huggingface_hub import EvalResult

    result = cell.first.result
    card = load_card(result.dataset)
    labels = ["synthetic copy"] * result.synthetic + [shown(c) for c in [result.other_copy] if c]
    labels += [f"subset {shown(s)}" for s in [result.subset] if s]
    labels += [result.condition] * bool(result.condition)
    return EvalResult(
        task_type=task_for(card).hub_tag,
        task_name=f"{task_for(card).title}, {regime}",
        dataset_type="-".join([card.id, *(re.sub(r"\W+", "-", label) for label in labels)]),
        dataset_name=card.name + (f" ({', '.join(labels)})" if labels else ""),
        dataset_config=", ".join([result.suite, result.regime, *([shown(result.variant)] if result.variant else [])]),
        dataset_split=result.split,
        dataset_args={"fingerprint": labels_of(result), "synthetic": result.synthetic, "subset": result.subset},
        metric_type=re.sub(r"\W+", "_", metric.lower()),
        metric_name=metric,
        metric_value=round(number.value, 4),
        metric_args=_about(cell, number),
    )


def _about(cell: CellRuns, number: CellNumber) -> dict[str, Any]:
    """What is known of a number: on what it was measured, how certain it is."""
    results = cell.results
    arguments: dict[str, Any] = {"n": number.n, "unit": results[0].unit, "seeds": [result.seed for result in results]}
    if number.seeds > 1:
        arguments["standard_deviation"] = round(statistics.stdev(number.trained.base), 4)
    if math.isfinite(number.low):
        arguments["interval_95"] = [round(number.low, 4), round(number.high, 4)]
    return arguments
