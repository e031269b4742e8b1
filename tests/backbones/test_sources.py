"""Downloaded weights are known by their full address and by their content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from humanbench.backbones import sources
from humanbench.backbones.cards import Weights
from humanbench.engine.cache import cache_items, clear
from humanbench.errors import BackboneError, DataWarning
from humanbench.hashing import file_sha256


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    sources._say_once.cache_clear()
    sources._own_folder.cache_clear()
    return tmp_path / "cache"


def published(folder: Path, value: float) -> str:
    """The address of a file called `w.pth`."""
    folder.mkdir()
    torch.save({"a": torch.full((3,), value)}, folder / "w.pth")
    return (folder / "w.pth").as_uri()


def test_two_addresses_that_end_alike_are_two_files(tmp_path: Path) -> None:
    one, other = published(tmp_path / "one", 1.0), published(tmp_path / "other", 2.0)
    paths = [sources.fetch(Weights(url=url))[0] for url in (one, other)]
    assert [float(torch.load(path)["a"][0]) for path in paths] == [1.0, 2.0]
    assert sources.fetch(Weights(url=one))[0] == paths[0]


def test_a_downloaded_file_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    url = published(tmp_path / "one", 1.0)
    path = sources.fetch(Weights(url=url))[0]
    whole = path.read_bytes()
    for damaged in (whole[:-10], whole[:100] + b"\x00" + whole[101:], b""):
        path.write_bytes(damaged)
        assert sources.fetch(Weights(url=url))[0].read_bytes() == whole
    path.write_bytes(b"")
    (tmp_path / "one" / "w.pth").unlink()
    with pytest.raises(BackboneError, match=r"is damaged; file:.*cannot be reached"):
        sources.fetch(Weights(url=url))


def test_a_file_that_was_replaced_at_its_address_is_fetched_again(tmp_path: Path) -> None:
    """The card says which one is meant: the one that was kept is not it, the one there is now is."""
    url = published(tmp_path / "one", 1.0)
    first = sources.fetch(Weights(url=url))[0].read_bytes()
    torch.save({"a": torch.full((3,), 2.0)}, tmp_path / "one" / "w.pth")
    now = file_sha256(tmp_path / "one" / "w.pth")
    assert sources.fetch(Weights(url=url))[0].read_bytes() == first
    path = sources.fetch(Weights(url=url, sha256=now))[0]
    assert float(torch.load(path)["a"][0]) == 2.0
    with pytest.raises(BackboneError, match=rf"its SHA-256 is {now}, the card says {'0' * 64}"):
        sources.fetch(Weights(url=url, sha256="0" * 64))


def test_weights_are_had_where_nothing_can_be_kept(tmp_path: Path, cache: Path) -> None:
    """The cache is a file here: it cannot be made."""
    cache.write_text("")
    url = published(tmp_path / "one", 1.0)
    with pytest.warns(DataWarning, match="weights cannot be kept"):
        path = sources.fetch(Weights(url=url))[0]
    assert float(torch.load(path)["a"][0]) == 1.0
    assert os.fspath(cache) not in os.fspath(path)


def test_downloads_are_listed_and_cleared(tmp_path: Path) -> None:
    path = sources.fetch(Weights(url=published(tmp_path / "one", 1.0)))[0]
    (item,) = [item for item in cache_items() if item.part == "weights"]
    assert item.bytes > path.stat().st_size
    assert clear(["weights"]) == item.bytes
    assert not path.exists()
