"""Errors a user can mend.

Every message says what was found, what was expected, and what helps. The command line prints it as one sentence and
leaves with exit code 2; nothing is written before the input has been accepted.
"""

from __future__ import annotations


class HumanbenchError(Exception):
    """Base of all errors caused by input; `exit_code` is what the command line returns."""

    exit_code = 2


class CardError(HumanbenchError):
    """A card is missing, malformed, or a name matches none."""


class DataError(HumanbenchError):
    """A dataset on disk is absent, incomplete or not what its card says."""


class BackboneError(HumanbenchError):
    """A backbone has no such name, its weights cannot be had, or a checkpoint does not fit it."""


class WithheldError(DataError):
    """The labels of this split are not public."""


class PredictionError(HumanbenchError):
    """A predictions file does not fit the ground truth it is to be scored against."""


def nearest(name: str, known: list[str], likeness: float = 0.5) -> str:
    """A hint naming the closest known spellings, or the empty string; `likeness` 0 .. 1 is the least that counts.

    >>> nearest("market", ["market1501", "mpii"])
    '; did you mean market1501?'
    """
    import difflib

    lower = name.lower()
    close = difflib.get_close_matches(lower, dict.fromkeys(known), n=3, cutoff=likeness)
    if likeness <= 0.5:
        close += [k for k in dict.fromkeys(known) if lower and lower in k and k not in close]
    return f"; did you mean {', '.join(close[:3])}?" if close else ""
