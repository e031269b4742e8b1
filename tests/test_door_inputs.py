"""Odd inputs of every kind end in one sentence, in little time and memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from humanbench.cards import load_card
from humanbench.predictions import files
from tests.evaluated import Tables, run, write_dataset

Written = Callable[[str], tuple[Path, Path, Tables]]
HUGE = str(1 << 32)


def test_a_seed_of_many_digits_is_one_sentence(written: Written) -> None:
    root, path, _ = written("pa100k")
    for words in (
        ("score", "pa100k", "--predictions", path, "--data-root", root, "--seed", "9" * 20),
        ("eval", "--backbone", "mini_random", "--protocol", "head", "--dry-run", "--seed", HUGE),
        (
            "eval",
            "--backbone",
            "mini_random",
            "--protocol",
            "head",
            "--dry-run",
            "--seed",
            "4294967295",
            "--seeds",
            "2",
        ),
        ("datasets", "synthesize", "pa100k", "--out", path.parent / "x", "--seed", HUGE),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert "Traceback" not in done.output


@pytest.mark.parametrize("cell", ["１", "٣", "1_0", "0x1p0", "infinity", ""])
def test_numbers_are_digits(written: Written, tmp_path: Path, cell: str) -> None:
    root, path, _ = written("shanghaitech_a")
    lines = path.read_text().splitlines()
    name = lines[1].split(",")[0]
    (tmp_path / "p.csv").write_text("\n".join([lines[0], f"{name},{cell}", *lines[2:]]) + "\n")
    done = run("score", "shanghaitech_a", "--predictions", tmp_path / "p.csv", "--data-root", root)
    assert done.exit_code == 2
    assert "is not a finite number" in done.stderr


def test_a_named_pipe_is_not_waited_for(written: Written, tmp_path: Path) -> None:
    root, _, _ = written("pa100k")
    os.mkfifo(tmp_path / "p.csv")
    done = run("score", "pa100k", "--predictions", tmp_path / "p.csv", "--data-root", root)
    assert (done.exit_code, "is no file but a pipe" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["coco_pose", "crowdhuman"])
def test_predictions_beyond_what_the_pictures_need_are_not_parsed(
    written: Written, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, path, tables = written(name)
    monkeypatch.setattr(files, "_FLOOR", 1000)
    most = len(next(iter(tables.values()))) * 1000 * (150 + 25 * 3 * 17) + 1000
    big = tmp_path / "p.json"
    with big.open("wb") as file:
        file.truncate(most + 1)  # a hole: it takes no room, and its content would be no JSON
    done = run("score", name, "--predictions", big, "--data-root", root)
    assert done.exit_code == 2
    assert "pictures need at most" in done.stderr
    assert run("score", name, "--predictions", path, "--data-root", root).exit_code == 0


def test_a_header_that_nests_deeply_is_one_sentence(written: Written, tmp_path: Path) -> None:
    root, path, _ = written("market1501")
    np.savez(tmp_path / "p.npz", query_names=np.array(["a"]))
    content = (tmp_path / "p.npz").read_bytes()
    deep = content.replace(
        b"'descr'", b"((((((("
    )  # the check sum no longer fits either: one sentence whatever is first
    (tmp_path / "p.npz").write_bytes(deep)
    assert run("score", "market1501", "--predictions", tmp_path / "p.npz", "--data-root", root).exit_code == 2
    assert path.exists()


def test_an_unreadable_file_fails_though_nothing_uses_its_split(tmp_path: Path) -> None:
    """Halpe's validation people take part in nothing: absent they may be, but not damaged."""
    write_dataset(load_card("halpe"), tmp_path)
    path = next(tmp_path.rglob("halpe_val_v1.json"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run("datasets", "verify", "halpe", "--data-root", tmp_path)
    assert done.exit_code == 1
    path.unlink()
    assert run("datasets", "verify", "halpe", "--data-root", tmp_path).exit_code == 0
    used = next(p for p in tmp_path.rglob("*train*.json"))
    used.unlink()
    done = run("datasets", "verify", "halpe", "--data-root", tmp_path)
    assert done.exit_code == 1
    assert "without it there is no" in " ".join(done.output.split())


def test_the_name_of_a_submission_has_a_limit(tmp_path: Path) -> None:
    done = run("submit", tmp_path, "--name", "x" * 201)
    assert (done.exit_code, "--name: has 201 characters" in done.stderr) == (2, True)
