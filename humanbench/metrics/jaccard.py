"""The Jaccard index of detections and people: matchings of greatest total IoU, at every score threshold at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Bools, Floats, Ints
from humanbench.compiled import compiled
from humanbench.metrics.boxes import Overlaps, Rows

Tally = NDArray[np.int32]
Prices = tuple[Floats, Floats]  # of detections, of people
Scratch = tuple[Floats, Ints, Bools]  # per person: distance, the detection before it on the path, distance is final


@dataclass(frozen=True)
class JaccardCounts:
    """Images x score thresholds: the `ratio` of matched pairs, and whether something `counts`, so that there is one."""

    ratio: Floats
    counts: Floats


def jaccard_counts(
    det: Rows, person_start: Ints, pairs: Overlaps, ignorable: Bools, hidden: Bools, thresholds: Floats
) -> JaccardCounts:
    """Count, for each image and rising threshold, over the detections with a score above it.

    `det` is sorted by score within each image. Detections without a partner that are `ignorable` and people without
    one that are `hidden` do not count.
    """
    shape = (len(det.start) - 1, len(thresholds))
    out = (np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.int32))
    scores = np.ascontiguousarray(det.values[:, -1])
    _count(scores, det.start, person_start, pairs, ignorable, hidden, thresholds, out)
    matched, people, detections = out
    union = people + detections - matched
    return JaccardCounts(matched / np.maximum(union, 1), (union > 0).astype(np.float64))


def jaccard_index(counts: JaccardCounts, draw: Ints) -> float:
    """Percent, image `i` taken `draw[i]` times: the best threshold's mean of matched / (people + detections - matched).

    Images where nothing counts are left out of the mean; `nan` when that is so for all of them at every threshold.
    """
    weight = draw @ counts.counts
    if not weight.any():
        return float("nan")
    return float(100 * ((draw @ counts.ratio)[weight > 0] / weight[weight > 0]).max())


@compiled
def _count(
    score: Floats,
    det_start: Ints,
    person_start: Ints,
    graph: Overlaps,
    ignorable: Bools,
    hidden: Bools,
    thresholds: Floats,
    out: tuple[Tally, Tally, Tally],
) -> None:
    """Per image, take up detections by falling score and note the counts as the score passes each threshold.

    A detection that has ended without a partner stays so when others come, and a person found stays found: one growing
    matching serves all thresholds.
    """
    matched, people, detections = out
    partner = np.full(len(score), -1, np.int64)
    owner = np.full(len(hidden), -1, np.int64)
    prices = (np.zeros(len(score)), np.zeros(len(hidden)))
    scratch = (np.full(len(hidden), np.inf), np.zeros(len(hidden), np.int64), np.zeros(len(hidden), np.bool_))
    for image in range(len(det_start) - 1):
        people_here = person_start[image + 1] - person_start[image]
        for g in range(person_start[image], person_start[image + 1]):
            people_here -= hidden[g]
        pairs = left_out = 0
        d = det_start[image]
        for level in range(len(thresholds) - 1, -1, -1):
            while d < det_start[image + 1] and score[d] > thresholds[level]:
                person, dropped = _take_up(d, graph, partner, owner, prices, scratch)
                if person >= 0:
                    pairs += 1
                    people_here += hidden[person]  # found after all, so it counts
                else:
                    left_out += ignorable[dropped]
                d += 1
            matched[image, level] = pairs
            people[image, level] = people_here
            detections[image, level] = d - det_start[image] - left_out


@compiled
def _take_up(
    row: int, graph: Overlaps, partner: Ints, owner: Ints, prices: Prices, scratch: Scratch
) -> tuple[int, int]:
    """Add detection `row` to a matching of greatest total IoU, keeping it greatest.

    Shortest augmenting path (Jonker and Volgenant) on costs -IoU, where a detection may also go without a partner at
    cost 0. Prices satisfy `row_price + person_price <= cost`, with equality for matched pairs, and `row_price <= 0`,
    with equality for detections without a partner. Returns the newly found person and -1, or -1 and the detection that
    ends without a partner.
    """
    row_price, person_price = prices
    distance, via, settled = scratch
    end, dropped, total, seen = _shortest(row, graph, owner, prices, scratch)
    row_price[row] += total
    for g in seen:
        if settled[g]:
            row_price[owner[g]] += total - distance[g]
            person_price[g] -= total - distance[g]
        distance[g] = np.inf
        settled[g] = False
    g = end
    if end < 0:
        g = partner[dropped]
        partner[dropped] = -1
    while g >= 0:  # hand the people along the path to their new partners; `row` had none
        taker = via[g]
        following = partner[taker]
        owner[g] = taker
        partner[taker] = g
        g = following
    return end, dropped


@compiled
def _shortest(row: int, graph: Overlaps, owner: Ints, prices: Prices, scratch: Scratch) -> tuple[int, int, float, Ints]:
    """Dijkstra from `row`: the free person reached or -1, the detection left without a partner or -1, the length, and
    the people seen on the way (their scratch entries are left for the caller)."""
    first, box, iou = graph
    row_price, person_price = prices
    distance, via, settled = scratch
    row_price[row] = 0.0
    for pair in range(first[row], first[row + 1]):
        row_price[row] = min(row_price[row], -iou[pair] - person_price[box[pair]])
    seen = np.empty(0, np.int64)
    current, travelled = row, 0.0
    dropped, total = row, -row_price[row]  # the cheapest end so far: someone goes without a partner
    while True:
        for pair in range(first[current], first[current + 1]):
            g = box[pair]
            length = travelled + max(0.0, -iou[pair] - row_price[current] - person_price[g])
            if not settled[g] and length < distance[g]:
                if distance[g] == np.inf:
                    seen = np.append(seen, g)
                distance[g] = length
                via[g] = current
        nearest = -1
        for g in seen:
            if not settled[g] and (nearest < 0 or distance[g] < distance[nearest]):
                nearest = int(g)
        if nearest < 0 or total < distance[nearest]:
            return -1, dropped, total, seen
        if owner[nearest] < 0:
            return nearest, -1, distance[nearest], seen
        settled[nearest] = True
        current, travelled = owner[nearest], distance[nearest]
        if travelled - row_price[current] < total:
            dropped, total = current, travelled - row_price[current]
