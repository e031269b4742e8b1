"""What the two box metrics share: checked flat arrays, overlaps, greedy matching and the curve over scores.

All boxes of all images lie in one array; image `i` owns the rows `start[i]:start[i + 1]`. Comparisons with a threshold
are strict; where a definition says "at least", the threshold is passed through `at_least`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints, ratio
from humanbench.compiled import compiled
from humanbench.errors import DataError, HumanbenchError, PredictionError
from humanbench.metrics import calibration
from humanbench.metrics.scores import Reduce, ReliabilityBins, Scores, Single, UnitErrors
from humanbench.metrics.thresholds import fewest_beyond

DetectionImage = Mapping[str, Any]
Places = NDArray[np.int32]

HIT, MISS, IGNORED = 1, 0, -1  # a detection is a true positive, a false positive, or counts as neither


CALIBRATION_BINS, CALIBRATED_FROM = 20, 0.3
"""Bins of the scores' calibration error, and the score from which a detection counts for it: a detector gives hundreds
of boxes of hardly any score, whose bin would decide all."""
NO_PROBABILITIES = "not given: scores lie outside 0 to 1"


@dataclass(frozen=True)
class Rows:
    """The rows of all images, stacked: `values` N x C, image `i` owning `start[i]:start[i + 1]`."""

    values: Floats
    start: Ints

    @property
    def image(self) -> NDArray[np.int32]:
        """The image of each row."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))

    def keep(self, mask: Bools) -> Rows:
        """The rows where `mask` is true, in the same order."""
        return Rows(self.values[mask], np.concatenate(([0], np.cumsum(mask)))[self.start])

    def backwards(self) -> Rows:
        """Each image's rows in reversed order."""
        mirror = self.start[:-1] + self.start[1:] - 1
        return Rows(self.values[mirror[self.image] - np.arange(len(self.values))], self.start)

    def by_score(self) -> Rows:
        """Each image's rows by falling last column (the score); equal scores keep their order."""
        return Rows(self.values[np.lexsort((-self.values[:, -1], self.image))], self.start)


class CornerBoxes(NamedTuple):
    """Corners N x 4 [left, top, right, bottom], area N, and the `start` of each image's boxes."""

    corners: Floats
    area: Floats
    start: Ints


class Overlaps(NamedTuple):
    """Pairs of a detection and a real box of its image whose IoU is above the threshold, sorted by detection.

    Detection `d` owns the pairs `first[d]:first[d + 1]`; `box` holds indices into the real boxes.
    """

    first: Ints
    box: Ints
    iou: Floats


@dataclass(frozen=True)
class Curve:
    """The detections that count, by falling score, and the number of real boxes in each image.

    Equal scores stand in the order of the images, then in that of the detections given. `hit` tells true from false
    positives. This is all that a precision-recall or miss-rate curve needs, for any resample of the images.
    """

    image: NDArray[np.int32]
    hit: NDArray[np.int8]  # 1 or 0
    positives: Ints
    hits: Ints  # of each image
    first_hits: Ints  # of each image, among as many of its detections as it has positives, the best ones
    scores: Floats  # of the detections that count

    @cached_property
    def apart(self) -> tuple[Places, Places, Places]:
        """The images of the false positives, how many of them stand before each hit, and the images of the hits."""
        hit = self.hit == HIT
        places = np.flatnonzero(hit)
        before = (places - np.arange(len(places))).astype(np.int32)
        return self.image[~hit], before, self.image[hit]

    @property
    def asked(self) -> Bools:
        """Which detections have scores that count for the calibration."""
        return self.scores >= CALIBRATED_FROM

    @cached_property
    def cases(self) -> calibration.Cases | None:
        """Whether detections of score p are right in a share p: D-ECE of Küppers et al. (CVPR Workshops 2020), by score
        alone. None where scores are no probabilities."""
        if len(self.scores) and not (self.scores.min() >= 0 and self.scores.max() <= 1):
            return None
        image, one = self.image[self.asked].astype(np.int64), np.zeros(self.asked.sum(), np.int64)
        hit, scores = self.hit[self.asked].astype(np.float64), self.scores[self.asked]
        return calibration.cases(scores, hit, image, one, len(self.positives), 1, CALIBRATION_BINS)

    def reliability(self) -> Mapping[str, ReliabilityBins]:
        """The reliability curve of the scores."""
        hit, one = self.hit[self.asked].astype(np.float64), np.zeros(self.asked.sum(), np.int64)
        return calibration.reliability(self.scores[self.asked], hit, one, (), CALIBRATION_BINS)

    def calibration_error(self, counts: Ints) -> dict[str, float]:
        """D-ECE in percent; nothing where scores are no probabilities."""
        return {} if self.cases is None else {"D-ECE": float(calibration.errors(self.cases, counts)[0])}

    @property
    def errors(self) -> UnitErrors:
        """Percent of an image's people that its best detections, as many as there are people, do not find."""
        missed = 100.0 * (self.positives - self.first_hits)
        return UnitErrors(lambda: ratio(missed, self.positives), "people that are missed", "%")


