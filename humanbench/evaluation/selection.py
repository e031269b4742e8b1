"""Which datasets a run is about: those of the benchmark, found on disk, and asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from humanbench.benchmark import benchmark
from humanbench.cards import SCENARIOS, DatasetCard, evaluated, load_card, scenario, select_cards
from humanbench.data.samples import dataset_folder
from humanbench.data_root import DataRoot
from humanbench.errors import DataError, HumanbenchError
from humanbench.recipes import tasks_for_head
from humanbench.regimes import DEFAULT_REGIME, REGIMES
from humanbench.tasks.registry import task_for, tasks
from humanbench.text import nearest


def regime_and_scenario(protocol: str, asked: str | None) -> tuple[str, str | None]:
    """The regime and the scenario of `--protocol` and `--scenario`.

    The sources call both axes "protocol", so a scenario's name is taken as one (with the default regime).
    """
    if asked is not None and asked not in SCENARIOS:
        raise HumanbenchError(
            f"no scenario is called {asked!r}{nearest(asked, list(SCENARIOS))} ({', '.join(SCENARIOS)})"
        )
    if protocol in SCENARIOS:
        if asked not in (None, protocol):
            raise HumanbenchError(f"--protocol {protocol} and --scenario {asked} contradict each other")
        return DEFAULT_REGIME, protocol
    if protocol in REGIMES:
        return protocol, asked
    names = [*REGIMES.names(), *SCENARIOS]
    raise HumanbenchError(f"no protocol is called {protocol!r}{nearest(protocol, names)} ({', '.join(names)})")


def candidates(
    patterns: Sequence[str],
    task: str | None,
    regime: str,
    asked: str | None,
    pretrained_on: Sequence[str] | None,
    heads: Collection[str] | None = None,
    head: str | None = None,
) -> tuple[list[DatasetCard], str]:
    """Cards of the benchmark that fit what was asked for, on disk or not, in the benchmark's order; what is left out.

    `heads`: ids of the datasets whose heads a pretraining brought along; only they can be tested then. `head`: the name
    of a head; datasets of tasks that it is not for are left out, unless they were named outright or are all there are.
    With names or wildcards any dataset with an evaluation can be chosen. Raises `HumanbenchError` when none is left,
    or one that was named outright cannot be tested so.
    """
    chosen = select_cards(patterns) if patterns else [load_card(name) for name in benchmark()["datasets"]]
    if patterns:
        _with_evaluation(chosen, patterns)
    chosen = [card for card in chosen if card.evaluation is not None and task in (None, card.task)]
    chosen = [card for card in chosen if asked in (None, scenario(card, pretrained_on))]
    if not chosen:
        asked_for = [*patterns, *([f"task {task}"] if task else []), *([f"scenario {asked}"] if asked else [])]
        raise HumanbenchError(f"no dataset is left for {' and '.join(asked_for)} (see `humanbench datasets list`)")
    if heads is not None:
        return _with_heads(chosen, heads, patterns)
    chosen_regime = REGIMES[regime]
    able = [card for card in chosen if chosen_regime.suits(task_for(card))]
    rest = [card for card in chosen if card not in able]
    named = [card for card in rest if card.id in patterns or not able]
    reason = f"--protocol {regime} is for {', '.join(task.name for task in tasks() if chosen_regime.suits(task))}"
    if named:
        raise HumanbenchError(f"{reason}: {named[0].id} ({named[0].task}) {chosen_regime.otherwise}")
    left_out = [f"{reason}; left out: {', '.join(card.id for card in rest)}"] if rest else []
    if head is not None:
        having = tasks_for_head(head, regime)
        without = [card for card in able if card.task not in having and card.id not in patterns]
        if without and len(without) < len(able):
            able = [card for card in able if card not in without]
            head_reason = (
                f"--head {head} is for {', '.join(dict.fromkeys(card.task for card in able))} with --protocol {regime}"
            )
            left_out.append(f"{head_reason}; left out: {', '.join(card.id for card in without)}")
    return able, "\n".join(left_out)


def _with_heads(
    chosen: Sequence[DatasetCard], heads: Collection[str], patterns: Sequence[str]
) -> tuple[list[DatasetCard], str]:
    able = [card for card in chosen if card.id in heads]
    rest = [card.id for card in chosen if card not in able]
    named = [name for name in rest if name in patterns or not able]
    reason = f"the dumps hold no head of {', '.join(named or rest)}"
    if named:
        raise HumanbenchError(f"{reason} (they are of {', '.join(sorted(heads))})")
    return able, reason if rest else ""


def _with_evaluation(chosen: Sequence[DatasetCard], patterns: Sequence[str]) -> None:
    without = [card.id for card in chosen if card.evaluation is None and card.id in patterns]
    if without:
        names = [card.id for card in evaluated()]
        raise HumanbenchError(
            f"{', '.join(without)}: used in pretraining only, there is no evaluation{nearest(without[0], names)}"
        )


def on_disk(cards: Sequence[DatasetCard], data_root: DataRoot, named: Sequence[str]) -> list[DatasetCard]:
    """Those of the cards whose folder is under the data root.

    Raises `DataError` when none is, or one that was named outright is not.
    """
    present = [card for card in cards if dataset_folder(card, data_root).is_dir()]
    missing = [card.id for card in cards if card not in present]
    lost = [name for name in missing if name in named]
    if lost:
        raise DataError(
            f"{', '.join(lost)}: no such folder under {data_root} "
            f"(`humanbench datasets show {lost[0]}` says how to get it; --suite mini without --data-root needs none)"
        )
    if not present:
        raise DataError(
            f"no dataset found under {data_root}; looked for the folders {', '.join(missing)} "
            "(`humanbench datasets show ID` says how to get one; --suite mini without --data-root needs none)"
        )
    return present
