"""Detection of people in crowds: AP50, log-average miss rate, Jaccard index and recall, as CrowdHuman scores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.errors import DataError, PredictionError
from humanbench.metrics import boxes
from humanbench.metrics.jaccard import JaccardCounts, jaccard_counts, jaccard_index
from humanbench.metrics.scores import Scores
from humanbench.metrics.thresholds import at_least

OVERLAP = 0.5
EPSILON = 1e-6  # added to unions and areas, as the official tool does; keeps boxes of no size from dividing by zero
REFERENCES = np.array(  # false positives per image, the official tool's rounded decimals
    [at_least(x) for x in (0.0100, 0.0178, 0.0316, 0.0562, 0.1000, 0.1778, 0.3162, 0.5623, 1.0000)]
)
_DETECTED = ("x", "y", "w", "h", "score")
SCORE_THRESHOLDS = 0.1 * np.arange(10, dtype=np.float64)


@dataclass(frozen=True)
class CrowdParts:
    """What the values are reduced from; `jaccard` is absent where it was not asked for."""

    curve: boxes.Curve
    jaccard: JaccardCounts | None


def crowdhuman(images: Sequence[boxes.DetectionImage], jaccard: bool = True) -> Scores:
    """AP50, MR-2, JI, recall and D-ECE, percent, over images with ground truth, ignore regions and scored detections.

    `images`: mappings with `id`, `width`, `height`, `gt` (M x 5: x, y, w, h, ignore) and `det` (D x 5: x, y, w, h,
    score), in pixels with (x, y) the left top corner; `ignore` not 0 marks regions that are neither right nor wrong to
    fire in. All boxes are clipped to the image. `jaccard=False` leaves JI out; without it scores may be any numbers.

    - AP50: detections by falling score take the free person of highest IoU > 0.5; those left over with more than half
      of their area in one ignore region are dropped, the others are false. Trapezoids under the raw precision-recall
      points, nothing left of the first point: M perfect detections of M people score 100 (1 - 1 / M).
    - MR-2: exp of the mean log miss rate at nine false positives per image from 0.01 to 1, at the first point at or
      above each, at the last point where that is never reached. Without a single detection all is missed: 100
      (the official tool has no value there).
    - JI: per score threshold 0, 0.1 … 0.9 and image, k pairs of the matching of greatest total IoU among pairs above
      0.5; k / (people + detections - k), leaving out unmatched ones of either kind that lie more than half in one
      ignore region; mean over images with any left; the best threshold's mean.
    - recall: at the end of the list.
    - D-ECE: calibration error of the scores of at least 0.3, 20 bins, a detection being right as for AP50.

    Detections in images without ground truth are false. Without any person AP50, MR-2 and recall are `nan`. Raises
    DataError / PredictionError for arrays of another shape, NaN, negative sizes, images without size, and, where JI is
    asked for, scores outside [0, 1], in which its thresholds lie. Definition: CrowdDet `lib/evaluate` (Megvii, the
    dataset's authors).
    """
    crowd = _clipped(images)
    positives = np.diff(crowd.people.start)
    curve = boxes.greedy_curve(crowd.detections, crowd.pairs, crowd.ignorable, positives)
    counts = None
    if jaccard:
        _check_scores(images, crowd.detections)
        hidden = boxes.covered(crowd.people, crowd.regions, OVERLAP, EPSILON)
        counts = jaccard_counts(
            crowd.detections, crowd.people.start, crowd.pairs, crowd.ignorable, hidden, SCORE_THRESHOLDS
        )
    info = {"people": int(positives.sum()), "images without people": int((positives == 0).sum())}
    single = {
        name: lambda parts, counts, name=name: boxes.curve_values(parts.curve, counts, REFERENCES)[name]
        for name in ("AP50", "MR-2")
    }
    return boxes.curve_scores(CrowdParts(curve, counts), reduce_crowd, curve, info, single)


def crowd_verdicts(image: boxes.DetectionImage) -> NDArray[np.int8]:
    """What `crowdhuman` makes of each detection of one image, in the order given: HIT, MISS or IGNORED."""
    crowd = _clipped([image])
    scores = boxes.flatten([image], "det", _DETECTED).values[:, -1]
    verdicts = np.empty(len(scores), np.int8)
    verdicts[np.argsort(-scores, kind="stable")] = boxes.greedy_verdicts(
        crowd.pairs, crowd.ignorable, len(crowd.people.area)
    )
    return verdicts


class _Crowd(NamedTuple):
    """Detections by score as they were given, and of all boxes cut at the images' edges: people, regions to ignore,
    pairs of a detection and a person, and which detections lie in a region."""

    detections: boxes.Rows
    people: boxes.CornerBoxes
    regions: boxes.CornerBoxes
    pairs: boxes.Overlaps
    ignorable: Bools


def _clipped(images: Sequence[boxes.DetectionImage]) -> _Crowd:
    size = _sizes(images)
    gt = boxes.flatten(images, "gt", ("x", "y", "w", "h", "ignore"))
    det = boxes.flatten(images, "det", _DETECTED).by_score()
    ignore = gt.values[:, 4] != 0
    people, regions, detected = (_clip(rows, size) for rows in (gt.keep(~ignore), gt.keep(ignore), det))
    pairs = boxes.overlaps(detected, people, OVERLAP, EPSILON)
    ignorable = boxes.covered(detected, regions, OVERLAP, EPSILON)
    return _Crowd(det, people, regions, pairs, ignorable)


def reduce_crowd(parts: CrowdParts, counts: Ints) -> dict[str, float]:
    """The values of a draw of images, `counts[i]` times image `i`."""
    of_curve = boxes.curve_values(parts.curve, counts, REFERENCES)
    recall = of_curve.pop("recall")
    jaccard = {} if parts.jaccard is None else {"JI": jaccard_index(parts.jaccard, counts)}
    return of_curve | jaccard | {"recall": recall} | parts.curve.calibration_error(counts)


def _check_scores(images: Sequence[boxes.DetectionImage], det: boxes.Rows) -> None:
    outside = (det.values[:, -1] < 0) | (det.values[:, -1] > 1)
    if outside.any():
        row = int(outside.argmax())
        number = int(det.image[row])
        raise PredictionError(
            f"image {images[number].get('id', number)}: a detection has the score {det.values[row, -1]:g}; the Jaccard "
            "index compares scores with thresholds from 0 to 0.9, so they must lie between 0 and 1 (divide percents by "
            "100, apply the sigmoid to logits)"
        )


def _sizes(images: Sequence[boxes.DetectionImage]) -> Floats:
    """Images x 2: width, height."""
    for number, image in enumerate(images):
        for side in ("width", "height"):
            value = image.get(side)
            if not isinstance(value, (int, float, np.number)) or not 1 <= value < np.inf:
                name = image.get("id", number)
                raise DataError(f"image {name}: {side} is {value!r}; boxes are clipped to it, expected a number >= 1")
    return np.array([(image["width"], image["height"]) for image in images], dtype=np.float64).reshape(-1, 2)


def _clip(rows: boxes.Rows, size: Floats) -> boxes.CornerBoxes:
    """CornerBoxes within their images; left and top stay a pixel clear of the far edge, as in the official tool."""
    limit = size[rows.image]
    low = np.minimum(np.maximum(rows.values[:, :2], 0), limit - 1)
    high = np.maximum(np.minimum(rows.values[:, :2] + rows.values[:, 2:4], limit), 0)
    return boxes.CornerBoxes(np.hstack((low, high)), np.prod(high - low, axis=1), rows.start)
