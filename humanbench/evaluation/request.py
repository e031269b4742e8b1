"""What an evaluation can be asked for: every argument, its default and its meaning, named here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from humanbench.cards import select_cards
from humanbench.data.corruptions import Corruption, asked_corruptions
from humanbench.data.few_labels import FewLabels
from humanbench.errors import HumanbenchError
from humanbench.evaluation.selection import candidates, regime_and_scenario
from humanbench.execution import PRECISIONS
from humanbench.overrides import Overrides, PathLike, divided
from humanbench.recipes import NamedVariant, check_freezing, load_recipe
from humanbench.regimes import DEFAULT_REGIME, REGIMES
from humanbench.schema import SEEDS
from humanbench.suites import Suite, check_suite
from humanbench.tasks.registry import task_named
from humanbench.text import nearest

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone


@dataclass(frozen=True)
class Request:
    """The arguments of `evaluate`, which the options of `humanbench eval` and `plan` fill too.

    Raises `HumanbenchError` for names that nothing has (suite, protocol, scenario, task, datasets) and for seeds out of
    range.

    Args:
        backbone: A name for `load_backbone` (a card, a timm or hub name, a file), or a backbone that is loaded.
        protocol: What is finetuned: full, partial, lora, head or none. A scenario's name is taken as `scenario`.
        datasets: Ids or wildcards, as a list or with commas; None is every dataset of the benchmark that is found.
        task: Datasets of this task only.
        scenario: Datasets that are in this scenario for the backbone only.
        suite: `mini` takes the recipes of the embedded suite and, without `data_root`, its data.
        data_root: Folder with one folder per dataset id; None is $HUMANBENCH_DATA, else ~/humanbench-data.
        out: Folder of the run; None is runs/BACKBONE-PROTOCOL (-mini).
        seed: Seed of the first run of each cell.
        seeds: Runs of each cell, with the seeds `seed`, `seed + 1` and so on.
        device: cpu, cuda or cuda:N; None is a GPU if there is one.
        set: Overrides of the recipes, `{"optim.lr": 1e-4}` or `["optim.lr=1e-4"]`; the key `datasets.ID.root` says
            where a dataset lies.
        checkpoint: Weights to load into the backbone: a file or `hf-hub:ORG/REPO`. With `protocol="none"` also the
            dumps of a pretraining, whose heads are then tested as they are.
        fraction: 0.01, 0.1 or 0.25 of the training people, identities or pictures, by fixed lists
            (docs/few-labels.md); None is all.
        draw: Which of the lists of `fraction`: 0, 1 or 2.
        corrupt: What test pictures are shown through: `fog:3`, `fog` for all five severities, `all`, as a list or with
            commas (docs/robustness.md). Trained is as without; what is trained already is tested alone.
        subset: CSV or TOML file with ids: part of the one dataset that is chosen.
        variant: A named variant of the recipes.
        head: Which vector of a picture the head reads, or by what: mean, class_token or attentive for ReID, attributes
            and counting; knn or linear for attributes without finetuning. Where it is not what the recipe has, it is
            the variant of this name.
        inputs: Files that a recipe declares, by name (`boxes` of a detector).
        shard: `i/n`: the i-th of n parts of the cells.
        workers: Processes that read images; None is by device.
        cache: False keeps nothing in the cache folder and takes nothing from it.
        architecture: Arguments of the network, as `load_backbone` takes them.
        pretrained_on: What the backbone has seen, which decides the scenario of each dataset: ids of datasets and other
            names, as a list or with commas, or `undisclosed`, or `nothing`; None is what its card says.
        precision: fp32, tf32, bf16 or fp16: how products are computed; None is what the recipes say.
        compile: True compiles the backbone with torch.compile.
        log: Trackers that follow the run beside its CSV files, as a list or with commas, by accelerate's names:
            tensorboard, wandb, mlflow …
        weights: False keeps no finetuned weights in the run folder.
        command: What the results name as the command that made them; None is this call.
    """

    backbone: str | Backbone
    protocol: str = DEFAULT_REGIME
    datasets: str | Sequence[str] | None = None
    task: str | None = None
    scenario: str | None = None
    suite: Suite = "humanbench-v1"
    data_root: PathLike | None = None
    out: PathLike | None = None
    seed: int = 0
    seeds: int = 1
    device: str | None = None
    set: Overrides | None = None
    checkpoint: PathLike | None = None
    fraction: float | None = None
    draw: int = 0
    corrupt: str | Sequence[str] | None = None
    subset: PathLike | None = None
    variant: str | None = None
    head: str | None = None
    inputs: Mapping[str, PathLike] | None = None
    shard: str | None = None
    workers: int | None = None
    cache: bool = True
    architecture: Mapping[str, Any] | None = None
    pretrained_on: str | Sequence[str] | None = None
    precision: str | None = None
    compile: bool = False
    log: str | Sequence[str] | None = None
    weights: bool = True
    command: str | None = None

    def __post_init__(self) -> None:
        """Names and seeds are right or a `HumanbenchError` here, before any library of networks is loaded."""
        check_suite(self.suite)
        if not 0 <= self.seed <= self.seed + self.seeds <= SEEDS:
            raise HumanbenchError(
                f"seeds are 0 to {SEEDS - 1}, and {self.seeds} of them from {self.seed} on do not fit in there"
            )
        if self.head is not None and not isinstance(self.head, str):
            raise HumanbenchError(f"head is a name, like 'attentive'; found {self.head!r}")
        if self.few is None and self.draw:
            raise HumanbenchError(f"--draw {self.draw}: is a list of --fraction; give one, like --fraction 0.1")
        regime, scenario = regime_and_scenario(self.protocol, self.scenario)
        if self.head is not None and self.variant is not None:
            raise HumanbenchError(f"--head {self.head} --variant {self.variant}: a head is a variant; give one of them")
        if self.corruptions and not self.weights and REGIMES[regime].fits:
            raise HumanbenchError(
                "--corrupt: tests what was finetuned, and --no-weights does not keep it; leave one out"
            )
        if self.precision is not None and self.precision not in PRECISIONS:
            known = list(PRECISIONS)
            raise HumanbenchError(
                f"no precision is called {self.precision!r}{nearest(self.precision, known)} ({', '.join(known)})"
            )
        if self.task is not None:
            task_named(self.task)
        if self.datasets is not None and not self.patterns:
            raise HumanbenchError("datasets: an empty list names none; leave it out for every dataset that is found")
        if self.seeds < 1 or (self.workers is not None and self.workers < 0):
            raise HumanbenchError(f"seeds are at least 1 and workers at least 0; found {self.seeds} and {self.workers}")
        if self.patterns:
            select_cards(self.patterns)
        overrides, _ = divided(self.set)
        check_freezing(overrides, regime)
        if scenario is None and REGIMES[regime].fits:  # of others the backbone, or its dumps, say what is chosen
            for card in candidates(self.patterns, self.task, regime, None, None, head=self.head)[0]:
                load_recipe(card, regime, self.suite, self.named.variant_of(card, regime), overrides)

    @property
    def named(self) -> NamedVariant:
        """Which variant of the recipes is asked for."""
        return NamedVariant(self.variant, self.head)

    @property
    def few(self) -> FewLabels | None:
        """The part of the training data that is asked for; None for all of it."""
        return None if self.fraction is None else FewLabels(self.fraction, self.draw)

    @property
    def corruptions(self) -> tuple[Corruption, ...]:
        """What the test pictures are shown through, one after the other; empty for as they are."""
        return asked_corruptions(self.corrupt)

    @property
    def patterns(self) -> list[str]:
        """The ids and wildcards of `datasets`."""
        return self.datasets.split(",") if isinstance(self.datasets, str) else list(self.datasets or ())
