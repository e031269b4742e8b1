"""A request checked and turned into cells, before anything is computed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.backbones.preprocessing import PIXELS, given_pixels
from humanbench.backbones.sources import HUB
from humanbench.cards import DatasetCard, load_card, pretraining_names
from humanbench.data.few_labels import FewLabels
from humanbench.data.samples import dataset_folder, read_subset
from humanbench.data_root import DataRoot, find_data
from humanbench.engine.context import CellSpec, RunContext
from humanbench.engine.devices import (
    check_compiler,
    check_device,
    check_precision,
    is_main_process,
    reading_processes,
    uses_gpu,
)
from humanbench.engine.run_folder import RunFolder
from humanbench.engine.trackers import tracker_names
from humanbench.errors import DataError, HumanbenchError
from humanbench.evaluation.request import Request
from humanbench.evaluation.selection import candidates, on_disk, regime_and_scenario
from humanbench.execution import asked_modes, changes, execution_modes
from humanbench.overrides import PathLike, divided, parsed
from humanbench.recipes import DIRECT, NamedVariant, Recipe, load_recipe
from humanbench.regimes import REGIMES
from humanbench.run_log import RunLog
from humanbench.suites import MINI, synthesized
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import training_of

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone
    from humanbench.backbones.spec import Outline
    from humanbench.pretrain.direct import Direct

_LEAST_ROOM = 100 * 10**6
"""Bytes that must be free for a run to begin: no checkpoint of a fit is smaller than its results."""


@dataclass(frozen=True)
class Plan:
    """A run before it starts: what its cells share, the cells, which datasets were left out, in words.

    `absent`: ids of datasets that are not on disk; only a plan to look at has them.
    """

    context: RunContext
    cells: list[CellSpec]
    left_out: str = ""
    absent: frozenset[str] = frozenset()


def plan_for(request: Request, dry: bool = False) -> Plan:
    """Check a request and load its backbone; nothing is computed and nothing but the embedded suite written.

    Names, files, datasets and the run's folder are checked before any weight is downloaded or read. A `dry` plan is
    one to look at: it needs no weights where the name says which network it is, and no data, for cards hold counts.
    Raises `HumanbenchError` for input that no run can start with.
    """
    check_device(request.device)
    trackers = tracker_names(request.log)
    regime, asked = regime_and_scenario(request.protocol, request.scenario)
    overrides, places = divided(request.set)
    modes = _modes(request, overrides)
    files = _files(request.inputs)
    heads = _ready_heads(request, regime)
    outline = _outline(request, heads)
    stated_sets = None if request.pretrained_on is None else pretraining_names(request.pretrained_on)
    says = request.pretrained_on is not None
    backbone = None if outline.settled or asked is None or says else _loaded(request)
    seen = stated_sets if says else outline.pretrained_on if backbone is None else backbone.pretrained_on
    tested = None if heads is None else heads.datasets
    cards, left_out = candidates(request.patterns, request.task, regime, asked, seen, tested, request.head)
    _check_subset(request.subset, cards)
    if heads is not None and request.head is not None:
        raise HumanbenchError(f"--head {request.head}: the dumps of a pretraining are tested with heads of their own")
    cells = _cells(request, cards, regime, overrides, modes, heads)
    _check_few(request.few, cells, heads is not None)
    _check_inputs(files, cells)
    for spec in cells:
        check_precision(spec.recipe.train.amp, request.device)
    embedded = request.suite == MINI and request.data_root is None
    root = find_data(request.data_root, places)
    absent: frozenset[str] = frozenset()
    if not dry:
        check_writable(_run_folder(request.out, outline.name, regime, request.suite))
    if not embedded:
        cells, absent = _with_data(cells, cards, root, request.patterns, dry)

    if heads is not None:
        backbone = heads.start
    elif backbone is None:
        backbone = _blank(request, outline) if dry else _loaded(request)
    for spec in cells:
        if (check := REGIMES[regime].check) is not None:
            check(backbone, spec.recipe.freezing)
    folder = RunFolder(_run_folder(request.out, backbone.name, regime, request.suite))
    log = RunLog(None if dry else folder.log, is_main_process())
    if embedded:
        root = find_data(synthesized([card for card in _needed(cells) if card.id not in places], log), places)
    context = RunContext(
        backbone=backbone,
        checkpoint=os.fspath(request.checkpoint) if request.checkpoint is not None else None,
        folder=folder,
        log=log,
        data_root=root,
        subset=Path(request.subset) if request.subset is not None else None,
        inputs=files,
        device=request.device,
        workers=reading_processes(request.workers, uses_gpu(request.device)),
        cache=request.cache,
        command=_command(request, backbone.name, root.settings(card.id for card in _needed(cells))),
        heads=heads,
        pretrained_on=stated_sets if says else backbone.pretrained_on,
        trackers=trackers,
        weights=request.weights,
    )
    return Plan(context, shard(cells, request.shard) if request.shard else cells, left_out, absent)


def _cells(
    request: Request,
    cards: Sequence[DatasetCard],
    regime: str,
    overrides: Mapping[str, Any],
    modes: tuple[str, ...],
    heads: Direct | None,
) -> list[CellSpec]:
    """All cells, dataset by dataset; what ready-made heads ask of a dataset's recipe is below the overrides.

    `modes` are ways of computing them: where their numbers agree with those of the recipe they are overrides of it, and
    the only one that does not is a named variant.

    Raises `RecipeError` when any recipe, variant or override does not fit.
    """
    named = request.named if heads is None else NamedVariant(DIRECT)
    seeds, corruptions = range(request.seed, request.seed + request.seeds), request.corruptions or (None,)
    cells = []
    for card in cards:
        below = {**({} if heads is None else heads.overrides(card)), **overrides}
        variant = named.variant_of(card, regime)
        recipe = load_recipe(card, regime, request.suite, variant, below)
        other = [name for name in modes if not _says(recipe, name)]
        apart = [name for name in other if not execution_modes()[name].agrees_on(card.task, regime)]
        mode = apart[0] if variant is None and len(apart) == 1 else variant
        if other:
            more = changes(tuple(name for name in other if name != mode))
            recipe = load_recipe(card, regime, request.suite, mode, below | more)
        training_of(card).check(recipe)
        cells += [CellSpec(card, recipe, seed, request.few, shown) for seed in seeds for shown in corruptions]
    return cells


def _modes(request: Request, overrides: Mapping[str, Any]) -> tuple[str, ...]:
    """How the cells are to be computed, where it is said."""
    names = asked_modes(request.precision, request.compile)
    for key in changes(names):
        if key in overrides:
            raise HumanbenchError(f"--set {key}: is what --precision and --compile say; give one of them")
    if request.compile or overrides.get("train.compile"):
        check_compiler()
    return names


def _says(recipe: Recipe, mode: str) -> bool:
    """Whether a recipe is computed in this way as it is."""
    return all(getattr(recipe.train, key.partition(".")[2]) == value for key, value in changes((mode,)).items())


def shard(cells: Sequence[CellSpec], text: str) -> list[CellSpec]:
    """The i-th of n parts, `i/n` counted from 1, taken in turn so that parts take about as long.

    Raises `HumanbenchError` for anything else.
    """
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise HumanbenchError(f"--shard {text}: give i/n with 1 <= i <= n, like 2/8")
    return list(cells[int(first) - 1 :: int(second)])


def _files(inputs: Mapping[str, PathLike] | None) -> dict[str, Path]:
    files = {name: Path(path) for name, path in (inputs or {}).items()}
    for name, path in files.items():
        if not path.is_file():
            raise DataError(f"{path}: there is no such file (the input {name!r})")
    return files


def _check_subset(subset: PathLike | None, cards: Sequence[DatasetCard]) -> None:
    if subset is None:
        return
    if len(cards) > 1:
        raise HumanbenchError(f"--subset {subset}: names samples of one dataset; choose it with --datasets")
    if not Path(subset).is_file():
        raise DataError(
            f"{subset}: {'is a folder, not a' if Path(subset).is_dir() else 'there is no such'} subset file"
        )
    for card in cards:
        for split in card.evaluation.test if card.evaluation else ():
            read_subset(Path(subset), split)


def _check_few(few: FewLabels | None, cells: Sequence[CellSpec], ready_heads: bool) -> None:
    """A fraction of labels that nothing would look at is not what was meant."""
    for spec in cells if few is not None else ():
        if ready_heads or not (spec.recipe.fits or task_for(spec.card).answers_untrained):
            raise HumanbenchError(
                f"--fraction: nothing of {spec.card.id} is trained here; leave it out, or give another --protocol"
            )


def _check_inputs(files: Mapping[str, Path], cells: Sequence[CellSpec]) -> None:
    """Files that no recipe takes are not what was meant, and those that one needs must be there before the training."""
    needed = {name: spec for spec in cells for name in spec.recipe.inputs}
    for name in files:
        if name not in needed:
            raise HumanbenchError(
                f"--input {name}=…: no recipe of this run takes it (variant ap56 of pose takes boxes)"
            )
    for name, spec in needed.items():
        if name not in files:
            raise HumanbenchError(
                f"{spec.card.id}: this protocol crops the boxes of a detector: give their file as --input {name}=FILE, "
                "a JSON list of image_id, category_id, bbox, score"
            )


def _with_data(
    cells: list[CellSpec], cards: Sequence[DatasetCard], root: DataRoot, patterns: Sequence[str], dry: bool
) -> tuple[list[CellSpec], frozenset[str]]:
    """The cells whose data are on disk. A dry plan keeps those that were named too, or all where none is on disk; the
    ids of these datasets."""
    if not dry:
        present = on_disk(cards, root, patterns)
        return [spec for spec in cells if spec.card in present], frozenset()
    ids = {card.id for card in cards if dataset_folder(card, root).is_dir()}
    planned_ids = {card.id for card in cards if card.id in ids or card.id in patterns or not ids}
    return [spec for spec in cells if spec.card.id in planned_ids], frozenset(planned_ids - ids)


def check_writable(folder: Path) -> None:
    """Raises `HumanbenchError` unless a run's folder can be made and written; nothing is made."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise HumanbenchError(f"{existing}: is a file, and a run needs a folder; give another --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise HumanbenchError(f"{existing}: may not be written; give another --out")
    disk = os.statvfs(existing)
    free = disk.f_bavail * disk.f_frsize
    if free < _LEAST_ROOM:
        raise HumanbenchError(f"{existing}: {free / 1e6:.0f} MB are free, too few for a run; give another --out")


