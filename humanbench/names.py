"""Names that others chose, made fit to show, to be part of an address, and to stand in a spreadsheet."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST = 80
"""Characters of a name that are shown; the rest is replaced by an ellipsis."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shown(text: str, longest: int = LONGEST) -> str:
    """The text on one line, without control and direction characters, no longer than `longest`.

    Direction marks could make a name read as another. Markup is left alone: the templates escape everything.

    >>> shown("a\\u202eb\\n c"), shown("abcdef", 4)
    ('ab c', 'abc…')
    """
    if text.isprintable() and "  " not in text and text == text.strip() and len(text) <= longest:
        return text  # nearly always
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(visible.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def slug(text: str, longest: int = 48) -> str:
    """The text as a part of an address: lower-case letters, digits and hyphens; `unnamed` where nothing is left.

    >>> slug("ViT-B/16 <b>"), slug("…")
    ('vit-b-16-b', 'unnamed')
    """
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:longest].strip("-") or "unnamed"


def mark(text: str) -> str:
    """Ten hexadecimal digits that tell texts of the same slug apart."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def spreadsheet(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula.

    >>> spreadsheet("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
