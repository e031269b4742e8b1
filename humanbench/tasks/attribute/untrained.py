"""Attributes without finetuning, from the training people's pooled features: nearest neighbours, a linear probe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, Features
from humanbench.tasks.training import Batch


class UntrainedHead(nn.Module, ABC):
    """Probabilities from pooled features at unit length, with nothing that gradients train.

    `people`: in training. Until `set_reference_features` is called, decoding gives the features themselves.
    """

    needs: FeatureLevel = "map"

    def __init__(self, people: int) -> None:
        super().__init__()
        self.people, self.refers = people, False

    def set_reference_features(self, features: Sequence[NDArray[np.float32]]) -> None:
        """The features of the training people at unit length, in the order of the labels."""
        if len(features) != self.people:
            raise ValueError(f"{len(features)} features for {self.people} training people")
        self.refer_to(np.stack(features).astype(np.float64))
        self.refers = True

    @abstractmethod
    def refer_to(self, features: NDArray[np.float64]) -> None:
        """Keep what is needed of the training people's features (N x C)."""

    @abstractmethod
    def probabilities(self, features: Tensor) -> Tensor:
        """N x A, of features N x C."""

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Pooled features N x C at unit length."""
        return functional.normalize(features.pooled.float(), dim=1)

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[NDArray[np.float32]]:
        """Probabilities (A) of each sample."""
        (features,) = outputs
        return list((self.probabilities(features) if self.refers else features).cpu().numpy())


class NeighbourHead(UntrainedHead):
    """Probabilities by weighted nearest neighbours, with nothing to train.

    As in the evaluation of DINO (Caron et al., ICCV 2021; Wu et al., CVPR 2018), one attribute at a time: of the `k`
    training people with the highest cosine similarity s those of whom the attribute is known vote with weight
    exp(s / `temperature`). Where none is known the probability is the attribute's share in training.
    """

    labels: Tensor
    ratios: Tensor
    reference: Tensor
    shared: Tensor

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
        return torch.where(known.sum(1) > 0, share, self.ratios)


class LinearProbe(UntrainedHead):
    """Probabilities by scikit-learn's `LogisticRegression` (L2, C = 1, standardised features), one attribute at a time.

    Fitted on the training people of whom the attribute is known; where all of them have it, or none has, the
    probability is the attribute's share in training. No gradient passes the network, and the solver is deterministic.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, labels: NDArray[np.int8], ratios: NDArray[np.float32]) -> None:
        super().__init__(len(labels))
        self.labels, self.ratios = labels, ratios
        self.register_buffer("weight", torch.empty(0, dtype=torch.float64), persistent=False)
        self.register_buffer("bias", torch.empty(0, dtype=torch.float64), persistent=False)

    def refer_to(self, features: NDArray[np.float64]) -> None:
        """Fit to the features of the training people (N x C)."""
        from sklearn.linear_model import LogisticRegression

        middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
        weight = np.zeros((self.labels.shape[1], features.shape[1]))
        bias = np.log(np.clip(self.ratios, 1e-6, 1 - 1e-6) / (1 - np.clip(self.ratios, 1e-6, 1 - 1e-6))).astype(float)
        for number, column in enumerate(self.labels.T):
            known = column >= 0
            if len(np.unique(column[known])) == 2:
                fitted = LogisticRegression(max_iter=1000).fit((features[known] - middle) / spread, column[known])
                weight[number] = fitted.coef_[0] / spread
                bias[number] = fitted.intercept_[0] - weight[number] @ middle
        self.weight, self.bias = (torch.from_numpy(of).to(self.bias.device) for of in (weight, bias))

    def probabilities(self, features: Tensor) -> Tensor:
        """N x A, of features N x C."""
        return torch.sigmoid(features.double() @ self.weight.T + self.bias).float()
