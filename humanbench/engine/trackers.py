"""What is kept of a training as it goes: a CSV file always, and the trackers that are asked for (`--log`).

Trackers are those of accelerate, by their names there: TensorBoard, Weights & Biases, MLflow and others. Each cell is
a run of its own. A tracker that fails is left behind with a line in the log: no training is lost for it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from humanbench.errors import HumanbenchError
from humanbench.files import write_text
from humanbench.run_log import RunLog
from humanbench.text import nearest

CURVES = "curves"
"""Folder of a run with a CSV file per training."""

CSV = "csv"
"""Is written whether it is asked for or not."""

PROJECT = "humanbench"
"""What the runs are filed under where a tracker has projects or experiments."""


def tracker_names(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """The trackers in a list or a text with commas, `csv` left out, each once.

    Raises `HumanbenchError` for one that accelerate does not know, and for one that is not installed.
    """
    names = asked.split(",") if isinstance(asked, str) else list(asked or ())
    chosen = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip().lower() not in ("", CSV)))
    if not chosen:
        return ()
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted([*LOGGER_TYPE_TO_CLASS, CSV])
    installed = {str(name) for name in get_available_trackers()}
    for name in chosen:
        if name not in known:
            raise HumanbenchError(f"--log {name}: no such tracker{nearest(name, known)} ({', '.join(known)})")
        if name not in installed:
            raise HumanbenchError(
                f"--log {name}: is not installed; `pip install {name}` brings it (csv is written in any case)"
            )
    return chosen


class Follower:
    """What is kept of one training: a row of numbers after every epoch.

    `file`: the CSV file, None for none (of several processes only the first one has one). `name` is the run's for
    trackers, `folder` where those that write files do so.
    """

    def __init__(
        self,
        file: Path | None,
        log: RunLog,
        trackers: Sequence[str] = (),
        name: str = "",
        config: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._file, self._log = file, log
        self._rows: list[dict[str, float]] = []
        self._trackers: dict[str, Any] = {}
        for tracker in trackers if file is not None else ():
            self._try(
                tracker, "start", lambda tracker=tracker: self._open(tracker, name, folder or Path(), config or {})
            )

    def begin(self, step: int) -> None:
        """Go on after this step: rows that a run wrote before it was interrupted stay, later ones go."""
        if self._file is None or not self._file.is_file():
            return
        with self._file.open(encoding="utf-8", newline="") as file:
            read = [{k: float(v) for k, v in row.items() if k and v} for row in csv.DictReader(file)]
        self._rows = [row for row in read if row.get("iteration", math.inf) <= step]

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers after `step` iterations."""
        self._rows.append({"iteration": float(step), **values})
        if self._file is not None:
            write_text(self._file, _table(self._rows))
        self.metrics(step, values)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers for trackers alone: what the results file holds."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        for tracker in list(self._trackers):
            self._try(tracker, "take numbers", lambda tracker=tracker: self._trackers[tracker].log(finite, step=step))

    def close(self) -> None:
        """Close the trackers."""
        for tracker in list(self._trackers):
            self._try(tracker, "close", self._trackers[tracker].finish)
        self._trackers = {}

    def _open(self, tracker: str, name: str, folder: Path, config: Mapping[str, Any]) -> None:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        kind = LOGGER_TYPE_TO_CLASS[tracker]
        if tracker == "tensorboard":
            made = kind(name, folder / tracker)
        elif tracker == "mlflow":
            made = kind(PROJECT, run_name=name)
        elif kind.requires_logging_directory:
            made = kind(PROJECT, folder / tracker)
        else:
            made = kind(PROJECT, **({"name": name} if tracker in ("wandb", "trackio") else {}))
        if hasattr(made, "start"):  # accelerate began to open them apart from making them
            made.start()
        made.store_init_configuration(flat(config))
        self._trackers[tracker] = made

    def _try(self, tracker: str, what: str, do: Any) -> None:
        """Let a tracker do something; where it cannot, it is left behind."""
        try:
            do()
        except Exception as error:  # of another package, perhaps of a network
            self._trackers.pop(tracker, None)
            why = " ".join(str(error).split())[:300]
            self._log.info(f"  the tracker {tracker} could not {what} and is left out: {type(error).__name__}: {why}")


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested document by dotted keys; what is no number, text or flag as text.

    >>> flat({"optim": {"lr": 0.1, "betas": (0.9, 0.99)}, "task": "reid"})
    {'optim.lr': 0.1, 'optim.betas': '(0.9, 0.99)', 'task': 'reid'}
    """
    values: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return values


def _table(rows: Sequence[Mapping[str, float]]) -> str:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.10g}" for name, value in row.items()} for row in rows)
    return text.getvalue()
