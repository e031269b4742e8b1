"""Attributes without finetuning: those of the training people whose pooled features are nearest."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from humanbench.tasks.attribute.untrained import UntrainedHead


class NeighbourHead(UntrainedHead):
    """Probabilities by weighted nearest neighbours, with nothing to train.

    As in the evaluation of DINO (Caron et al., ICCV 2021; Wu et al., CVPR 2018), one attribute at a time: of the `k`
    training people with the highest cosine similarity s those of whom the attribute is known vote with weight
    exp(s / `temperature`). Where none is known the probability is the attribute's share in training.
    """

    reference: Tensor
    shared: Tensor
    labels: Tensor

    def __init__(self, labels: NDArray[np.int8], ratios: NDArray[np.float32], k: int, temperature: float) -> None:
        super().__init__(len(labels))
        self.k, self.temperature = min(k, len(labels)), temperature
        self.register_buffer("labels", torch.from_numpy(labels.astype(np.float32)), persistent=False)
        self.register_buffer("ratios", torch.from_numpy(ratios), persistent=False)
        self.register_buffer("reference", torch.empty(0), persistent=False)
        self.register_buffer("shared", torch.empty(0), persistent=False)

    def refer_to(self, features: NDArray[np.float64]) -> None:
        """Keep the features of the training people (N x C), with what all share taken off."""
        shared = features.mean(axis=0).astype(np.float32)
        self.shared = torch.from_numpy(shared).to(self.labels)
        self.reference = torch.from_numpy((features - shared).astype(np.float32)).to(self.labels)

    def probabilities(self, features: Tensor) -> Tensor:
        """N x A, of features N x C."""
        # 1 - cosine is half the squared distance at unit length, which has its digits where all cosines are near 1
        # once what all features share is taken off.
        apart = features - self.shared
        squares = apart.square().sum(1, keepdim=True) + self.reference.square().sum(1)
        gaps, nearest = (squares / 2 - apart @ self.reference.T).topk(self.k, dim=1, largest=False)
        votes = torch.exp(-gaps.clamp(min=0) / self.temperature)[..., None]  # at most 1, so that nothing overflows
        labels = self.labels[nearest]
        known = votes * (labels >= 0)
        share = (known * labels.clamp(min=0)).sum(1) / known.sum(1).clamp(min=1e-30)
        ratios: Tensor = self.ratios  # type: ignore[assignment]
        return torch.where(known.sum(1) > 0, share, ratios)
