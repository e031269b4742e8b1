"""Where the user's datasets are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from humanbench.cards import check_dataset
from humanbench.config import user_config
from humanbench.errors import CardError, DataError


@dataclass(frozen=True)
class DataRoot(os.PathLike[str]):
    """Where each dataset lies: in a folder of its id under `base`, or in a place of its `own`.

    Taken wherever a data root is; as a path it is `base`.
    """

    base: Path
    own: Mapping[str, Path] = field(default_factory=dict)

    def folder(self, dataset: str) -> Path:
        """The folder of the dataset with this id; `DataError` where its own place is no folder."""
        if dataset not in self.own:
            return self.base / dataset
        if not self.own[dataset].is_dir():
            raise DataError(f"{dataset}: there is no folder {self.own[dataset]} (datasets.{dataset}.root names it)")
        return self.own[dataset]

    def settings(self, datasets: Iterable[str]) -> dict[str, str]:
        """The own places of these datasets as `--set` takes them: `datasets.ID.root` and a path."""
        return {f"datasets.{name}.root": str(self.own[name]) for name in datasets if name in self.own}

    def __fspath__(self) -> str:
        return str(self.base)

    def __str__(self) -> str:
        return str(self.base)


def find_data(given: str | os.PathLike[str] | None = None, own: Mapping[str, Path] | None = None) -> DataRoot:
    """Where datasets are looked for: the only place that decides it.

    A dataset's place in `own` (`--set datasets.ID.root=DIR`) wins; then the folder `given` (`--data-root`) holds all
    others. Where none is given, the user's configuration may name a dataset's place, and all others lie under
    `$HUMANBENCH_DATA`, else the configuration's `data_root`, else `~/humanbench-data`.
    """
    if isinstance(given, DataRoot):
        return DataRoot(given.base, {**given.own, **(own or {})})
    if given is not None:
        return DataRoot(_absolute(given), dict(own or {}))
    config = user_config()
    base = os.environ.get("HUMANBENCH_DATA") or config.data_root or "~/humanbench-data"
    return DataRoot(_absolute(base), {**config.places, **(own or {})})


PLACE = "datasets."
"""How keys of `--set` begin that say where a dataset lies."""


def places(settings: Mapping[str, Any]) -> dict[str, Path]:
    """The folders that settings name (`datasets.ID.root` and a path), by dataset.

    Raises `CardError` for another key or an unknown dataset, `DataError` for what is no folder.
    """
    found: dict[str, Path] = {}
    for key, value in settings.items():
        dataset = key.removeprefix(PLACE).removesuffix(".root")
        if key != f"{PLACE}{dataset}.root" or "." in dataset:
            raise CardError(f"--set {key}: no such key; {PLACE}ID.root=DIR says where a dataset lies")
        check_dataset(dataset, f"--set {key}")
        if not isinstance(value, str | os.PathLike) or not _absolute(value).is_dir():
            raise DataError(f"--set {key}: there is no folder {value}")
        found[dataset] = _absolute(value)
    return found


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().absolute()
