"""The frozen-trunk cache: same numbers, hits only for the same content, and never in the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.engine import frozen_cache
from humanbench.engine.cache import cache_items, clear
from humanbench.engine.finetune import Finetune
from humanbench.errors import HumanbenchError
from humanbench.results import Result
from tests.engine.toy import toy_backbone

Run = Callable[..., Result]
VIEWS = {"train.views": 2, "train.epochs": 4}


@pytest.fixture
def trunk_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that frozen trunks have seen."""
    seen: list[int] = []
    run_trunk = Finetune.trunk

    def counted(self: Finetune, images: torch.Tensor) -> Any:
        seen.append(len(images))
        return run_trunk(self, images)

    monkeypatch.setattr(Finetune, "trunk", counted)
    return seen


@pytest.mark.parametrize(
    ("dataset", "protocol"), [("pa100k", "head"), ("pa100k", "partial"), ("market1501", "partial")]
)
def test_with_and_without_the_cache_numbers_are_equal_to_the_bit(
    run: Run, trunk_runs: list[int], dataset: str, protocol: str
) -> None:
    fresh = run(dataset, protocol, set=VIEWS, cache=False, out="fresh")
    images = sum(trunk_runs)
    trunk_runs.clear()
    stored = run(dataset, protocol, set=VIEWS, out="stored")
    assert stored.history == fresh.history
    assert stored.provenance.predictions_sha256 == fresh.provenance.predictions_sha256
    assert stored.cell.id == fresh.cell.id
    assert stored.provenance.cache["train"].startswith("used")
    assert fresh.provenance.cache == {"train": "not used: switched off", "test": "not used: switched off"}
    assert sum(trunk_runs) < images
    trunk_runs.clear()
    assert run(dataset, protocol, set=VIEWS, out="again").history == fresh.history
    assert sum(trunk_runs) == 0  # everything was there


def test_open_norms_leave_only_the_embeddings_frozen(run: Run) -> None:
    result = run(set={"freezing.open_norms": True} | VIEWS)
    assert result.provenance.cache["train"].startswith("used")
    assert {e.about.rsplit(", ", 1)[1] for e in cache_items() if e.part == "trunk"} == {"before layer group 1"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Change(NamedTuple):
    """What differs from the run before, and whether stored outputs for training and for testing may still be used."""

    options: dict[str, Any]
    train: bool
    test: bool


CHANGES = {
    "nothing": Change({}, train=True, test=True),
    "learning rate": Change({"set": {"optim.lr": 0.5}}, train=True, test=True),
    "seed": Change({"seed": 1}, train=False, test=True),
    "weights": Change({"backbone": toy_backbone(1)}, train=False, test=False),
    "input size": Change({"set": {"input.size": [32, 16]}}, train=False, test=False),
    "augmentation": Change({"set": {"augment.pad": 1}}, train=False, test=False),
    "regime": Change({"protocol": "partial"}, train=False, test=False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_that_matter_miss(run: Run, name: str) -> None:
    def keys(result: Result) -> tuple[str, str]:
        return result.provenance.cache["train"], result.provenance.cache["test"]

    change = CHANGES[name]
    options = {"protocol": "head"} | change.options
    before = keys(run(protocol="head", set=VIEWS))
    after = keys(run(**options | {"out": "other", "set": VIEWS | change.options.get("set", {})}))
    assert all(key.startswith("used (") for key in before + after)
    assert (before[0] == after[0], before[1] == after[1]) == (change.train, change.test)


def test_a_changed_picture_misses(run: Run, data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "pa100k", tmp_path / "data" / "pa100k")
    before = run("pa100k", "head", set=VIEWS, data_root=tmp_path / "data").provenance.cache
    picture = load_samples(load_card("pa100k"), "train", tmp_path / "data")["image"].iloc[0]
    Image.new("RGB", (32, 40), "red").save(picture)
    after = run("pa100k", "head", set=VIEWS, data_root=tmp_path / "data").provenance.cache
    assert after["train"] != before["train"]
    assert after["test"] == before["test"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"set": {"train.views": 0}}, "every epoch draws new augmentations"),
        ({"set": {"train.views": 3, "train.epochs": 3}}, "3 views would not be seen twice in 3 epochs"),
        ({"protocol": "full"}, "no part of the backbone is frozen"),
    ],
)
def test_where_it_does_not_apply_the_result_says_why(run: Run, options: dict[str, Any], reason: str) -> None:
    result = run(**options)
    assert result.status == "done"
    assert result.provenance.cache["train"].startswith(f"not used: {reason}")


def test_a_disk_too_small_is_found_out_before_it_is_full(
    run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_cache.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6, 100))
    result = run("pa100k", "head", set=VIEWS)
    assert result.status == "done"
    assert "GB are free in" in result.provenance.cache["train"]
    assert not list((cache / "trunk").iterdir())


def test_a_disk_that_fills_up_meanwhile_is_no_failure(run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frozen_cache, "write_shard", full)
    result = run("pa100k", "head", set=VIEWS)
    assert result.status == "done"
    assert result.provenance.cache["train"] == "not used: the cache cannot be written (No space left on device)"
    assert not list((cache / "trunk").iterdir())


