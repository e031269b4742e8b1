"""What is known of a backbone, as fields of a page; what a stranger's card says leads only where it says."""

from __future__ import annotations

from urllib.parse import urlsplit

from markupsafe import Markup, escape

from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.names import shown


def backbone_fields(entry: BoardEntry) -> list[tuple[str, str | Markup]]:
    """Names, and paper, licence and places of the weights as the backbone's card says."""
    names = [("Backbone", shown(entry.backbone)), ("Checkpoint", shown(entry.checkpoint or "", 200))]
    card = entry.card
    if card is None:
        return [*names]
    paper = f"{shown(card.paper.title, 120)} ({shown(card.paper.venue, 40)}, {card.paper.year})"
    weights = Markup("; ").join(
        linked(
            shown(place.where(), 120),
            place.url or place.page or (f"https://huggingface.co/{place.hub}" if place.hub else ""),
        )
        for place in card.weights[:4]
    )
    return [
        *names,
        ("Paper", linked(paper, card.paper.url)),
        ("Licence", shown(card.licence, 120)),
        ("Weights", weights),
    ]


def linked(text: str, url: str) -> Markup:
    """The text as a link to a place on the web; as text where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return escape(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or len(url) > 400 or not url.isprintable():
        return escape(text)
    return Markup('<a href="{}" rel="nofollow noopener">{}</a>').format(url, text)
