"""Keypoint average precision with COCO's evaluation rules (COCO and AI Challenger pose)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from humanbench.arrays import LARGEST, Bools, Floats, Ints, beyond, ratio
from humanbench.errors import DataError, HumanbenchError, PredictionError
from humanbench.metrics import oks
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors

# All from COCOeval's keypoint parameters (cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py).
PER_IMAGE = 20
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS = np.array([[0, 1e5**2], [32**2, 96**2], [96**2, 1e5**2]])

CocoEntries = Sequence[Mapping[str, Any]]

BOX_TO_AREA = 0.53
"""Body area as a share of its box, where no area is annotated (xtcocotools, `use_area=False`)."""


@dataclass(frozen=True)
class PoseDetections:
    """Detected people as arrays: what a list of COCO results says, without a dict for each.

    `image_id` N, `keypoints` N x K x 3 (x, y, anything; pixels), `score` N, `bbox` N x 4 (x, y, w, h) where stated;
    without `category_id` all are of the first category. `id` is for messages.
    """

    image_id: Sequence[Any]
    keypoints: Floats
    score: Floats
    bbox: Floats | None = None
    category_id: Sequence[Any] | None = None
    id: Sequence[Any] | None = None

    def name(self, i: int) -> str:
        """Detection `i` in a sentence."""
        id_ = "" if self.id is None or self.id[i] is None else f" of id {self.id[i]}"
        return f"detection {i}{id_} (image {self.image_id[i]})"


class _Frame(NamedTuple):
    """What both sides are read into: position of each image id and category id, and the number of keypoints."""

    images: dict[Any, int]
    categories: dict[Any, int]
    keypoints: int


class _Ranked(NamedTuple):
    """What became of one category's detections, and the people to be found."""

    found: oks.Verdicts
    people: Ints  # areas x images: people that count


def keypoint_ap(
    ground_truth: Mapping[str, Any],
    detections: CocoEntries | PoseDetections,
    sigmas: ArrayLike,
    area: str = "annotation",
) -> Scores:
    """COCO keypoint `AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl` in percent; the unit is the image.

    `ground_truth` is a COCO dict (`images`, `annotations`, `categories`), `detections` a list of dicts with `image_id`,
    `category_id`, `keypoints` ([x, y, anything] * K, flat or K x 3) and `score`, or the same as `PoseDetections`;
    pixels, the same frame on both sides. `sigmas`: K. `area` "annotation" takes the annotated area, "box" 0.53 * width
    * height of the annotated box, with the rules of AI Challenger's evaluation: flags are counted whatever
    `num_keypoints` says, and a detection none of whose keypoints has a third number above 0 is dropped.

    The rules are COCOeval's: the best 20 detections an image, equal scores in the order given (images by sorted id);
    similarity thresholds 0.50:0.05:0.95, 101 recall points; crowds and people without labelled keypoints
    (`num_keypoints` 0, counted from the flags where the key is absent; `iscrowd` absent is 0) are ignored; a
    detection's own area is that of its `bbox` where the first detection has one, else of its keypoints' extent.
    Detections and annotations of categories that are not in `categories` do not count. Different from pycocotools: an
    annotation of id 0 is matched like any other, no detections give 0, and what has no people in range is `nan`.

    Units are numbered in the order of sorted image ids; repeats of an image in a resample stand next to each other.

    Raises `DataError` for ground truth and `PredictionError` for detections that are malformed, not finite, of another
    number of keypoints, or of an image that is not in `images`.

    Source: COCOeval of pycocotools 2.0; xtcocotools for `area="box"`.
    """
    if area not in ("annotation", "box"):
        raise ValueError(f'area is "annotation" or "box", not {area!r}')
    sigma = np.asarray(sigmas, dtype=np.float64).ravel()
    frame = _frame(ground_truth, len(sigma))
    people = _read_people(ground_truth["annotations"], frame, from_box=area == "box")
    given = detections if isinstance(detections, PoseDetections) else _stacked(detections, len(sigma))
    group = _groups(given, frame)
    order = np.argsort(-given.score, kind="stable")
    known = order[group[order] >= 0]  # of known categories, best first, equal scores in the order given
    ranked = _with_keypoint_scores(given, known) if area == "box" else known
    best = _best_of_each_group(given, group, ranked)
    status = oks.match(people, best, (2 * sigma) ** 2, THRESHOLDS, AREAS)
    parts = tuple(_rank(people, best, status, c, len(frame.images)) for c in range(len(frame.categories)))
    info = {
        "people": int(sum(ranked.people[0].sum() for ranked in parts)),
        "detections": len(best.score),
        "detections beyond 20 an image": len(ranked) - len(best.score),
        "detections of other categories": len(given.score) - len(known),
    }
    if area == "box":
        info["detections without keypoint scores"] = len(known) - len(ranked)
    first = np.asarray(status[0])
    far_off = UnitErrors(
        lambda: _errors(people, best, first, len(frame.images)),
        "people that are missed (mean over OKS 0.50 to 0.95)",
        "%",
    )
    return Scores(
        parts, _reduce, n=len(frame.images), unit="image", info=info, errors=far_off, single={"AP": _ap_alone}
    )


