"""What can be said of a backbone before its weights are downloaded or read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from humanbench.backbones import sources
from humanbench.backbones.spec import RANDOM, file_label, name_and_file, resolve, row_name
from humanbench.errors import BackboneError


@dataclass(frozen=True)
class Outline:
    """The name that `load_backbone` will give a backbone, and what its weights have seen.

    `pretrained_on` is None where nobody says; `settled` is False where the weights' own hash decides it.
    `names_network`: whether the name says which network it is; of a plain `vit` the checkpoint does.
    """

    name: str
    pretrained_on: tuple[str, ...] | None
    settled: bool = True
    names_network: bool = True


def outline(name: str, checkpoint: str | os.PathLike[str] | None = None) -> Outline:
    """The outline of what `load_backbone` would load; `BackboneError` for a name or a file that is not there."""
    bare, given = name_and_file(name, checkpoint)
    if given is not None and not given.startswith(sources.HUB) and not Path(given).expanduser().exists():
        raise BackboneError(f"{given}: there is no such checkpoint file")
    spec = resolve(bare)
    if name.startswith(RANDOM):
        return Outline(row_name(spec, random=True), ())
    if given is None:
        seen = spec.card.datasets() if spec.card is not None else None
        return Outline(row_name(spec), seen if spec.places else (), names_network=True)
    if spec.card is not None:
        return Outline(spec.name, None, settled=False)
    plain = spec.is_plain_vit
    return Outline(row_name(spec, label=file_label(given)), None, settled=not plain, names_network=not plain)
