"""Pictures as files hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.images import open_rgb, unreadable
from humanbench.data.verify import decoded_size
from humanbench.errors import DataError
from humanbench.evaluation.pictures import folder_pictures

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


def test_pictures_that_are_cut_off_are_found_before_anything_is_done(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    paths = [tmp_path / name for name in ("whole.jpg", "cut.jpg", "text.png", "whole.png")]
    for path in (paths[0], paths[1], paths[3]):
        Image.fromarray(noise).save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:9000])
    paths[2].write_text("no picture")
    assert list(unreadable(paths)) == paths[1:3]
    given = tmp_path / "given"
    given.mkdir()
    for path in paths:
        path.rename(given / path.name)
    card, skipped = load_card("pa100k"), list[str]()
    with pytest.raises(DataError, match=r"^2 of 4 pictures cannot be read: .*cut.jpg.*text.png.*--skip-unreadable"):
        folder_pictures(card, given)
    assert [picture.id for picture in folder_pictures(card, given, skipped=skipped)] == ["whole.jpg", "whole.png"]
    assert len(skipped) == 2
