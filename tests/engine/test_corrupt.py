"""Corrupted test pictures: what is done to them, and that nothing is trained again for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve

import humanbench
from humanbench.data import corruptions
from humanbench.data.corruptions import CORRUPTIONS, Corruption, asked_corruptions
from humanbench.data.images import open_rgb, opened_through
from humanbench.errors import HumanbenchError
from humanbench.hashing import key
from humanbench.results import Result
from tests.engine.toy import FAST, toy_backbone

Run = Callable[..., Result]


def picture(height: int = 112, width: int = 56) -> Image.Image:
    """Smooth colours, with an edge."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([y * 255 / height, x * 255 / width, 255.0 * (x > width // 2)], -1)
    return Image.fromarray(pixels.astype(np.uint8))


def values(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float64)


def changed(name: str, severity: int, image: Image.Image | None = None, of: str = "1.jpg") -> np.ndarray:
    return values(Corruption(name, severity)(image or picture(), "pa100k", of))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_is_changed_alike_every_time_and_more_at_a_higher_severity(name: str) -> None:
    before = values(picture())
    levels = [changed(name, severity) for severity in (1, 3, 5)]
    assert all(one.shape == before.shape for one in levels)
    assert (changed(name, 3) == levels[1]).all()
    if name == "fog":  # it whitens, so what it takes away is contrast: here that of the edge
        edges = [(one[:, 29, 2] - one[:, 28, 2]).mean() for one in (before, *levels)]
        assert edges == sorted(edges, reverse=True)
        assert edges[0] / edges[1] == pytest.approx(1 + 1.5, rel=0.1)
    else:
        distances = [np.abs(one - before).mean() for one in levels]
        assert 0 < distances[0] < distances[1] < distances[2]


def test_blur_is_the_convolution_with_a_disk_for_the_shorter_side() -> None:
    """A shorter side of 112 is half of ImageNet-C's 224: radius 2 for its 4; by scipy, in other arithmetic."""
    y, x = np.mgrid[-2:3, -2:3]
    disk = np.clip(2.5 - np.hypot(x, y), 0, 1)
    image = picture(140, 112)
    expected = [convolve(values(image)[..., c], disk / disk.sum(), mode="reflect") for c in range(3)]
    assert np.abs(changed("blur", 2, image) - np.stack(expected, -1)).max() <= 0.51


def test_motion_keeps_the_sum_and_goes_one_way_by_up_to_forty_five_degrees() -> None:
    point = np.zeros((224, 224, 3), np.uint8)
    point[112, 112] = 255
    spread = CORRUPTIONS["motion"](point / 255.0, 0, np.random.default_rng(4))[..., 0]
    assert spread.sum() == pytest.approx(1)
    rows, columns = np.nonzero(spread > 1e-6)
    assert columns.min() >= 111
    assert columns.max() <= 112 + 21  # ImageNet-C's radius of 10: a kernel of 21 pixels
    assert (np.abs(rows - 112) <= columns - 112 + 2).all()


def test_noise_has_the_standard_deviation_and_jpeg_the_quality_of_imagenet_c() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    assert changed("noise", 2, grey).std() / 255 == pytest.approx(0.12, rel=0.02)
    file = io.BytesIO()
    picture().save(file, "JPEG", quality=10)
    assert (changed("jpeg", 4) == values(Image.open(file).convert("RGB"))).all()


def test_low_light_is_dimmer_by_the_square_and_noisy_by_the_photons() -> None:
    """Half of the light, squared, times 0.4: 0.1; of 250 photons at full light 25 arrive, sd the root of that."""
    dark = CORRUPTIONS["low-light"](np.full((200, 200, 3), 0.5), 2, np.random.default_rng(0))
    light = 0.5**2 * 0.4
    assert dark.mean() == pytest.approx(light, rel=0.02)
    assert dark.std() == pytest.approx(np.sqrt(light / 250), rel=0.03)


@pytest.mark.parametrize(("severity", "share"), [(1, 0.1), (3, 0.3), (5, 0.5)])
def test_occluders_hide_so_large_a_share(severity: int, share: float) -> None:
    black = Image.new("RGB", (100, 80))
    hidden = changed("occlusion", severity, black).any(axis=-1).mean()
    assert hidden == pytest.approx(share, abs=1 / 8000)


