"""Identities change with content and with nothing else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from humanbench import load_backbone
from humanbench.cards import load_card
from humanbench.data import identity
from humanbench.data.identity import FileHashes, data_sha256
from humanbench.data.samples import load_samples
from humanbench.engine.prepared import architecture_sha256
from humanbench.errors import DataError


def test_one_changed_pixel_is_another_dataset(data_root: Path, tmp_path: Path) -> None:
    card = load_card("market1501")
    copy = tmp_path / "elsewhere"
    shutil.copytree(data_root / "market1501", copy / "market1501")

    def sha256(root: Path) -> str:
        return data_sha256(card, {"train": load_samples(card, "train", root)})

    assert sha256(copy) == sha256(data_root)
    picture = Path(load_samples(card, "train", copy)["image"].iloc[0])
    with Image.open(picture) as opened:
        changed = opened.convert("RGB")
    changed.putpixel((3, 3), (1, 2, 3))
    changed.save(picture)
    assert sha256(copy) != sha256(data_root)


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes, file = FileHashes(tmp_path / "memory.sqlite"), tmp_path / "file"
    file.write_bytes(b"one")
    monkeypatch.setattr(identity, "_RACY_NS", 0)
    first = hashes([file])
    with monkeypatch.context() as context:
        context.setattr(identity, "file_sha256", lambda path: pytest.fail("was read again"))
        assert hashes([file]) == first
    times = file.stat()
    time.sleep(0.02)  # longer than the file system's clock ticks
    file.write_bytes(b"two")  # of the same size, and with the old times
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert hashes([file]) != first


def test_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    memory = FileHashes(tmp_path / "memory.sqlite")
    file = tmp_path / "file"
    file.write_bytes(b"one")
    before = memory([file])
    file.write_bytes(b"two")
    assert memory([file]) != before


def locked(database: Path) -> sqlite3.Connection:
    """The database held by somebody who never lets go."""
    holder = sqlite3.connect(database)
    holder.execute("create table files (path text primary key, mark text, sha256 text)")
    holder.commit()
    holder.execute("begin exclusive")
    return holder


@pytest.mark.parametrize("trouble", ["locked", "damaged", "a folder", "in no folder"])
def test_a_memory_that_cannot_be_used_costs_time_alone_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(identity, "_PATIENCE", 0.01)
    monkeypatch.setattr(identity, "_RACY_NS", 0)
    database, file = tmp_path / "memory" / "files.sqlite", tmp_path / "file"
    file.write_bytes(b"one")
    expected = FileHashes(tmp_path / "good.sqlite")([file])
    if trouble == "in no folder":
        (tmp_path / "memory").write_text("a file")
    else:
        (tmp_path / "memory").mkdir()
    if trouble == "a folder":
        database.mkdir()
    if trouble == "damaged":
        database.write_bytes(b"SQLite format 3\0" + b"\7" * 5000)
    holder = locked(database) if trouble == "locked" else None
    warnings: list[str] = []
    for _ in range(2):
        assert FileHashes(database, say=warnings.append)([file]) == expected
    if holder is not None:
        holder.close()
    (sentence,) = warnings
    assert str(database) in sentence


def test_without_a_memory_none_is_made(tmp_path: Path) -> None:
    """`--no-cache`: not even a folder."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    database = tmp_path / "memory" / "files.sqlite"
    assert FileHashes(database, remember=False)([file]) == FileHashes(tmp_path / "other.sqlite")([file])
    assert not database.parent.exists()


def test_a_file_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        FileHashes(tmp_path / "memory.sqlite")([tmp_path / "gone.jpg"])


def test_architecture_is_more_than_what_is_printed() -> None:
    """timm's attention does not print its heads; and the same network sees other pixels with other means."""
    one, two = (load_backbone("vit", embed_dim=48, depth=1, num_heads=heads) for heads in (3, 6))
    assert repr(one.trunk) == repr(two.trunk)
    assert architecture_sha256(one) != architecture_sha256(two)
    other = load_backbone("vit", embed_dim=48, depth=1, num_heads=3)
    assert architecture_sha256(one) == architecture_sha256(other)
    other.train()
    assert architecture_sha256(one) == architecture_sha256(other)
    other.preprocessing = replace(other.preprocessing, mean=(0.5, 0.5, 0.5))
    assert architecture_sha256(one) != architecture_sha256(other)
