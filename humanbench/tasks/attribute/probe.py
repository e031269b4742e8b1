"""Attributes without finetuning: a logistic regression of each on the training people's pooled features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, Features
from humanbench.tasks.training import Batch


class LinearProbe(nn.Module):
    """Probabilities by scikit-learn's `LogisticRegression` (L2, C = 1, standardised features), one attribute at a time.

    Fitted on the training people of whom the attribute is known; where all of them have it, or none has, the
    probability is the attribute's share in training. No gradient passes the network, and the solver is deterministic.

    Until `set_reference_features` is called, decoding gives the features themselves.
    """

    needs: FeatureLevel = "map"
    weight: Tensor
    bias: Tensor

    def __init__(self, labels: NDArray[np.int8], ratios: NDArray[np.float32]) -> None:
        super().__init__()
        self.labels, self.ratios = labels, ratios
        self.register_buffer("weight", torch.empty(0, dtype=torch.float64), persistent=False)
        self.register_buffer("bias", torch.empty(0, dtype=torch.float64), persistent=False)

    def set_reference_features(self, features: Sequence[NDArray[np.float32]]) -> None:
        """Fit to the features of the training people at unit length, in the order of the labels."""
        from sklearn.linear_model import LogisticRegression

        if len(features) != len(self.labels):
            raise ValueError(f"{len(features)} features for {len(self.labels)} training people")
        stacked = np.stack(features).astype(np.float64)
        middle, spread = stacked.mean(axis=0), np.maximum(stacked.std(axis=0), 1e-12)
        weight = np.zeros((self.labels.shape[1], stacked.shape[1]))
        bias = np.log(np.clip(self.ratios, 1e-6, 1 - 1e-6) / (1 - np.clip(self.ratios, 1e-6, 1 - 1e-6))).astype(float)
        for number, column in enumerate(self.labels.T):
            known = column >= 0
            if len(np.unique(column[known])) == 2:
                fitted = LogisticRegression(max_iter=1000).fit((stacked[known] - middle) / spread, column[known])
                weight[number] = fitted.coef_[0] / spread
                bias[number] = fitted.intercept_[0] - weight[number] @ middle
        self.weight, self.bias = (torch.from_numpy(of).to(self.bias.device) for of in (weight, bias))

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Pooled features N x C at unit length."""
        return functional.normalize(features.pooled.float(), dim=1)

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[NDArray[np.float32]]:
        """Probabilities (A) of each sample."""
        (found,) = outputs
        if not len(self.weight):
            return list(found.cpu().numpy())
        return list(torch.sigmoid(found.double() @ self.weight.T + self.bias).float().cpu().numpy())
