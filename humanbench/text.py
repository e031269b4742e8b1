"""Wording that messages share."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence

CONTROL = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f\\x85\\u2028\\u2029]")
"""Characters that end a line or steer a terminal."""

_DECIMAL = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?[ \t]*")
_DIGITS = re.compile(r"[ \t]*[+-]?[0-9]{1,18}[ \t]*")


def decimal(text: str) -> float:
    """A finite number as all tools write it; `ValueError` for others.

    Python itself also takes digits of other scripts, `1_0`, `nan` and `infinity`.

    >>> decimal(" -1.5e3")
    -1500.0
    """
    value = float(text) if _DECIMAL.fullmatch(text) else math.inf
    if math.isinf(value):
        raise ValueError(f"{text[:40]!r} is no number")
    return value


def digits(text: str) -> int:
    """A whole number of at most 64 bits, in digits; `ValueError` for others.

    >>> digits("0451")
    451
    """
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no whole number of up to 18 digits")
    return int(text)


def one_line(text: str) -> str:
    """The text with a space for whatever would end its line: what is recorded is one line.

    >>> one_line("two\\nlines")
    'two lines'
    """
    return CONTROL.sub(" ", text)


def several(number: int, one: str, many: str) -> str:
    """A number of things.

    >>> several(1, "person", "people"), several(2, "person", "people")
    ('1 person', '2 people')
    """
    return f"{number} {one if number == 1 else many}"


def paragraph(first: str, text: str, width: int = 100) -> str:
    """Text in lines of `width`: the first one begins with `first`, the others below its end.

    >>> print(paragraph("  - ", "one two three", 9))
      - one
        two
        three
    """
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint naming the closest known spellings, or the empty string; `likeness` 0 .. 1 is the least that counts.

    >>> nearest("market", ["market1501", "mpii"])
    '; did you mean market1501?'
    >>> nearest("Hatt", ["Hat", "Glasses"])
    '; did you mean Hat?'
    """
    import difflib

    spellings: dict[str, list[str]] = {}
    for candidate in dict.fromkeys(known):
        spellings.setdefault(candidate.lower(), []).append(candidate)
    lower = name.lower()
    close = difflib.get_close_matches(lower, spellings, n=3, cutoff=likeness)
    if likeness <= 0.6:
        close += [k for k in spellings if lower and lower in k and k not in close]
    names = [spelling for match in close for spelling in spellings[match]]
    return f"; did you mean {', '.join(names[:3])}?" if names else ""


def foreign_header(header: Sequence[str]) -> str:
    """What a CSV's first line shows of another habit (semicolons, tabs, the row numbers of pandas), or "".

    >>> foreign_header(["image;count"])
    "; its cells are separated by ';', and here by commas"
    """
    for sign, shown in ((";", "';'"), ("\t", "tabs")):
        if len(header) == 1 and sign in header[0]:
            return f"; its cells are separated by {shown}, and here by commas"
    if "" in header or "Unnamed: 0" in header:
        return "; a column without a name is the row number of pandas: write the file with index=False"
    return ""