def _ready_heads(request: Request, regime: str) -> Direct | None:
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


def _outline(request: Request, heads: Direct | None) -> Outline:
    from humanbench.backbones.spec import Outline, outline

    given_pixels({key: value for key, value in (request.architecture or {}).items() if key in PIXELS})
    if heads is not None:
        return Outline(heads.start.name, heads.start.pretrained_on)
    if not isinstance(request.backbone, str):
        return Outline(request.backbone.name, request.backbone.pretrained_on)
    return outline(request.backbone, request.checkpoint)


def _loaded(request: Request) -> Backbone:
    if not isinstance(request.backbone, str):
        return request.backbone
    from humanbench.backbones import load_backbone

    loaded: Backbone = load_backbone(request.backbone, request.checkpoint, **(request.architecture or {}))
    return loaded


def _blank(request: Request, outline: Outline) -> Backbone:
    """The network without its weights, where the name alone says which network it is; else with them."""
    if not isinstance(request.backbone, str):
        return request.backbone
    on_hub = request.checkpoint is not None and os.fspath(request.checkpoint).startswith(HUB)
    if Path(request.backbone).is_file() or (request.checkpoint is not None and not (on_hub and outline.names_network)):
        return _loaded(request)
    from humanbench.backbones import load_backbone

    network: Backbone = load_backbone(request.backbone, random=True, **(request.architecture or {}))
    network.name, network.pretrained_on = outline.name, outline.pretrained_on
    return network.to("meta")  # its shapes are all that is asked for


def _run_folder(out: PathLike | None, backbone: str, regime: str, suite: str) -> Path:
    name = re.sub(r"[^\w.-]+", "_", f"{backbone}-{regime}") + ("-mini" if suite == MINI else "")
    return Path(out if out is not None else f"runs/{name}").expanduser().absolute()


def _needed(cells: Sequence[CellSpec]) -> list[DatasetCard]:
    """The datasets that cells test or train on."""
    names = {name for spec in cells for name in (spec.card.id, *spec.recipe.train.on)}
    return [load_card(name) for name in sorted(names)]


def _command(request: Request, backbone: str, where: Mapping[str, str]) -> str:
    """What made the run, with the places of its datasets that the configuration file named."""
    if request.command is None:
        settings = f", set={dict(where)!r}" if where else ""
        return f"humanbench.evaluate({backbone!r}, {request.protocol!r}{settings}, …)"
    named = parsed(request.set)
    words = [word for key, value in where.items() if key not in named for word in ("--set", f"{key}={value}")]
    return f"{request.command} {shlex.join(words)}".rstrip()