def flatten(images: Sequence[DetectionImage], key: str, columns: Sequence[str]) -> Rows:
    """Stack `images[i][key]` (M x len(columns), the first four columns x, y, w, h) over all images.

    Raises DataError for ground truth and PredictionError for detections (`key` "det") when an array has another shape,
    holds NaN or infinity, or a box has a negative width or height.
    """
    error: type[HumanbenchError] = PredictionError if key == "det" else DataError
    layout = f"rows of [{', '.join(columns)}]"
    parts = []
    for number, image in enumerate(images):
        if key not in image:
            raise error(f"image number {number} has no {key!r}; expected {layout}")
        try:
            rows = np.asarray(image[key], dtype=np.float64)
        except (TypeError, ValueError) as problem:
            raise error(f"image {image.get('id', number)}: {key!r} is not an array of {layout}: {problem}") from None
        if rows.size == 0:
            rows = rows.reshape(0, len(columns))
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise error(f"image {image.get('id', number)}: {key!r} has shape {rows.shape}, expected {layout}")
        parts.append(rows)
    start = np.concatenate(([0], np.cumsum([len(p) for p in parts], dtype=np.int64)))
    stacked = Rows(np.concatenate(parts) if parts else np.empty((0, len(columns))), start)
    _check_boxes(stacked, images, key, columns, error)
    return stacked


def _check_boxes(
    rows: Rows, images: Sequence[DetectionImage], key: str, columns: Sequence[str], error: type[HumanbenchError]
) -> None:
    infinite = ~np.isfinite(rows.values)
    negative = rows.values[:, 2:4] < 0
    if not infinite.any() and not negative.any():
        return
    row = int(np.argmax(infinite.any(axis=1) | negative.any(axis=1)))
    number = int(rows.image[row])
    where = f"image {images[number].get('id', number)}: row {row - rows.start[number]} of {key!r}"
    if infinite[row].any():
        column = int(np.argmax(infinite[row]))
        raise error(f"{where} has {columns[column]} = {rows.values[row, column]}; expected finite numbers")
    width, height = rows.values[row, 2:4]
    raise error(f"{where} has width {width:g} and height {height:g}; expected [x, y, w, h] with sizes of at least 0")


def overlaps(det: CornerBoxes, real: CornerBoxes, threshold: float, epsilon: float) -> Overlaps:
    """All pairs with intersection / (union + epsilon) > threshold."""
    first = np.zeros(len(det.area) + 1, dtype=np.int64)
    nothing = np.empty(0, dtype=np.int64), np.empty(0)
    _pairs(det, real, threshold, epsilon, Overlaps(first, *nothing), False)
    np.cumsum(first, out=first)
    pairs = Overlaps(first, np.empty(first[-1], dtype=np.int64), np.empty(first[-1]))
    _pairs(det, real, threshold, epsilon, pairs, True)
    return pairs


