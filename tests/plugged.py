"""A package of somebody else's, installed as far as Python can see: a module, and metadata that names entry points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str, points: Mapping[str, Mapping[str, str]]
) -> None:
    """Write a package to a folder that is searched; `points`: group -> name -> object in the module."""
    (folder / f"{module}-1.0.dist-info").mkdir(parents=True)
    (folder / f"{module}.py").write_text(dedent(text), encoding="utf-8")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {module}:{v}\n" for k, v in named.items()) for group, named in points.items()
    ]
    (folder / f"{module}-1.0.dist-info" / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    metadata = f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n"
    (folder / f"{module}-1.0.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
