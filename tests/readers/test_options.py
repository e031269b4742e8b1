"""Reader options of a card: what a reader does not know is one sentence when the card is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from humanbench.cards import cards, parse_card
from humanbench.data.readers import check_options, reader_for
from humanbench.errors import CardError
from humanbench.paths import shipped


def changed(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """The shipped card with one line replaced."""
    text = (shipped("datasets") / f"{name}.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / f"{name}.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("market1501", "junk = -1", "jnk = -1", r"market1501\.toml: .*named_images has no option 'jnk'; .*mean junk"),
        ("lip", "palette = true", "pallete = true", r"label_maps has no option 'pallete'; did you mean palette"),
        ("pa100k", "[splits.train]", "options = { foo = 1 }\n[splits.train]", r"no option .foo.; it knows aliases"),
        ("peta", "partition = 0", 'partition = "first"', r"reader\.options\.partition: .*integer"),
        ("aist_plusplus", "step = 10", "step = 0", r"reader\.options\.step: .*greater than or equal to 1"),
        ("uav_human", 'format = "uav_human"', 'format = "uavhuman"', r"no reader called 'uavhuman'; .* uav_human"),
        (
            "coco_person",
            'val = ["annotations/instances_val2017.json"',
            'vall = ["annotations/instances_val2017.json"',
            r"reader\.options\.files: coco_person has no split 'vall'; it has train, val; did you mean val",
        ),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_sentence_when_the_card_is_read(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(CardError, match=message) as error:
        parse_card(changed(tmp_path, name, old, new))
    assert "\n" not in str(error.value)


def test_a_key_of_a_nested_table_is_checked_too(tmp_path: Path) -> None:
    path = changed(
        tmp_path, "cihp", 'labels = ["Validation/Category_ids/{id}.png", "Category_ids/{id}.png"]', 'lables = ["{id}"]'
    )
    with pytest.raises(CardError, match=r"no option 'splits\.val\.lables'; did you mean labels"):
        parse_card(path)


def test_a_plug_in_without_options_of_its_own_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "street_reader.py").write_text("def read(card, split, root): ...\n", encoding="utf-8")
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "__init__.py").write_text("import not_there\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    card = cards()["uav_human"]
    plug_in = card.model_copy(update={"reader": card.reader.model_copy(update={"format": "street.reader"})})
    with pytest.raises(CardError, match=r"street\.reader needs a package that is not there: not_there"):
        reader_for(plug_in)
    (tmp_path / "street" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "street_reader.py").rename(tmp_path / "street" / "reader.py")
    check_options(plug_in)
    reader = plug_in.reader.model_copy(update={"options": {"stride": 3}})
    with pytest.raises(CardError, match=r"street\.reader has no option 'stride'"):
        check_options(plug_in.model_copy(update={"reader": reader}))


def test_reading_the_cards_imports_neither_pandas_nor_torch() -> None:
    code = (
        "import sys; from humanbench.cards import cards; cards(); "
        "print([m for m in ('pandas', 'torch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