def _errors(people: oks.GroundTruthPoses, detected: oks.RankedPoses, status: NDArray[np.uint8], images: int) -> Floats:
    """Percent of an image's people that as many of its detections, the best ones, do not find, mean over thresholds."""
    counted = people.group[~people.ignore]
    wanted = np.bincount(counted % max(images, 1), minlength=images)
    by_group = np.bincount(counted, minlength=int(detected.group.max(initial=0)) + 1)
    place = np.arange(len(detected.group)) - np.searchsorted(detected.group, detected.group)
    among_best = place < by_group[detected.group]
    right = ((status == oks.RIGHT) & among_best).mean(axis=0) if len(detected.group) else np.zeros(0)
    hits = np.bincount(detected.group % max(images, 1), weights=right, minlength=images)
    return np.asarray(100 * (1 - ratio(hits, wanted)))


def _frame(ground_truth: Mapping[str, Any], keypoints: int) -> _Frame:
    missing = {"images", "annotations", "categories"} - set(ground_truth)
    if missing:
        raise DataError(f"ground truth has no {min(missing)!r}; a COCO dict has images, annotations and categories")
    ids = (sorted({entry["id"] for entry in ground_truth[key]}) for key in ("images", "categories"))
    images, categories = ({id_: i for i, id_ in enumerate(known)} for known in ids)
    return _Frame(images, categories, keypoints)


def _read_people(annotations: CocoEntries, frame: _Frame, from_box: bool) -> oks.GroundTruthPoses:
    _require(annotations, ("image_id", "category_id", "keypoints"), "annotation", DataError)
    listed = [a for a in annotations if a["image_id"] in frame.images and a["category_id"] in frame.categories]
    image = np.array([frame.images[a["image_id"]] for a in listed], np.int64)
    category = np.array([frame.categories[a["category_id"]] for a in listed], np.int64)
    points = _points(listed, frame.keypoints, "annotation", DataError)
    _check_points(points, lambda i: _name(listed, i, "annotation"), DataError)
    labelled = (points[:, :, 2] > 0).sum(axis=1)
    box = np.array([a.get("bbox", (np.nan,) * 4) for a in listed], np.float64).reshape(len(listed), 4)
    if (i := _first(np.isnan(box).any(axis=1) & ((labelled == 0) | from_box))) is not None:
        raise DataError(
            f"{_name(listed, i, 'annotation')} has no bbox [x, y, w, h], and its area or extent comes from it"
        )
    if from_box:
        size = BOX_TO_AREA * box[:, 2] * box[:, 3]
    else:
        size = np.array([a.get("area", np.nan) for a in listed], np.float64)
        if (i := _first(np.isnan(size))) is not None:
            lacks = "no area" if "area" not in listed[i] else "an area that is not a number"
            raise DataError(f'{_name(listed, i, "annotation")} has {lacks}; area="box" takes it from the bbox')
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in listed], np.bool_)
    shown = labelled
    if not from_box:  # xtcocotools reads the flags alone
        shown = np.array([a.get("num_keypoints", n) for a, n in zip(listed, labelled, strict=True)], np.int64)
    group = category * len(frame.images) + image
    order = np.argsort(group, kind="stable")
    ignore = crowd | (shown == 0)
    return oks.GroundTruthPoses(group[order], points[order], box[order], size[order], ignore[order], crowd[order])


