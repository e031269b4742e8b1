"""What makes a backbone, as a run folder records it, and the same backbone made again from that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from humanbench.backbones.cards import Architecture, BackboneCard, Weights, backbone_cards, portable_card
from humanbench.backbones.preprocessing import PIXELS, given_pixels
from humanbench.errors import BackboneError

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone


def record_of(backbone: Backbone, checkpoint: str | None, pretrained_on: Iterable[str] | None) -> dict[str, Any]:
    """The content of `backbone.json`: the weights, what they have seen, the card, and all that makes the network:
    architecture with its arguments, preprocessing with where each value comes from, and the load report."""
    return {
        "name": backbone.name,
        "checkpoint": checkpoint,
        "weights_sha256": backbone.weights_sha256,
        "pretrained_on": None if pretrained_on is None else list(pretrained_on),
        "card": portable_card(backbone.card, checkpoint),
        "network": {
            "architecture": None if backbone.architecture is None else backbone.architecture.model_dump(mode="json"),
            "preprocessing": asdict(backbone.preprocessing) | {"from": dict(backbone.pixel_sources)},
            "load": None if backbone.report is None else backbone.report.as_dict(),
        },
    }


def text_of(backbone: Backbone) -> str:
    """What makes a backbone, for people: network, preprocessing, and what its checkpoint filled."""
    network, pixels = backbone.architecture, backbone.preprocessing
    lines = [f"backbone {backbone.name}"]
    if network is not None:
        arguments = ", ".join(f"{key}={_short(value)}" for key, value in network.arguments.items())
        lines[0] += f": {network.timm or network.builder.rpartition(':')[2]}({arguments})"
    mean, std = (",".join(f"{value:.4g}" for value in values) for values in (pixels.mean, pixels.std))
    stated = [f"mean {mean}", f"std {std}", pixels.interpolation]
    places = [backbone.pixel_sources.get(key, "") for key in PIXELS]
    if len(set(places)) == 1:
        lines.append(f"  {', '.join(stated)}" + (f" ({places[0]})" if places[0] else ""))
    else:
        lines.append("  " + ", ".join(f"{what} ({place})" for what, place in zip(stated, places, strict=True)))
    lines.append("  random weights" if backbone.report is None else f"  weights: {backbone.report.to_text()}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    return "..." if isinstance(value, Mapping) else repr(value)


def from_record(record: Mapping[str, Any], checkpoint: str | os.PathLike[str] | None = None) -> Backbone:
    """The backbone that a record describes, with the recorded architecture and preprocessing.

    `checkpoint`: where the weights lie here, if not where the record says. Raises `BackboneError` for a record
    without a network, and for weights that cannot be had or do not fit it.
    """
    from humanbench.backbones.build import check_builder
    from humanbench.backbones.loading import Choice, load_spec
    from humanbench.backbones.spec import of_architecture

    network = record.get("network") or {}
    try:
        architecture = Architecture.model_validate(network["architecture"])
        pixels = {key: network["preprocessing"][key] for key in PIXELS}
        card = None if record.get("card") is None else BackboneCard.model_validate(record["card"])
    except (KeyError, TypeError, ValidationError) as error:
        raise BackboneError(f"{record.get('name')}: its record does not say what builds the network") from error
    check_builder(architecture, str(record.get("name")))
    installed = backbone_cards().get(card.id) if card is not None else None
    places: tuple[Weights, ...] = ()
    if card is not None:
        places = installed.weights if installed else tuple(p for p in card.weights if not p.beside)
    given = checkpoint if checkpoint is not None else record.get("checkpoint")
    load = network.get("load")
    if load is not None and given is None and not places:
        raise BackboneError(
            f"{record.get('name')}: its record does not say where the weights are; give --checkpoint FILE"
        )
    spec = replace(of_architecture(str(record["name"]), architecture), places=places)
    stated = given_pixels(pixels, "the record of the run")
    container = str(load.get("container", "")) if load else ""
    file = None if load is None or given is None else os.fspath(given)
    backbone = load_spec(spec, file, Choice(random=load is None, seed=0, prefix=container, pixels=stated))
    seen = record.get("pretrained_on")
    backbone.name, backbone.pretrained_on = spec.name, None if seen is None else tuple(seen)
    return backbone
