"""JSON of predictions and annotations: the quick way of reading gives what the plain way gives."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from humanbench.backbones.cards import parse_backbone_card
from humanbench.cards import parse_card
from humanbench.documents import from_json, from_toml
from humanbench.engine.shards import INDEX, DamagedStore, checked_store
from humanbench.errors import CardError
from humanbench.predictions import records
from humanbench.predictions.records import NAME, SCORE, Numbers, read_columns

FIELDS = {
    "keypoints": Numbers(6, "6 numbers"),
    "score": SCORE,
    "image_id": NAME,
    "bbox": Numbers(4, "a box", if_first=True),
}


def entries(rng: np.random.Generator, boxes: bool) -> list[dict[str, Any]]:
    """More than one block of them, with whole numbers, exponents and names of both kinds."""
    found = []
    for i in range(records._BLOCK + 7):
        points = (rng.standard_normal(6) * 10.0 ** rng.integers(-300, 99, 6)).tolist()
        points[i % 6] = i
        entry: dict[str, Any] = {"image_id": i if i % 2 else f"a/{i} ü", "keypoints": points, "score": i % 3 or 0.1}
        if boxes:
            entry |= {"bbox": [-1.5, 2, 3, 0], "category_id": 1, "more": {"of": [None, True]}}
        found.append(entry)
    return found


@pytest.mark.parametrize("boxes", [True, False])
def test_typed_reading_gives_what_plain_reading_gives(
    boxes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries(np.random.default_rng(0), boxes)))
    with monkeypatch.context() as patch:
        patch.setattr(records, "_records", None)  # the plain way would fail
        quick = read_columns(path, FIELDS, 10**6)

    def unfit(*given: Any) -> Any:
        raise records._Unfit

    monkeypatch.setattr(records, "_typed", unfit)
    plain = read_columns(path, FIELDS, 10**6)
    assert quick.keys() == plain.keys() == {*FIELDS} - (set() if boxes else {"bbox"})
    assert quick["image_id"] == plain["image_id"]
    for name in quick.keys() - {"image_id"}:
        np.testing.assert_array_equal(quick[name], plain[name], strict=True)


def test_no_entries_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("[]")
    columns = read_columns(path, FIELDS, 1)
    assert columns["keypoints"].shape == (0, 6)
    assert columns["image_id"] == []


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "[1e400, -1E400]", "123456789012345678901234567890", '"\\ud800"', "[0.1, 1e23, 5e-324, -0.0]"],
)
def test_decoding_gives_what_the_standard_library_gives(text: str) -> None:
    assert from_json(text) == json.loads(text)
    assert repr(from_json(text)) == repr(json.loads(text))


def test_nan_is_decoded_and_malformed_text_has_its_place() -> None:
    assert math.isnan(from_json("[NaN]")[0])
    with pytest.raises(json.JSONDecodeError, match="line 2 column 1"):
        from_json("[1,\n]")


DEEP = "[" * 100_000


def test_what_nests_too_deeply_is_the_format_s_own_error(tmp_path: Path) -> None:
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        from_json(DEEP)
    with pytest.raises(tomllib.TOMLDecodeError, match="nested too deeply"):
        from_toml(f"a = {DEEP}")
    card = tmp_path / "card.toml"
    card.write_text(f"a = {DEEP}")
    with pytest.raises(CardError, match=r"card\.toml: not valid TOML: nested too deeply"):
        parse_card(card)
    with pytest.raises(CardError, match=r"card\.toml: not valid TOML: nested too deeply"):
        parse_backbone_card(card)
    (tmp_path / INDEX).write_text(DEEP)
    with pytest.raises(DamagedStore, match="damaged"):
        checked_store(tmp_path)
