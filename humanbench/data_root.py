"""Where the user's datasets are: what options, the environment and the configuration file say. It moves no number."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from humanbench.cards import check_dataset
from humanbench.documents import from_toml
from humanbench.errors import CardError, DataError
from humanbench.schema import Record, problem


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


def find_data(given: str | os.PathLike[str] | None = None, folders: Mapping[str, Path] | None = None) -> DataRoot:
    """Where datasets are looked for: the only place that decides it.

    A dataset's place in `folders` (`--set datasets.ID.root=DIR`) wins; then the folder `given` (`--data-root`) holds
    all others. Where none is given, the user's configuration may name a dataset's place, and all others lie under
    `$HUMANBENCH_DATA`, else the configuration's `data_root`, else `~/humanbench-data`.
    """
    if isinstance(given, DataRoot):
        return DataRoot(given.base, {**given.own, **(folders or {})})
    if given is not None:
        return DataRoot(_absolute(given), dict(folders or {}))
    config = user_config()
    base = os.environ.get("HUMANBENCH_DATA") or config.data_root or "~/humanbench-data"
    return DataRoot(_absolute(base), {**config.places, **(folders or {})})


PLACE = "datasets."
"""How keys of `--set` begin that say where a dataset lies."""


def places(settings: Mapping[str, Any]) -> dict[str, Path]:
    """The folders that settings name (`datasets.ID.root` and a path), by dataset.

    Raises `CardError` for another key or an unknown dataset, `DataError` for what is no folder.
    """
    folders: dict[str, Path] = {}
    for key, value in settings.items():
        dataset = key.removeprefix(PLACE).removesuffix(".root")
        if key != f"{PLACE}{dataset}.root" or "." in dataset:
            raise CardError(f"--set {key}: no such key; {PLACE}ID.root=DIR says where a dataset lies")
        check_dataset(dataset, f"--set {key}")
        if not isinstance(value, str | os.PathLike) or not _absolute(value).is_dir():
            raise DataError(f"--set {key}: there is no folder {value}")
        folders[dataset] = _absolute(value)
    return folders


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().absolute()


def _place(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError(f"a folder's full path is wanted (~ is allowed), found {str(path)!r}")
    return path


Place = Annotated[Path, AfterValidator(_place)]


class Dataset(Record):
    """`root`: the folder of the dataset, in place of the folder of its id under the data root."""

    root: Place


class Config(Record):
    """`data_root` holds one folder per dataset; `datasets` names places of single ones."""

    data_root: Place | None = None
    datasets: dict[str, Dataset] = {}

    @property
    def places(self) -> dict[str, Path]:
        """Folders by dataset id."""
        return {name: dataset.root for name, dataset in self.datasets.items()}


def config_file() -> Path:
    """`$HUMANBENCH_CONFIG`, else `humanbench/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`."""
    if named := os.environ.get("HUMANBENCH_CONFIG"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "humanbench" / "config.toml"


def user_config() -> Config:
    """What the configuration file says; nothing where there is none.

    Raises `CardError` for a file that is not TOML, an unknown key or dataset, or a path that is not a full one.
    """
    path = config_file()
    try:
        config = Config.model_validate(from_toml(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        if os.environ.get("HUMANBENCH_CONFIG"):
            raise CardError(f"{path}: there is no such file ($HUMANBENCH_CONFIG names it)") from None
        return Config()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not a readable TOML file ({error})") from error
    except ValidationError as error:
        raise CardError(f"{path}: {problem(error)} (keys: data_root, datasets.ID.root)") from error
    for name in config.datasets:
        check_dataset(name, str(path))
    return config
