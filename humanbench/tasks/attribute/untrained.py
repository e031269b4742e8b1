"""Attributes without finetuning: what heads share that answer from the training people's features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
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
        (found,) = outputs
        return list((self.probabilities(found) if self.refers else found).cpu().numpy())
