"""`pretrain`: a request checked, its data found, trained, and written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from humanbench._version import __version__
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.cards import Architecture
from humanbench.backbones.config_files import header_of
from humanbench.backbones.loading import check_rebuilt, load_backbone
from humanbench.backbones.translation import Tensors
from humanbench.cards import Collection, collection
from humanbench.data_root import DataRoot, find_data
from humanbench.engine.devices import check_device, is_main_process, reading_processes, tf32, uses_gpu
from humanbench.engine.run_folder import RunFolder
from humanbench.engine.trackers import CURVES, Follower, tracker_names
from humanbench.errors import BackboneError, DataError, HumanbenchError
from humanbench.files import write_text
from humanbench.hashing import key
from humanbench.overrides import Overrides, PathLike, divided
from humanbench.pretrain import entry_checkpoints
from humanbench.pretrain.entries import EntryData, content, missing, open_entries
from humanbench.pretrain.loop import PretrainLoop, Process
from humanbench.pretrain.network import MaeNetwork, Network, PathNetwork
from humanbench.pretrain.recipe import PretrainRecipe, load_pretrain_recipe
from humanbench.pretrain.trunk import class_position, init_weights, is_plain
from humanbench.run_log import RunLog
from humanbench.suites import Suite, check_suite, synthesized
from humanbench.tasks.registry import task_named
from humanbench.text import nearest

PATIENCE = 24 * 3600.0
"""Seconds on a processor from which on a pretraining is taken for one that was meant for a GPU."""

COURSE = "course.json"
"""What a finished pretraining went through, and its identity."""


@dataclass(frozen=True)
class PretrainRequest:
    """What `humanbench pretrain` is asked for; `pretrain`'s docstring says what each means."""

    method: str = "path"
    backbone: str | None = None
    checkpoint: PathLike | None = None
    collection: Collection | None = None
    datasets: Sequence[str] = ()
    tasks: Sequence[str] = ()
    suite: Suite = "humanbench-v1"
    variant: str | None = None
    data_root: PathLike | None = None
    allow_missing: bool = False
    out: PathLike | None = None
    seed: int | None = None
    device: str | None = None
    workers: int | None = None
    set: Overrides | None = None
    resume: PathLike | None = None
    log: str | Sequence[str] | None = None
    command: str | None = None


def recipe_of(request: PretrainRequest) -> PretrainRecipe:
    """The recipe with the datasets that are asked for: the method's, narrowed by collection, names and tasks."""
    check_suite(request.suite)
    overrides, _ = divided(request.set)
    recipe = load_pretrain_recipe(request.method, request.suite, request.variant, overrides)
    known = [card.id for card in recipe.datasets]
    for name in request.datasets:
        if name not in known:
            raise HumanbenchError(f"{name} is in no entry of {recipe.method}{nearest(name, known)}")
    for task in request.tasks:
        task_named(task)
    wanted = set(known)
    if request.collection:
        wanted &= {card.id for card in collection(request.collection)}
    if request.datasets:
        wanted &= set(request.datasets)
    if request.tasks:
        wanted &= {card.id for card in recipe.datasets if card.task in request.tasks}
    return recipe if wanted == set(known) else recipe.only(sorted(wanted))


def pretrain(request: PretrainRequest) -> Path:
    """Pretrain a backbone on registered datasets; the folder with `backbone.safetensors`, `card.toml` and dumps.

    `method`: `path` or `mae`. `backbone` (and `checkpoint`): what it starts from, the recipe's by default; a network
    that is no plain transformer is pretrained without projectors (`projector.enabled = false`). `collection` (full,
    subset), `datasets` and `tasks` narrow the recipe's datasets. `suite="mini"` is the embedded suite with its
    procedural copies. `allow_missing` goes on without datasets that are not on disk.
    `log`: trackers that follow it (tensorboard, wandb, mlflow …); a CSV file is always written.
    `resume`: a folder of dumps to go on from. An interrupted run of the same content in `out` goes on by itself.

    Raises `HumanbenchError` for input that no run can start with.
    """
    recipe = recipe_of(request)
    if request.resume is not None and not Path(request.resume).is_dir():
        raise BackboneError(f"{request.resume}: there is no such folder of dumps")
    trackers = tracker_names(request.log)
    process = _process(request.device)
    folder = RunFolder(_out(request, recipe))
    log = RunLog(folder.log, is_main_process())
    root, recipe = _data(request, recipe, log)
    network_start, token = _start(request, recipe)
    check_affordable(recipe, network_start, process.device, request.device)
    seed = recipe.seed if request.seed is None else request.seed
    with folder.claim(["pretrain"] if is_main_process() else []):
        log.write(f"$ {request.command or 'humanbench.pretrain'}")
        entries = open_entries(recipe, root, network_start.preprocessing, seed)
        torch.manual_seed(seed)
        network = _network(recipe, network_start, entries, token)
        tensors = entry_checkpoints.backbone_tensors(network, entries)
        architecture = _architecture(network_start, tensors)
        check_rebuilt(architecture, tensors, network_start.name)
        identity = key(recipe.sha256, content(entries), network_start.weights_sha256, seed, __version__.split(".")[0])
        if request.resume is not None:
            identity = key(identity, str(Path(request.resume)))
        if _finished(folder.path, identity):
            log.info(f"finished before: backbone and card in {folder.path}")
            return folder.path
        file = folder.place(CURVES, "pretrain", ".csv") if is_main_process() else None
        follower = Follower(file, log, trackers, folder.path.name, recipe.model_dump(mode="json"), folder.path)
        work = PretrainLoop(
            network, entries, recipe, seed, process, folder.path / "checkpoint.pt", identity, log,
            reading_processes(request.workers, process.device.type == "cuda", process.processes), follower,
        )  # fmt: skip
        work.check_free()
        if request.resume is not None and not work.checkpointed():
            weights, moments, step = entry_checkpoints.read_all(Path(request.resume), network, entries)
            work.load(weights, moments)
            work.state.step = step
            log.info(f"  going on from the dumps of step {step} in {request.resume}")
        with closing(follower), tf32(False):
            work.run()
        if is_main_process():
            _write(folder.path, _card(folder.path, work, network_start, architecture), work)
            log.info(f"backbone and card in {folder.path}")
    return folder.path


