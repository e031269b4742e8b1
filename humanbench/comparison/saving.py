"""A comparison in files; the end of a name says the format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from humanbench.comparison.formats import FORMATS
from humanbench.comparison.report import ComparisonRecord
from humanbench.errors import HumanbenchError
from humanbench.files import replacing

_FORMAT = {".md": "markdown", ".json": "json", ".xml": "junit"}


def check_names(names: Iterable[str]) -> None:
    """Raises `HumanbenchError` for a folder, and a file whose name says no format, before anything is computed."""
    for name in names:
        if Path(name).is_dir():
            raise HumanbenchError(f"--save {name}: is a folder; give the name of a file")
        if Path(name).suffix not in _FORMAT:
            raise HumanbenchError(f"--save {name}: the name must end in {', '.join(_FORMAT)}")


def write(report: ComparisonRecord, name: str) -> None:
    """Write the comparison in the format of the name."""
    path = Path(name)
    with replacing(path) as temporary:
        temporary.write_text(FORMATS[_FORMAT[path.suffix]](report), encoding="utf-8")
