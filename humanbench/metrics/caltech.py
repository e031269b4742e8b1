"""Pedestrian detection as the Caltech benchmark scores it, and the paper's own variant of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from humanbench.arrays import Bools, Floats, Ints
from humanbench.errors import HumanbenchError
from humanbench.metrics import boxes
from humanbench.metrics.crowdhuman import CrowdParts, crowdhuman, reduce_crowd
from humanbench.metrics.scores import Scores
from humanbench.metrics.thresholds import at_least
from humanbench.text import nearest

# name: least and greatest height in pixels, least and greatest visible fraction (inclusive)   dbEval.m, `exps`
SUBSETS = {
    "heavy": (50, np.inf, 0.2, 0.65),
    "reasonable": (50, np.inf, 0.65, np.inf),
    "all": (20, np.inf, 0.2, np.inf),
}
BOUNDS = (5, 5, 635, 475)  # left, top, right, bottom: people reaching beyond are ignored   dbEval.m, `bnds`
ASPECT = 0.41  # width / height of every box compared   dbEval.m, `aspectRatio`
HEIGHT_SLACK = 1.25  # detections may be that much smaller or larger than the subset   dbEval.m, `filter`
OVERLAP = at_least(0.5)
REFERENCES = 10.0 ** np.arange(-2, 0.25, 0.25)  # false positives per image


def caltech(images: Sequence[boxes.DetectionImage], subset: str = "heavy") -> Scores:
    """MR-2 (log-average miss rate), recall and D-ECE, percent, on a subset of the Caltech pedestrians.

    `images`: mappings with `id`, `gt` (M x 6: x, y, w, h, visible_ratio 0-1, ignore) and `det` (D x 5: x, y, w, h,
    score), in pixels of the 640 x 480 frames, (x, y) the left top corner. All frames count, also those without people.
    `subset`: "heavy" (height >= 50, visible 0.2 to 0.65; the headline), "reasonable" (height >= 50, visible >= 0.65) or
    "all" (height >= 20, visible >= 0.2).

    - People flagged, outside the subset's ranges, or reaching beyond x 5 to 635 or y 5 to 475 become ignore regions.
    - The other people, and all detections, get the width 0.41 x height about the same centre. Detections lower than
      the subset's least height / 1.25 are dropped.
    - Detections by falling score take the free person of highest IoU >= 0.5, the last of equals; those left over with
      at least half of their area in one ignore region are dropped, the others are false.
    - MR-2: exp of the mean log miss rate at 10^(-2, -1.75 … 0) false positives per frame, at the last point at or below
      each; all is missed where there is none. 0 at full recall, `nan` without people in the subset.
    - D-ECE: of the scores of detections that are neither dropped nor ignored, as in `crowdhuman`; left out where scores
      lie outside [0, 1].

    Raises DataError / PredictionError for arrays of another shape, NaN or negative sizes, HumanbenchError for an
    unknown subset. Definition: Dollár's toolbox (dbEval.m, bbGt.m) with the labels and bounds of the new annotations.
    """
    if subset not in SUBSETS:
        known = ", ".join(SUBSETS)
        raise HumanbenchError(
            f"unknown Caltech subset {subset!r}, expected one of {known}{nearest(subset, [*SUBSETS])}"
        )
    low, high, _, _ = SUBSETS[subset]
    gt = boxes.flatten(images, "gt", ("x", "y", "w", "h", "visible_ratio", "ignore"))
    gt = gt.backwards()  # where the first of equal overlaps is the last one given
    det = boxes.flatten(images, "det", ("x", "y", "w", "h", "score"))
    height = det.values[:, 3]
    det = det.keep((height >= low / HEIGHT_SLACK) & (height < high * HEIGHT_SLACK)).by_score()
    ignore = _ignored(gt.values, subset)
    people, regions, detected = _upright(gt.keep(~ignore)), _boxes(gt.keep(ignore)), _upright(det)
    positives = np.diff(people.start)
    pairs = boxes.overlaps(detected, people, OVERLAP, 0.0)
    curve = boxes.greedy_curve(det, pairs, boxes.covered(detected, regions, OVERLAP, 0.0), positives)
    info = {"people": int(positives.sum()), "subset": subset}
    return boxes.curve_scores(curve, _reduce, curve, info, single={})


def caltech_paper(images: Sequence[boxes.DetectionImage]) -> Scores:
    """MR-2-paper, percent: what the HumanBench paper's Caltech column was measured with.

    `images` as for `crowdhuman`, made from the 2,546 records of `test_caltech_heavy_1xnew.odgt` (people of the heavy
    subset only, no ignore regions). It is MR-2 of `crowdhuman`, except that detections in images without any box are
    forgotten, as the paper's released evaluator does (PATH `peddet_tester_dev.py`, `compare_caltech`); the images still
    count. Not comparable with the benchmark's own heavy miss rate. Raises as `crowdhuman` does.
    """
    forgetful = [image if len(image.get("gt", "?")) else {**image, "det": np.empty((0, 5))} for image in images]
    scores = crowdhuman(forgetful, jaccard=False)
    return Scores(scores.parts, _reduce_paper, n=scores.n, unit=scores.unit, info=scores.info, errors=scores.errors)


def _reduce(curve: boxes.Curve, counts: Ints) -> dict[str, float]:
    values = boxes.curve_values(curve, counts, REFERENCES)
    return {"MR-2": values["MR-2"], "recall": values["recall"]} | curve.calibration_error(counts)


def _reduce_paper(parts: CrowdParts, counts: Ints) -> dict[str, float]:
    return {"MR-2-paper": reduce_crowd(parts, counts)["MR-2"]}


def _ignored(gt: Floats, subset: str) -> Bools:
    """Which boxes of [x, y, w, h, visible_ratio, ignore] are no people of the subset."""
    least, greatest, faintest, clearest = SUBSETS[subset]
    left, top, right, bottom = BOUNDS
    x, y, width, height, visible, flag = gt.T
    inside = (x >= left) & (x <= right) & (x + width >= left) & (x + width <= right)
    inside &= (y >= top) & (y <= bottom) & (y + height >= top) & (y + height <= bottom)
    fits = (height >= least) & (height <= greatest) & (visible >= faintest) & (visible <= clearest)
    ignored: Bools = (flag != 0) | ~inside | ~fits
    return ignored


def _boxes(rows: boxes.Rows) -> boxes.CornerBoxes:
    x, y, width, height = rows.values[:, :4].T
    return boxes.CornerBoxes(np.stack((x, y, x + width, y + height), axis=1), width * height, rows.start)


def _upright(rows: boxes.Rows) -> boxes.CornerBoxes:
    """The boxes with the benchmark's aspect, same height and centre."""
    values = rows.values.copy()
    wider = values[:, 3] * ASPECT - values[:, 2]
    values[:, 0] -= wider / 2
    values[:, 2] += wider
    return _boxes(boxes.Rows(values, rows.start))
