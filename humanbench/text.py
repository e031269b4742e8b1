"""Wording that messages share."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], likeness: float = 0.5) -> str:
    """A hint naming the closest known spellings, or the empty string; `likeness` 0 .. 1 is the least that counts.

    >>> nearest("market", ["market1501", "mpii"])
    '; did you mean market1501?'
    """
    import difflib

    lower, names = name.lower(), dict.fromkeys(known)
    close = difflib.get_close_matches(lower, names, n=3, cutoff=likeness)
    if likeness <= 0.5:
        close += [k for k in names if lower and lower in k and k not in close]
    return f"; did you mean {', '.join(close[:3])}?" if close else ""
