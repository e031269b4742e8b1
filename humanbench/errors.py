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


class AbsentError(DataError):
    """A part of a dataset is not there, as opposed to there and not readable."""


class WithheldError(DataError):
    """The labels of this split are not public."""


class PredictionError(HumanbenchError):
    """A predictions file does not fit the ground truth it is to be scored against."""


class RecipeError(HumanbenchError):
    """A recipe, an override or a variant that does not exist or does not fit."""


class DataWarning(UserWarning):
    """Something about a dataset on disk that does not stop anything, and that its user should know; said once."""
