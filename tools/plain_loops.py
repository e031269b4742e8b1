"""A page of code per task that fits the mini network to a few pictures: what the engine is held against.

Written from the papers, without the package's transforms, heads, losses, optimiser groups, schedules or decoding.
Each `loop(card, table, size, length)` trains on the pictures of a sample table and gives the metric, in percent
(counting: the mean absolute error), on the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from humanbench import load_backbone, metrics
from humanbench.cards import DatasetCard
from humanbench.data.labels import load_label

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
Size = tuple[int, int]


@dataclass(frozen=True)
class Length:
    """How long both fits go: iterations of `batch` pictures, the head's peak `rate`; the first tenth warms up."""

    iterations: int
    batch: int
    rate: float

    @property
    def warmup(self) -> int:
        return self.iterations // 10


class Net(nn.Module):
    """The mini pyramid, random at the start: its map, and the mean over it."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid: Any = load_backbone("mini_pyramid_random").trunk
        self.stride, self.width = int(self.pyramid.stride), int(self.pyramid.num_features)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Vector N x 64, and map N x 64 x H / 4 x W / 4."""
        found = self.pyramid(images)
        return found.mean((2, 3)), found


def fit(nets: nn.ModuleList, count: int, length: Length, step: Callable[[Tensor], Tensor]) -> None:
    """Adam on the loss that `step` gives for the indices of a batch, halved for the backbone; warm-up, then cosine."""
    torch.manual_seed(0)
    rates = [length.rate * (0.5 if isinstance(net, Net) else 1.0) for net in nets]
    groups = [{"params": list(net.parameters()), "lr": rate} for net, rate in zip(nets, rates, strict=True)]
    optimiser = torch.optim.Adam(groups)
    order = torch.randperm(count)
    nets.train()
    for iteration in range(length.iterations):
        done = iteration / length.iterations
        factor = min(1.0, (iteration + 1) / length.warmup) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        if len(order) < length.batch:
            order = torch.cat([order, torch.randperm(count)])
        chosen, order = order[: length.batch], order[length.batch :]
        loss = step(chosen)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(nets.parameters(), 1.0)
        optimiser.step()
    nets.eval()


def pixels(image: Image.Image) -> Tensor:
    """A picture as input."""
    array = (np.asarray(image.convert("RGB")) / 255.0 - MEAN) / STD
    return torch.from_numpy(array.transpose(2, 0, 1)).float()


def stretched(table: pd.DataFrame, size: Size) -> Tensor:
    """All pictures at one size."""
    opened = (Image.open(path).convert("RGB") for path in table["image"])
    return torch.stack([pixels(image.resize(size[::-1], Image.Resampling.BILINEAR)) for image in opened])


def reid(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """mAP: identities classified from a batch norm of the vector, and a soft triplet loss on it."""
    images, net = stretched(table, size), Net()
    people = torch.tensor(pd.factorize(table["pid"])[0])
    norm, classify = nn.BatchNorm1d(net.width), nn.Linear(net.width, int(people.max()) + 1, bias=False)

    def step(chosen: Tensor) -> Tensor:
        token, who = net(images[chosen])[0], people[chosen]
        away = (token[:, None] - token[None]).square().sum(-1).add(1e-9).sqrt()
        same = who[:, None] == who[None]
        hardest = (away * same).amax(1) - (away + 1e9 * same).amin(1)
        return functional.cross_entropy(classify(norm(token)), who) + functional.softplus(hardest).mean()

    fit(nn.ModuleList([net, norm, classify]), len(table), length, step)
    with torch.no_grad():
        feature = functional.normalize(net(images)[0], dim=1).numpy()
    who, where = table["pid"].to_numpy(np.int64), table["camid"].to_numpy(np.int64)
    return metrics.reid_from_features(feature, feature, who, who, where, where)["mAP"]


def attribute(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """mA: a linear layer on the vector."""
    images, net = stretched(table, size), Net()
    labels = table[list(card.labels.attributes)].to_numpy(np.int8)
    targets = torch.from_numpy(labels).float()
    head = nn.Linear(net.width, targets.shape[1])

    def step(chosen: Tensor) -> Tensor:
        logits = head(net(images[chosen])[1].mean((2, 3)))
        return functional.binary_cross_entropy_with_logits(logits, targets[chosen]) * targets.shape[1]

    fit(nn.ModuleList([net, head]), len(table), length, step)
    with torch.no_grad():
        probabilities = head(net(images)[1].mean((2, 3))).sigmoid().numpy()
    return metrics.attributes(probabilities, labels)["mA"]


def up(channels: int, hidden: int, out: int) -> nn.Sequential:
    """A map of twice the resolution: convolutions with batch norm."""
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1), nn.BatchNorm2d(hidden), nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(hidden, hidden, 3, padding=1), nn.BatchNorm2d(hidden), nn.ReLU(), nn.Conv2d(hidden, out, 1),
    )  # fmt: skip


