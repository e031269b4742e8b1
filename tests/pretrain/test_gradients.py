"""How much each entry pulls at the backbone: by hand, and in a run's curves."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from humanbench.engine.trackers import Follower
from humanbench.pretrain.gradients import Pulls, ruling, shares
from humanbench.run_log import RunLog
from tests.pretrain.small import build, recipe, work, write


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gradients"))


def test_norms_of_what_each_entry_adds() -> None:
    """Gradients (3, 4), then (0, 12) on top: norms 5 and 12, so 5 / 17 and 12 / 17; the third entry adds nothing."""
    module = torch.nn.Linear(2, 1, bias=False)
    pulls = Pulls(module, 3, torch.device("cpu"))
    pulls.begin(measured=True)
    (module.weight * torch.tensor([3.0, 4.0])).sum().backward()
    pulls.after(0)
    (module.weight * torch.tensor([0.0, 12.0])).sum().backward()
    pulls.after(1)
    pulls.after(2)
    pulls.end()
    assert pulls.squares.tolist() == [25.0, 144.0, 0.0]
    assert shares(pulls.squares) == pytest.approx([5 / 17, 12 / 17, 0.0])
    pulls.begin(measured=False)
    (module.weight * 100).sum().backward()
    pulls.after(0)
    assert pulls.squares.tolist() == [25.0, 144.0, 0.0]


def test_nothing_pulls_before_anything_was_measured() -> None:
    assert shares(torch.zeros(2)) == [0.0, 0.0]


def test_an_entry_that_rules_is_named_with_the_mend() -> None:
    assert ruling(["a", "b"], [0.79, 0.21]) == ""
    assert ruling(["a"], [1.0]) == ""
    sentence = ruling(["a", "reid_4sets"], [0.04, 0.96])
    assert sentence.startswith("reid_4sets makes 96 % of the gradient on the backbone")
    assert "entries.reid_4sets.weight" in sentence


def test_a_run_keeps_the_shares_and_says_once_who_rules(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved after steps 2 and 4 of 4: two rows of shares that add up to 1; pose weighs most by far."""
    chosen = recipe(entries__pose_coco__weight=1e12)
    made, lines = work(chosen, root, tmp_path / "a.pt"), []  # type: ignore[var-annotated]
    monkeypatch.setattr(made._log, "info", lines.append)
    made._follower = Follower(tmp_path / "curves.csv", RunLog(None, loud=False), [], "a", {}, tmp_path)
    made.run()
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [float(row["iteration"]) for row in rows] == [2, 4]
    names = [f"gradient/{data.name}" for data in made.entries]
    for row in rows:
        assert sum(float(row[name]) for name in names) == pytest.approx(1, abs=1e-3)
        assert float(row["gradient/pose_coco"]) > 0.99
    assert sum("pose_coco makes 100 % of the gradient" in line for line in lines) == 1


def test_measuring_changes_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = work(recipe(), root, tmp_path / "a.pt")
    measured.run()
    plain = work(recipe(), root, tmp_path / "b.pt")
    monkeypatch.setattr(plain._pulls, "begin", lambda measured: None)
    plain.run()
    ours, theirs = measured.network.state_dict(), plain.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert build(recipe(), root)[0].state_dict().keys() == theirs.keys()
