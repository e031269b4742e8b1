"""The demonstration: part of the embedded suite is written, two small backbones are finetuned on it, more is asked of
them on two of the datasets, they are compared, and a leaderboard is built.

Everything lies in one folder: `data/`, a run folder per backbone, `site/`. What is there with the same content is
not made again, so the same call goes on where an interrupted one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.cards import load_card

if TYPE_CHECKING:
    from humanbench.comparison import Comparison
    from humanbench.leaderboard.site.writing import Site
    from humanbench.results import Results

BACKBONES = ("mini_pyramid_random", "mini_pyramid_path")
"""The base of the comparison, and what is compared with it; both come with the package."""

DATASETS = ("market1501", "mpii", "cihp", "peta", "crowdhuman", "shanghaitech_b")
"""One of each task."""

PROTOCOL = "partial"


@dataclass(frozen=True)
class Question:
    """One more thing that is asked of both backbones on a dataset: in words, and as arguments of `evaluate`."""

    about: str
    dataset: str
    asked: Mapping[str, Any]


QUESTIONS = (
    Question("another regime, only the head trained", "peta", {"protocol": "head"}),
    Question("another head, attentive", "peta", {"protocol": "head", "head": "attentive"}),
    Question("a quarter of the labels", "market1501", {"protocol": PROTOCOL, "fraction": 0.25}),
    Question(
        "corrupted test pictures",
        "peta",
        {"protocol": PROTOCOL, "corrupt": ("noise:2", "noise:4", "fog:2", "fog:4")},
    ),
)
"""Each some seconds: for the last one nothing is trained again."""

GROUP_RESAMPLES = 200
"""Draws of the intervals of groups, a fifth of what `humanbench groups` draws, for the sake of time."""


@dataclass(frozen=True)
class Shown:
    """What came out: the results of each backbone on all datasets, those of what was asked further, how the second
    compares with the first on all of it, and the site."""

    runs: tuple[Results, Results]
    further: tuple[Results, Results]
    comparison: Comparison
    site: Site


def demo(
    folder: Path,
    scale: float = 1.0,
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Shown:
    """Write data, finetune, score, compare and build the site in `folder`; `say` hears what is being done.

    `scale` and `seed` are those of `datasets synthesize`, the seed that of finetuning too; `overrides` change recipes.
    Raises `humanbench.errors.HumanbenchError` where no cell of the two can be compared.
    """
    from humanbench import compare
    from humanbench.comparison.groups import run_subgroups
    from humanbench.evaluation import evaluate
    from humanbench.leaderboard.site.build import build
    from humanbench.results import Result, Results

    data = folder / "data"
    write_data(data, scale, seed, say)
    places = (folder / BACKBONES[0], folder / BACKBONES[1])
    arguments: dict[str, Any] = {
        "suite": "mini",
        "data_root": data,
        "seed": seed,
        "set": overrides or {},
        "command": "humanbench demo",
    }
    runs, further = [], []
    for name, place in zip(BACKBONES, places, strict=True):
        say(f"finetuning {name} ({PROTOCOL}): {', '.join(DATASETS)}")
        runs.append(evaluate(name, PROTOCOL, DATASETS, out=place, **arguments))
        more: list[Result] = []
        for question in (one for one in QUESTIONS if one.dataset in DATASETS):
            say(f"asking more of {name} on {question.dataset}: {question.about}")
            more += evaluate(name, datasets=question.dataset, out=place, **question.asked, **arguments)
        further.append(Results(more, place))
        say(f"metrics of {name} by groups that labels tell apart")
        asked = sorted({question.dataset for question in QUESTIONS} & set(DATASETS))
        for _ in run_subgroups(place, asked, data, resamples=GROUP_RESAMPLES):
            pass
    say(f"comparing {BACKBONES[1]} with {BACKBONES[0]}")
    comparison = compare(*places, data_root=data)
    say("building the leaderboard")
    site = build([str(place) for place in places], folder / "site", None, data)
    return Shown((runs[0], runs[1]), (further[0], further[1]), comparison, site)


def write_data(root: Path, scale: float, seed: int, say: Callable[[str], None], difficulty: float = 0.0) -> None:
    """Write the procedural copies that are not there with this scale, seed and difficulty."""
    from humanbench.data.mannequin.pool import workers
    from humanbench.data.mannequin.suite import VERSION, synthesize
    from humanbench.data.samples import copy_name, procedural_copy

    wanted = copy_name(VERSION, seed, scale, difficulty)
    absent = [card for card in map(load_card, DATASETS) if procedural_copy(root / card.id) != wanted]
    if not absent:
        return
    say(f"writing procedural datasets to {root}")
    with workers() as pool:
        for card in absent:
            synthesize(card, root, pool, scale=scale, seed=seed, difficulty=difficulty)
