"""From results to what the site shows: entries on boards, rankings on a board."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal, get_args

import numpy as np

from humanbench.cards import SCENARIOS, DatasetCard, cards, collection, load_card, scenario
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.ranking import Ranking, rank_entries
from humanbench.metrics.directions import direction
from humanbench.names import mark, shown, slug
from humanbench.recipes import DIRECT, load_recipe
from humanbench.regimes import REGIMES
from humanbench.results import Result
from humanbench.suites import SUITES

Evidence = Literal["rescored", "claimed"]
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
"""`rescored`: recomputed here from the predictions; `claimed`: as reported, not recomputed."""

Pretraining = Callable[[Result], "tuple[str, ...] | None"]
"""What the backbone of a result was pretrained on; None where nobody says."""


@dataclass(frozen=True, order=True)
class BoardKey:
    """What entries must have in common to stand in one table.

    `recipe` is `shipped` for the recipes of this version, `own` for any other. Published numbers have no key: they are
    a page of their own.
    """

    suite: str
    regime: str
    variant: str = ""
    recipe: str = "shipped"
    synthetic: bool = False
    subset: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """What a reader must know before the numbers."""
        marks = ["synthetic"] * self.synthetic
        marks += [f"subset {shown(self.subset, 40)}"] if self.subset else []
        marks += [f"variant {shown(self.variant, 40)}"] if self.variant else []
        return (*marks, *["own recipe"] * (self.recipe == "own"))

    @cached_property
    def slug(self) -> str:
        parts = [slug(self.suite, 24), slug(self.regime, 16)]
        parts += [f"variant-{slug(self.variant, 24)}-{mark(self.variant)[:4]}"] if self.variant else []
        parts += ["own-recipe"] * (self.recipe == "own") + ["synthetic"] * self.synthetic
        parts += [f"subset-{slug(self.subset, 24)}-{mark(self.subset)[:4]}"] if self.subset else []
        return "-".join(parts)


@dataclass(frozen=True)
class Score:
    """The main metric of an entry on a dataset: the mean over its seeds, of value and interval alike."""

    dataset: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    scenario: str
    evidence: Evidence
    results: tuple[Result, ...]

    @property
    def interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class BoardEntry:
    """A backbone in a regime: one row of a board. `id` stays as it is when cells are added.

    `submission` is the id of the accepted submission that it came in; `withdrawn` why it no longer counts.
    """

    id: str
    backbone: str
    checkpoint: str | None
    weights_sha256: str
    board: BoardKey
    pretrained_on: tuple[str, ...] | None
    scores: Mapping[str, Score]
    others: tuple[Result, ...] = ()
    submission: str = ""
    submitter: str = ""
    date: str = ""
    withdrawn: str = ""

    @property
    def name(self) -> str:
        """The name on the backbone's card, else the backbone's own, and the checkpoint's where there is one."""
        given = shown(_card_names().get(self.backbone, self.backbone), 60)
        return f"{given} · {shown(self.checkpoint.rsplit('/', 1)[-1], 30)}" if self.checkpoint else given

    @property
    def results(self) -> list[Result]:
        """Everything behind the entry, seeds and failures too."""
        return [r for score in self.scores.values() for r in score.results] + list(self.others)

    @cached_property
    def parameters(self) -> float:
        """Values in the network with its head, the median over its cells; `nan` where unknown."""
        return _median(r.trainable + r.frozen for r in self.results if r.trainable + r.frozen)

    @cached_property
    def trained(self) -> float:
        return _median(r.trainable for r in self.results if r.trainable + r.frozen)

    @cached_property
    def gflops(self) -> float:
        """Of the backbone for one picture (a multiply-add is two operations), the median over its cells."""
        return _median(r.cost.gflops for r in self.results if r.cost)

    @cached_property
    def speed(self) -> float:
        """Images per second in prediction, the median over its cells, on whatever machine it ran."""
        speeds = (r.provenance.images_per_second.get("predict", 0.0) for r in self.results if r.provenance)
        return _median(s for s in speeds if s)

    @property
    def pretraining(self) -> str:
        return pretraining_text(self.pretrained_on)


@dataclass(frozen=True)
class Ranked:
    """Entries of a board, reduced to their scores of one evidence, ranked over some columns."""

    evidence: Evidence
    columns: tuple[str, ...]
    entries: tuple[BoardEntry, ...]
    ranking: Ranking

    def score(self, row: int, column: str) -> Score | None:
        """What the table shows."""
        return self.entries[row].scores.get(column)


