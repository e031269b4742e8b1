"""The scores as a page of Markdown, with averages over scenarios."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from pathlib import Path

from humanbench.cards import SCENARIOS, DatasetCard, collection, evaluated, scenario
from humanbench.comparison import Comparison, compare
from humanbench.comparison.report import CellReport
from humanbench.metrics.directions import direction
from humanbench.results import Results, load_results
from tools.pretrainings.work import Trial

_HEAD = (
    "**All numbers are synthetic**: mini backbones, training and test pictures are of the embedded suite, and they say",
    "nothing about real datasets. Written by `python -m tools.pretrainings`. Values are means over as many finetuning",
    "seeds as the head of a column says, else of one; in brackets the mean of the 95 % bootstrap intervals over test",
    "units. Scenarios are those of a backbone pretrained on the 37 datasets.",
)
_GAINS = (
    "Mean gain over the datasets of a scenario, positive where the second is better: points of metrics in percent, for",
    "errors (EPE, MSE) percent of the first's value. With the 95 % interval that follows from those of the cells: they",
    "are paired over test units and allow for the noise of training (`humanbench compare`). **Bold** where it excludes",
    "zero.",
)


def markdown(
    trials: Sequence[Trial], ablations: Sequence[Trial], protocols: Sequence[str], runs: Path, data_root: str | None
) -> str:
    """The page over all evaluations that are in the folder.

    Each trial stands beside the one before, the last beside the first, ablations beside the last.
    """
    return "\n".join(_lines(trials, ablations, protocols, runs, data_root)) + "\n"


def _lines(
    trials: Sequence[Trial], ablations: Sequence[Trial], protocols: Sequence[str], runs: Path, data_root: str | None
) -> Iterator[str]:
    every = [*trials, *ablations]
    pairs = [*pairwise(trials), *([(trials[0], trials[-1])] if len(trials) > 2 else [])]
    pairs += [(trials[-1], one) for one in ablations]
    found = {p: {t.name: load_results(t.folder(runs, p)) for t in every if _there(t, p, runs)} for p in protocols}
    results_of = [results for of_protocol in found.values() for results in of_protocol.values()]
    copies = sorted({result.copy_of_data for results in results_of for result in results})
    yield from (f"# Pretrainings on the embedded suite ({', '.join(copies)})", "", *_HEAD)
    yield from ("", "## Averages", "", *_GAINS, "")
    yield "| protocol | comparison | " + " | ".join(f"{name} ({n})" for name, n in _sizes().items()) + " |"
    yield "|---|---|" + "---|" * len(_sizes())
    for protocol in protocols:
        for base, new in pairs:
            if not {base.name, new.name} <= set(found[protocol]):
                continue
            compared = compare(base.folder(runs, protocol), new.folder(runs, protocol), data_root)
            yield f"| {protocol} | {base.name} → {new.name} | " + " | ".join(_averages(compared)) + " |"
    for protocol in protocols:
        if found[protocol]:
            yield from ("", f"## {protocol}", "", *_values(found[protocol]))


def _there(trial: Trial, protocol: str, runs: Path) -> bool:
    return any(trial.folder(runs, protocol).glob("results/*.json"))


def _grouped() -> dict[str, list[DatasetCard]]:
    seen = [card.id for card in collection("full")]
    groups = {name: [card for card in evaluated() if scenario(card, seen) == name] for name in SCENARIOS}
    return {name: cards for name, cards in groups.items() if cards}


def _sizes() -> dict[str, int]:
    return {name: len(cards) for name, cards in _grouped().items()}


def _averages(compared: Comparison) -> Iterator[str]:
    for cards in _grouped().values():
        ids = {card.id for card in cards}
        cells = [cell for cell in compared.comparable if cell.dataset in ids]
        yield _average(cells)


def _average(cells: Sequence[CellReport]) -> str:
    """Mean of the gains; the cells are independent, so squares of the half intervals add up."""
    if not cells:
        return "–"
    scales = [1.0 if direction(c.metric).unit == "%" else 100 / abs(c.base) for c in cells]
    gains = [direction(c.metric).gain(c.base, c.new) * scale for c, scale in zip(cells, scales, strict=True)]
    halves = [(c.high - c.low) / 2 * scale for c, scale in zip(cells, scales, strict=True)]
    mean, half = sum(gains) / len(cells), math.sqrt(sum(h * h for h in halves)) / len(cells)
    text = f"{mean:+.1f} ({mean - half:+.1f} – {mean + half:+.1f})"
    return f"**{text}**" if abs(mean) > half else text


def _values(found: dict[str, Results]) -> Iterator[str]:
    yield "| dataset | scenario | metric | " + " | ".join(starmap(_column, found.items())) + " |"
    yield "|---|---|---|" + "---|" * len(found)
    for name, cards in _grouped().items():
        for card in cards:
            cells = [_value(results, card) for results in found.values()]
            if any(cell != "–" for cell in cells) and card.evaluation is not None:
                main = card.evaluation.main
                yield f"| {card.id} | {name} | {main} {direction(main).arrow} | " + " | ".join(cells) + " |"


def _column(name: str, results: Results) -> str:
    seeds = {r.seed for r in results}
    return f"{name} ({len(seeds)} seeds)" if len(seeds) > 1 else name


def _value(results: Results, card: DatasetCard) -> str:
    own = [r.metrics[r.main] for r in results if r.dataset == card.id and r.status == "done"]
    if not own:
        return "–"
    value, low, high = (sum(getattr(m, name) for m in own) / len(own) for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} – {high:.1f})"
