"""Loops of the keypoint average precision: object keypoint similarity, matching, precision over recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.compiled import compiled
from humanbench.metrics.thresholds import fewest_beyond

Outcomes = NDArray[np.uint8]
Places = NDArray[np.int32]

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
    """Detections in order of their group, best first within."""

    group: Ints
    score: Floats
    points: Floats  # N x K x 3 of all detections, these and others: x, y, anything
    row: Ints  # each one's in `points`
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
    status = np.empty((len(ignored), len(thresholds), len(detections.row)), np.uint8)
    for i in range(len(spans)):
        g0, g1, d0, d1 = spans[i]
        table = _similarity(
            detections.points[detections.row[d0:d1]],
            people.points[g0:g1],
            people.box[g0:g1],
            people.area[g0:g1],
            variances,
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


class Verdicts(NamedTuple):
    """What `match` found for detections in order of score, laid out so that a draw of images costs few steps.

    At one range of area most detections count at every threshold or at none. Those of range `a` that usually do are
    `usual_image[usual_first[a]:usual_first[a + 1]]`, each by the position of its image. What differs from that at
    threshold `t`, and what is right, are the steps `first[a, t]:first[a, t + 1]`: a detection of `image` with `before`
    usual ones up to it (itself included), which counts `change` times more than usually, and is `right` (1) or not (0).
    """

    usual_image: Places
    usual_first: Ints  # ranges + 1
    first: Ints  # ranges x (thresholds + 1)
    image: Places
    before: Places
    change: Places
    right: Places


def verdicts(status: Outcomes, image: Ints) -> Verdicts:
    """`status` (ranges x thresholds x D, as from `match`) of detections in order of score, `image` D their images."""
    counts = status != IGNORED
    usual = counts[:, -1]
    change = counts.astype(np.int8) - usual[:, None]
    right = status == RIGHT
    area, threshold, at = np.nonzero(right | (change != 0))
    thresholds = status.shape[1]
    bounds = np.arange(len(status))[:, None] * thresholds + np.arange(thresholds + 1)
    places = image.astype(np.int32)
    return Verdicts(
        np.broadcast_to(places, usual.shape)[usual],
        np.concatenate([[0], np.cumsum(usual.sum(axis=1))]),
        np.searchsorted(area * thresholds + threshold, bounds),
        places[at],
        usual.cumsum(axis=1, dtype=np.int32)[area, at],
        change[area, threshold, at].astype(np.int32),
        right[area, threshold, at].astype(np.int32),
    )


def first_range(verdicts: Verdicts) -> Verdicts:
    """Those of the first range of area alone."""
    usual, steps = slice(verdicts.usual_first[1]), slice(verdicts.first[0, -1])
    steps_of = (verdicts.image[steps], verdicts.before[steps], verdicts.change[steps], verdicts.right[steps])
    return Verdicts(verdicts.usual_image[usual], verdicts.usual_first[:2], verdicts.first[:1], *steps_of)


@compiled
def _interpolated(right: Ints, counted: Ints, n: int, needed: Ints, out: Floats) -> None:
    """Highest precision with at least the `needed` right detections into `out`, after `n` right ones each.

    Only right detections matter: recall grows at no other, and precision falls at every wrong one.
    """
    highest = 0.0
    r = len(needed) - 1
    for i in range(n - 1, -1, -1):
        while r >= 0 and right[i] < needed[r]:
            out[r] = highest
            r -= 1
        highest = max(highest, right[i] / (counted[i] + _EPSILON))
    while r >= 0:
        out[r] = highest
        r -= 1


@compiled
def average_precision(verdicts: Verdicts, weights: Ints, people: Ints, recalls: Floats) -> tuple[Floats, Floats]:
    """Interpolated precision (ranges x thresholds x recalls) and final recall (ranges x thresholds), fractions.

    `weights`: how often each image counts; `people` per range: how many there are, counted so.
    """
    areas, thresholds = len(verdicts.first), verdicts.first.shape[1] - 1
    precision = np.zeros((areas, thresholds, len(recalls)))
    recall = np.zeros((areas, thresholds))
    usual = np.zeros(1 + np.diff(verdicts.usual_first).max(), np.int64)
    right = np.empty(1 + len(verdicts.image), np.int64)
    counted = np.empty(1 + len(verdicts.image), np.int64)
    for a in range(areas):
        if people[a] == 0:
            continue
        start = verdicts.usual_first[a]
        for i in range(verdicts.usual_first[a + 1] - start):
            usual[i + 1] = usual[i] + weights[verdicts.usual_image[start + i]]
        needed = fewest_beyond(np.nextafter(recalls, -np.inf), people[a])
        for t in range(thresholds):
            n = hits = more = 0
            for step in range(verdicts.first[a, t], verdicts.first[a, t + 1]):
                weight = weights[verdicts.image[step]]
                more += weight * verdicts.change[step]
                hits += weight * verdicts.right[step]
                right[n] = hits
                counted[n] = usual[verdicts.before[step]] + more
                n += (weight * verdicts.right[step]) > 0
            if n:
                recall[a, t] = right[n - 1] / people[a]
                _interpolated(right, counted, n, needed, precision[a, t])
    return precision, recall