@dataclass
class Board:
    """All entries of one key."""

    key: BoardKey
    entries: list[BoardEntry] = field(default_factory=list)

    def scenarios(self) -> list[str]:
        """Those that occur, in the usual order."""
        found = {score.scenario for entry in self.entries for score in entry.scores.values()}
        return [name for name in SCENARIOS if name in found]

    def ranked(self, only: str | None = None) -> list[Ranked]:
        """A ranking per evidence, of all cells or of those of a scenario; empty ones are left out."""
        tables = []
        for evidence in EVIDENCE:
            chosen = [_only(entry, evidence, only) for entry in self.entries]
            chosen = [entry for entry in chosen if entry.scores]
            if chosen:
                tables.append(rank(chosen, evidence))
        return tables


def rank(entries: Sequence[BoardEntry], evidence: Evidence, columns: tuple[str, ...] = ()) -> Ranked:
    """Rank entries over the columns in which any of them has a score, in the order of the benchmark."""
    names = columns or tuple(c for c in benchmark_columns() if any(c in entry.scores for entry in entries))
    shape = (len(entries), len(names))
    values, lows, highs = (np.full(shape, math.nan) for _ in range(3))
    for row, entry in enumerate(entries):
        for column, name in enumerate(names):
            if (score := entry.scores.get(name)) is not None:
                values[row, column], lows[row, column], highs[row, column] = score.value, score.low, score.high
    higher = np.array([direction(main_metric(name)).higher_is_better for name in names], bool)
    ranking = rank_entries(values, lows, highs, higher)
    return Ranked(evidence, names, tuple(entries), ranking)


def _only(entry: BoardEntry, evidence: Evidence, only: str | None) -> BoardEntry:
    scores = {
        name: score
        for name, score in entry.scores.items()
        if score.evidence == evidence and only in (None, score.scenario)
    }
    return entry if len(scores) == len(entry.scores) else replace(entry, scores=scores)


@lru_cache(maxsize=1)
def _card_names() -> dict[str, str]:
    from humanbench.backbones.cards import backbone_cards

    return {name: card.name for name, card in backbone_cards().items()}


@lru_cache(maxsize=1)
def benchmark_columns() -> tuple[str, ...]:
    """Ids of the benchmark's datasets, task by task, in the paper's order."""
    from humanbench.engine.selection import benchmark

    return tuple(benchmark()["datasets"])


@lru_cache(maxsize=256)
def main_metric(dataset: str) -> str:
    """The headline metric of a dataset."""
    evaluation = load_card(dataset).evaluation
    if evaluation is None:
        raise HumanbenchError(f"{dataset} is used in pretraining only, so no result is about it")
    return evaluation.main


def short_name(card: DatasetCard) -> str:
    """What heads the dataset's column."""
    return card.short or card.name.partition(" (")[0]


def column_groups(columns: Sequence[str]) -> list[tuple[str, list[DatasetCard]]]:
    """Neighbouring columns of one task together: task and cards."""
    groups: list[tuple[str, list[DatasetCard]]] = []
    for name in columns:
        card = load_card(name)
        if not groups or groups[-1][0] != card.task:
            groups.append((card.task, []))
        groups[-1][1].append(card)
    return groups


def entries_of(
    results: Iterable[Result],
    pretraining: Pretraining,
    evidence: Mapping[str, Evidence] | None = None,
    **about: str,
) -> list[BoardEntry]:
    """Results as entries; `evidence` by cell id, `claimed` where it says nothing. `about` are further fields."""
    groups: dict[tuple[str, str | None, str, BoardKey], list[Result]] = {}
    for result in results:
        key = (result.backbone, result.checkpoint, result.cell.weights_sha256, board_key(result))
        groups.setdefault(key, []).append(result)
    entries = []
    for (backbone, checkpoint, weights, board), members in groups.items():
        scores, others = _scores(members, evidence or {})
        identity = repr((backbone, checkpoint, weights, board, about.get("submission", "")))
        dates = [r.provenance.started[:10] for r in members if r.provenance]
        fields = {"date": shown(max(dates, default=""), 10)} | about
        name = f"{slug(backbone, 40)}-{slug(board.regime, 12)}-{mark(identity)}"
        seen = pretraining(members[0])
        entries.append(BoardEntry(name, backbone, checkpoint, weights, board, seen, scores, others, **fields))
    return entries


