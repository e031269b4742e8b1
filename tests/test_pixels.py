"""Pictures travel as bytes and become floats in the batch, on the network's device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from humanbench.backbones.features import Preprocessing
from humanbench.data.collate import collate, normalised
from humanbench.data.transforms import normalise, pixels

LOOKS = [
    Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", (64, 64)),
    Preprocessing((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), "bicubic", (64, 64)),
]


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    values[:16, :16, 0] = np.arange(256).reshape(16, 16)  # every value, as a channel's
    return Image.fromarray(values)


@pytest.mark.parametrize("look", LOOKS)
def test_values_are_those_of_numpy_to_the_bit(look: Preprocessing):
    images = [picture(24, 20, seed) for seed in (0, 1)]
    floats = normalised(collate([{"image": pixels(image)} for image in images]), look)["image"]
    assert floats.dtype == torch.float32
    assert floats.is_contiguous()
    for image, row in zip(images, floats, strict=True):
        scaled = np.asarray(image, np.float32) / np.float32(255)
        expected = (scaled - np.array(look.mean, np.float32)) / np.array(look.std, np.float32)
        assert np.array_equal(row.numpy(), expected.transpose(2, 0, 1))


def test_what_fills_up_a_batch_is_zero_after_normalising_as_the_network_pads():
    images = [pixels(picture(24, 20)), pixels(picture(18, 30))]
    batch = collate([{"image": image} for image in images])
    assert batch["image"].dtype == torch.uint8
    floats = normalised(batch, LOOKS[0])
    assert set(floats) == {"image", "input_size"}
    assert floats["input_size"] == (24, 30)
    for row, image in zip(floats["image"], images, strict=True):
        height, width = image.shape[1:]
        assert torch.equal(row[:, :height, :width], normalise(image[None], LOOKS[0])[0])
        assert not row[:, height:].any()
        assert not row[:, :, width:].any()


def test_floats_of_a_task_of_its_own_are_taken_as_they_are():
    images = torch.rand(2, 3, 4, 4)
    assert normalised({"image": images, "index": [0, 1]}, LOOKS[0])["image"] is images


def test_large_pictures_are_normalised_in_parts_without_a_seam(monkeypatch: pytest.MonkeyPatch):
    images = torch.stack([pixels(picture(50, 40, seed)) for seed in (0, 1)])
    whole = normalise(images, LOOKS[0])
    monkeypatch.setattr("humanbench.data.transforms._CACHED", 300)
    assert torch.equal(normalise(images, LOOKS[0]), whole)