def pose(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """AP: heatmaps of half the network's stride under a mean square error, the peak refined by its neighbours."""
    net = Net()
    cell = net.stride // 2
    rows, columns = size[0] // cell, size[1] // cell
    boxes = np.stack(list(table["bbox"])).astype(float)
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    tall = 1.25 * np.maximum(boxes[:, 3], boxes[:, 2] * size[0] / size[1])
    corner = middle - np.stack([tall * size[1] / size[0], tall], 1) / 2
    factor = size[0] / tall  # input pixels per pixel of the picture; edges of windows are edges of inputs
    crops = []
    for path, (left, top), high in zip(table["image"], corner, tall, strict=True):
        window = (left, top, left + high * size[1] / size[0], top + high)
        opened = Image.open(path).convert("RGB")
        crops.append(pixels(opened.transform(size[::-1], Image.Transform.EXTENT, window, Image.Resampling.BILINEAR)))
    images = torch.stack(crops)
    points = np.stack(list(table["keypoints"])).astype(float)
    cells = ((points[..., :2] + 0.5 - corner[:, None]) * factor[:, None, None]) / cell - 0.5
    x, y = torch.arange(columns).float(), torch.arange(rows).float()
    place, seen = torch.from_numpy(cells).float(), torch.from_numpy(points[..., 2] > 0).float()
    targets = torch.exp(-((x - place[..., :1]) ** 2)[..., None, :] / 4.5 - ((y - place[..., 1:]) ** 2)[..., None] / 4.5)
    head = up(net.width, 64, points.shape[1])

    def step(chosen: Tensor) -> Tensor:
        error = (head(net(images[chosen])[1]) - targets[chosen]).square().mean((2, 3))
        return 100 * (error * seen[chosen]).mean()

    fit(nn.ModuleList([net, head]), len(table), length, step)
    with torch.no_grad():
        maps = head(net(images)[1])
    score, best = maps.flatten(2).max(2)
    edged = functional.pad(maps, (1, 1, 1, 1), mode="replicate").double()
    column, row = best % columns, best // columns

    def at(dx: int, dy: int) -> Tensor:
        index = (row + 1 + dy) * (columns + 2) + column + 1 + dx
        return edged.flatten(2).gather(2, index[..., None])[..., 0].clamp_min(1e-6).log()

    def between(before: Tensor, here: Tensor, after: Tensor) -> Tensor:  # the top of a parabola through logarithms
        return ((before - after) / (2 * (before - 2 * here + after)).clamp_max(-1e-6)).clamp(-0.5, 0.5)

    exact = torch.stack(
        [column + between(at(-1, 0), at(0, 0), at(1, 0)), row + between(at(0, -1), at(0, 0), at(0, 1))], -1
    )
    found = (exact.numpy() + 0.5) * cell / factor[:, None, None] + corner[:, None] - 0.5
    truth = [
        {
            "id": int(row["annotation_id"]), "image_id": int(row["image_id"]), "category_id": 1,
            "keypoints": np.asarray(row["keypoints"]).ravel().tolist(), "bbox": list(row["bbox"]), "iscrowd": 0,
            "area": float(row["area"]), "num_keypoints": int(row["num_keypoints"]),
        }
        for _, row in table.iterrows()
    ]  # fmt: skip
    detections = [
        {
            "image_id": int(image), "category_id": 1, "score": float(of.mean()),
            "keypoints": np.concatenate([at_, of[:, None].numpy()], 1).ravel().tolist(),
        }
        for image, at_, of in zip(table["image_id"], found, score, strict=True)
    ]  # fmt: skip
    whole = {
        "images": [{"id": int(i)} for i in sorted(set(table["image_id"]))], "annotations": truth,
        "categories": [{"id": 1, "name": "person"}],
    }  # fmt: skip
    return metrics.keypoint_ap(whole, detections, card.labels.sigmas)["AP"]


def parsing(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """mIoU: a class per cell of half the network's stride, enlarged to the input, under cross entropy."""
    images, net = stretched(table, size), Net()
    full = [load_label(card, label) for label in table["label"]]
    small = [np.asarray(Image.fromarray(m).resize(size[::-1], Image.Resampling.NEAREST)) for m in full]
    targets = torch.from_numpy(np.stack(small)).long()
    classes = len(card.labels.classes)
    head = up(net.width, 64, classes)

    def step(chosen: Tensor) -> Tensor:
        scores = functional.interpolate(head(net(images[chosen])[1]), size=size, mode="bilinear")
        return functional.cross_entropy(scores, targets[chosen], ignore_index=255)

    fit(nn.ModuleList([net, head]), len(table), length, step)
    with torch.no_grad():
        scores = head(net(images)[1])
    confusions = [
        metrics.confusion(
            functional.interpolate(one[None], size=m.shape, mode="bilinear")[0].argmax(0).numpy(), m, classes
        )
        for one, m in zip(scores, full, strict=True)
    ]
    return metrics.parsing(confusions, classes)["mIoU"]


def counting(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """MAE: the map's cells are people, their sum is the count; squared error of both."""
    images, net = stretched(table, size), Net()
    rows, columns = size[0] // net.stride, size[1] // net.stride
    density = torch.zeros(len(table), rows, columns)
    for number, (path, points) in enumerate(zip(table["image"], table["points"], strict=True)):
        width, height = Image.open(path).size
        for x, y in np.asarray(points):
            row, column = min(rows - 1, int(y / height * rows)), min(columns - 1, int(x / width * columns))
            density[number, row, column] += 1
    density = functional.avg_pool2d(density[:, None], 3, 1, 1)[:, 0]
    counts = torch.tensor([len(points) for points in table["points"]]).float()
    density *= (counts / density.sum((1, 2)))[:, None, None]
    head = nn.Sequential(nn.Conv2d(net.width, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 1, 1))

    def step(chosen: Tensor) -> Tensor:
        found = head(net(images[chosen])[1])[:, 0]
        return (found - density[chosen]).square().mean() + 0.01 * (found.sum((1, 2)) - counts[chosen]).abs().mean()

    fit(nn.ModuleList([net, head]), len(table), length, step)
    with torch.no_grad():
        found = head(net(images)[1]).sum((1, 2, 3)).numpy()
    return metrics.counting(found, counts.numpy())["MAE"]


class Decoder(nn.Module):
    """Queries at the points of a grid, each with what the map holds there; they look at the map, then at each other."""

    def __init__(self, width: int, rows: int = 10, columns: int = 15, hidden: int = 128, depth: int = 1) -> None:
        super().__init__()
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
        self.register_buffer("points", torch.stack([x.flatten(), y.flatten()], -1))
        self.project = nn.Conv2d(width, hidden, 1)
        self.place = nn.Linear(32, hidden)
        layers = nn.TransformerDecoderLayer(hidden, 4, 2 * hidden, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layers, depth)
        self.score, self.box = (
            nn.Linear(hidden, 1),
            nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 4)),
        )
        nn.init.constant_(self.score.bias, -4.0)
        nn.init.zeros_(self.box[2].weight)
        self.box[2].bias = nn.Parameter(torch.tensor([0.0, 0.0, -2.5, -1.5]))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits N x Q; boxes N x Q x 4: left, top, right, bottom in shares of the picture."""
        level = self.project(features)
        rows, columns = level.shape[-2:]
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
        memory = level.flatten(2).transpose(1, 2) + self.place(waves(torch.stack([x.flatten(), y.flatten()], -1)))
        at = functional.grid_sample(level, (2 * self.points - 1).expand(len(level), 1, -1, 2), align_corners=False)
        queries = self.layers(at[:, :, 0].transpose(1, 2) + self.place(waves(self.points)), memory)
        moved = self.box(queries)
        middle, half = self.points + 0.2 * moved[..., :2], moved[..., 2:].exp() / 2
        return self.score(queries)[..., 0], torch.cat([middle - half, middle + half], -1)


def waves(points: Tensor) -> Tensor:
    """Sines and cosines of places (... x 2), of half a turn to 64 turns in a picture."""
    angles = points[..., None] * math.pi * 2.0 ** torch.arange(8)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU of boxes (broadcast, corners), and the same less the unused share of their hull (GIoU)."""
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    joint = sides.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - joint
    return joint / union, joint / union - (hull - union) / hull


def set_loss(logits: Tensor, boxes: Tensor, people: list[Tensor], away: list[Tensor]) -> Tensor:
    """Focal loss, L1 and GIoU per person, by the cheapest assignment; queries inside a box to ignore drop out."""
    total, count = logits.new_zeros(()), sum(map(len, people))
    for logit, box, truth, regions in zip(logits, boxes, people, away, strict=True):
        share = logit.sigmoid()
        yes = 0.25 * (1 - share) ** 2 * -functional.logsigmoid(logit)
        no = 0.75 * share**2 * -functional.logsigmoid(-logit)
        with torch.no_grad():
            cost = 2 * (yes - no)[:, None] + 5 * torch.cdist(box, truth, p=1) - 2 * overlaps(box[:, None], truth)[1]
            query, person = map(torch.from_numpy, linear_sum_assignment(cost.numpy()))
            hit = torch.zeros(len(logit), dtype=torch.bool)
            hit[query] = True
            inside = torch.zeros_like(hit)
            for region in regions:
                side = torch.minimum(box[:, 2:], region[2:]) - torch.maximum(box[:, :2], region[:2])
                inside |= side.clamp_min(0).prod(-1) > 0.7 * (box[:, 2:] - box[:, :2]).prod(-1)
        kind = yes[hit].sum() + no[~hit & ~inside].sum()
        near = (box[query] - truth[person]).abs().sum() * 5 + 2 * (1 - overlaps(box[query], truth[person])[1]).sum()
        total = total + 2 * kind + near
    return total / max(1, count)


def crowd_scores(table: pd.DataFrame, shapes: list[Size], logits: Tensor, boxes: Tensor) -> metrics.Scores:
    """CrowdHuman's metrics of pictures of these sizes (width, height)."""
    found: list[dict[str, Any]] = []
    for number, (width, height) in enumerate(shapes):
        box = boxes[number].numpy() * np.array([width, height] * 2)
        box[:, 2:] -= box[:, :2]
        gt = np.concatenate([table["boxes"][number], np.asarray(table["ignore"][number], float)[:, None]], 1)
        det = np.concatenate([box, logits[number].sigmoid().numpy()[:, None]], 1)
        found.append({"id": number, "width": width, "height": height, "gt": gt, "det": det[det[:, 4] >= 0.05]})
    return metrics.crowdhuman(found)


def detection(card: DatasetCard, table: pd.DataFrame, size: Size, length: Length) -> float:
    """AP50: one query for each person by the cheapest assignment, focal loss, L1 and GIoU."""
    shapes = [Image.open(path).size for path in table["image"]]
    images, net = stretched(table, size), Net()
    people, away = [], []
    for (width, height), boxes, ignore in zip(shapes, table["boxes"], table["ignore"], strict=True):
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1) / [width, height, width, height]
        shares, left_out = torch.from_numpy(corners.clip(0, 1)).float(), torch.from_numpy(np.asarray(ignore, bool))
        people.append(shares[~left_out])
        away.append(shares[left_out])
    decoder = Decoder(net.width)

    def step(chosen: Tensor) -> Tensor:
        rows = chosen.tolist()
        return set_loss(*decoder(net(images[chosen])[1]), [people[i] for i in rows], [away[i] for i in rows])

    fit(nn.ModuleList([net, decoder]), len(table), length, step)
    with torch.no_grad():
        logits, boxes = decoder(net(images)[1])
    return crowd_scores(table, shapes, logits, boxes)["AP50"]
