"""From results to entries: a backbone in a regime, with its number on every dataset."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from pydantic import ValidationError

from humanbench.backbones.cards import BackboneCard, backbone_cards
from humanbench.cards import cards, collection, load_card, scenario
from humanbench.names import mark, shown, slug
from humanbench.recipes import DIRECT
from humanbench.results import FORWARD, Provenance, Result
from humanbench.results.cells import CellNumber, cell_numbers, conflict_of, lists_by
from humanbench.results.columns import main_metric
from humanbench.results.shipped import shipped_recipes

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
    condition: str = field(default="", repr=False)  # entries from before there was this keep their ids
    copy: str = field(default="", repr=False)  # which procedural one; empty for real data and the first one

    @property
    def labels(self) -> tuple[str, ...]:
        """What a reader must know before the numbers."""
        marks = ["synthetic"] * self.synthetic + [shown(self.copy, 60)] * bool(self.copy)
        marks += [f"subset {shown(self.subset, 40)}"] if self.subset else []
        marks += [f"variant {shown(self.variant, 40)}"] if self.variant else []
        marks += [self.condition] if self.condition else []
        return (*marks, *["own recipe"] * (self.recipe == "own"))

    @property
    def not_shipped(self) -> str:
        """What its results were made with that neither this version nor a submission holds, so that nobody can run
        them again; empty where there is nothing."""
        subset = [f"subset {shown(self.subset, 40)}"] if self.subset else []
        return ", ".join([*subset, *["own recipe"] * (self.recipe == "own")])

    @cached_property
    def slug(self) -> str:
        parts = [slug(self.suite, 24), slug(self.regime, 16)]
        parts += [f"variant-{slug(self.variant, 24)}-{mark(self.variant)[:4]}"] if self.variant else []
        parts += [slug(self.condition, 40)] if self.condition else []
        parts += ["own-recipe"] * (self.recipe == "own") + ["synthetic"] * self.synthetic
        parts += [f"{slug(self.copy, 40)}-{mark(self.copy)[:4]}"] if self.copy else []
        parts += [f"subset-{slug(self.subset, 24)}-{mark(self.subset)[:4]}"] if self.subset else []
        return "-".join(parts)


EntryKey = tuple[str, "str | None", str, BoardKey, str]
"""What results of one entry have in common: backbone, checkpoint, hash of the weights, board, and the hash of the
architecture with its preprocessing (empty for ready-made heads, whose projectors differ from dataset to dataset)."""


@dataclass(frozen=True)
class Score:
    """The number of an entry on a dataset, over its seeds, with the interval that is shown."""

    dataset: str
    metric: str
    number: CellNumber
    scenario: str
    evidence: Evidence
    results: tuple[Result, ...]

    @property
    def value(self) -> float:
        return self.number.value

    @property
    def low(self) -> float:
        return self.number.low

    @property
    def high(self) -> float:
        return self.number.high

    @property
    def interval(self) -> bool:
        return math.isfinite(self.number.half)


@dataclass(frozen=True)
class BoardEntry:
    """A backbone in a regime: one row of a board. `id` stays as it is when cells are added.

    `submission` is the id of the accepted submission that it came in; `withdrawn` why it no longer counts; `record`
    what the submission says of its backbone.
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
    record: Mapping[str, Any] | None = None

    @cached_property
    def name(self) -> str:
        """The name on the backbone's card, else the backbone's own, and the checkpoint's where there is one.

        The name in a submission is the submitter's, and shown as such, unless the weights are known to be the card's.
        """
        if self.submission and not self.of_card:
            given = f"{shown(self._own_name, 60)} by {shown(self.submitter, 30) or 'its submitter'}"
        else:
            known = backbone_cards().get(self.backbone)
            given = shown(self._own_name if known is None else known.name, 60)
        return f"{given} · {shown(self.checkpoint.rsplit('/', 1)[-1], 30)}" if self.checkpoint else given

    @cached_property
    def network(self) -> str:
        """The address of its backbone's page: what entries of the same weights share, whatever was finetuned."""
        return f"{slug(self.backbone, 40)}-{mark(repr((self.backbone, self.checkpoint, self.weights_sha256)))}"

    @property
    def _own_name(self) -> str:
        """The name on the card that came with the results, unless it is that of a card that is installed here."""
        card = self.card
        if card is None or shown(card.name).casefold() in {one.name.casefold() for one in backbone_cards().values()}:
            return self.backbone
        return card.name if shown(card.name) else self.backbone

    @cached_property
    def card(self) -> BackboneCard | None:
        """The card that is known to be the weights', else the one that came with the results; None without any."""
        if self.of_card or (not self.submission and self.checkpoint is None and self.backbone in backbone_cards()):
            return backbone_cards()[self.backbone]
        written = (self.record or {}).get("card")
        try:
            return None if written is None else BackboneCard.model_validate(written)
        except ValidationError:
            return None

    @property
    def of_card(self) -> bool:
        """Whether the weights are known to be those of the backbone's card, by their SHA-256."""
        card = backbone_cards().get(self.backbone)
        return card is not None and self.weights_sha256 in card.tensors_sha256

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Everything behind the entry, seeds and failures too."""
        return (*(r for score in self.scores.values() for r in score.results), *self.others)

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
    def added_bytes(self) -> float:
        """What a cell adds to the backbone, the median over its cells; `nan` where unknown."""
        return _median(r.storage.added for r in self.results if r.storage)

    @cached_property
    def backbone_bytes(self) -> float:
        """Of the backbone as it came, the median over its cells."""
        return _median(r.storage.backbone for r in self.results if r.storage)

    @cached_property
    def speeds(self) -> dict[tuple[str, str], float]:
        """Images per second of an uncached forward of backbone and head, by device and measure (batch, precision).

        The median over its cells. What prediction itself took is not among them: it reads stored trunk outputs where
        there are any, so that one network has two speeds.
        """
        return self._measured(lambda provenance: provenance.images_per_second)

    @cached_property
    def memory(self) -> dict[tuple[str, str], float]:
        """Peaks in bytes, by device and measure as `speeds`; the median over its cells."""
        return self._measured(lambda provenance: provenance.peak_memory)

    @cached_property
    def joules(self) -> dict[tuple[str, str], float]:
        """Per picture, of whole CPU packages, by device and measure as `speeds`; the median over its cells."""
        return self._measured(lambda provenance: provenance.joules_per_image)

    def _measured(self, of: Callable[[Provenance], Mapping[str, float]]) -> dict[tuple[str, str], float]:
        known = [result.provenance for result in self.results if result.provenance]
        measures = lists_by(
            ((provenance.device, name.removeprefix(FORWARD)), value)
            for provenance in known
            for name, value in of(provenance).items()
            if name.startswith(FORWARD) and value
        )
        return {key: _median(values) for key, values in sorted(measures.items())}

    @property
    def pretraining(self) -> str:
        return pretraining_text(self.pretrained_on)


def entries_of(
    results: Iterable[Result], pretraining: Pretraining, evidence: Mapping[str, Evidence] | None = None, **origin: str
) -> list[BoardEntry]:
    """Results as entries; `evidence` by cell id, `claimed` where it says nothing. `origin`: of which submission
    they are, whose and of which day."""
    groups = lists_by((_entry_key(result), result) for result in results)
    scores = _scores(groups, evidence or {})
    networks = Counter(key[:4] for key in groups)
    entries = []
    for key, members in groups.items():
        backbone, checkpoint, weights, board, network = key
        several = networks[key[:4]] > 1
        parts: tuple[Any, ...] = (backbone, checkpoint, weights, board, origin.get("submission", ""))
        parts += (board.condition,) if board.condition else ()
        parts += (board.copy,) if board.copy else ()
        identity = repr((*parts, network) if several else parts)
        dates = [r.provenance.started[:10] for r in members if r.provenance]
        fields: dict[str, Any] = {"date": shown(max(dates, default=""), 10)} | origin
        name = f"{slug(backbone, 40)}-{slug(board.regime, 12)}-{mark(identity)}"
        scored = {result.cell.id for score in scores[key].values() for result in score.results}
        seen, others = pretraining(members[0]), tuple(result for result in members if result.cell.id not in scored)
        entries.append(BoardEntry(name, backbone, checkpoint, weights, board, seen, scores[key], others, **fields))
    return entries


def conflicts(results: Iterable[Result]) -> Iterator[str]:
    """In a sentence each, the cells of which there is more than a seed apart: their results have no mean."""
    cells = lists_by(((_entry_key(r), r.dataset), r) for r in results if _has_score(r))
    for ((backbone, *_), dataset), members in cells.items():
        if conflict := conflict_of(members):
            yield f"{dataset}, {members[0].regime}, of {shown(backbone)}: there are {conflict}"


def _entry_key(result: Result) -> EntryKey:
    board = board_key(result)
    network = "" if board.variant == DIRECT else result.cell.architecture
    return result.backbone, result.checkpoint, result.cell.weights_sha256, board, network


def _has_score(result: Result) -> bool:
    """Whether there is a number to show: a finite main metric of a dataset that is known here."""
    known = result.dataset in cards() and result.main == main_metric(result.dataset)
    return known and math.isfinite(result.value)


def _scores(
    groups: Mapping[EntryKey, Sequence[Result]], evidence: Mapping[str, Evidence]
) -> dict[EntryKey, dict[str, Score]]:
    """By entry and dataset the number over its seeds."""
    by_seed = {key: sorted(filter(_has_score, members), key=lambda r: r.seed) for key, members in groups.items()}
    cells = lists_by(((key, result.dataset), result) for key, members in by_seed.items() for result in members)
    cells = {key: results for key, results in cells.items() if not conflict_of(results)}
    scores: dict[EntryKey, dict[str, Score]] = {key: {} for key in groups}
    for ((key, dataset), seeds), number in zip(cells.items(), cell_numbers(cells.values()), strict=True):
        assert number is not None
        known = all(evidence.get(r.cell.id) == "rescored" for r in seeds)
        kind: Evidence = "rescored" if known else "claimed"
        scores[key][dataset] = Score(dataset, seeds[0].main, number, seeds[0].scenario, kind, tuple(seeds))
    return scores


def board_key(result: Result) -> BoardKey:
    """The board a result belongs to. With dumps of a pretraining come the recipes of its heads: none is an own one."""
    shipped = shipped_recipes(result.dataset, result.regime, result.suite, result.variant)
    recipe = "shipped" if result.variant == DIRECT or result.cell.recipe_sha256 in shipped else "own"
    return BoardKey(
        suite=result.suite,
        regime=result.regime,
        variant=result.variant or "",
        recipe=recipe,
        synthetic=result.synthetic,
        subset=str(result.subset or ""),
        condition=result.condition,
        copy=result.other_copy,
    )


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
    weights_of_card = result.dataset in cards() and listed is not None and result.checkpoint is None
    if weights_of_card and scenario(load_card(result.dataset), listed) == result.scenario:
        return listed
    return () if result.scenario == "unseen-task" else None


def of_card(backbone: str) -> tuple[str, ...] | None:
    """What the card of a backbone says it was pretrained on; None without a card, or where the card does not say."""
    card = backbone_cards().get(backbone)
    return None if card is None else card.datasets()


def _median(values: Iterable[float]) -> float:
    numbers = list(values)
    return float(statistics.median(numbers)) if numbers else math.nan
