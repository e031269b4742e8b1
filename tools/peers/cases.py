"""The inputs of docs/peers.md by name, each small and valid; cases.toml says what they are in words."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Entry = dict[str, Any]
Input = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """`kind` names the adapters' function, `words` the input, `official` the tool whose number counts, `why` why."""

    name: str
    kind: str
    words: str
    official: str
    why: str
    input: Input = field(repr=False)


def all_cases() -> list[Case]:
    """Every row of the page, in its order."""
    inputs = {**_keypoint_inputs(), **_box_inputs(), **_ranking_inputs(), **OTHERS}
    described = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [Case(name, input=inputs[name], **words) for name, words in described.items()]


# Keypoints -----------------------------------------------------------------------------------------------------------

K = 17


def _pose(x: float, score: float = 2.0) -> list[float]:
    """17 points in a box of 100 x 200 pixels with its corner at (x, 50)."""
    rng = np.random.default_rng(5)
    points = np.column_stack([x + 100 * rng.random(K), 50 + 200 * rng.random(K), np.full(K, score)])
    return [round(float(v), 2) for v in points.ravel()]


def _person(image: int, id_: int, x: float = 50.0, **more: Any) -> Entry:
    """A person all of whose points are labelled; a field given as None is absent."""
    person = {"id": id_, "image_id": image, "category_id": 1, "bbox": [x, 50.0, 100.0, 200.0], "area": 12000.0}
    person |= {"iscrowd": 0, "num_keypoints": K, "keypoints": _pose(x)} | more
    return {key: value for key, value in person.items() if value is not None}


def _pose_found(image: int, score: float, x: float = 50.0, **more: Any) -> Entry:
    return {"image_id": image, "category_id": 1, "score": score, "keypoints": _pose(x, 1.0)} | more


def _coco(people: Sequence[Entry], found: Sequence[Entry], categories: Sequence[Entry], show: Sequence[str]) -> Input:
    images = [{"id": i, "width": 400, "height": 300, "file_name": f"{i}.jpg"} for i in (1, 2)]
    truth = {"info": {}, "licenses": [], "images": images, "annotations": list(people), "categories": list(categories)}
    return {"truth": truth, "results": list(found), "show": list(show)}


def _poses(people: Sequence[Entry], found: Sequence[Entry], show: Sequence[str] = ("AP", "AR")) -> Input:
    names = [f"k{i}" for i in range(K)]
    return _coco(people, found, [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}], show)


def _keypoint_inputs() -> dict[str, Input]:
    def two(**more: Any) -> list[Entry]:
        return [_person(1, 1, **more), _person(2, 2, **more)]

    one, both = [_person(1, 1)], [_pose_found(1, 0.9), _pose_found(2, 0.8)]
    half_blank = [_person(1, 1), _person(2, 2, num_keypoints=0)]
    boxed = [
        _pose_found(2, 0.9, x=290.0, bbox=[290.0, 50.0, 10.0, 10.0]),
        _pose_found(1, 0.8, bbox=[50.0, 50.0, 100.0, 200.0]),
    ]
    return {
        "id0": _poses([_person(1, 0), _person(2, 1)], both),
        "plain": _poses(two(), both),
        "no num_keypoints": _poses(two(num_keypoints=None), both),
        "zero num_keypoints": _poses(half_blank, both[:1]),
        "no area": _poses(two(area=None), both),
        "no iscrowd": _poses(two(iscrowd=None), both),
        "nothing found": _poses(two(), []),
        "nobody there": _poses([_person(1, 1, iscrowd=1)], [_pose_found(1, 0.9, x=290.0)]),
        "tie": _poses(one, [_pose_found(1, 0.5, x=290.0), _pose_found(1, 0.5)]),
        "tie across": _poses([_person(2, 1)], [_pose_found(2, 0.5), _pose_found(1, 0.5)]),
        "NaN score": _poses(one, [_pose_found(1, float("nan"), x=290.0), _pose_found(1, 0.5)]),
        "box of result": _poses(one, boxed, show=["APl"]),
        "AIC num_keypoints": _poses(half_blank, both[:1]),
        "AIC no area": _poses(two(area=None), both),
        "AIC id0": _poses([_person(1, 0), _person(2, 1)], both),
        "AIC no scores": _poses(two(), [both[0], _pose_found(2, 0.8, keypoints=_pose(50.0, 0.0))]),
    }


# Boxes ---------------------------------------------------------------------------------------------------------------


def _box(id_: int, x: float, **more: Any) -> Entry:
    box = {"id": id_, "image_id": 1, "category_id": 1, "bbox": [x, 20.0, 40.0, 60.0], "area": 2400.0, "iscrowd": 0}
    return box | more


def _box_found(x: float, score: float, category: int = 1, width: float = 40.0) -> Entry:
    return {"image_id": 1, "category_id": category, "bbox": [x, 20.0, width, 60.0], "score": score}