def test_pictures_are_not_kept_while_a_shard_fills(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of class tokens takes thousands of pictures to fill; what is kept meanwhile is what is written."""
    add = frozen_cache._Pending.add
    stored_names: list[set[str]] = []

    def watched(self: Any, indices: Any, samples: Any, states: Any) -> None:
        add(self, indices, samples, states)
        stored_names.extend(set(sample) for sample in self._samples)

    monkeypatch.setattr(frozen_cache._Pending, "add", watched)
    result = run("market1501", "head", set=VIEWS)
    assert result.provenance.cache["train"].startswith("used")
    assert stored_names
    assert all("image" not in names for names in stored_names)


def test_samples_come_from_workers_as_they_are() -> None:
    """Tensors travel as arrays and are tensors again, whatever their shape and type."""
    sample = {"image": torch.zeros(3, 4, 4), "index": 7, "label": torch.tensor(3), "box": torch.ones(0, 4), "n": "a"}
    images, sizes, rest = frozen_cache._parted(
        lambda samples: {"image": torch.stack([s["image"] for s in samples])}, [sample] * 2
    )
    assert images.shape == (2, 3, 4, 4)
    assert sizes == {(4, 4)}
    rebuilt = frozen_cache._whole(*rest[1])
    assert rebuilt.keys() == sample.keys() - {"image"}
    assert isinstance(rebuilt["label"], torch.Tensor)
    assert (int(rebuilt["label"]), rebuilt["box"].shape, rebuilt["index"], rebuilt["n"]) == (3, (0, 4), 7, "a")


def test_room_is_asked_for_what_is_still_to_come(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(frozen_cache, "_check_room", asked.append)
    run("pa100k", "head", set={"train.views": 3, "train.epochs": 4})
    training = asked[:3]
    assert training == pytest.approx([3 * training[2], 2 * training[2], training[2]])


def test_info_and_clear(run: Run, cache: Path) -> None:
    run("pa100k", "head", set=VIEWS)
    items = cache_items()
    stores = [e for e in items if e.part == "trunk"]
    assert sorted(e.about for e in stores) == [
        "pa100k test, view 0 (plain), before layer group 5",
        "pa100k train, view 0 (plain), before layer group 5",
        "pa100k train, view 1 (plain), before layer group 5",
    ]
    assert clear() == sum(e.bytes for e in stores)
    assert [e.part for e in cache_items()] == ["files.sqlite"]
    with pytest.raises(HumanbenchError, match="no part 'trunks'; did you mean trunk"):
        clear(["trunks"])


def shards(cache: Path) -> list[Path]:
    return sorted((cache / "trunk").glob("*/*.safetensors"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


STORE_DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a flipped bit": flip,
    "a shard cut off": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "a shard gone": lambda path: path.unlink(),
    "an index that is no JSON": lambda path: path.with_name("store.json").write_text("{"),
    "an index of something else": lambda path: path.with_name("store.json").write_text('{"shards": [1]}'),
}


def test_a_damaged_store_is_a_miss_that_is_said(run: Run, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One damage after another: what is computed again is stored again."""
    first = run("pa100k", "head", set=VIEWS)
    for number, (damage, harm) in enumerate(STORE_DAMAGES.items()):
        path = shards(cache)[0]
        harm(path)
        capsys.readouterr()
        again = run("pa100k", "head", set=VIEWS, out=f"again {number}")
        assert again.provenance.predictions_sha256 == first.provenance.predictions_sha256, damage
        assert again.history == first.history, damage
        assert again.provenance.cache == first.provenance.cache, damage
        warnings = [line for line in capsys.readouterr().err.splitlines() if "computed again" in line]
        assert len(warnings) == 1, damage
        assert path.parent.name in warnings[0], damage
    capsys.readouterr()
    assert run("pa100k", "head", set=VIEWS, out="last").history == first.history
    assert "computed again" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_made_is_a_miss_that_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = run("pa100k", "head", set=VIEWS, cache=False, out="fresh")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "file"))
    capsys.readouterr()
    result = run("pa100k", "head", set=VIEWS)
    assert (result.status, result.history) == ("done", fresh.history)
    assert result.provenance.cache["test"].startswith("not used: the cache cannot be written (Not a directory: ")
    stderr = capsys.readouterr().err
    assert stderr.count("hashes of pictures cannot be remembered") == 1
    assert str(tmp_path / "file") in stderr


def test_a_damaged_store_that_cannot_be_removed_is_not_used(
    run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that is shared and may only be read."""
    first = run("pa100k", "head", set=VIEWS)
    for path in shards(cache):
        flip(path)
    monkeypatch.setattr(frozen_cache.shutil, "rmtree", lambda *args, **kwargs: None)
    again = run("pa100k", "head", set=VIEWS, out="again")
    assert again.history == first.history
    assert "is not what was written, and it cannot be removed" in again.provenance.cache["train"]


def test_without_the_cache_nothing_is_kept(run: Run, cache: Path) -> None:
    assert run("pa100k", "head", set=VIEWS, cache=False).status == "done"
    assert not cache.exists()


def test_what_else_lies_in_the_cache_is_listed_and_cleared(cache: Path) -> None:
    (cache / "older").mkdir(parents=True)
    (cache / "older" / "thing").write_bytes(b"12345")
    assert [(item.part, item.bytes) for item in cache_items()] == [("older", 5)]
    assert clear(["older"]) == 5
    assert cache_items() == []
