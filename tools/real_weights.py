"""A pretrained network against the same network at random, on 2,000 real pictures: `python -m tools.real_weights`.

The first 2,000 training pictures of PA-100K (`--data-root`: a folder with `pa100k` or `PA-100K`, of which no more needs
to be there) are split into 1,600 to fit and 400 to test, EfficientNet-Lite0 is finetuned on them in every regime by
`humanbench eval`, with the ImageNet weights of the extra `real-weights` and with random ones, and the page
docs/real-weights.md is made of the results. What is finished in `--out` is not computed again.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench.cards import load_card
from humanbench.data.readers import find_root
from humanbench.data.readers.files import load_mat
from humanbench.data.readers.matlab import cells, texts
from humanbench.data.readers.pa100k import ANNOTATIONS, IMAGES
from humanbench.data.samples import load_samples
from humanbench.data.writers.files import save_mat
from humanbench.errors import DataError, HumanbenchError
from humanbench.metrics.attributes import attributes
from humanbench.metrics.scores import Scores
from humanbench.recipes import Recipe, load_recipe, parse_override
from humanbench.regimes import REGIMES
from humanbench.results import Result, Results, load_results
from humanbench.stats import CONFIDENCE, RESAMPLES, paired_draws
from humanbench.tasks.registry import task_named

PARTS = {"train": range(1, 1401), "val": range(1401, 1601), "test": range(1601, 2001)}
"""Numbers of the pictures; the benchmark trains on train and val."""

SUBSET = "pa100k-first-2000"
COMMON = ("augment.pad=5", "train.batch_size=16")
NETWORKS = {"ImageNet": "efficientnet_lite0", "random": "random:efficientnet_lite0"}
CARD = load_card("pa100k")


@dataclass(frozen=True)
class Case:
    """A row: a regime with everything of its recipe that matters, so that the row stays when the suite's changes."""

    regime: str
    seeds: int
    settings: tuple[str, ...]

    @property
    def recipe(self) -> Recipe:
        """What `eval` makes of the settings."""
        return load_recipe(CARD, self.regime, "mini", overrides=dict(map(parse_override, self.settings)))


ROWS = (
    Case("head", 3, ("input.size=[256, 128]", *COMMON, "optim.lr=0.01", "train.epochs=40", "train.views=2")),
    Case("head", 3, ("input.size=[128, 64]", *COMMON, "optim.lr=0.01", "train.epochs=40", "train.views=2")),
    Case("partial", 3, ("input.size=[128, 64]", *COMMON, "optim.lr=0.004", "train.epochs=12", "train.views=2")),
    Case("full", 1, ("input.size=[128, 64]", *COMMON, "optim.lr=0.004", "train.epochs=12", "train.views=0")),
)


