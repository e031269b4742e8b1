"""Interrupted and repeated: finished cells stay, the interrupted one goes on, the numbers are the undisturbed ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import humanbench.backbones
from humanbench.backbones.spec import Outline
from humanbench.cli import main
from humanbench.engine import fit
from tests.engine.toy import FAST, toy_backbone

ROOT = Path(__file__).resolve().parents[2]
CELLS = ("pa100k", "peta", "market1501")
SET = FAST["attribute"] | {"train.epochs": 4, "train.views": 0}


def arguments(data_root: Path, out: Path) -> list[str]:
    overrides = [word for key, value in SET.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return [
        "eval", "--backbone", "toy", "--suite", "mini", "--device", "cpu", "--data-root", str(data_root),
        "--out", str(out), "--datasets", ",".join(CELLS), "--json", *overrides,
    ]  # fmt: skip


def killed(data_root: Path, out: Path, stall: str) -> str:
    """Run in another process until it waits where it is told to, then kill -9; what it had said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.toy_cli", *arguments(data_root, out)],
        cwd=ROOT, env=os.environ | {"TOY_STALL": stall},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not (out / "stalled").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    output = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGKILL
    return output


def here(data_root: Path, out: Path) -> Result:
    """The same command in this process."""
    return CliRunner().invoke(main, arguments(data_root, out))


def numbers(documents: list[dict[str, Any]]) -> list[Any]:
    return [(d["dataset"], d["history"], d["metrics"], d["provenance"]["predictions_sha256"]) for d in documents]


def test_three_cells_interrupted_twice_end_with_the_same_numbers(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(humanbench.backbones, "load_backbone", lambda *args: toy_backbone(), raising=False)
    monkeypatch.setattr("humanbench.backbones.spec.outline", lambda *args: Outline("toy", None))
    out = tmp_path / "run"
    killed(data_root, out, "peta-:1")
    finished = {path: path.read_bytes() for path in (out / "results").iterdir()}
    assert [path.name.split("-")[0] for path in finished] == ["pa100k"]

    with monkeypatch.context() as context:  # Ctrl-C comes while the third epoch is being saved
        save = fit.save_checkpoint

        def interrupted(path: Path, identity: str, state: dict[str, Any]) -> None:
            if state["progress"]["epoch"] == 3:
                raise KeyboardInterrupt
            save(path, identity, state)

        context.setattr(fit, "save_checkpoint", interrupted)
        second = here(data_root, out)
    assert second.exit_code == 130
    assert "done before" in second.stderr
    assert "going on after epoch 1 of 4" in second.stderr
    assert second.stderr.strip().splitlines()[-1] == "humanbench: interrupted"

    last = here(data_root, out)
    assert last.exit_code == 0
    assert "going on after epoch 2 of 4" in last.stderr
    assert all(path.read_bytes() == content for path, content in finished.items())
    assert len(list((out / "results").iterdir())) == len(CELLS)

    undisturbed = here(data_root, tmp_path / "other")
    assert numbers(json.loads(last.stdout)) == numbers(json.loads(undisturbed.stdout))
