"""The learners: a constant, ridge regression on pixels or on a network's features, and a small network trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from tools.sanity.jobs import STRIDE, Floats, Job

Pictures = NDArray[np.uint8]

PIXELS = 768  # values a picture is shrunk to for ridge regression
ROWS = 40_000  # cells that ridge regression sees at most
CELLS = (4, 2)  # what features of a whole picture are averaged over
BATCH = 16
WORK = 150e6  # pixels a network sees in training, at most
EPOCHS = 60


class Net(nn.Module):
    """Six convolutions at strides 2 to 16; all four maps together are the features. About 0.3 million weights.

    The output is linear in the features, and before any training it is the prior: the mean of the training targets.
    """

    WIDTHS = (16, 32, 64, 128)

    def __init__(self, job: Job, prior: Floats) -> None:
        super().__init__()
        self.dense = job.DENSE
        widths = (3, *self.WIDTHS)
        self.stages = nn.ModuleList(
            nn.Sequential(_step(a, b, 2), *([_step(b, b, 1)] if i >= 2 else []))
            for i, (a, b) in enumerate(zip(widths, self.WIDTHS, strict=False))
        )
        self.read = nn.Conv2d(sum(self.WIDTHS) * (1 if self.dense else CELLS[0] * CELLS[1]), len(prior), 1, bias=False)
        nn.init.zeros_(self.read.weight)
        self.prior = nn.Parameter(job.LINK.inverse(torch.tensor(prior, dtype=torch.float32)))

    def features(self, pictures: Tensor) -> Tensor:
        """N x C x h x w for N x 3 x H x W of 0..255."""
        maps, found = pictures / 64 - 2, []
        cells = (pictures.shape[2] // STRIDE, pictures.shape[3] // STRIDE)
        for stage in self.stages:
            maps = stage(maps)
            if self.dense:
                found.append(functional.interpolate(maps, cells, mode="bilinear"))
            else:
                found.append(functional.adaptive_avg_pool2d(maps, CELLS).flatten(1)[..., None, None])
        return torch.cat(found, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """N x T x h x w; `Link.mean` turns it into an estimate."""
        return self.read(self.features(pictures)) + self.prior


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def untrained(job: Job, pictures: Pictures, targets: Floats, seed: int) -> Net:
    """A network of random weights, its normalisation fitted to the pictures."""
    torch.manual_seed(seed)
    net = Net(job, targets.mean(axis=0)).train()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain average over all batches
    with torch.no_grad():
        for batch in torch.from_numpy(pictures).split(BATCH):
            net.features(batch.float())
    for norm in norms:
        norm.momentum = 0.1
    return net.eval()


def trained(job: Job, pictures: Pictures, targets: Floats, seed: int, work: float = WORK) -> Net:
    """A network trained for a fixed number of pixels, on pictures mirrored, moved and lit at random."""
    net = untrained(job, pictures, targets, seed).train()
    rng = np.random.default_rng(seed)
    epochs = min(EPOCHS, round(work / pictures[:, 0].size))
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(epochs)])
    batches = np.array_split(order, max(1, len(order) // BATCH))
    groups = [
        {"params": [net.prior], "weight_decay": 0.0},
        {"params": [p for p in net.parameters() if p is not net.prior]},
    ]
    optimizer = torch.optim.AdamW(groups, lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [2e-3, 2e-3], total_steps=len(batches), pct_start=0.15)
    net = net.to(memory_format=torch.channels_last)
    images, wanted = torch.from_numpy(pictures), torch.from_numpy(np.ascontiguousarray(targets, np.float32))
    mirrored = job.mirrored(targets.shape[1])
    for batch in batches:
        shown, answer = images[batch].float(), wanted[batch]
        if rng.random() < 0.5:
            shown, answer = shown.flip(3), answer[:, mirrored].flip(3)
        shown = _lit(shown, rng) if job.DENSE else _moved(_lit(shown, rng), rng)
        optimizer.zero_grad()
        job.LINK.loss(net(shown.contiguous(memory_format=torch.channels_last)), answer).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def _lit(shown: Tensor, rng: np.random.Generator) -> Tensor:
    """Each picture brighter or darker, and its colours a little shifted."""
    gains = rng.uniform(0.8, 1.25, (len(shown), 1, 1, 1)) * rng.uniform(0.92, 1.08, (len(shown), 3, 1, 1))
    return shown * torch.from_numpy(gains.astype(np.float32))


def _moved(shown: Tensor, rng: np.random.Generator) -> Tensor:
    """The batch up to a sixteenth of its size off, borders repeated."""
    height, width = shown.shape[2:]
    down, across = height // 16, width // 16
    padded = functional.pad(shown, (across, across, down, down), mode="replicate")
    top, left = rng.integers(0, 2 * down + 1), rng.integers(0, 2 * across + 1)
    return padded[:, :, top : top + height, left : left + width]


def estimates(job: Job, net: Net, pictures: Pictures) -> Floats:
    """What a network estimates: N x T x h x w."""
    with torch.no_grad():
        parts = [job.LINK.mean(net(batch.float())) for batch in torch.from_numpy(pictures).split(BATCH)]
    return torch.cat(parts).numpy()


def ridge_on_pixels(pictures: Pictures, targets: Floats, asked: Pictures) -> Floats:
    """Ridge regression from the whole shrunk picture to the whole target, around the mean target."""
    height, width = pictures.shape[2:]
    scale = np.sqrt(PIXELS / 3 / (height * width))
    size = (round(height * scale), round(width * scale))
    small = [
        functional.adaptive_avg_pool2d(torch.from_numpy(p).float(), size).flatten(1).numpy() for p in (pictures, asked)
    ]
    model = _ridge().fit(small[0], targets.reshape(len(targets), -1))
    return model.predict(small[1]).reshape(len(asked), *targets.shape[1:]).astype(np.float32)


def ridge_on_features(net: Net, pictures: Pictures, targets: Floats, asked: Pictures, seed: int) -> Floats:
    """Ridge regression from a network's features in a cell to the target there, around the cell's mean target."""
    rng = np.random.default_rng(seed)
    prior = targets.mean(axis=0, dtype=np.float64).astype(np.float32)
    cells = targets.shape[2] * targets.shape[3]
    each = min(cells, max(1, ROWS // len(pictures)))
    inputs, wanted = [], []
    for row, maps in _features(net, pictures):
        chosen = rng.choice(cells, each, replace=False)
        inputs.append(maps[:, chosen].T)
        wanted.append((targets[row] - prior).reshape(len(prior), -1)[:, chosen].T)
    model = _ridge().fit(np.concatenate(inputs), np.concatenate(wanted))
    found = [model.predict(maps.T).reshape(cells, -1).T.reshape(prior.shape) for _, maps in _features(net, asked)]
    return (np.stack(found) + prior).astype(np.float32)


def _features(net: Net, pictures: Pictures) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Row and features (C x cells) of each picture."""
    row = 0
    with torch.no_grad():
        for batch in torch.from_numpy(pictures).split(BATCH):
            for maps in net.features(batch.float()).flatten(2).numpy():
                yield row, maps
                row += 1


def _ridge() -> Pipeline:
    """Ridge regression on standardised features, its strength chosen by leaving one out."""
    return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 6, 7)))
