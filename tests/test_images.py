"""Pictures as files hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from humanbench.data.images import open_rgb
from humanbench.data.verify import decoded_size
from humanbench.errors import DataError

RAMP = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_pictures_of_sixteen_bits_are_refused_and_not_white(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"deep{suffix}"
    Image.fromarray(RAMP).save(path)
    for opened in (open_rgb, decoded_size):
        with pytest.raises(DataError, match=f"deep{suffix}: a grey picture of more than 8 bits a pixel"):
            opened(path)


def test_pictures_of_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match="mode F"):
        open_rgb(tmp_path / "deep.tif")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_other_pictures_keep_what_they_show(mode: str, tmp_path: Path) -> None:
    """From black on the left to white on the right, give or take what a palette loses."""
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (8, 1))).convert("RGB").convert(mode)
    path = tmp_path / ("ramp.tif" if mode == "CMYK" else "ramp.png")
    ramp.save(path)
    shown = np.asarray(open_rgb(path)).astype(int)
    assert shown.shape == (8, 64, 3)
    assert shown[:, 0].max() < 16
    assert shown[:, -1].min() > 235
