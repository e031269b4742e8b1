"""A request checked and turned into cells, before anything is computed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.cards import DatasetCard, load_card
from humanbench.data_root import find_data
from humanbench.engine.folder import RunFolder
from humanbench.engine.jobs import Job, jobs_for
from humanbench.engine.jobs import shard as part_of
from humanbench.engine.launch import check_device, check_precision, reading_processes, uses_gpu
from humanbench.engine.selection import candidates, found, regime_and_scenario
from humanbench.engine.settings import Overrides, PathLike, divided, parsed
from humanbench.engine.work import Setting
from humanbench.errors import DataError, HumanbenchError
from humanbench.recipes import DIRECT
from humanbench.regimes import DEFAULT_REGIME, REGIMES
from humanbench.run_log import RunLog
from humanbench.suites import Suite, check_suite, synthesized

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone
    from humanbench.pretrain.direct import Direct


@dataclass(frozen=True)
class Request:
    """What `humanbench.evaluate` is called with; its docstring says what each means."""

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
    subset: PathLike | None = None
    variant: str | None = None
    inputs: Mapping[str, PathLike] | None = None
    shard: str | None = None
    workers: int | None = None
    cache: bool = True
    architecture: Mapping[str, Any] | None = None
    command: str | None = None


@dataclass(frozen=True)
class Plan:
    """A run before it starts: what its cells share, the cells, and which datasets were left out, in words."""

    setting: Setting
    jobs: list[Job]
    left_out: str = ""


def prepare(request: Request) -> Plan:
    """Check a request and load its backbone; nothing is computed and nothing but the embedded suite written.

    Raises `HumanbenchError` for input that no run can start with.
    """
    suite = request.suite
    check_suite(suite)
    check_device(request.device)
    regime, asked = regime_and_scenario(request.protocol, request.scenario)
    named = request.datasets
    patterns = named.split(",") if isinstance(named, str) else list(named or ())
    (overrides, own), files = divided(request.set), _files(request.inputs)
    direct = _direct(request, regime)
    network = _loaded(request) if direct is None else direct.start
    heads = None if direct is None else direct.datasets
    cards, left_out = candidates(patterns, request.task, regime, asked, network.pretrained_on, heads)
    _check_subset(request.subset, cards)
    seeds = range(request.seed, request.seed + request.seeds)
    own_recipes = direct.overrides if direct is not None else _nothing
    variant = request.variant if direct is None else DIRECT
    jobs = jobs_for(cards, regime, suite, variant, overrides, seeds, own_recipes)
    _check_inputs(files, jobs)
    for job in jobs:
        check_precision(job.recipe.train.amp, request.device)
    folder = RunFolder(_run_folder(request.out, network.name, regime, suite))
    log = RunLog(folder.log, is_main_process())
    if suite == "mini" and request.data_root is None:
        root = find_data(synthesized([card for card in _needed(jobs) if card.id not in own], log), own)
    else:
        root = find_data(request.data_root, own)
        there = found(cards, root, patterns)
        jobs = [job for job in jobs if job.card in there]
    setting = Setting(
        backbone=network,
        checkpoint=os.fspath(request.checkpoint) if request.checkpoint is not None else None,
        folder=folder,
        log=log,
        data_root=root,
        subset=Path(request.subset) if request.subset is not None else None,
        inputs=files,
        device=request.device,
        workers=reading_processes(request.workers, uses_gpu(request.device)),
        cache=request.cache,
        direct=direct,
        command=_command(request, network.name, root.settings(card.id for card in _needed(jobs))),
    )
    return Plan(setting, part_of(jobs, request.shard) if request.shard else jobs, left_out)


def is_main_process() -> bool:
    """Whether this is the process that writes, of those that `accelerate launch` or `torchrun` started."""
    return int(os.environ.get("RANK", "0")) == 0


def _needed(jobs: Sequence[Job]) -> list[DatasetCard]:
    """The datasets that jobs test or train on."""
    names = {name for job in jobs for name in (job.card.id, *job.recipe.train.on)}
    return [load_card(name) for name in sorted(names)]


def _command(request: Request, backbone: str, where: Mapping[str, str]) -> str:
    """What made the run, with the places of its datasets that the configuration file named."""
    if request.command is None:
        settings = f", set={dict(where)!r}" if where else ""
        return f"humanbench.evaluate({backbone!r}, {request.protocol!r}{settings}, …)"
    named = parsed(request.set)
    words = [word for key, value in where.items() if key not in named for word in ("--set", f"{key}={value}")]
    return f"{request.command} {shlex.join(words)}".rstrip()


def _files(inputs: Mapping[str, PathLike] | None) -> dict[str, Path]:
    files = {name: Path(path) for name, path in (inputs or {}).items()}
    for name, path in files.items():
        if not path.is_file():
            raise DataError(f"{path}: there is no such file (the input {name!r})")
    return files


def _check_subset(subset: PathLike | None, cards: Sequence[DatasetCard]) -> None:
    if subset is not None and len(cards) > 1:
        raise HumanbenchError(f"--subset {subset}: names samples of one dataset; choose it with --datasets")
    if subset is not None and not Path(subset).is_file():
        raise DataError(
            f"{subset}: {'is a folder, not a' if Path(subset).is_dir() else 'there is no such'} subset file"
        )


def _check_inputs(files: Mapping[str, Path], jobs: Sequence[Job]) -> None:
    """Files that no recipe takes are not what was meant, and those that one needs must be there before the training."""
    needed = {name: job for job in jobs for name in job.recipe.inputs}
    for name in files:
        if name not in needed:
            raise HumanbenchError(
                f"--input {name}=…: no recipe of this run takes it (variant ap56 of pose takes boxes)"
            )
    for name, job in needed.items():
        if name not in files:
            raise HumanbenchError(
                f"{job.card.id}: this protocol crops the boxes of a detector: give their file as --input {name}=FILE, "
                "a JSON list of image_id, category_id, bbox, score"
            )


def _nothing(card: DatasetCard) -> Mapping[str, Any]:
    return {}


def _direct(request: Request, regime: str) -> Direct | None:
    """The dumps of a pretraining, where `checkpoint` names them; only they can be tested without finetuning."""
    if request.checkpoint is None or not isinstance(request.backbone, str):
        return None
    from humanbench.pretrain.direct import is_entry_checkpoint, open_direct

    path = Path(request.checkpoint).expanduser()
    if not is_entry_checkpoint(path) or (path.is_file() and REGIMES[regime].fits):
        return None
    if REGIMES[regime].fits:
        raise HumanbenchError(f"{path}: a folder of dumps is for --protocol none; finetuning takes one file")
    return open_direct(request.backbone, path, dict(request.architecture or {}))


def _loaded(request: Request) -> Backbone:
    if not isinstance(request.backbone, str):
        return request.backbone
    from humanbench.backbones import load_backbone

    checkpoint = os.fspath(request.checkpoint) if request.checkpoint is not None else None
    loaded: Backbone = load_backbone(request.backbone, checkpoint, **(request.architecture or {}))
    return loaded


def _run_folder(out: PathLike | None, backbone: str, regime: str, suite: str) -> Path:
    name = re.sub(r"[^\w.-]+", "_", f"{backbone}-{regime}") + ("-mini" if suite == "mini" else "")
    return Path(out if out is not None else f"runs/{name}").expanduser().absolute()