@pytest.mark.parametrize("decay", [1.4, 2])
def test_fog_is_as_rough_as_in_imagenet_c(decay: float) -> None:
    """Its code divides a number by `decay` from scale to scale, and displaces by the square of that number."""
    field = corruptions._plasma(decay, np.random.default_rng(0))

    def displaced(step: int) -> float:
        corners = field[::step, ::step]
        between = field[::step, step // 2 :: step]
        return float(np.std(between - (corners[:, :-1] + corners[:, 1:]) / 2))

    assert displaced(4) / displaced(2) == pytest.approx(decay**2, rel=0.03)


def test_fog_leaves_white_white_where_it_is_thickest_and_a_colour_cast_moves_red_against_blue() -> None:
    fog = CORRUPTIONS["fog"](np.ones((257, 257, 3)), 0, np.random.default_rng(0))
    assert fog.max() == pytest.approx(1)  # (1 + 1.5) / (1 + 1.5)
    assert fog.min() == pytest.approx(1 / 2.5)
    grey = changed("colour", 2, Image.new("RGB", (4, 4), (100, 100, 100)))
    assert sorted(grey[0, 0]) == [80, 100, 120]
    assert grey[0, 0, 1] == 100


def test_fewer_pixels_are_the_picture_made_small_and_large_again() -> None:
    small = picture().resize((28, 56), Image.Resampling.BOX)
    assert (changed("resolution", 2) == values(small.resize((56, 112), Image.Resampling.BILINEAR))).all()


def test_randomness_is_of_the_picture_and_the_same_at_every_severity() -> None:
    assert (changed("noise", 1) != changed("noise", 1, of="2.jpg")).any()
    cast = [changed("colour", severity)[..., 0].mean() > values(picture())[..., 0].mean() for severity in range(1, 6)]
    assert len(set(cast)) == 1


def test_pictures_are_opened_through_a_change_and_then_as_they_are(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    with opened_through(lambda image, path: image.rotate(180)):
        assert (values(open_rgb(tmp_path / "a.png")) == values(picture().rotate(180))).all()
    assert (values(open_rgb(tmp_path / "a.png")) == values(picture())).all()


def test_lists_of_corruptions() -> None:
    texts = [one.text for one in asked_corruptions(" fog: 3, noise:1,")]
    assert texts == ["fog:3", "noise:1"]
    assert {one.severity for one in asked_corruptions("all:2")} == {2}
    assert len(asked_corruptions("all:2")) * 5 == len(asked_corruptions("all"))
    assert asked_corruptions(None) == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("fogg:1", "no corruption is called 'fogg'; did you mean fog"),
        ("fog:6", "fog:6: severities are 1 to 5, like fog:3"),
        ("fog:", "severities are 1 to 5"),
        ("fog:3:4", "fog:3:4: severities are 1 to 5"),
        (["snow"], "no corruption is called 'snow'"),
        ([], "no corruption is named"),
        ("", "no corruption is named"),
        (3, "corruptions are a list of names.*found 3"),
        ({"fog": 3}, "corruptions are a list of names"),
    ],
)
def test_what_there_is_not_is_refused(asked: object, reason: str) -> None:
    with pytest.raises(HumanbenchError, match=reason):
        humanbench.evaluate(toy_backbone(), corrupt=asked)  # type: ignore[arg-type]


def test_what_can_be_asked_for() -> None:
    assert [one.text for one in asked_corruptions("fog:3, noise:1,fog:3")] == ["fog:3", "noise:1"]
    assert [one.text for one in asked_corruptions(["jpeg"])] == [f"jpeg:{level}" for level in range(1, 6)]
    assert len(asked_corruptions("all")) == 45
    assert asked_corruptions(None) == ()


def test_a_finished_cell_is_tested_anew_and_not_trained_again(
    run: Run, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run()
    untouched = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file() and p.suffix != ".txt"}

    def fit(*args: object, **options: object) -> None:
        raise AssertionError("it is trained again")

    monkeypatch.setattr("humanbench.engine.cell.Fit", fit)
    shown = run(corrupt="noise:5")
    assert (shown.status, shown.corruption, shown.condition) == ("done", "noise:5", "noise:5")
    assert (shown.epochs, shown.iterations) == (plain.epochs, plain.iterations)
    assert shown.provenance
    assert plain.provenance
    assert shown.provenance.predictions_sha256 != plain.provenance.predictions_sha256
    assert shown.provenance.cache["test"] == "not used: test pictures are corrupted, and are seen so once"
    assert (tmp_path / "run" / "freeze").is_dir()
    changes = [path for path, before in untouched.items() if path.read_bytes() != before]
    assert [path.name for path in changes if path.name not in ("environment.json", "backbone.json")] == []
    assert key(plain.cell.model_dump(exclude={"id", "fraction", "draw", "corruption"})) == plain.cell.id
    assert run(corrupt="noise:5") == shown
    assert run() == plain


def test_the_network_that_is_tested_is_the_finetuned_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a corruption that changes nothing the predictions are those of the plain cell, to the bit."""
    monkeypatch.setitem(CORRUPTIONS, "jpeg", lambda pixels, level, rng: pixels)
    for dataset in ("pa100k", "market1501"):
        shown = run(dataset, corrupt="jpeg:1")  # what it needs is trained first
        plain = run(dataset)
        assert plain.provenance
        assert shown.provenance
        assert plain.provenance.seconds["fit"] > 0
        assert shown.provenance.seconds["fit"] == 0
        assert shown.provenance.predictions_sha256 == plain.provenance.predictions_sha256


def test_without_training_the_pictures_that_are_looked_up_stay_as_they_are(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def noted(pixels: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
        seen.append("picture")
        return pixels

    monkeypatch.setitem(CORRUPTIONS, "fog", noted)
    shown, plain = run(protocol="none", corrupt="fog:2", workers=0), run(protocol="none")
    assert len(seen) == 12  # of 24 training and 12 test pictures
    assert shown.provenance
    assert plain.provenance
    assert shown.provenance.predictions_sha256 == plain.provenance.predictions_sha256


def test_without_weights_there_is_nothing_to_test(run: Run, tmp_path: Path) -> None:
    with pytest.raises(HumanbenchError, match="--no-weights does not keep it"):
        run(corrupt="fog:1", weights=False)
    run()
    for file in (tmp_path / "run" / "weights").iterdir():
        file.unlink()
    shown = run(corrupt="fog:1")
    assert shown.status == "failed"
    assert "the finetuned weights were not kept; give another --out" in shown.reason


def test_compare_pairs_a_corruption_with_itself_alone(run: Run, tmp_path: Path) -> None:
    options = {"protocol": "none", "set": FAST["attribute"] | {"test.neighbours": 3}}
    run(out=tmp_path / "a", corrupt="fog:1", **options)
    run(out=tmp_path / "b", corrupt="fog:2", **options)
    (cell,) = humanbench.compare(tmp_path / "a", tmp_path / "b").cells
    assert cell.problem == "different condition (fog:1 against fog:2)"
    (same,) = humanbench.compare(tmp_path / "a", tmp_path / "a").cells
    assert same.verdict == "no difference"