def _groups(detections: PoseDetections, frame: _Frame) -> Ints:
    """The group (category and image) of each detection, -1 in categories that are not there; all is checked."""
    try:
        image = np.array([frame.images[id_] for id_ in detections.image_id], np.int64)
    except KeyError as error:
        raise PredictionError(
            f"detections name image {error.args[0]!r}, which the ground truth does not have"
        ) from None
    if (i := _first(~np.isfinite(detections.score))) is not None:
        raise PredictionError(f"{detections.name(i)} has the score {detections.score[i]}, not a finite number")
    _check_points(detections.keypoints, detections.name, PredictionError)
    if detections.category_id is None:
        return image
    category = np.array([frame.categories.get(id_, -1) for id_ in detections.category_id], np.int64)
    return np.where(category < 0, -1, category * len(frame.images) + image)


def _detection_areas(detections: PoseDetections) -> Floats:
    """Areas for the size ranges, as pycocotools' `loadRes` derives them."""
    if detections.bbox is None:
        points = detections.keypoints
        sides = points[:, :, :2].max(axis=1) - points[:, :, :2].min(axis=1)
        return np.asarray(sides[:, 0] * sides[:, 1], np.float64)
    box = detections.bbox
    if (i := beyond(box)) is not None:
        raise PredictionError(f"{detections.name(i)} has a bbox beyond {LARGEST:g}")
    return np.asarray(box[:, 2] * box[:, 3], np.float64)


def _stacked(rows: CocoEntries, keypoints: int) -> PoseDetections:
    """COCO results as arrays; the first decides whether boxes are read."""
    _require(rows, ("image_id", "category_id", "keypoints", "score"), "detection", PredictionError)
    box = None
    if rows and len(rows[0].get("bbox", ())):
        _require(rows, ("bbox",), "detection", PredictionError)
        box = np.array([d["bbox"] for d in rows], np.float64).reshape(len(rows), 4)
    score = np.array([d["score"] for d in rows], np.float64)
    points = _points(rows, keypoints, "detection", PredictionError)
    images, categories = ([d[key] for d in rows] for key in ("image_id", "category_id"))
    return PoseDetections(images, points, score, box, categories, [d.get("id") for d in rows])


def _with_keypoint_scores(detections: PoseDetections, rows: Ints) -> Ints:
    scored = np.asarray((detections.keypoints[:, :, 2] > 0).any(axis=1))[rows]
    if len(scored) and not scored.any():
        raise PredictionError(
            "no detection has a keypoint with a score above 0 (the third number of each), and this evaluation drops "
            "such detections; write the keypoints' scores, or 1 where the model gives none"
        )
    return rows[scored]


def _best_of_each_group(detections: PoseDetections, group: Ints, rows: Ints) -> oks.RankedPoses:
    """The first 20 of `rows` in each group, by group."""
    rows = rows[np.argsort(group[rows], kind="stable")]
    sorted_groups = group[rows]
    place = np.arange(len(rows)) - np.searchsorted(sorted_groups, sorted_groups)
    rows = rows[place < PER_IMAGE]
    areas = _detection_areas(detections)[rows]
    return oks.RankedPoses(group[rows], detections.score[rows], detections.keypoints, rows, areas)


def _points(rows: CocoEntries, keypoints: int, what: str, error: type[HumanbenchError]) -> Floats:
    """Keypoints of all rows as N x K x 3; raises where the number differs."""
    lists = [row["keypoints"] for row in rows]
    try:
        points = np.array(lists, np.float64).reshape(len(rows), keypoints, 3)
    except (ValueError, TypeError):
        sizes = [np.size(entry) for entry in lists]
        i = _first(np.array([size != 3 * keypoints for size in sizes]))
        if i is None:
            raise error(f"{what}s have keypoints that are not numbers") from None
        raise error(
            f"{_name(rows, i, what)} has {sizes[i]} keypoint numbers, not {3 * keypoints} "
            f"(x, y and one more for each of {keypoints} keypoints)"
        ) from None
    return points