@compiled
def _intersection(a: Floats, b: Floats) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    if width <= 0:
        return 0.0
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if height > 0 else 0.0


@compiled
def _pairs(det: CornerBoxes, real: CornerBoxes, threshold: float, epsilon: float, pairs: Overlaps, fill: bool) -> None:
    """Count each detection's pairs into `first[d + 1]`, or with `fill` write them from `first[d]` on."""
    for image in range(len(det.start) - 1):
        for d in range(det.start[image], det.start[image + 1]):
            at = pairs.first[d] if fill else 0
            for g in range(real.start[image], real.start[image + 1]):
                common = _intersection(det.corners[d], real.corners[g])
                if common <= 0:
                    continue
                overlap = common / (det.area[d] + real.area[g] - common + epsilon)
                if overlap > threshold:
                    if fill:
                        pairs.box[at] = g
                        pairs.iou[at] = overlap
                    at += 1
            if not fill:
                pairs.first[d + 1] = at


@compiled
def covered(boxes: CornerBoxes, regions: CornerBoxes, threshold: float, epsilon: float) -> Bools:
    """Whether some one region holds more than `threshold` of the box: intersection / (box area + epsilon)."""
    out = np.zeros(len(boxes.area), np.bool_)
    for image in range(len(boxes.start) - 1):
        for b in range(boxes.start[image], boxes.start[image + 1]):
            for r in range(regions.start[image], regions.start[image + 1]):
                common = _intersection(boxes.corners[b], regions.corners[r])
                if common > 0 and common / (boxes.area[b] + epsilon) > threshold:
                    out[b] = True
                    break
    return out


@compiled
def _greedy(pairs: Overlaps, taken: Bools, verdict: NDArray[np.int8]) -> None:
    for d in range(len(pairs.first) - 1):
        best = -1
        highest = 0.0
        for pair in range(pairs.first[d], pairs.first[d + 1]):
            if pairs.iou[pair] > highest and not taken[pairs.box[pair]]:
                best = pairs.box[pair]
                highest = pairs.iou[pair]
        if best >= 0:
            taken[best] = True
            verdict[d] = HIT


def greedy_verdicts(pairs: Overlaps, ignorable: Bools, boxes: int) -> NDArray[np.int8]:
    """HIT, MISS or IGNORED for each detection, sorted by score within each image; `boxes` real ones in all.

    Each detection in turn takes the free box of highest IoU, the first of equals; without one it is a false positive,
    or, where `ignorable`, left out.
    """
    verdict = np.where(ignorable, IGNORED, MISS).astype(np.int8)
    _greedy(pairs, np.zeros(boxes, dtype=np.bool_), verdict)
    return verdict


def greedy_curve(det: Rows, pairs: Overlaps, ignorable: Bools, positives: Ints) -> Curve:
    """Match detections, sorted by score within each image, to real boxes one to one (`greedy_verdicts`), and line them
    up by score."""
    verdict = greedy_verdicts(pairs, ignorable, int(positives.sum()))
    counts = np.flatnonzero(verdict != IGNORED)
    order = counts[np.argsort(-det.values[counts, -1], kind="stable")]
    hits = np.bincount(det.image[verdict == HIT], minlength=len(positives))
    place = np.arange(len(det.image)) - det.start[det.image]
    first_hits = np.bincount(det.image[(verdict == HIT) & (place < positives[det.image])], minlength=len(positives))
    hit = (verdict[order] == HIT).astype(np.int8)
    return Curve(det.image[order], hit, positives, hits, first_hits, det.values[order, -1])


