"""`leaderboard rerun`: finetune an accepted entry again, and hold the new numbers against the accepted ones.

What an entry says of itself was written by a stranger. A path in it is never read, for it would be one of this machine;
an address in it (a repository of the hub, a URL) is gone to only where whoever reruns says so (`trust`). What this
installation's cards and timm's own list name needs no word, and neither does a file that is given (`checkpoint`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanbench.backbones.cards import backbone_cards
from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.submissions.log import StoreError
from humanbench.leaderboard.submissions.store import load_store
from humanbench.names import shown
from humanbench.recipes import DIRECT
from humanbench.results import Result
from humanbench.suites import Suite

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone


@dataclass(frozen=True)
class Again:
    """A cell that was run again. `agrees`: the 95 % intervals of both runs meet; False where it failed now."""

    dataset: str
    seed: int
    metric: str
    before: float
    now: float
    agrees: bool
    note: str = ""


def find_entry(name: str, store: Path) -> BoardEntry:
    """The accepted entry of this id; `StoreError` where there is none, or a submission has several."""
    entries = {entry.id: entry for accepted in load_store(store) for entry in accepted.entries()}
    if name in entries:
        return entries[name]
    members = [entry for entry in entries.values() if entry.submission == name]
    if len(members) > 1:
        raise StoreError(f"{name} has {len(members)} entries: {', '.join(entry.id for entry in members)}; name one")
    if not members:
        raise StoreError(f"{store}: no accepted submission or entry is called {name!r}")
    return members[0]


def rerun(
    entry: BoardEntry,
    out: Path,
    checkpoint: str | os.PathLike[str] | None = None,
    data_root: os.PathLike[str] | None = None,
    device: str | None = None,
    trust: bool = False,
) -> list[Again]:
    """Run all cells of an entry again into the run folder `out`.

    `checkpoint` is where the weights lie here, if not where the entry says. `trust`: what the entry itself names is
    fetched (see `strange_places`). Raises `HumanbenchError` for weights that are not the entry's, for results of a
    subset, and for recipes that this version does not ship.
    """
    from humanbench.evaluation import evaluate

    key = entry.board
    if missing := key.not_shipped:
        raise HumanbenchError(f"{entry.id}: was made with {missing}, which its submission does not hold")
    where = checkpoint if checkpoint is not None else entry.checkpoint
    places = strange_places(entry, checkpoint)
    if places and not trust:
        raise HumanbenchError(
            f"{entry.id}: its submission names {', '.join(places)}; look at it, and say --trust to load it, or give "
            "the weights with --checkpoint FILE"
        )
    backbone, weights_sha256 = _loaded(entry, where)
    if weights_sha256 != entry.weights_sha256:
        raise HumanbenchError(f"{entry.id}: the weights here are not the entry's (their SHA-256 differ)")
    suite: Suite = "mini" if key.suite == "mini" else "humanbench-v1"
    done = [result for score in entry.scores.values() for result in score.results]
    cells: list[Again] = []
    for seed in sorted({result.seed for result in done}):
        before = {result.dataset: result for result in done if result.seed == seed}
        condition = done[0].cell  # one for all cells of an entry
        results = evaluate(
            backbone,
            key.regime,
            list(before),
            suite=suite,
            variant=key.variant or None,
            fraction=condition.fraction,
            draw=condition.draw or 0,
            corrupt=condition.corruption,
            seed=seed,
            checkpoint=where,
            data_root=data_root,
            out=out,
            device=device,
            command=f"humanbench leaderboard rerun {entry.id}",
        )
        cells += [_again(before[result.dataset], result) for result in results]
    return cells


def strange_places(entry: BoardEntry, checkpoint: str | os.PathLike[str] | None = None) -> list[str]:
    """What the entry's own words would have loaded from elsewhere; nothing for cards and networks known here.

    Raises `HumanbenchError` where they name something on this machine: that is never read.
    """
    from humanbench.backbones.sources import HUB
    from humanbench.backbones.spec import RANDOM, TIMM, VIT

    name = entry.backbone.removeprefix(RANDOM)
    record = entry.record or {}
    places = []
    if checkpoint is None and entry.checkpoint is not None:
        places.append(_strange(entry.id, entry.checkpoint, HUB))
    if record.get("network") is not None:
        card = record.get("card") or {}
        if checkpoint is None and entry.checkpoint is None and card.get("id") not in backbone_cards():
            places += [_of_weights(entry.id, weights) for weights in card.get("weights", ())]
    elif name not in backbone_cards() and name != VIT and not _is_of_timm(name.removeprefix(TIMM)):
        places.append(_strange(entry.id, name, HUB))
    return [place for place in dict.fromkeys(places) if place]


def _strange(entry: str, place: str, hub: str) -> str:
    if place.startswith(hub):
        return shown(place, 200)
    raise HumanbenchError(
        f"{entry}: its submission names {shown(place, 100)!r}, which would be a file or folder of this machine and is "
        "not read; give the weights with --checkpoint FILE"
    )


def _of_weights(entry: str, weights: Any) -> str:
    """Where a card from elsewhere says that its weights are; what lies beside such a card is not here."""
    if not isinstance(weights, dict):
        raise HumanbenchError(f"{entry}: the card in its submission is none")
    place = weights.get("url") or (weights.get("hub") and f"hf-hub:{weights['hub']}") or weights.get("package")
    return shown(str(place), 200) if place else ""


def _is_of_timm(name: str) -> bool:
    import timm

    return re.fullmatch(r"[A-Za-z0-9_.]+", name) is not None and bool(timm.is_model(name.partition(".")[0]))


def _loaded(entry: BoardEntry, where: str | os.PathLike[str] | None) -> tuple[str | Backbone, str]:
    """What `evaluate` takes for the backbone, and the hash of its weights; dumps are read by `evaluate` itself."""
    from humanbench.backbones import load_backbone
    from humanbench.backbones.record import from_record
    from humanbench.pretrain.direct import open_direct

    if entry.board.variant == DIRECT and where is not None:
        return entry.backbone, open_direct(entry.backbone, Path(where), {}).start.weights_sha256
    if entry.record is not None and entry.record.get("network") is not None:
        backbone = from_record(entry.record, where)
    else:
        backbone = load_backbone(entry.backbone, where)
    if backbone.weights_sha256 == entry.weights_sha256:
        _check_architecture(entry, backbone)
    return backbone, backbone.weights_sha256


def _check_architecture(entry: BoardEntry, backbone: Backbone) -> None:
    """`HumanbenchError` where these weights are run in another way than the entry's: other heads, another mean ..."""
    from humanbench.engine.prepared import architecture_sha256

    theirs = {result.cell.architecture for score in entry.scores.values() for result in score.results}
    if theirs != {architecture_sha256(backbone)}:
        raise HumanbenchError(
            f"{entry.id}: the network here is not the entry's: the weights are the same, but its architecture or its "
            "preprocessing differs (heads, activation, mean, std ...), and its submission does not record them"
        )


def _again(before: Result, now: Result) -> Again:
    agrees, note = False, now.reason
    if now.status == "done":
        old, new = before.metrics[before.main], now.metrics[now.main]
        agrees, note = old.low <= new.high and new.low <= old.high, ""
    return Again(before.dataset, before.seed, before.main, before.value, now.value, agrees, note)
