"""Set prediction: which query answers for which person, and what its answer costs.

Costs, losses and their weights are DETR's with focal classification (Carion et al., ECCV 2020; Zhu et al., ICLR 2021),
and the released code's treatment of boxes to ignore. Boxes are (cx, cy, w, h) in shares of the image's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, generalized_box_iou, generalized_box_iou_loss, sigmoid_focal_loss

from humanbench.tasks.detection.decoder import LayerOutput
from humanbench.tasks.detection.options import DetectionLossOptions


class Pairs(NamedTuple):
    """Queries and the people they answer for: index pairs of one image."""

    query: Tensor
    person: Tensor


def match(output: LayerOutput, people: Sequence[Tensor], options: DetectionLossOptions) -> list[Pairs]:
    """The assignment of least total cost per image; every person gets one query (as long as there are enough)."""
    with torch.no_grad():
        costs = [
            cost(logits, boxes, truth, options)
            for logits, boxes, truth in zip(output.logits, output.boxes, people, strict=True)
        ]
    pairs = []
    for one in costs:
        # Where the network has come to NaN, any assignment will do: the loss says so, to whoever watches it.
        query, person = linear_sum_assignment(one.nan_to_num(nan=1e6).cpu().numpy())
        pairs.append(Pairs(*(torch.as_tensor(i, device=one.device) for i in (query, person))))
    return pairs


def cost(logits: Tensor, boxes: Tensor, people: Tensor, options: DetectionLossOptions) -> Tensor:
    """Q x M cost of each query (logits Q, boxes Q x 4) answering for each person (M x 4)."""
    one, none = torch.ones_like(logits), torch.zeros_like(logits)
    focal = [sigmoid_focal_loss(logits, t, options.focal_alpha, options.focal_gamma) for t in (one, none)]
    l1 = torch.cdist(boxes, people, p=1)
    giou = generalized_box_iou(corners(boxes), corners(people))
    total: Tensor = options.classification * (focal[0] - focal[1])[:, None] + options.l1 * l1 - options.giou * giou
    return total


def losses(
    layers: Sequence[LayerOutput],
    people: Sequence[Tensor],
    ignored: Sequence[Tensor],
    options: DetectionLossOptions,
    count: float | None = None,
) -> dict[str, Tensor]:
    """The weighted classification, L1 and GIoU loss, each summed over decoder layers and divided by the people.

    The number of people is `count`, or without it the batch's, averaged over processes, at least 1.
    """
    total = dict.fromkeys(("classification", "l1", "giou"), layers[0].logits.new_zeros(()))
    if count is None:
        count = _people_per_process(people)
    for output in layers:
        pairs = match(output, people, options)
        batch = torch.cat([torch.full_like(p.query, i) for i, p in enumerate(pairs)])
        query = torch.cat([p.query for p in pairs])
        truth = torch.cat([boxes[p.person] for boxes, p in zip(people, pairs, strict=True)])
        guess = output.boxes[batch, query]
        target = torch.zeros_like(output.logits)
        target[batch, query] = 1.0
        counted = ((target > 0) | ~covered(output.boxes, ignored, options.ignore_overlap)).float()
        focal = sigmoid_focal_loss(output.logits, target, options.focal_alpha, options.focal_gamma)
        total["classification"] = total["classification"] + options.classification * (focal * counted).sum() / count
        total["l1"] = total["l1"] + options.l1 * functional.l1_loss(guess, truth, reduction="sum") / count
        giou = generalized_box_iou_loss(corners(guess), corners(truth), reduction="sum")
        total["giou"] = total["giou"] + options.giou * giou / count
    return total


def covered(boxes: Tensor, ignored: Sequence[Tensor], share: float) -> Tensor:
    """N x Q: whether at least `share` of each predicted box (N x Q x 4) lies in one of its image's boxes to ignore."""
    inside = torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    for number, (predicted, regions) in enumerate(zip(boxes.detach(), ignored, strict=True)):
        if len(regions):
            a, b = corners(predicted)[:, None], corners(regions)[None]
            sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
            overlap = sides.prod(dim=-1) / predicted[:, None, 2:].prod(dim=-1).clamp(min=1e-12)
            inside[number] = (overlap >= share).any(dim=1)
    return inside


def corners(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h) as (left, top, right, bottom)."""
    out: Tensor = box_convert(boxes, "cxcywh", "xyxy")
    return out


def _people_per_process(people: Sequence[Tensor]) -> float:
    count = torch.tensor(float(sum(len(boxes) for boxes in people)), device=people[0].device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(count)
        count /= torch.distributed.get_world_size()
    return max(float(count), 1.0)