def _check_points(points: Floats, name: Callable[[int], str], error: type[HumanbenchError]) -> None:
    if not np.isfinite(points).all():
        raise error(f"{name(int(np.argwhere(~np.isfinite(points))[0, 0]))} has a keypoint that is not a finite number")
    if (i := beyond(points[:, :, :2])) is not None:
        raise error(f"{name(i)} has a keypoint beyond {LARGEST:g}, outside any picture")


def _require(rows: CocoEntries, keys: tuple[str, ...], what: str, error: type[HumanbenchError]) -> None:
    wanted = set(keys)
    for i, row in enumerate(rows):
        if not wanted <= row.keys():
            lacking = min(wanted - row.keys())
            raise error(f"{_name(rows, i, what)} has no {lacking!r}")


def _first(bad: Bools) -> int | None:
    return int(bad.argmax()) if bad.any() else None


def _name(rows: CocoEntries, i: int, what: str) -> str:
    id_ = f" of id {rows[i]['id']}" if "id" in rows[i] else ""
    image = f" (image {rows[i]['image_id']})" if "image_id" in rows[i] else ""
    return f"{what} {i}{id_}{image}"


def _rank(
    people: oks.GroundTruthPoses, detected: oks.RankedPoses, status: NDArray[np.uint8], category: int, images: int
) -> _Ranked:
    """One category's share, sorted by score; equal scores in the order of image, then of the image's own list."""
    first, last = category * images, (category + 1) * images
    rows = slice(*np.searchsorted(detected.group, (first, last)))
    order = np.argsort(-detected.score[rows], kind="stable")
    counted = ~(people.ignore | oks.outside(people.area, AREAS))
    numbers = [np.bincount(people.group[row], minlength=last)[first:last] for row in counted]
    verdicts = oks.verdicts(status[:, :, rows][:, :, order], detected.group[rows][order] - first)
    return _Ranked(verdicts, np.stack(numbers))


def _reduce(parts: tuple[_Ranked, ...], counts: DrawCounts) -> dict[str, float]:
    precision, recall = [], []
    for ranked in parts:
        people = ranked.people @ counts
        p, r = oks.average_precision(ranked.found, counts, people, RECALLS)
        precision.append(np.where(people[:, None, None] > 0, p, np.nan))
        recall.append(np.where(people[:, None] > 0, r, np.nan))
    shape = (len(parts), len(AREAS), len(THRESHOLDS))
    ap, ar = np.reshape(precision, (*shape, len(RECALLS))), np.reshape(recall, shape)
    half, three_quarters = 0, 5  # thresholds 0.50 and 0.75
    values = {}
    for name, table in (("AP", ap), ("AR", ar)):
        values[name] = _mean(table[:, 0])
        values[f"{name}50"] = _mean(table[:, 0, half])
        values[f"{name}75"] = _mean(table[:, 0, three_quarters])
        values[f"{name}m"] = _mean(table[:, 1])
        values[f"{name}l"] = _mean(table[:, 2])
    return values


def _ap_alone(parts: tuple[_Ranked, ...], counts: DrawCounts) -> float:
    """`_reduce`'s AP: of people of all sizes, the first range."""
    rows = []
    for ranked in parts:
        people = ranked.people[:1] @ counts
        precision, _ = oks.average_precision(oks.first_range(ranked.found), counts, people, RECALLS)
        rows.append(precision[0] if people[0] > 0 else np.full(precision.shape[1:], np.nan))
    return _mean(np.array(rows))


def _mean(table: Floats) -> float:
    """Percent; categories without people in range (`nan`) stay out."""
    defined = table[~np.isnan(table)]
    return 100 * float(defined.mean()) if len(defined) else float("nan")