def _boxes(people: Sequence[Entry], found: Sequence[Entry], categories: Sequence[int] = (1,)) -> Input:
    return _coco(people, found, [{"id": c, "name": f"kind {c}"} for c in categories], ["AP", "AP50"])


def _box_inputs() -> dict[str, Input]:
    four, one = [_box(i + 1, 10.0 + 90 * i) for i in range(4)], [_box(1, 10.0)]
    hits = [_box_found(10.0 + 90 * i, 0.9 - 0.1 * i) for i in range(4)]
    crowd = _box(2, 200.0, bbox=[200.0, 20.0, 150.0, 100.0], area=15000.0, iscrowd=1)
    in_crowd = [_box_found(205.0, 0.9), _box_found(250.0, 0.8), _box_found(300.0, 0.7)]
    return {
        "four": _boxes(four, hits),
        "half": _boxes(one, [_box_found(10.0, 0.9, width=80.0)]),
        "boxes nothing found": _boxes(four, []),
        "boxes nobody": _boxes([], hits[:1]),
        "absent class": _boxes(one, [_box_found(10.0, 0.9), _box_found(200.0, 0.8, 2)], (1, 2)),
        "boxes id0": _boxes([_box(0, 10.0), _box(1, 100.0)], hits[:2]),
        "boxes tie": _boxes(one, [_box_found(200.0, 0.5), _box_found(10.0, 0.5)]),
        "crowd": _boxes([*one, crowd], [*in_crowd, _box_found(10.0, 0.5)]),
        "boxes NaN": _boxes(one, [_box_found(200.0, float("nan")), _box_found(10.0, 0.5)]),
    }


# Ranking -------------------------------------------------------------------------------------------------------------


def _labels(query_ids: Sequence[int], gallery_ids: Sequence[int], gallery_cams: Sequence[int] = ()) -> Entry:
    cams = {"query_cams": [0] * len(query_ids), "gallery_cams": list(gallery_cams) or [1] * len(gallery_ids)}
    return {"query_ids": list(query_ids), "gallery_ids": list(gallery_ids)} | cams


def _clusters(offset: float) -> Input:
    """Features of 20 queries and 120 gallery images of 8 people, float32."""
    rng = np.random.default_rng(3)
    query_ids, gallery_ids = np.arange(20) % 8, np.arange(120) % 8
    centres = rng.standard_normal((8, 32))
    query, gallery = (
        (centres[ids] + 1.5 * rng.standard_normal((len(ids), 32)) + offset).astype(np.float32).tolist()
        for ids in (query_ids, gallery_ids)
    )
    return {"query": query, "gallery": gallery} | _labels(query_ids.tolist(), gallery_ids.tolist())


def _ranking_inputs() -> dict[str, Input]:
    three = {"distances": [[1.0, 2.0, 3.0]]}
    return {
        "ranking plain": three | _labels([7], [8, 7, 7]),
        "ranking ties": {"distances": [[1.0] * 40]} | _labels([7], [7 if i % 10 == 5 else 8 for i in range(40)]),
        "ranking dropped": {"distances": [[1.0, 2.0], [2.0, 1.0]]} | _labels([7, 8], [7, 8], [1, 0]),
        "ranking none": {"distances": [[1.0, 2.0]]} | _labels([7], [8, 9]),
        "ranking junk": three | _labels([7], [-1, 7, 8]),
        "features": _clusters(0.0),
        "features offset": _clusters(10_000.0),
    }


# Maps, boxes in files, attributes ------------------------------------------------------------------------------------

VOC = """<annotation><folder>a</folder><filename>a.png</filename>
<size><width>100</width><height>100</height><depth>3</depth></size>
<object><name>person</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>
</annotation>
"""
OTHERS: dict[str, Input] = {
    "maps absent": {"pred": [[0, 0, 1, 1], [0, 1, 1, 1]], "gt": [[0, 0, 1, 1], [0, 0, 1, 1]], "classes": 3},
    "maps invented": {"pred": [[0, 0, 1, 1], [0, 2, 1, 1]], "gt": [[0, 0, 1, 1], [0, 0, 1, 1]], "classes": 3},
    "maps ignored": {"pred": [[0, 0, 1, 1], [0, 1, 1, 1]], "gt": [[0, 0, 1, 1], [0, 255, 1, 1]], "classes": 2},
    "mask": {"map": [[0, 1, 2], [1, 1, 2]]},
    "voc": {"box": [10.0, 20.0, 30.0, 40.0], "size": [100, 100]},
    "read voc": {"xml": VOC, "size": [100, 100]},
    "attributes": {"probabilities": [[0.9, 0.1], [0.1, 0.1]], "labels": [[1, 0], [0, 0]]},
}
