"""What must not matter about predictions: the order of rows, how names are spelled, folder or archive."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import humanbench
from humanbench.errors import PredictionError
from humanbench.predictions.names import align, locate
from tests.evaluated import EXAMPLES

SOURCE = Path("p.csv")


def values(name: str, path: Path, root: Path) -> dict[str, float]:
    report = humanbench.score(name, path, data_root=root, resamples=0)
    return {key: metric.value for key, metric in report.metrics.items()}


def jittered(name: str, perfect: Path, folder: Path) -> Path:
    """Imperfect predictions without ties, so that every metric has something to measure."""
    rng = np.random.default_rng(3)
    path = folder / f"noisy{perfect.suffix}"
    if perfect.suffix == ".csv":
        header, *rows = csv.reader(io.StringIO(perfect.read_text()))
        noisy = [[row[0], *(str(rng.random()) for _ in row[1:])] for row in rows]
        path.write_text("\n".join(",".join(row) for row in [header, *noisy]))
    elif perfect.suffix == ".json":
        entries = json.loads(perfect.read_text())
        for entry in entries:
            entry["score"] = rng.random()
            key = "bbox" if "bbox" in entry else "keypoints"
            entry[key] = [v + abs(rng.normal(0, 2)) for v in entry[key]]
        path.write_text(json.dumps(entries))
    else:
        with np.load(perfect) as archive:
            arrays = dict(archive)
        noisy_features = {k: rng.normal(size=v.shape).astype(np.float32) for k, v in arrays.items() if "features" in k}
        np.savez(path, **(arrays | noisy_features))
    return path


def shuffled(path: Path, rng: np.random.Generator) -> Path:
    """The same predictions in another order (of rows, and of the columns of CSV)."""
    out = path.with_stem("shuffled")
    if path.suffix == ".csv":
        header, *rows = csv.reader(io.StringIO(path.read_text()))
        columns = rng.permutation(len(header))
        lines = [header, *(rows[i] for i in rng.permutation(len(rows)))]
        out.write_text("\n".join(",".join(row[c] for c in columns) for row in lines))
    elif path.suffix == ".json":
        entries = json.loads(path.read_text())
        out.write_text(json.dumps([entries[i] for i in rng.permutation(len(entries))]))
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        orders = {side: rng.permutation(len(arrays[f"{side}_names"])) for side in ("query", "gallery")}
        np.savez(out, **{k: v[orders[k.split("_")[0]]] for k, v in arrays.items()})
    return out


@pytest.mark.parametrize("name", [e for e in EXAMPLES if e != "lip"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=4, deadline=None)
def test_order_never_matters(name: str, written: Any, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    root, perfect, _ = written(name)
    path = jittered(name, perfect, tmp_path_factory.mktemp("order"))
    again = shuffled(path, np.random.default_rng(seed))
    assert values(name, path, root) == pytest.approx(values(name, again, root), nan_ok=True)


def test_order_of_distances_never_matters(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("market1501")
    rng = np.random.default_rng(0)
    with np.load(perfect) as archive:
        names = {k: archive[k] for k in archive.files if "names" in k}
    distances = rng.random((12, 12), np.float32)
    rows, columns = rng.permutation(12), rng.permutation(12)
    np.savez(tmp_path / "a.npz", **names, distances=distances)
    moved = {"query_names": names["query_names"][rows], "gallery_names": names["gallery_names"][columns]}
    np.savez(tmp_path / "b.npz", **moved, distances=distances[np.ix_(rows, columns)])
    assert values("market1501", tmp_path / "a.npz", root) == values("market1501", tmp_path / "b.npz", root)


def test_a_zip_is_as_good_as_a_folder(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("lip")
    with zipfile.ZipFile(tmp_path / "maps.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "my maps")
        for file in sorted(perfect.iterdir(), reverse=True):
            archive.write(file, f"results/{file.name}")
    assert values("lip", tmp_path / "maps.zip", root) == values("lip", perfect, root)


def test_image_ids_may_be_text_and_nobody_may_be_found(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("coco_pose")
    entries = json.loads(perfect.read_text())
    (tmp_path / "text.json").write_text(json.dumps([{**e, "image_id": str(e["image_id"])} for e in entries]))
    assert values("coco_pose", tmp_path / "text.json", root)["AP"] == pytest.approx(100)
    (tmp_path / "none.json").write_text("[]")
    assert values("coco_pose", tmp_path / "none.json", root)["AP"] == 0
    assert values("crowdhuman", tmp_path / "none.json", written("crowdhuman")[0])["recall"] == 0


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (["a/1.jpg", "b/1.jpg"], ["b/1.jpg", "a/1.jpg"]),
        (["a/1.jpg", "b/1.jpg"], ["/data/set/b/1.jpg", "/data/set/a/1.jpg"]),
        (["a/1.jpg", "b/1.jpg"], ["./b/1.jpg", "./a/1.jpg"]),
        (["a/1.jpg", "b/1.jpg"], ["b\\1", "a\\1"]),
        (["a/1.jpg", "a/2.jpg"], ["2.jpg", "1.jpg"]),
        (["a/1.jpg", "a/2.jpg"], ["2.PNG", "1.PNG"]),
        (["1.5_a", "1.5_b"], ["x/1.5_b.jpg", "x/1.5_a.jpg"]),
    ],
)
def test_names_are_paired_by_the_end_of_their_path(wanted: list[str], given: list[str]) -> None:
    assert align(wanted, given, SOURCE).tolist() == [1, 0]


def test_a_pairing_is_never_a_guess() -> None:
    with pytest.raises(PredictionError, match=r"2 of its 2 names belong to no sample here, the first is '1\.jpg'"):
        align(["a/1.jpg", "b/1.jpg"], ["1.jpg", "2.jpg"], SOURCE)  # 1.jpg could be either
    with pytest.raises(PredictionError, match=r"'a/1\.jpg' occurs 2 times"):
        align(["a/1.jpg", "a/2.jpg"], ["x/1.jpg", "y/1.jpg", "x/2.jpg"], SOURCE)


@given(st.permutations(range(6)), st.data())
def test_located_names_are_the_wanted_ones(order: list[int], data: st.DataObject) -> None:
    wanted = [f"s{i % 2}/{i:06d}.jpg" for i in range(6)]
    shorten: Callable[[str], str] = data.draw(
        st.sampled_from([str, lambda n: n[:-4], lambda n: n.split("/")[1], lambda n: f"/root/{n}"])
    )
    assert locate(wanted, [shorten(wanted[i]) for i in order], SOURCE).tolist() == list(order)
