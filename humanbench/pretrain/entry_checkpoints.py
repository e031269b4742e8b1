"""What a pretraining leaves: dumps in the layout of the released code, the backbone alone, and its card.

A dump `ckpt_task{N}_iter_newest.pth.tar` per entry holds `step`, `state_dict` and `optimizer`; the names of its state
dict are `module.backbone_module.*`, `module.neck_module.*` (the entry's projector) and `module.decoder_module.*` (its
head). They can be gone on from. `backbone.safetensors` has timm's names, as the released conversion writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from humanbench.backbones.translation import Tensors
from humanbench.backbones.weights import read_pickle, safetensors_bytes
from humanbench.errors import BackboneError
from humanbench.files import write_bytes, write_text, write_whole
from humanbench.pretrain.entries import EntryData
from humanbench.pretrain.network import Network
from humanbench.pretrain.recipe import PretrainRecipe

BACKBONE, NECK, HEAD = "module.backbone_module.", "module.neck_module.", "module.decoder_module."
NAME = "ckpt_task{}_iter_newest.pth.tar"
FILE = re.compile(r"ckpt_task(\d+)_iter_\w+\.pth\.tar")
WEIGHTS = "backbone.safetensors"
CARD = "card.toml"

Moments = dict[str, dict[str, Any]]


def tensor_names(network: Network, data: EntryData) -> dict[str, tuple[str, str]]:
    """Names in an entry's dump -> (unit, name in the unit)."""
    names: dict[str, tuple[str, str]] = {}
    for unit in network.unit_names(data):
        kind = unit.partition(".")[0]
        prefix = {"trunk": BACKBONE, "tokens": BACKBONE, "projectors": NECK, "heads": HEAD}[kind]
        for name in network.unit(unit).state_dict():
            names[prefix + (name.removeprefix("trunk.") if kind == "trunk" else name)] = (unit, name)
    return names


def write_entry_checkpoints(
    folder: Path, network: Network, entries: Sequence[EntryData], recipe: PretrainRecipe, step: int, moments: Moments
) -> None:
    """A dump of every entry, with what it was trained as in `about`; each is written under another name first.

    Dumps of another pretraining that the folder may hold go, for the files of a folder are taken for one network.
    """
    projector = recipe.projector.model_dump() if recipe.projector else {}
    states = {unit: network.unit(unit).state_dict() for data in entries for unit in network.unit_names(data)}
    for number, data in enumerate(entries):
        names = tensor_names(network, data)
        content = {
            "step": step,
            "about": {"name": data.name, "entry": _resolved(data), "projector": projector},
            "state_dict": {name: states[unit][inner].cpu() for name, (unit, inner) in names.items()},
            "optimizer": {name: moments[unit].get(inner, {}) for name, (unit, inner) in names.items()},
        }
        write_whole(folder / NAME.format(number), partial(torch.save, content))
    written = {NAME.format(number) for number in range(len(entries))}
    for path in listed(folder):
        if path.name not in written:
            path.unlink()


def listed(folder: Path) -> list[Path]:
    """The dumps of a folder."""
    return sorted(path for path in folder.glob("*.pth.tar") if FILE.fullmatch(path.name))


def one_step(steps: Mapping[Path, int]) -> int:
    """The step that all dumps are of; `BackboneError` where they are of several."""
    by_step = {step: path.name for path, step in steps.items()}
    if len(by_step) > 1:
        names = ", ".join(f"{name} of step {step}" for step, name in sorted(by_step.items()))
        raise BackboneError(f"{next(iter(steps)).parent}: dumps of different states of a pretraining ({names})")
    return next(iter(by_step), 0)


def _resolved(data: EntryData) -> dict[str, Any]:
    """The entry with the whole head and input of its recipe: it can be built again when recipes have changed."""
    recipe = data.recipe.model_dump(mode="json")
    settings = {f"{part}.{name}": value for part in ("head", "input", "loss") for name, value in recipe[part].items()}
    return data.entry.model_copy(update={"set": data.entry.set | settings}).model_dump(mode="json")