def _finished(folder: Path, identity: str) -> bool:
    """Whether a pretraining of this identity has ended in the folder.

    Raises `HumanbenchError` where another one has: what it wrote is not replaced.
    """
    if not (folder / COURSE).is_file() or (folder / "checkpoint.pt").is_file():
        return False
    try:
        known = json.loads((folder / COURSE).read_text(encoding="utf-8")).get("identity")
    except (OSError, ValueError, AttributeError):
        known = None
    if known == identity:
        return True
    raise HumanbenchError(
        f"{folder}: holds a finished pretraining with another recipe, start, seed or data, and this one would replace "
        "it; give another --out, or remove it"
    )


def _out(request: PretrainRequest, recipe: PretrainRecipe) -> Path:
    parts = ("pretrain", recipe.method, recipe.variant, "mini" if recipe.suite == "mini" else None)
    name = "-".join(filter(None, parts))
    return Path(request.out if request.out is not None else f"runs/{name}").expanduser().absolute()


def _data(request: PretrainRequest, recipe: PretrainRecipe, log: RunLog) -> tuple[DataRoot, PretrainRecipe]:
    """Where the data is, and the recipe with the datasets that are there."""
    _, places = divided(request.set)
    if recipe.suite == "mini" and request.data_root is None:
        return find_data(synthesized([card for card in recipe.datasets if card.id not in places], log), places), recipe
    root = find_data(request.data_root, places)
    absent = missing(recipe, root)
    if not absent:
        return root, recipe
    present = [card.id for card in recipe.datasets if card.id not in absent]
    if not present or not request.allow_missing:
        raise DataError(
            f"{len(absent)} of {len(recipe.datasets)} datasets are not under {root}: {', '.join(absent)} "
            f"({'--allow-missing goes on without them, ' if present else ''}`humanbench datasets show ID` says how to "
            "get one, --suite mini without --data-root needs none)"
        )
    log.info(f"going on without {', '.join(absent)}")
    return root, recipe.only(present)


def _start(request: PretrainRequest, recipe: PretrainRecipe) -> tuple[Backbone, Any]:
    """The backbone to start from, and for PATH (which has none in the backbone) its class token with its position."""
    name = request.backbone or recipe.backbone
    whole = load_backbone(name, request.checkpoint)
    if not is_plain(whole):
        if recipe.projector is not None and recipe.projector.enabled:
            raise BackboneError(
                f"{name}: PATH's projectors are for plain vision transformers; --set projector.enabled=false pretrains "
                "this network without them"
            )
        whole.feature_level = "map"
        return whole, None
    if whole.trunk.reg_token is not None:
        raise BackboneError(f"{name}: a plain vision transformer with register tokens cannot be pretrained")
    trunk: Any = whole.trunk
    if recipe.method == "mae":
        if trunk.cls_token is None:
            raise BackboneError(f"{name}: masked autoencoding needs a class token, as MAE has one")
        if whole.report is None:
            init_weights(trunk, recipe.seed)
        return whole, None
    bare = load_backbone(name, request.checkpoint, class_token=False) if trunk.cls_token is not None else whole
    if whole.report is None:
        init_weights(bare.trunk, recipe.seed)
        return bare, None
    if trunk.cls_token is None:
        return bare, None
    return bare, torch.stack([trunk.cls_token.detach(), class_position(trunk).detach()])


def operations(recipe: PretrainRecipe, backbone: Backbone) -> float:
    """Floating-point operations of a step: 6 per parameter of the blocks and token, forward and backward.

    Of a network that is no plain transformer it is 6 per parameter and cell of its last map, a rough guess.

    Heads, projectors and the attention itself are left out, and of a masked autoencoding the hidden patches.
    """
    trunk: Any = backbone.trunk
    weights = sum(p.numel() for p in (trunk.blocks if is_plain(backbone) else trunk).parameters())
    patch = backbone.stride
    total = 0.0
    for entry in recipe.entries.values():
        size = entry.recipe(recipe.suite).input
        height, width = size.size
        total += 6.0 * weights * entry.images * (height / patch) * (width / patch)
    return total * (1 - recipe.masking.ratio if recipe.masking else 1)


