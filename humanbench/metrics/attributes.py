"""Pedestrian attributes: mean accuracy over attributes, accuracy, precision, recall and F1 over images, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from humanbench.arrays import AnyFloats, Bools, Floats, ratio
from humanbench.errors import HumanbenchError
from humanbench.metrics import calibration
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors

_EXACT = 2**24
"""Images up to which float32 counts them exactly."""
BINS = 15
"""Bins of a calibration error.   Guo et al. (ICML 2017), section 5"""


@dataclass(frozen=True)
class LabelHits:
    """Per image: N x 4A of 0 and 1 (is positive, is negative, rightly positive, rightly negative), and N x 4 ratios.

    `never` (2A): which of the positive and negative labels no image has. `names` (A, or none): what the
    attributes are called. `cases`: the probabilities with what is known, for their calibration; None for decisions.
    """

    label: AnyFloats
    image: NDArray[np.float64]
    never: Bools
    names: tuple[str, ...] = ()
    cases: calibration.Cases | None = None


DECISIONS = "not given: every probability is 0 or 1, a decision"
"""What is said of the calibration of predictions that are none of probabilities."""


def attributes(
    probabilities: ArrayLike, labels: ArrayLike, threshold: float = 0.5, names: Sequence[str] = ()
) -> Scores:
    """mA, accuracy, precision, recall, F1, F1-image and ECE in percent; the units are images.

    `probabilities` N x A; `labels` N x A with 1 present, 0 absent, -1 unknown. An attribute is predicted where its
    probability is above `threshold`, strictly.

    - mA: mean over attributes of (TPR + TNR) / 2, counted over images; a rate with nothing to count is 0; unknown
      labels count as neither positive nor negative. A rate that only a resample has nothing to count for, because none
      of the attribute's few images was drawn, is left out of that resample's mean: it says nothing of the predictions;
    - `mA NAME`, where `names` (A) are given: (TPR + TNR) / 2 of each attribute, by the same rules;
    - accuracy, precision, recall: per image |P and T| / |P or T|, / |P|, / |T| of the predicted and true sets (0 where
      the denominator is), averaged over images. An unknown attribute is not in T, so predicting it lowers precision;
    - F1: harmonic mean of that precision and recall; F1-image: mean over images of the F1 of each, as PATH reports it;
    - ECE: expected calibration error of the probability that an attribute is present, 15 bins of equal width, unknown
      labels left out, mean over attributes; `ECE NAME` of each. Left out where all probabilities are 0 or 1.

    Raises `HumanbenchError` for shapes that do not fit, probabilities that are NaN or outside [0, 1], other labels, and
    empty input. Definition: `get_pedestrian_metrics` of valencebond/Rethinking_of_PAR; F1-image from
    OpenGVLab/HumanBench, attr_tester_dev.py.

    >>> {name: round(value, 1) for name, value in attributes([[0.9, 0.2], [0.7, 0.5]], [[1, 1], [0, 0]]).items()}
    {'mA': 50.0, 'accuracy': 25.0, 'precision': 50.0, 'recall': 25.0, 'F1': 33.3, 'F1-image': 33.3, 'ECE': 52.5}
    """
    predicted, positive, negative = _checked(probabilities, labels, threshold)
    hit = predicted & positive
    label = np.concatenate([positive, negative, hit, ~predicted & negative], axis=1)
    label = label.astype(np.float32 if len(label) <= _EXACT else np.float64)
    right, chosen, true = hit.sum(axis=1), predicted.sum(axis=1), positive.sum(axis=1)
    ratios = (
        ratio(right, (predicted | positive).sum(axis=1), 0.0),
        ratio(right, chosen, 0.0),
        ratio(right, true, 0.0),
        ratio(2 * right, chosen + true, 0.0),  # the harmonic mean of precision and recall
    )
    never = np.asarray(~np.concatenate([positive, negative], axis=1).any(axis=0))
    if names and len(names) != predicted.shape[1]:
        raise HumanbenchError(f"there are {len(names)} names for {predicted.shape[1]} attributes; one each is needed")
    scores = np.asarray(probabilities, dtype=np.float64)
    known = positive | negative
    decided = bool(((scores == 0) | (scores == 1)).all())
    unit, part = np.nonzero(known)
    given, true = scores[known], positive[known].astype(np.float64)
    units, width = scores.shape
    cases = None if decided else calibration.cases(given, true, unit, part, units, width, BINS)
    parts = LabelHits(label, np.stack(ratios, axis=1), never, tuple(names), cases)
    wrong = (predicted & negative) | (~predicted & positive)
    off = UnitErrors(lambda: 100 * ratio(wrong.sum(axis=1), known.sum(axis=1)), "attributes that are wrong", "%")

    return Scores(
        parts,
        _reduce,
        n=len(label),
        unit="image",
        info={"calibration": DECISIONS} if decided else {},
        errors=off,
        reliability=None if decided else lambda: calibration.reliability(given, true, part, names, BINS),
        centred=("ECE", *(f"ECE {name}" for name in names)),
        reduce_many=_reduce_many,
    )


def _reduce(parts: LabelHits, counts: DrawCounts) -> Mapping[str, float]:
    return {name: float(values[0]) for name, values in _reduce_many(parts, counts[None]).items()}


def _reduce_many(parts: LabelHits, counts: DrawCounts) -> Mapping[str, Floats]:
    """The values of each draw from draws x images of counts; `nan` for a draw of nothing."""
    drawn = counts.sum(axis=1)
    # Whole numbers, which floats hold up to 2^24 (`_EXACT`) and 2^53.
    sums = (counts.astype(parts.label.dtype) @ parts.label).astype(np.int64)
    labelled, right = sums[:, : sums.shape[1] // 2], sums[:, sums.shape[1] // 2 :]
    counted = ((labelled > 0) | parts.never) & (drawn > 0)[:, None]
    rates = ratio(right, labelled, 0.0)
    # A product of each row alone: its sums, and so their last bits, are those of one draw.
    ratios = np.matmul(counts.astype(np.float64)[:, None, :], parts.image)[:, 0]
    accuracy, precision, recall, f1_image = ratio(100 * ratios, drawn[:, None]).T
    return {
        "mA": 100 * calibration.mean(rates, counted),
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "F1": np.where(drawn > 0, ratio(2 * precision * recall, precision + recall, 0.0), np.nan),
        "F1-image": f1_image,
        **dict(_by_name(parts.names, rates, counted)),
        **_calibration(parts, counts),
    }


def _calibration(parts: LabelHits, counts: DrawCounts) -> dict[str, Floats]:
    if parts.cases is None:
        return {}
    errors = calibration.errors(parts.cases, counts)
    named = {f"ECE {name}": values for name, values in zip(parts.names, errors.T, strict=bool(parts.names))}
    return {"ECE": calibration.mean(errors, ~np.isnan(errors))} | named


def _by_name(names: tuple[str, ...], rates: Floats, counted: Bools) -> Iterator[tuple[str, Floats]]:
    """mA of each attribute, from the rates of all positive and then all negative labels of each draw."""
    if names:
        both, known = (of.reshape(len(of), 2, -1) for of in (rates, counted))
        means = ratio(100 * (both * known).sum(axis=1), known.sum(axis=1))
        yield from zip((f"mA {name}" for name in names), means.T, strict=True)


def _checked(probabilities: ArrayLike, labels: ArrayLike, threshold: float) -> tuple[Bools, Bools, Bools]:
    """Which attributes are predicted, present and absent, each N x A."""
    scores, truth = np.asarray(probabilities), np.asarray(labels)
    if scores.ndim != 2 or scores.dtype.kind not in "fiub" or truth.dtype.kind not in "fiub":
        raise HumanbenchError(
            f"probabilities and labels must be matrices of numbers, a row per image; found shapes {scores.shape} of "
            f"{scores.dtype} and {truth.shape} of {truth.dtype}"
        )
    if scores.shape != truth.shape:
        raise HumanbenchError(f"probabilities have shape {scores.shape} and labels {truth.shape}; both need the same")
    if not scores.size:
        raise HumanbenchError(f"there is nothing to compare: probabilities and labels have shape {scores.shape}")
    outside = ~((scores >= 0) & (scores <= 1))  # true for NaN too
    if outside.any():
        row, column = np.argwhere(outside)[0].tolist()
        raise HumanbenchError(
            f"image {row}, attribute {column} has probability {scores[row, column]}; it must lie in [0, 1] "
            "(apply a sigmoid to logits)"
        )
    unfit = ~np.isin(truth, (-1, 0, 1))
    if unfit.any():
        row, column = np.argwhere(unfit)[0].tolist()
        raise HumanbenchError(
            f"image {row}, attribute {column} has label {truth[row, column]}; "
            "it must be 1 present, 0 absent or -1 unknown"
        )
    return scores > threshold, truth == 1, truth == 0
