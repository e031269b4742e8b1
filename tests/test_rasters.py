"""The library that makes the network's pictures is a recipe's choice; the shipped one changes nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.images import open_rgb
from humanbench.data.rasters import OpenCvRaster, PillowRaster, Raster, _cv2, open_raster
from humanbench.errors import DataError, HumanbenchError
from humanbench.recipes import load_recipe
from humanbench.tasks.training import training_of

pytest.importorskip("cv2", reason="the extra opencv is not installed")


def scene(height: int = 90, width: int = 120) -> Image.Image:
    """Waves so long that all ways of interpolating them nearly agree, so short that a shift shows."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 7), 128 + 100 * np.sin(y / 6), 128 + 100 * np.sin((x + y) / 9)]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8))


def jpeg(image: Image.Image, path: Path, **options: Any) -> str:
    image.save(path, "JPEG", quality=85, **options)
    return str(path)


def array(raster: Raster) -> NDArray[np.uint8]:
    return np.asarray(raster.image())


def test_a_recipe_is_what_it_was_unless_it_names_another_library():
    card = load_card("coco_pose")
    recipe, named = (load_recipe(card, "full", overrides=o) for o in (None, {"input.library": "pillow"}))
    other = load_recipe(card, "full", overrides={"input.library": "opencv"})
    assert "library" not in recipe.model_dump(mode="json")["input"]
    assert named.sha256 == recipe.sha256
    assert other.sha256 != recipe.sha256
    assert other.model_dump(mode="json")["input"]["library"] == "opencv"


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}])
def test_both_decode_to_the_same_pixels(tmp_path: Path, options: dict[str, Any]):
    path = jpeg(scene(91, 123), tmp_path / "a.jpg", **options)
    assert np.array_equal(array(open_raster(path, "opencv")), np.asarray(open_rgb(path)))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_what_is_not_rgb_is_decoded_alike_too(tmp_path: Path, mode: str):
    path = jpeg(scene().convert(mode), tmp_path / "a.jpg")
    assert np.array_equal(array(open_raster(path, "opencv")), np.asarray(open_rgb(path)))


def test_a_broken_picture_gives_the_same_sentence(tmp_path: Path):
    path = tmp_path / "cut.jpg"
    whole = io.BytesIO()
    scene().save(whole, "JPEG")
    path.write_bytes(whole.getvalue()[:-400])
    messages = []
    for library in ("pillow", "opencv"):
        with pytest.raises(DataError) as error:
            open_raster(str(path), library)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    with pytest.raises(DataError, match="there is no such image"):
        open_raster(str(tmp_path / "none.jpg"), "opencv")


def test_places_are_the_same_in_both():
    turned = np.array([[0.9, 0.3, -12.0], [-0.3, 0.9, 20.0]])
    ours, theirs = PillowRaster(scene()), OpenCvRaster(np.asarray(scene()))
    for step in (
        lambda r: r.warped(turned, (80, 70), "bilinear"),
        lambda r: r.resized((60, 90), "bilinear"),
        lambda r: r.resized((150, 200), "bicubic"),
        lambda r: r.resized((64, 80), "bilinear", (10.3, 5.2, 74.3, 56.4)),
        lambda r: r.mirrored().cropped(-5, 100, (60, 50)),
        lambda r: r.cropped(40, -7, (60, 50)),
    ):
        one, other = array(step(ours)).astype(float), array(step(theirs)).astype(float)
        assert one.shape == other.shape
        apart = np.abs(one - other).mean()
        assert apart < 2.5
        assert apart < 0.5 * np.abs(one - np.roll(other, 1, axis=1)).mean()  # so it is not half a pixel off


def test_what_is_not_installed_is_one_sentence_before_any_work(monkeypatch: pytest.MonkeyPatch):
    card = load_card("coco_pose")
    recipe = load_recipe(card, "full", overrides={"input.library": "opencv"})
    training_of(card).check(recipe)
    _cv2.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(HumanbenchError, match=r"pip install 'humanbench\[opencv\]'"):
        training_of(card).check(recipe)