def _scores(results: Sequence[Result], evidence: Mapping[str, Evidence]) -> tuple[dict[str, Score], tuple[Result, ...]]:
    """By dataset the seeds' mean of the main metric; and the results that have none to show."""
    grouped: dict[str, list[Result]] = {}
    others = []
    for result in results:
        there = result.dataset in cards() and result.main == main_metric(result.dataset) and math.isfinite(result.value)
        if there:
            grouped.setdefault(result.dataset, []).append(result)
        else:
            others.append(result)
    scores = {}
    for name, seeds in grouped.items():
        seeds.sort(key=lambda r: r.seed)
        metrics = [r.metrics[r.main] for r in seeds]
        known = all(evidence.get(r.cell.id) == "rescored" for r in seeds)
        scores[name] = Score(
            name,
            seeds[0].main,
            _mean([m.value for m in metrics]),
            _mean([m.low for m in metrics]),
            _mean([m.high for m in metrics]),
            metrics[0].n,
            seeds[0].scenario,
            "rescored" if known else "claimed",
            tuple(seeds),
        )
    return scores, tuple(others)


def board_key(result: Result) -> BoardKey:
    """The board a result belongs to. With dumps of a pretraining come the recipes of its heads: none is an own one."""
    shipped = _shipped_recipe(result.dataset, result.regime, result.suite, result.variant)
    recipe = "shipped" if result.variant == DIRECT or shipped == result.cell.recipe_sha256 else "own"
    return BoardKey(
        result.suite, result.regime, result.variant or "", recipe, result.synthetic, str(result.subset or "")
    )


@lru_cache(maxsize=1024)
def _shipped_recipe(dataset: str, regime: str, suite: str, variant: str | None) -> str | None:
    """Hash of this version's recipe; None where there is none."""
    kind = next((s for s in SUITES if s == suite), None)
    if regime not in REGIMES or kind is None or dataset not in cards():
        return None
    try:
        return load_recipe(load_card(dataset), regime, kind, variant).sha256
    except HumanbenchError:
        return None


def boards(entries: Iterable[BoardEntry]) -> list[Board]:
    """Entries that were not withdrawn, by board: real before synthetic, complete before subsets, full before none."""
    found: dict[BoardKey, Board] = {}
    for entry in entries:
        if not entry.withdrawn and entry.scores:
            found.setdefault(entry.board, Board(entry.board)).entries.append(entry)

    def place(key: BoardKey) -> tuple[object, ...]:
        return (
            key.synthetic,
            key.subset,
            key.recipe != "shipped",
            key.variant,
            key.suite,
            REGIMES.place(key.regime),
            key.regime,
        )

    return [found[key] for key in sorted(found, key=place)]


@lru_cache(maxsize=1024)
def pretraining_text(seen: tuple[str, ...] | None) -> str:
    """What a backbone was pretrained on, in few words; the paper's collections by name."""
    if seen is None:
        return "undisclosed"
    names = set(seen)
    parts = []
    for which, text in (("full", "HumanBench 37"), ("subset", "HumanBench 15")):
        members = {card.id for card in collection(which)}  # type: ignore[arg-type]
        if members <= names:
            parts.append(text)
            names -= members
    rest = sorted(names)
    parts += [shown(name, 30) for name in rest[:3]] + [f"{len(rest) - 3} more"] * (len(rest) > 3)
    return " + ".join(parts) or "nothing"


def seen_by(result: Result) -> tuple[str, ...] | None:
    """What the weights behind a result have seen: what its backbone's card says, if that fits the result's scenario.

    Weights of another checkpoint, or random ones, are not the card's; then an undisclosed scenario means that nobody
    says, and an unseen task that they saw no dataset of people.
    """
    listed = of_card(result.backbone)
    own = result.dataset in cards() and listed is not None and result.checkpoint is None
    if own and scenario(load_card(result.dataset), listed) == result.scenario:
        return listed
    return () if result.scenario == "unseen-task" else None


def of_card(backbone: str) -> tuple[str, ...] | None:
    """What the card of a backbone says it was pretrained on; None without a card, or where the card does not say."""
    from humanbench.backbones.cards import backbone_cards

    card = backbone_cards().get(backbone)
    return None if card is None else card.datasets()


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _median(values: Iterable[float]) -> float:
    kept = list(values)
    return float(statistics.median(kept)) if kept else math.nan
