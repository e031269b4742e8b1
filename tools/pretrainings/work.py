"""The evaluations of a pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import humanbench
from humanbench.errors import HumanbenchError


@dataclass(frozen=True)
class Trial:
    """A backbone, and the dumps of its pretraining where there are any."""

    backbone: str
    dumps: str | None = None

    @staticmethod
    def of(text: str) -> Trial:
        name, _, dumps = text.partition("=")
        return Trial(name, dumps or None)

    @property
    def name(self) -> str:
        """The card's id, or the folder a file of a card is in."""
        path = Path(self.backbone)
        return path.parent.name if path.suffix == ".toml" else self.backbone

    def folder(self, runs: Path, protocol: str) -> Path:
        return runs / f"{self.name}-{protocol}"


def evaluated(trial: Trial, protocol: str, runs: Path, seeds: int, datasets: str | None, data_root: str | None) -> None:
    """Evaluate, or find evaluated; the protocol `none` has nothing random in it and takes one seed."""
    direct = protocol == "none"
    try:
        humanbench.evaluate(
            trial.backbone, protocol, datasets, suite="mini", out=trial.folder(runs, protocol),
            seeds=1 if direct else seeds, checkpoint=trial.dumps if direct else None, data_root=data_root,
        )  # fmt: skip
    except HumanbenchError as error:
        if not direct:
            raise
        print(f"{trial.name}, none: {error}")
