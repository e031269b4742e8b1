"""Input pipelines of training as the field's toolboxes have them, written down as the OpenCV and PIL calls they make.

Each is a pair: what a worker does with a file (with the toolbox's default augmentation of that kind), and what happens
to a batch until the network has it. OpenCV is on one thread, as in a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

try:
    import cv2
except ImportError:  # the peers cannot be measured then; all else can
    cv2 = None
else:
    cv2.setNumThreads(0)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN255 = torch.tensor(MEAN).view(3, 1, 1) * 255
_STD255 = torch.tensor(STD).view(3, 1, 1) * 255

Array = np.ndarray[Any, Any]


def _read(path: str) -> Array:
    """As mmcv: bytes, decoded to BGR."""
    return cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def _packed(image: Array) -> torch.Tensor:
    """As mm* toolboxes pack: uint8 C x H x W."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def preprocessed(samples: Sequence[Any]) -> torch.Tensor:
    """As mmengine's ImgDataPreprocessor: BGR to RGB, float, normalised, padded right and bottom, stacked."""
    images = [s[0] if isinstance(s, tuple) else s for s in samples]
    floats = [(image[[2, 1, 0]].float() - _MEAN255) / _STD255 for image in images]
    height, width = (max(image.shape[axis] for image in floats) for axis in (1, 2))
    return torch.stack([torch.nn.functional.pad(f, (0, width - f.shape[2], 0, height - f.shape[1])) for f in floats])


def stacked(samples: Sequence[Any]) -> torch.Tensor:
    """As a default collate."""
    return torch.stack(list(samples))


def pose(path: str, rng: np.random.Generator) -> torch.Tensor:
    """As mmpose: bounding box transform, flip, warp by bilinear interpolation to 256 x 192."""
    image = _read(path)
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
    height, width = image.shape[:2]
    scale = rng.uniform(0.5, 1.5)
    middle = (width * 0.45, height * 0.5)
    matrix = cv2.getRotationMatrix2D(middle, rng.uniform(-80, 80), 256 / (height * scale))
    matrix[:, 2] += np.array([96.0, 128.0]) - middle
    return _packed(cv2.warpAffine(image, matrix, (192, 256), flags=cv2.INTER_LINEAR))


def parsing(path: str, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """As mmseg: map by Pillow, both resized at random about 480 x 480, cut to it, flipped, padded."""
    image = _read(path)
    label = np.array(Image.open(str(Path(path).parent / "maps" / f"{Path(path).stem}.png")))
    side = int(480 * rng.uniform(0.5, 1.6))
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    label = cv2.resize(label, (side, side), interpolation=cv2.INTER_NEAREST)
    top, left = (int(rng.integers(0, max(0, side - 480) + 1)) for _ in range(2))
    image, label = image[top : top + 480, left : left + 480], label[top : top + 480, left : left + 480]
    if rng.random() < 0.5:
        image, label = cv2.flip(image, 1), cv2.flip(label, 1)
    lack = max(0, 480 - image.shape[0])
    if lack:
        image = cv2.copyMakeBorder(image, 0, lack, 0, lack, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        label = cv2.copyMakeBorder(label, 0, lack, 0, lack, cv2.BORDER_CONSTANT, value=255)
    return _packed(image), torch.from_numpy(label.astype(np.int64))


_REID = transforms.Compose(
    [
        transforms.Resize((256, 128)),
        transforms.RandomHorizontalFlip(),
        transforms.Pad(10),
        transforms.RandomCrop((256, 128)),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
        transforms.RandomErasing(0.5),
    ]
)
_ATTRIBUTE = transforms.Compose(
    [
        transforms.Resize((256, 192)),
        transforms.Pad(10),
        transforms.RandomCrop((256, 192)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)


def reid(path: str, rng: np.random.Generator) -> torch.Tensor:
    """As torchreid and fast-reid: PIL through torchvision."""
    found: torch.Tensor = _REID(Image.open(path).convert("RGB"))
    return found


def attribute(path: str, rng: np.random.Generator) -> torch.Tensor:
    """As the attribute baselines: PIL through torchvision."""
    found: torch.Tensor = _ATTRIBUTE(Image.open(path).convert("RGB"))
    return found


def detection(path: str, rng: np.random.Generator) -> torch.Tensor:
    """As mmdet's DETR: flip, then resized, or resized, cropped and resized."""

    def short(image: Array, side: int) -> Array:
        factor = min(side / min(image.shape[:2]), 1333 / max(image.shape[:2]))
        size = round(image.shape[1] * factor), round(image.shape[0] * factor)
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)

    image = _read(path)
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
    if rng.random() < 0.5:
        image = short(image, int(rng.choice([400, 500, 600])))
        height, width = (int(rng.integers(min(384, s), min(600, s) + 1)) for s in image.shape[:2])
        top, left = int(rng.integers(image.shape[0] - height + 1)), int(rng.integers(image.shape[1] - width + 1))
        image = image[top : top + height, left : left + width]
    return _packed(short(image, int(rng.choice(range(480, 801, 32)))))


def counting(path: str, rng: np.random.Generator) -> torch.Tensor:
    """As the counting baselines: PIL, scaled, cut to 384 x 384, flipped, through torchvision."""
    image = Image.open(path).convert("RGB")
    factor = max(rng.uniform(0.75, 1.25), 384 / image.height, 384 / image.width)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    left, top = int(rng.integers(image.width - 384 + 1)), int(rng.integers(image.height - 384 + 1))
    image = image.crop((left, top, left + 384, top + 384))
    if rng.random() < 0.5:
        image = functional.hflip(image)
    found: torch.Tensor = functional.normalize(functional.to_tensor(image), MEAN, STD)
    return found


Read = Callable[[str, np.random.Generator], Any]

PEERS: dict[str, tuple[Read, Callable[[Sequence[Any]], torch.Tensor]]] = {
    "pose": (pose, preprocessed),
    "parsing": (parsing, preprocessed),
    "reid": (reid, stacked),
    "detection": (detection, preprocessed),
    "attribute": (attribute, stacked),
    "counting": (counting, stacked),
}