def speed(device: torch.device, side: int = 1024, repeats: int = 3) -> float:
    """Measured operations per second of a float32 matrix product."""
    a = torch.randn(side, side, device=device)
    a @ a
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    return 2.0 * side**3 * repeats / (time.perf_counter() - started)


def check_affordable(recipe: PretrainRecipe, backbone: Backbone, device: torch.device, asked: str | None) -> None:
    """Refuse a pretraining that would take days on the processor, unless the processor was asked for by name."""
    if device.type != "cpu" or asked == "cpu":
        return
    seconds = recipe.iterations * operations(recipe, backbone) / speed(device)
    if seconds > PATIENCE:
        raise HumanbenchError(
            f"no GPU here: on this processor {recipe.iterations:,} steps would take about {seconds / 86400:,.0f} days "
            "(--device cpu starts all the same; --suite mini is made for a processor)"
        )


def _network(recipe: PretrainRecipe, start: Backbone, entries: Sequence[EntryData], token: Any) -> Network:
    if recipe.masking is not None:
        return MaeNetwork(start, recipe, recipe.masking)
    return PathNetwork(start, recipe, entries, token)


def _process(device: str | None) -> Process:
    """This process: alone, or one of those that `torchrun` or `accelerate launch` started."""
    check_device(device)
    processes, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    gpu = uses_gpu(device)
    if gpu:
        number = int(os.environ.get("LOCAL_RANK", "0"))
        chosen = torch.device(device if device and processes == 1 else f"cuda:{number}")
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device("cpu")
    if processes > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if gpu else "gloo")
    return Process(rank, processes, chosen)


def _write(folder: Path, card: dict[str, Any], work: PretrainLoop) -> None:
    """Backbone, card, dumps, recipe and what the training went through; then the checkpoint is not needed any more."""
    recipe, network, entries, state = work.recipe, work.network, work.entries, work.state
    metadata = {"method": recipe.method, "recipe": recipe.sha256, "step": str(state.step), "humanbench": __version__}
    seen = None if card["pretrained_on"] == "undisclosed" else card["pretrained_on"]
    metadata |= header_of(Architecture.model_validate(card["architecture"]), card, seen)
    entry_checkpoints.write_backbone(folder, entry_checkpoints.backbone_tensors(network, entries), metadata)
    if recipe.method == "path":
        entry_checkpoints.write_entry_checkpoints(
            folder / "dumps", network, entries, recipe, state.step, work.moments()
        )
    write_text(folder / "recipe.json", recipe.model_dump_json(indent=1) + "\n")
    course = vars(state) | {"identity": work.identity}
    write_text(folder / COURSE, json.dumps(course, indent=1) + "\n")
    entry_checkpoints.write_card(folder, card)
    (folder / "checkpoint.pt").unlink(missing_ok=True)


def _card(folder: Path, work: PretrainLoop, start: Backbone, architecture: Architecture) -> dict[str, Any]:
    """What the card of the backbone says."""
    recipe = work.recipe
    seen = None if start.pretrained_on is None else sorted({*start.pretrained_on, *(c.id for c in recipe.datasets)})
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in folder.name.lower())
    synthetic = " (procedural copies)" if any(data.synthetic for data in work.entries) else ""
    paper = {
        "path": {
            "title": "HumanBench: Towards General Human-centric Perception with Projector Assisted Pretraining",
            "year": 2023, "venue": "CVPR", "url": "https://arxiv.org/abs/2303.05675",
        },
        "mae": {
            "title": "Masked Autoencoders Are Scalable Vision Learners",
            "year": 2022, "venue": "CVPR", "url": "https://arxiv.org/abs/2111.06377",
        },
    }  # fmt: skip
    pixels = start.preprocessing
    return {
        "id": name,
        "name": f"{recipe.method} from {start.name}",
        "pretrained_on": "undisclosed" if seen is None else seen,
        "mean": pixels.mean,
        "std": pixels.std,
        "interpolation": pixels.interpolation,
        "licence": "that of the datasets it was trained on",
        "notes": [f"{recipe.iterations} steps of {recipe.method} on {len(recipe.datasets)} datasets{synthetic}"],
        "architecture": architecture.model_dump(exclude_defaults=True),
        "paper": paper[recipe.method],
    }


def _architecture(start: Backbone, tensors: Tensors) -> Architecture:
    """What builds the network of the card: the start's, with a class token (and its position) where one was trained."""
    how, trunk = start.architecture, start.trunk
    assert isinstance(how, Architecture)
    if not is_plain(start) or "cls_token" not in tensors or trunk.cls_token is not None:
        return how
    positions = {"no_embed_class": False} if trunk.no_embed_class else {}
    return how.model_copy(update={"arguments": how.arguments | {"class_token": True} | positions})
