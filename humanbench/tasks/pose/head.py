"""The pose head: transposed convolutions to heatmaps (the paper's TopDownSimpleHead, after SimpleBaseline)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, Features
from humanbench.tasks.maps import ChannelNorm, cells, cover, doublings
from humanbench.tasks.pictures import swapped
from humanbench.tasks.pose.heatmaps import gaussians, peaks
from humanbench.tasks.pose.options import PoseHeadOptions, PoseLossOptions, PoseTestOptions
from humanbench.tasks.pose.rescoring import CropPose
from humanbench.tasks.pose.transforms import Window, between, to_picture
from humanbench.tasks.training import Batch


class PoseHead(nn.Module):
    """Heatmaps N x K x ceil(H / stride) x ceil(W / stride) from a map of any stride.

    The map is doubled (4 x 4 transposed convolution, channel LayerNorm, ReLU) until its stride is at most the
    recipe's: twice from a patch of 16 pixels to stride 4, as in the paper, three times from stride 32. Then a 1 x 1
    convolution. Padding of the input is cut off, and a patch of 14 pixels (stride 3.5) is resampled to the recipe's.
    """

    needs: FeatureLevel = "map"

    def __init__(
        self,
        channels: int,
        stride: int,
        joints: int,
        flip_pairs: Sequence[tuple[int, int]],
        head: PoseHeadOptions,
        loss: PoseLossOptions,
        test: PoseTestOptions,
    ) -> None:
        super().__init__()
        times = doublings(stride, head.stride)
        layers: list[nn.Module] = []
        for number in range(times):
            width = channels if number == 0 else head.channels
            layers += [nn.ConvTranspose2d(width, head.channels, 4, 2, 1, bias=False), ChannelNorm(head.channels)]
            layers += [nn.ReLU(inplace=True)]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(head.channels if times else channels, joints, 1)
        self.stride, self.reached = head.stride, stride / 2**times
        self.sigma, self.blur = loss.sigma, test.blur
        self.mirrored = swapped(flip_pairs, joints)
        for layer in (*self.deconv_layers, self.final_layer):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Features, batch: Batch) -> Tensor:
        heatmaps = self.final_layer(self.deconv_layers(features.map))
        return cover(heatmaps, self.reached, self.stride, batch["input_size"])

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean square difference to the target Gaussians; a joint that is not labelled or not in the crop adds 0."""
        cells_per_pixel = between(np.ones(2), batch["input_size"], cells(batch["input_size"], self.stride))
        joints = batch["joints"] * torch.from_numpy(cells_per_pixel).to(batch["joints"])
        size = (outputs.shape[-2], outputs.shape[-1])
        target, inside = gaussians(joints, size, self.sigma)
        error = (outputs.float() - target).square().mean((2, 3))
        return {"heatmap": (error * batch["weights"] * inside).mean()}

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[CropPose]:
        """People in original pixels; of two views the second is of the mirrored picture, and heatmaps are averaged."""
        heatmaps = outputs[0].float()
        if len(outputs) > 1:
            heatmaps = (heatmaps + outputs[1].float().flip(-1)[:, self.mirrored]) / 2
        places, scores = peaks(heatmaps, self.blur)
        size = (heatmaps.shape[-2], heatmaps.shape[-1])
        windows, boxes = batch["window"].double().cpu().numpy(), batch["box_score"].tolist()
        people = []
        for row, (who, window) in enumerate(zip(batch["who"], windows, strict=True)):
            points = to_picture(places[row].cpu().numpy(), Window(window[:2], window[2:]), size)
            keypoints = np.concatenate([points, scores[row, :, None].double().cpu().numpy()], axis=1)
            people.append(CropPose(who[0], who[1], keypoints, boxes[row], float(window[2:].prod())))
        return people
