"""`humanbench backbones`: which backbones there are and how their weights are had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import OneValueGroup, json_option, print_json
from humanbench.text import paragraph

if TYPE_CHECKING:
    from humanbench.backbones.cards import BackboneCard, Weights

_TIMM = "timm:"


@click.group(name="backbones", cls=OneValueGroup)
def command() -> None:
    """Backbone cards, and the networks of timm by name.

    Besides a card, --backbone takes timm:NAME, hf-hub:ORG/REPO, the file of a plain transformer's checkpoint, and
    random:NAME for random weights.
    """


@command.command("list")
@click.argument("pattern", default="*")
@json_option
def list_backbones(pattern: str, as_json: bool) -> None:
    """List the cards whose id matches PATTERN, or timm's networks with PATTERN like 'timm:vit_*'."""
    if pattern.startswith(_TIMM):
        _list_timm(pattern.removeprefix(_TIMM), as_json)
        return
    from humanbench.backbones.cards import select_backbone_cards

    rows = [_row(card) for card in select_backbone_cards(pattern)]
    if as_json:
        print_json(rows)
        return
    from rich.console import Console

    from humanbench.cli.tables import plain_table

    table = plain_table(["backbone", "pretrained on", "weights", "licence"])
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(row["id"], row["pretrained_on"], row["from"], row["licence"])
    Console().print(table)


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Print the card of backbone NAME: network, weights and where they come from, preprocessing, what is unsure."""
    from humanbench.backbones.cards import load_backbone_card

    card = load_backbone_card(name)
    if as_json:
        click.echo(card.model_dump_json(indent=1))
        return
    click.echo(_page(card))


def _row(card: BackboneCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "name": card.name,
        "architecture": card.architecture.timm or card.architecture.builder,
        "pretrained_on": _seen(card),
        "from": ", ".join(_from(w) for w in card.weights) or "none",
        "licence": card.licence,
    }


def _from(place: Weights) -> str:
    return next((kind for kind in ("package", "hub", "url", "page") if getattr(place, kind)), "humanbench")


def _seen(card: BackboneCard) -> str:
    if card.pretrained_on == "undisclosed":
        return "undisclosed"
    names = [*card.pretrained_on, *([f"the {card.collection} collection"] if card.collection else [])]
    return ", ".join(names)


def _page(card: BackboneCard) -> str:
    """The card in plain text."""
    datasets = card.datasets()
    arguments = ", ".join(f"{key}={value!r}" for key, value in card.architecture.arguments.items())
    fields = {
        "network": f"{card.architecture.timm or card.architecture.builder}{f' ({arguments})' if arguments else ''}",
        "paper": f"{card.paper.title} ({card.paper.venue} {card.paper.year})",
        "licence": card.licence,
        "pretrained": "undisclosed" if datasets is None else ", ".join(datasets) or "nothing",
        "mean, std": f"{card.mean}, {card.std}" if card.mean else "timm's for the network",
        "resizing": card.interpolation or "timm's for the network",
    }
    lines = [f"{card.name}  ({card.id})", ""]
    lines += [paragraph(f"  {key:<11}", value) for key, value in fields.items()]
    lines += ["", "Weights, the first that can be had"]
    for place in card.weights:
        lines.append(paragraph("  - ", place.where()))
        lines += [f"    sha256 {place.sha256}"] if place.sha256 else []
    lines += [] if card.weights else ["  - none: random"]
    lines.append("  - a file: --checkpoint FILE")
    for title, notes in (("Notes", card.notes), ("Unsure", card.unsure)):
        lines += ["", title, *(paragraph("  - ", note) for note in notes)] if notes else []
    return "\n".join(lines)


def _list_timm(pattern: str, as_json: bool) -> None:
    import timm

    from humanbench.errors import BackboneError
    from humanbench.text import nearest

    names: list[str] = timm.list_models(pattern)
    if not names:
        raise BackboneError(f"timm has no network like {pattern!r}{nearest(pattern.strip('*'), timm.list_models())}")
    rows = [{"id": f"{_TIMM}{name}", "weights": timm.list_pretrained(name)} for name in names]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['id']}  {', '.join(row['weights']) or 'no weights'}")
    click.echo(f"{len(rows)} networks of timm", err=True)