def curve_scores(
    parts: Any,
    reduce: Reduce,
    curve: Curve,
    info: Mapping[str, Any],
    single: Single,
) -> Scores:
    """The scores of images: values that `reduce` makes of `parts`, errors and calibration from their curve.

    `info` also says where scores are no probabilities and so have no calibration; `single`: as of `Scores`.
    """
    return Scores(
        parts,
        reduce,
        n=len(curve.positives),
        unit="image",
        info={**info, **({"calibration": NO_PROBABILITIES} if curve.cases is None else {})},
        errors=curve.errors,
        reliability=None if curve.cases is None else curve.reliability,
        centred=("D-ECE",),
        single=single,
    )


FEW = 4
"""Times that an image is drawn in 98 of 100 draws, or fewer."""


@compiled
def _lined_up(missed: Places, before: Places, right: Places, counts: Places, hits: int) -> tuple[Places, int]:
    """The false positives before each copy of a hit, and all of them.

    Recall grows at hits only: nothing but how many false positives lie before each is asked of the others.
    """
    misses = np.empty(len(missed) + 1, np.int32)
    misses[0] = 0
    for i in range(len(missed)):
        misses[i + 1] = misses[i] + counts[missed[i]]
    room = np.empty(hits + FEW, np.int32)
    true = 0
    copies = np.empty(len(right), np.int32)
    false = np.empty(len(right), np.int32)
    for h in range(len(right)):
        copies[h] = counts[right[h]]
        false[h] = misses[before[h]]
    for h in range(len(right)):
        for k in range(FEW):  # always as many: how often an image was drawn cannot be foreseen
            room[true + k] = false[h]
        for k in range(FEW, copies[h]):
            room[true + k] = false[h]
        true += copies[h]
    return room[:hits], misses[-1]


@compiled
def _sweep(false: Places, misses: int, positives: int, images: int, references: Floats) -> tuple[Floats, float, float]:
    """True positives where each reference is passed, area under the precision-recall points and last recall (0-1)."""
    fewest = fewest_beyond(references, images)
    hits_at = np.empty(len(references))
    for r in range(len(references)):
        hits_at[r] = np.searchsorted(false, fewest[r]) if misses >= fewest[r] else len(false)
    steps = _trapezoids(false, positives)
    area = 0.0
    for h in range(len(steps)):
        area += steps[h]
    return hits_at, area, len(false) / positives


@compiled(unchecked_division=True)
def _trapezoids(false: Places, positives: int) -> Floats:
    """The area that each hit adds under precision over recall, with the false positives before it.

    All in floats, which hold such whole numbers exactly: several hits are then computed at once.
    """
    steps = np.empty(len(false))
    people = np.float64(positives)
    for hit in range(len(false)):
        h, f = np.float64(np.int32(hit)), np.float64(false[hit])
        seen = h + f
        before = h / (seen if seen > 1.0 else 1.0)
        after = (h + 1.0) / (h + 1.0 + f)
        steps[hit] = ((h + 1.0) / people - h / people) * ((before + after) / 2.0)
    if len(false) and not false[0]:
        steps[0] = 0.0  # the area left of the first point is not counted
    return steps


def curve_values(curve: Curve, counts: Ints, references: Floats) -> dict[str, float]:
    """AP50, MR-2 and recall in percent, image `i` taken `counts[i]` times (copies of a detection follow one another).

    AP50 is the area under the precision-recall points. MR-2 is exp of the mean log miss rate at `references`, rising
    false positives per image, of which each is passed at the first point above it (at the last one if never); 0 once
    every box is found at some reference. Without a single real box everything is `nan`.
    """
    positives = int(counts @ curve.positives)
    if positives == 0:
        return dict.fromkeys(("AP50", "MR-2", "recall"), float("nan"))
    false, misses = _lined_up(*curve.apart, counts.astype(np.int32), int(counts @ curve.hits))
    hits_at, area, recall = _sweep(false, misses, positives, int(counts.sum()), references)
    missed = 1.0 - hits_at / positives
    miss_rate = 0.0 if (missed <= 0).any() else float(100 * np.exp(np.log(missed).mean()))
    return {"AP50": 100 * area, "MR-2": miss_rate, "recall": 100 * recall}