def split_copy(pa100k: Path, folder: Path) -> Path:
    """A copy in the official form in which the 2,000 pictures are all there is; images are links. Returns the subset.

    `folder` gets the dataset's folder `pa100k` and a CSV file that names every sample, so that results say "subset".
    """
    pa100k = find_root(CARD, pa100k)
    annotation = next((pa100k / name for name in ANNOTATIONS if (pa100k / name).is_file()), None)
    images = next((pa100k / name for name in IMAGES if (pa100k / name / "000001.jpg").is_file()), None)
    if annotation is None or images is None:
        raise DataError(f"{pa100k}: no PA-100K here (see `humanbench datasets show pa100k`)")
    official = load_mat(CARD, annotation)
    rows = {name: i for i, name in enumerate(texts(official["train_images_name"]))}
    content: dict[str, Any] = {"attributes": official["attributes"]}
    listed = ["split,id"]
    for split, numbers in PARTS.items():
        names = [f"{number:06d}.jpg" for number in numbers]
        absent = [name for name in names if name not in rows or not (images / name).is_file()]
        if absent:
            raise DataError(f"{pa100k}: {absent[0]} is not among the training pictures here")
        content[f"{split}_images_name"] = cells(names)
        content[f"{split}_label"] = np.asarray(official["train_label"])[[rows[name] for name in names]]
        listed += [f"{split},{name}" for name in names]
    copy, target = folder / "pa100k", folder / "pa100k" / ANNOTATIONS[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    save_mat(target, dict(sorted(content.items())))
    place = copy / IMAGES[0]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(images.resolve(), target_is_directory=True)
    subset = folder / f"{SUBSET}.csv"
    subset.write_text("\n".join(listed) + "\n", encoding="utf-8")
    return subset


def words(network: str, case: Case, seed: int, folder: Path) -> list[str]:
    """The command of a cell. A random network is another one with each seed."""
    name = NETWORKS[network]
    command = ["humanbench", "eval", "--backbone", name, "--protocol", case.regime, "--suite", "mini"]
    command += ["--datasets", "pa100k", "--seed", str(seed)]
    command += ["--set", f"datasets.pa100k.root={folder / 'pa100k'}", "--subset", str(folder / f"{SUBSET}.csv")]
    command += [word for setting in case.settings for word in ("--set", setting)]
    return command + (["--arch", f"seed={seed}"] if network == "random" else [])


def computed(network: str, case: Case, seed: int, folder: Path) -> Results:
    """Results of the run folder after the cell was computed or found there."""
    out = folder / "runs" / network
    command = [*words(network, case, seed, folder), "--out", str(out), "--device", "cpu"]
    print("$", shlex.join(command), file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise HumanbenchError(f"the command ended with {done.returncode}: {shlex.join(command)}")
    return load_results(out)


@dataclass(frozen=True)
class Known:
    """What the tested pictures say, and which attributes both parts show."""

    tables: dict[str, pd.DataFrame]
    columns: NDArray[np.intp]

    @classmethod
    def read(cls, folder: Path) -> Known:
        """From the copy that `split_copy` made."""
        tables = {split: load_samples(CARD, split, folder) for split in PARTS}
        names = list(CARD.labels.attributes)
        fitted = pd.concat([tables["train"], tables["val"]])[names].to_numpy()
        tested = tables["test"][names].to_numpy()
        shown = (fitted == 1).any(axis=0) & (tested == 1).any(axis=0)
        return cls({"test": tables["test"]}, np.flatnonzero(shown))

    def scores(self, predictions: Path) -> Scores:
        """The metric over those attributes alone."""
        probabilities = task_named("attribute").predictions.read(CARD, self.tables, predictions)
        labels = self.tables["test"][list(CARD.labels.attributes)].to_numpy(np.int8)
        return attributes(probabilities[:, self.columns], labels[:, self.columns])


@dataclass(frozen=True)
class Row:
    """A case: the scores of each network's seeds, and its results as `eval` recorded them."""

    case: Case
    scores: dict[str, list[Scores]]
    results: dict[str, list[Result]]

    def value(self, network: str) -> float:
        """Mean mA over seeds."""
        return float(np.mean([one["mA"] for one in self.scores[network]]))

    def interval(self, network: str) -> tuple[float, float]:
        """Of that mean, over test pictures."""
        rng = np.random.default_rng(0)
        drawn = []
        for _ in range(RESAMPLES):
            index = rng.integers(0, self.scores[network][0].n, self.scores[network][0].n)
            drawn.append(np.mean([one.resample(index)["mA"] for one in self.scores[network]]))
        return _quantiles(np.array(drawn))

    def difference(self) -> tuple[float, float, float]:
        """ImageNet minus random, with its interval paired over test pictures."""
        drawn = paired_draws(
            self.scores["random"], self.scores["ImageNet"], ["mA"], np.random.default_rng(0), RESAMPLES
        )[:, 0]
        return self.value("ImageNet") - self.value("random"), *_quantiles(drawn)


def _quantiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def row(case: Case, seeds: Iterable[int], folder: Path, known: Known) -> Row:
    """Compute a case with both networks and these seeds."""
    scores: dict[str, list[Scores]] = {}
    results: dict[str, list[Result]] = {}
    for network in NETWORKS:
        for seed in seeds:
            found = computed(network, case, seed, folder)
            recipe = case.recipe.sha256
            (result,) = (r for r in found if r.cell.recipe_sha256 == recipe and r.seed == seed and r.status == "done")
            assert result.predictions is not None
            results.setdefault(network, []).append(result)
            scores.setdefault(network, []).append(known.scores(folder / "runs" / network / result.predictions))
    return Row(case, scores, results)


_HEAD = """# Pretrained against random, on 2,000 real pictures

**These numbers are of a subset** and cannot be compared with published ones: the first 2,000 training pictures of
PA-100K, of which {fit:,} are fitted and {tested} tested (neighbouring numbers can show one person). The network is
EfficientNet-Lite0, once with its ImageNet weights (the card `efficientnet_lite0`, extra `real-weights`) and once at
random; everything else is the same. mA is the mean over the {columns} of {attributes} attributes that have positives in
both parts; an attribute that is never predicted counts 50. In brackets: 95 % bootstrap intervals over the {tested}
tested pictures, of the mean over seeds (a seed draws head, order and augmentation, and the random network); those of
the difference are paired.

Written by `python -m tools.real_weights --data-root DIR`, which runs `humanbench eval`.

| regime | input | seeds | parameters trained | ImageNet | random | difference | ImageNet, each | random, each |
|---|---|---|---|---|---|---|---|---|
"""


def page(rows: Sequence[Row], known: Known) -> str:
    """The table, how it was made, and on what."""
    fit = sum(len(PARTS[split]) for split in ("train", "val"))
    about = {"fit": fit, "tested": len(PARTS["test"]), "columns": len(known.columns)}
    text = _HEAD.format(**about, attributes=len(CARD.labels.attributes))
    text += "".join(f"{_line(one)}\n" for one in rows)
    few = [one.case.regime for one in rows if len(one.scores["random"]) < 3]
    if few:
        text += f"\nOne seed only, for the cost of it on a CPU: {', '.join(few)}.\n"
    return text + _recipes(rows) + _origin(rows)


def _line(one: Row) -> str:
    trained = one.results["ImageNet"][0].trainable or 0
    numbers = []
    for network in NETWORKS:
        low, high = one.interval(network)
        numbers.append(f"{one.value(network):.1f} [{low:.1f}, {high:.1f}]")
    difference, low, high = one.difference()
    numbers.append(f"**{difference:+.1f}** [{low:+.1f}, {high:+.1f}]")
    each = [", ".join(f"{score['mA']:.1f}" for score in one.scores[network]) for network in NETWORKS]
    case = [one.case.regime, _size(one.case), str(len(one.scores["random"])), f"{trained:,}"]
    return f"| {' | '.join([*case, *numbers, *each])} |"


def _size(case: Case) -> str:
    return " x ".join(map(str, case.recipe.input.size))


def _recipes(rows: Sequence[Row]) -> str:
    text = "\n## Recipe\n\nOurs, for small data: the suite `mini` with the settings of the commands below.\n\n"
    text += "| regime | input | epochs | fixed views | batch | optimiser | rate (backbone) | decay | augmentation |\n"
    text += "|---|---|---|---|---|---|---|---|---|\n"
    for one in rows:
        case, recipe = one.case, one.case.recipe
        train, optim = recipe.train, recipe.optim
        rate = f"{optim.lr:g} (x {optim.backbone_scale:g})" if REGIMES[case.regime].trains_backbone else f"{optim.lr:g}"
        augment = f"flip {recipe.augment['flip']:g}, pad {recipe.augment['pad']}"
        values = [case.regime, _size(case), train.epochs, train.views or "none", train.batch_size, optim.name, rate]
        text += f"| {' | '.join(map(str, [*values, f'{optim.weight_decay:g}', augment]))} |\n"
    return text


def _origin(rows: Sequence[Row]) -> str:
    result = rows[0].results["ImageNet"][0]
    assert result.provenance is not None
    used = {name: result.provenance.packages[name] for name in ("torch", "timm") if name in result.provenance.packages}
    commands = [words(network, rows[0].case, 0, Path("DIR")) for network in NETWORKS]
    shown = "\n".join(f"    {shlex.join(command)}" for command in commands)
    versions = ", ".join(f"{name} {version}" for name, version in used.items())
    return (
        f"\nThe first cell of each network; `DIR` is what the script writes beside its runs:\n\n{shown}\n\n"
        f"humanbench {result.provenance.humanbench}, {versions}, on a CPU. "
        f"SHA-256 of the ImageNet weights: `{result.cell.weights_sha256}`.\n"
    )


def _found(data_root: Path) -> Path:
    """The folder of PA-100K under its id or its own name."""
    places = [data_root / name for name in ("pa100k", "PA-100K")]
    return next((place for place in places if place.is_dir()), places[0])


def main(arguments: Sequence[str]) -> None:
    """Compute what is not there yet, and write the page."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "samples"
    parser = argparse.ArgumentParser(prog="python -m tools.real_weights", description=__doc__)
    parser.add_argument("--data-root", type=Path, default=os.environ.get("HUMANBENCH_SAMPLES") or beside)
    parser.add_argument("--out", type=Path, default=Path("runs/real-weights"))
    parser.add_argument("--page", type=Path, default=Path("docs/real-weights.md"))
    parser.add_argument("--regimes", nargs="+", choices=list(dict.fromkeys(c.regime for c in ROWS)))
    parser.add_argument("--seeds", type=int, help="for every regime; else as the page has them")
    asked = parser.parse_args(arguments)
    folder = asked.out.absolute()
    try:
        split_copy(_found(asked.data_root), folder)
        known = Known.read(folder)
        chosen = [case for case in ROWS if case.regime in (asked.regimes or case.regime)]
        rows = [row(case, range(asked.seeds or case.seeds), folder, known) for case in chosen]
    except HumanbenchError as error:
        sys.exit(f"tools.real_weights: {error}")
    asked.page.write_text(page(rows, known), encoding="utf-8")
    print(asked.page)


if __name__ == "__main__":
    main(sys.argv[1:])