def read_entry_checkpoint(path: Path, mapped: bool = False) -> dict[str, Any]:
    """A dump's content, safely, its tensors named `module.…`; `BackboneError` for a file that is none.

    `mapped`: tensors stay in the file until they are looked at.
    """
    if not path.is_file():
        raise BackboneError(f"{path}: there is no such dump")
    content = read_pickle(path, mapped)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise BackboneError(f"{path}: holds no state_dict, so it is no dump of a pretraining")
    tensors = content["state_dict"]
    content["state_dict"] = {n if n.startswith("module.") else f"module.{n}": t for n, t in tensors.items()}
    return content


def read_all(folder: Path, network: Network, entries: Sequence[EntryData]) -> tuple[dict[str, Tensors], Moments, int]:
    """Weights and moments by unit, and the step, from the dumps of a folder.

    Raises `BackboneError` where a dump is missing, or is of another architecture, entry or step than the others.
    """
    weights: dict[str, Tensors] = {}
    moments: Moments = {}
    steps: dict[Path, int] = {}
    for number, data in enumerate(entries):
        path = folder / NAME.format(number)
        content = read_entry_checkpoint(path)
        _check_entry(content, data, path)
        tensors = checked(content["state_dict"], network, data, path)
        for name, (unit, inner) in tensor_names(network, data).items():
            weights.setdefault(unit, {})[inner] = tensors[name]
            moments.setdefault(unit, {})[inner] = content.get("optimizer", {}).get(name, {})
        steps[path] = int(content.get("step", 0))
    return weights, moments, one_step(steps)


def _check_entry(content: Mapping[str, Any], data: EntryData, path: Path) -> None:
    """`BackboneError` where a dump says that it is of another entry or other datasets: shapes alone do not tell."""
    if "about" not in content:
        return
    name, given = content["about"]["name"], tuple(content["about"]["entry"]["datasets"])
    if (name, given) != (data.name, data.entry.datasets):
        raise BackboneError(
            f"{path}: a dump of {name} ({', '.join(given)}), where one of {data.name} "
            f"({', '.join(data.entry.datasets)}) is wanted"
        )


def checked(given: Mapping[str, Tensor], network: Network, data: EntryData, path: Path) -> Tensors:
    """The tensors, if they are those of this network and entry; `BackboneError` else."""
    wanted = tensor_names(network, data)
    states = {unit: network.unit(unit).state_dict() for unit in network.unit_names(data)}
    wrong = [n for n, (unit, inner) in wanted.items() if n not in given or given[n].shape != states[unit][inner].shape]
    foreign = [name for name in given if name not in wanted and not name.endswith("num_batches_tracked")]
    if wrong or foreign:
        first = (wrong or foreign)[0]
        what = "x".join(map(str, given[first].shape)) if first in given else "absent"
        raise BackboneError(
            f"{path}: a dump of another architecture or entry than {data.name}: {len(wanted) - len(wrong)} of "
            f"{len(wanted)} tensors fit, {first} is {what}"
        )
    return {name: given[name] for name in wanted}


def backbone_tensors(network: Network, entries: Sequence[EntryData]) -> Tensors:
    """The backbone under timm's names; with the class token of the first entry that has one of its own."""
    tensors = {name: t.detach().cpu().clone().contiguous() for name, t in network.trunk.state_dict().items()}
    tokens = [unit for data in entries for unit in network.unit_names(data) if unit.startswith("tokens.")]
    if tokens and "cls_token" not in tensors:
        token = {name: t.detach().cpu() for name, t in network.unit(tokens[0]).state_dict().items()}
        tensors["cls_token"] = token["cls_token"].clone()
        tensors["pos_embed"] = torch.cat([token["cls_token_pos_embed"], tensors["pos_embed"]], dim=1)
    return tensors


def write_backbone(folder: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """`backbone.safetensors`."""
    write_bytes(folder / WEIGHTS, safetensors_bytes(tensors, metadata))


def write_card(folder: Path, fields: Mapping[str, Any]) -> None:
    """`card.toml` beside the weights: top-level values, then tables."""
    values = {k: v for k, v in fields.items() if not isinstance(v, Mapping)}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    for key, table in fields.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
    lines += ["", "[[weights]]", f'file = "{WEIGHTS}"', ""]
    write_text(folder / CARD, "\n".join(lines))


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
