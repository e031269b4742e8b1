"""What inputs are made of: small datasets, predictions, a run, its submission, checkpoints; and how a verb ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from humanbench.cli import main as command_line
from humanbench.errors import HumanbenchError


def ran(*words: str | Path) -> str:
    """How a command ended."""
    done = CliRunner().invoke(command_line, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code in (0, 1):
        return "well"
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if "Traceback" in done.stderr or not said:
        raise RuntimeError(f"no sentence: {done.stderr[-300:]!r}")
    return "sentence"


def called(work: Callable[[], object]) -> str:
    """How a function ended."""
    try:
        work()
    except HumanbenchError as error:
        if not str(error).strip():
            raise RuntimeError("an error without a sentence") from error
        return "sentence"
    return "well"


class Ground:
    """Small datasets, perfect predictions, a run, its submission, checkpoints: what inputs are made of."""

    def __init__(self, place: Path) -> None:
        from humanbench.cards import load_card
        from humanbench.leaderboard.submissions.bundle import gathered, write_submission
        from humanbench.tasks.registry import task_for
        from tests.evaluated import EXAMPLES, perfect, prediction_path, scored_tables, write_dataset
        from tests.leaderboard.honest import write_honest_run

        self.place, self.data = place, place / "data"
        self.predictions: dict[str, Path] = {}
        for name in EXAMPLES:
            card = load_card(name)
            write_dataset(card, self.data)
            tables = scored_tables(card, self.data)
            path = prediction_path(card, place / "predictions" / name)
            path.parent.mkdir(parents=True)
            task_for(card).predictions.write(card, tables, perfect(card, tables), path)
            self.predictions[name] = path
            ran("score", name, "--predictions", path, "--data-root", self.data)  # its loops are compiled now
        self.run = write_honest_run(place / "run", self.data, ["pa100k"])
        with gathered(self.run, "Fuzz") as folder:
            self.submission = write_submission(folder, place / "submission")
            self.archive = write_submission(folder, place / "submission.zip")
        self.checkpoints = self._checkpoints()
        self.annotations = [
            p for p in self.data.rglob("*") if p.is_file() and p.suffix not in (".jpg", ".png", ".jpeg")
        ]

    def _checkpoints(self) -> list[Path]:
        import torch
        from safetensors.torch import save_file

        from humanbench.backbones import load_backbone

        small = {"embed_dim": 32, "depth": 2, "num_heads": 4, "patch_size": 8, "img_size": 32}
        state = {k: v.contiguous() for k, v in load_backbone("random:vit", **small).trunk.state_dict().items()}
        self.state, folder = state, self.place / "checkpoints"
        folder.mkdir()
        save_file(state, folder / "a.safetensors")
        torch.save(state, folder / "b.pth")
        torch.save({"model": state, "epoch": 3}, folder / "c.pth")
        return sorted(folder.iterdir())

    def scratch(self) -> Path:
        """An empty folder for one input."""
        here = self.place / "scratch"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        return here
