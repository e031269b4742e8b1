"""The whole way, with a real finetuning: eval on the embedded suite, submit, accept, the board; and a forgery."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

import humanbench
from humanbench.backbones import load_backbone
from humanbench.leaderboard.model.entries import entries_of
from humanbench.leaderboard.site.html_check import problems
from tests.evaluated import run
from tests.leaderboard.honest import edit_result

pytestmark = pytest.mark.xdist_group("story")  # what its fixtures make is made once

TINY = {"embed_dim": 48, "depth": 3, "patch_size": 16, "img_size": 64}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded suite, smaller than it is (`mini`), and a run of a small transformer with random weights on it."""
    place = tmp_path_factory.mktemp("story")
    done = run("datasets", "synthesize", "pa100k", "--out", place / "mini", "--scale", "0.05", "--workers", "1")
    assert done.exit_code == 0, done.output
    trunk = load_backbone("vit", **TINY).trunk
    save_file({name: tensor.contiguous() for name, tensor in trunk.state_dict().items()}, place / "tiny.safetensors")
    chosen = {"num_heads": 3, "mean": "half", "std": "half", "interpolation": "bilinear"}
    where = {"checkpoint": place / "tiny.safetensors"} | {
        "data_root": place / "mini",
        "out": place / "run",
        "device": "cpu",
        "workers": 0,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUMANBENCH_CACHE", str(place / "cache"))
        results = humanbench.evaluate("vit", "head", "pa100k", suite="mini", architecture=chosen, **where)
    assert not results.failed, [r.reason for r in results]
    return place


@pytest.fixture(autouse=True)
def embedded(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("humanbench.suites.embedded_root", lambda: story / "mini")


def board_of(site: Path) -> str:
    """The page of the one board, which says that the pictures are fewer than those of the embedded suite."""
    page = min((site / "boards").glob("mini-head-synthetic-mini-2-scale-0*.html"), key=lambda path: len(path.name))
    text = page.read_text()
    assert ">mini-2, scale 0.05</span>" in text
    return text


def test_an_honest_run_comes_onto_the_board_rescored(story: Path, tmp_path: Path) -> None:
    archive, store, out = tmp_path / "s.zip", tmp_path / "store", tmp_path / "site"
    done = run("submit", story / "run", "--out", archive)
    assert done.exit_code == 0, done.output
    done = run("leaderboard", "accept", archive, "--submissions", store, "--json")
    document = json.loads(done.stdout)
    assert [cell["verdict"] for cell in document["cells"]] == ["rescored"]
    done = run("leaderboard", "build", "--submissions", store, "--out", out)
    assert done.exit_code == 0, done.output
    assert problems(out) == []
    page = board_of(out)
    assert ">rescored</span>" in page
    assert ">synthetic</span>" in page


def test_a_number_edited_after_the_run_is_rejected(story: Path, tmp_path: Path) -> None:
    shutil.copytree(story / "run", tmp_path / "run")
    (path,) = (tmp_path / "run" / "results").glob("pa100k-*.json")
    metrics = json.loads(path.read_text())["metrics"]
    honest = metrics["mA"]["value"]
    metrics["mA"]["value"] = metrics["mA"]["high"]
    edit_result(tmp_path / "run", "pa100k", metrics=metrics)
    done = run("submit", tmp_path / "run", "--check", "--json")
    assert done.exit_code == 1
    (cell,) = [cell for cell in json.loads(done.stdout)["cells"] if cell["verdict"] == "rejected"]
    assert (cell["dataset"], cell["claimed"]) == ("pa100k", metrics["mA"]["high"])
    assert cell["recomputed"] == pytest.approx(honest)


def test_an_accepted_entry_is_finetuned_again(story: Path, tmp_path: Path) -> None:
    """On the same machine with the same seed, the same number to the last digit; with other weights, a refusal."""
    archive, store = tmp_path / "s.zip", tmp_path / "store"
    run("submit", story / "run", "--out", archive)
    name = json.loads(run("leaderboard", "accept", archive, "--submissions", store, "--json").stdout)["submission"]
    common = ("leaderboard", "rerun", name, "--submissions", store, "--device", "cpu")
    done = run(*common, "--out", tmp_path / "again", "--trust")
    assert done.exit_code == 2
    assert "would be a file or folder of this machine and is not read" in done.stderr  # though it is there
    done = run(*common, "--out", tmp_path / "again", "--checkpoint", story / "tiny.safetensors", "--json")
    assert done.exit_code == 0, done.output
    (cell,) = json.loads(done.stdout)
    assert (cell["dataset"], cell["agrees"], cell["before"]) == ("pa100k", True, cell["now"])
    before, again = (json.loads((p / "backbone.json").read_text()) for p in (story / "run", tmp_path / "again"))
    assert before["name"] == again["name"] == "vit:tiny"
    assert before["network"]["architecture"]["arguments"]["num_heads"] == 3
    assert again["network"]["architecture"] == before["network"]["architecture"]
    assert again["network"]["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    other = load_backbone("vit", seed=1, **TINY).trunk.state_dict()
    save_file({n: t.contiguous() for n, t in other.items()}, tmp_path / "other.safetensors")
    done = run(*common, "--out", tmp_path / "other", "--checkpoint", tmp_path / "other.safetensors")
    assert done.exit_code == 2
    assert "the weights here are not the entry's" in done.stderr
    assert run("leaderboard", "rerun", "nobody", "--submissions", store).exit_code == 2


def test_what_was_loaded_is_said_and_stored(story: Path) -> None:
    """Network, preprocessing with where it is from, and the load report with every guess, in the log and the record."""
    record = json.loads((story / "run" / "backbone.json").read_text())["network"]
    assert record["load"]["file"] == "tiny.safetensors"
    assert record["load"]["loaded"] > 0
    assert any(guess == "act_layer=gelu" for guess in record["load"]["guesses"])
    assert record["preprocessing"]["from"]["mean"] == "the caller"
    log = (story / "run" / "log.txt").read_text()
    for words in (
        "backbone vit:tiny: plain(embed_dim=48",
        "mean 0.5,0.5,0.5",
        "guessed: act_layer=gelu",
        "naming: timm",
    ):
        assert words in log


def test_one_file_with_other_heads_is_another_row(story: Path, tmp_path: Path) -> None:
    """The same weights run with other heads are another network: not the same entry, and no part of its submission."""
    where = {"checkpoint": story / "tiny.safetensors", "data_root": story / "mini", "device": "cpu", "workers": 0}
    shutil.copytree(story / "run", tmp_path / "run")
    other = {"num_heads": 4, "mean": "half", "std": "half", "interpolation": "bilinear"}
    results = humanbench.evaluate(
        "vit", "head", "pa100k", suite="mini", architecture=other, out=tmp_path / "run", **where
    )
    assert not results.failed
    done = run("submit", tmp_path / "run", "--out", tmp_path / "s.zip")
    assert done.exit_code == 2
    assert "holds results of 2 networks with the same weights" in done.stderr
    entries = entries_of(list(humanbench.load_results(tmp_path / "run")), lambda _: None)
    assert len({entry.id for entry in entries}) == 2


def test_a_run_is_shown_without_a_submission_as_claimed(story: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = run("leaderboard", "build", story / "run", "--submissions", tmp_path / "none", "--out", tmp_path / "site")
    assert done.exit_code == 0, done.output
    page = board_of(tmp_path / "site")
    assert ">claimed</span>" in page
    assert ">rescored</span>" not in page
