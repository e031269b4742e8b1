"""Loops of the keypoint average precision: object keypoint similarity, matching, precision over recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.compiled import compiled

Outcomes = NDArray[np.uint8]

IGNORED, WRONG, RIGHT = 0, 1, 2
"""What a detection counts as."""

_EPSILON = float(np.spacing(1))


class GroundTruthPoses(NamedTuple):
    """Annotated people in order of their group (category and image)."""

    group: Ints
    points: Floats  # G x K x 3: x, y, above 0 where labelled
    box: Floats  # G x 4: x, y, w, h
    area: Floats
    ignore: Bools
    crowd: Bools


class RankedPoses(NamedTuple):
    """RankedPoses in order of their group, best first within."""

    group: Ints
    score: Floats
    points: Floats  # D x K x 3: x, y, anything
    area: Floats


def outside(area: Floats, ranges: Floats) -> Bools:
    """Whether each area is outside each range [low, high], bounds included: ranges x N."""
    return (area < ranges[:, :1]) | (area > ranges[:, 1:])


@compiled
def _similarity(detections: Floats, people: Floats, boxes: Floats, areas: Floats, variances: Floats) -> Floats:
    """Object keypoint similarity D x G; people without labelled points are compared by their doubled box."""
    out = np.empty((len(detections), len(people)))
    k = len(variances)
    for g in range(len(people)):
        labelled = 0
        for j in range(k):
            labelled += people[g, j, 2] > 0
        x, y, w, h = boxes[g]
        for d in range(len(detections)):
            total = 0.0
            for j in range(k):
                px, py = detections[d, j, 0], detections[d, j, 1]
                if labelled == 0:
                    dx = max(0.0, (x - w) - px) + max(0.0, px - (x + w * 2))
                    dy = max(0.0, (y - h) - py) + max(0.0, py - (y + h * 2))
                elif people[g, j, 2] > 0:
                    dx = px - people[g, j, 0]
                    dy = py - people[g, j, 1]
                else:
                    continue
                total += np.exp(-((dx**2 + dy**2) / variances[j] / (areas[g] + _EPSILON) / 2))
            out[d, g] = total / (labelled if labelled > 0 else k)
    return out


@compiled
def _assign(similarity: Floats, ignored: Bools, crowd: Bools, away: Bools, threshold: float, out: Outcomes) -> None:
    """Greedy matching in one image: each detection, best first, takes the most similar person still free.

    People that count come before ignored ones, a crowd can be taken again and again, and of equally similar people the
    later wins, as in COCOeval. Unmatched detections outside the size range are ignored.
    """
    people = len(ignored)
    taken = np.zeros(people, np.bool_)
    for d in range(len(similarity)):
        best = threshold
        chosen = -1
        for last in (False, True):
            if last and chosen >= 0:
                break
            for g in range(people):
                if ignored[g] == last and (crowd[g] or not taken[g]) and similarity[d, g] >= best:
                    best = similarity[d, g]
                    chosen = g
        if chosen >= 0:
            taken[chosen] = True
            out[d] = IGNORED if ignored[chosen] else RIGHT
        else:
            out[d] = IGNORED if away[d] else WRONG


@compiled
def _match(
    people: GroundTruthPoses,
    detections: RankedPoses,
    spans: Ints,
    ignored: Bools,
    away: Bools,
    variances: Floats,
    thresholds: Floats,
) -> Outcomes:
    status = np.empty((len(ignored), len(thresholds), len(detections.points)), np.uint8)
    for i in range(len(spans)):
        g0, g1, d0, d1 = spans[i]
        table = _similarity(
            detections.points[d0:d1], people.points[g0:g1], people.box[g0:g1], people.area[g0:g1], variances
        )
        for a in range(len(ignored)):
            for t in range(len(thresholds)):
                _assign(
                    table, ignored[a, g0:g1], people.crowd[g0:g1], away[a, d0:d1], thresholds[t], status[a, t, d0:d1]
                )
    return status


def match(
    people: GroundTruthPoses, detections: RankedPoses, variances: Floats, thresholds: Floats, ranges: Floats
) -> Outcomes:
    """What each detection counts as: ranges x thresholds x D of `IGNORED`, `WRONG`, `RIGHT`.

    `variances` K, per keypoint (2 sigma) squared; `thresholds` of similarity; `ranges` of area, R x 2.
    """
    groups = np.unique(detections.group)
    bounds = [np.searchsorted(rows.group, [groups, groups + 1]) for rows in (people, detections)]
    spans = np.concatenate(bounds).T.astype(np.int64)
    ignored = people.ignore | outside(people.area, ranges)
    return _match(people, detections, spans, ignored, outside(detections.area, ranges), variances, thresholds)


@compiled
def _precision(status: Outcomes, weights: Ints, people: int, recalls: Floats, out: Floats) -> float:
    """Interpolated precision at `recalls` into `out`; returns the final recall.

    Only right detections matter: recall grows at no other, and precision falls at every wrong one.
    """
    precision = np.empty(len(status))
    recall = np.empty(len(status))
    n = right = counted = 0
    for d in range(len(status)):
        if status[d] == IGNORED:
            continue
        counted += weights[d]
        if status[d] == RIGHT:
            right += weights[d]
            precision[n] = right / (counted + _EPSILON)
            recall[n] = right / people
            n += 1
    for i in range(n - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    i = 0
    for r in range(len(recalls)):
        while i < n and recall[i] < recalls[r]:
            i += 1
        out[r] = precision[i] if i < n else 0.0
    return recall[n - 1] if n else 0.0


@compiled
def average_precision(status: Outcomes, weights: Ints, people: Ints, recalls: Floats) -> tuple[Floats, Floats]:
    """Interpolated precision (ranges x thresholds x recalls) and final recall (ranges x thresholds), fractions.

    `status` as from `match`, in order of score; `weights` D, how often each detection counts; `people` per range.
    """
    areas, thresholds, _ = status.shape
    precision = np.zeros((areas, thresholds, len(recalls)))
    recall = np.zeros((areas, thresholds))
    for a in range(areas):
        if people[a] > 0:
            for t in range(thresholds):
                recall[a, t] = _precision(status[a, t], weights, people[a], recalls, precision[a, t])
    return precision, recall
