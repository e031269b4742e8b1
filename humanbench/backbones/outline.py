"""What can be said of a backbone before its weights are downloaded or read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from humanbench.backbones import loading, sources
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
    given = None if checkpoint is None else os.fspath(checkpoint)
    bare = name.removeprefix(loading.RANDOM)
    if loading._is_file(bare) and not bare.endswith(loading._CARD):
        loading._check_no_folder(bare)
        bare, given = loading._VIT, os.fspath(loading._only(bare, checkpoint))
    if given is not None and not given.startswith(sources.HUB) and not Path(given).expanduser().exists():
        raise BackboneError(f"{given}: there is no such checkpoint")
    wanted = loading._resolve(bare)
    if name.startswith(loading.RANDOM) or (given is None and not wanted.places):
        return Outline(wanted.name, ())
    named = bare != loading._VIT
    if wanted.card is None:
        return Outline(wanted.name, None, names_network=named)
    if given is None:
        return Outline(wanted.name, wanted.card.datasets())
    return Outline(wanted.name, None, settled=False, names_network=named)
