"""The user's configuration: where datasets lie on this machine. Nothing in it can move a number."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationError

from humanbench.cards import check_dataset
from humanbench.documents import from_toml
from humanbench.errors import CardError
from humanbench.schema import Record, problem


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
