"""Attributes without finetuning: a logistic regression of each on the training people's pooled features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from humanbench.tasks.attribute.untrained import UntrainedHead


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
